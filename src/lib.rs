//! magpie: a cache for Python web sites that speaks memcached's protocol and Redis' over one store.

pub mod clock;
pub mod store;
pub mod wire;
