//! magpie
