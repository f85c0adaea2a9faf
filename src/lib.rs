//! magpie

pub mod banner;
pub mod clients;
pub mod clock;
pub mod config;
pub mod glob;
pub mod logging;
