//! magpie: a cache for Python web sites that speaks memcached's protocol and Redis' over one store.

pub mod banner;
pub mod clients;
pub mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod glob;
pub mod logging;
pub mod memcached;
pub mod observe;
pub mod resp;
pub mod server;
pub mod store;
pub mod wire;
