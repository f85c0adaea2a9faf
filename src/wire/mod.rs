//! What a protocol and the connection loop say to each other: bytes in, bytes out, what next.
//! Knows no protocol and no socket.

mod out;

pub use out::{Mark, Out, Short};

use crate::clock::Millis;

/// How far a protocol came with the bytes it was shown.
#[derive(Debug)]
pub struct Progress {
    /// Bytes of the input that are used up. The rest is shown again, with more behind it.
    pub consumed: usize,
    pub next: Next,
}

/// What the connection does before it shows the protocol the rest of its input.
#[derive(Debug)]
pub enum Next {
    /// Read more. `at_least` more bytes are known to be missing (0: unknown); a hint that lets the
    /// connection grow its buffer once and not show a half request again and again.
    Read { at_least: usize },
    /// Write `out`, let other connections have their turns, then show the rest (which may be nothing): `out` is large,
    /// so that a batch does not pile up replies, or what it does takes long.
    Flush,
    /// The client waits (`CLIENT PAUSE`, `DEBUG SLEEP`, blocking commands): call
    /// `Protocol::resume` at the given time, or earlier when the client's mailbox wakes it.
    Wait { until: Option<Millis> },
    /// Write `out`, then close.
    Close,
}

/// Replies that have piled up beyond this many bytes are written before more requests are executed.
pub const FLUSH_AT: usize = 256 * 1024;
