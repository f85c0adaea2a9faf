//! What the daemon tells about itself: counters, slow log, latency events, rates, the process' figures.

pub mod commands;
pub mod counters;
mod errors;
pub mod latency;
pub mod process;
mod rates;
pub mod slowlog;

pub use counters::{Counter, Counters};
pub use errors::ErrorKinds;
pub use latency::LatencyMonitor;
pub use rates::{PerSecond, Rates, Totals};
pub use slowlog::SlowLog;
