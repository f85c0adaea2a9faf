//! What the daemon tells about itself: counters, slow log, latency events.

pub mod counters;

pub use counters::{Counter, Counters};
