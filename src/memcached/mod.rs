//! memcached's protocols: text (the classic commands, the meta commands, those for people) and binary. The first
//! byte of a connection chooses.
//!
//! ```text
//! bytes ─┬─► decode ─► Request ─► classic · meta · admin · stats ─┬─► operations · writes ─► store
//!        │                        └─► encode ─► Out               │
//!        └─► binary: decode ─► Packet ─► commands · stat · sasl ──┘
//!                                        └─► encode ─► Out
//! ```
//!
//! Follows memcached 1.6: `doc/protocol.txt` for what it promises, version 1.6.18 on the wire for every
//! doubt (`tests/memcached_differential.rs` and `tests/memcached_binary_differential.rs` compare the two). Knows
//! nothing of RESP. memcached sees database 0; a key that holds no string is a miss for reads, is replaced by `set`,
//! counts as present for `add`, and refuses `append` and `incr` in memcached's own words.

mod admin;
mod ahead;
mod auth;
mod base64;
mod binary;
mod classic;
mod decode;
mod dump;
mod encode;
mod error;
mod meta;
mod operations;
mod permission;
mod prefixes;
mod session;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod watch;
mod words;
mod writes;

pub use session::Session;
pub use state::{Schedule, State};

/// What `version` says: the release of memcached whose protocol this is.
pub const PROTOCOL_VERSION: &str = "1.6.39";

/// The database that memcached's clients see.
const DATABASE: u32 = 0;
