//! memcached's binary protocol: packets with a header of 24 bytes. A neighbour of the text protocol: the same
//! operations, other words.
//!
//! Follows memcached 1.6.18 on the wire, `protocol_binary.txt` where that is silent. A `Q` command keeps quiet about
//! what is expected (a get about a miss, anything else about success), and errors are told in either form. A packet
//! whose lengths make no sense for its command ends the connection.
//!
//! Differs: memcached skips the extras and the key of an unknown command twice, and loses its way in what follows;
//! here the next packet is found. It knows no `verbosity`, which its protocol's document has.

mod commands;
mod decode;
mod encode;
mod sasl;
mod session;
mod stat;
mod status;
#[cfg(test)]
mod tests;

pub(super) use session::Conversation;

use crate::config::{Config, Param};

/// Does a connection that begins with this byte speak binary?
pub(super) fn is_chosen(config: &Config, first: u8) -> bool {
    match config.choice(Param::MemcachedProtocol) {
        "binary" => true,
        "ascii" => false,
        _ => first == decode::REQUEST,
    }
}
