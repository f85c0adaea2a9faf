//! memcached's text protocol: the classic commands, the meta commands, and those for people.
//!
//! ```text
//! bytes ─► decode ─► Request ─► classic · meta · admin · stats ─► store
//!                                        └─► encode ─► Out
//! ```
//!
//! Follows memcached 1.6: `doc/protocol.txt` for what it promises, version 1.6.18 on the wire for every
//! doubt (`tests/memcached_differential.rs` compares the two). Knows nothing of RESP. memcached sees
//! database 0; a key that holds no string is a miss for reads, is replaced by `set`, counts as present
//! for `add`, and refuses `append` and `incr` in memcached's own words.
//!
//! Later: the binary protocol and `--auth-file`. Until then a connection that opens with the binary
//! magic is told `ERROR` and closed.

mod admin;
mod ahead;
mod auth;
mod base64;
mod classic;
mod decode;
mod dump;
mod encode;
mod error;
mod meta;
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
