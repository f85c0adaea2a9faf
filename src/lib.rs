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

/// The release of Redis whose commands we follow, as `HELLO` and `INFO` tell it. redis-py's client-side
/// cache wants at least 7.4.0.
pub const REDIS_VERSION: &str = "7.4.1";

/// Our own release.
pub const MAGPIE_VERSION: &str = env!("CARGO_PKG_VERSION");
