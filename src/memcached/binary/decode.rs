//! Bytes to packets. Pure: no store, no clock, no allocation.
//!
//! ```text
//!  0 magic 0x80   1 opcode     2..4 key length
//!  4 extras len.  5 data type  6..8 vbucket      8..12 body length
//! 12..16 opaque               16..24 CAS unique
//! 24 extras, key, value: together the body
//! ```

use super::super::decode::{Direction, MAX_KEY, Mode};

/// The first byte of a request.
pub(super) const REQUEST: u8 = 0x80;
pub(super) const HEADER: usize = 24;

/// The header of a request. Data type and vbucket are not read, as in memcached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub opcode: u8,
    pub extras: usize,
    pub key: usize,
    /// Extras, key and value together.
    pub body: usize,
    /// Handed back as it came.
    pub opaque: [u8; 4],
    pub cas: u64,
}

impl Header {
    /// `None`: this is no request.
    pub(super) fn read(bytes: &[u8; HEADER]) -> Option<Header> {
        let &[REQUEST, opcode, k0, k1, extras, _, _, _, b0, b1, b2, b3, o0, o1, o2, o3, cas @ ..] = bytes
        else {
            return None;
        };
        Some(Header {
            opcode,
            extras: extras.into(),
            key: u16::from_be_bytes([k0, k1]).into(),
            body: u32::from_be_bytes([b0, b1, b2, b3]) as usize,
            opaque: [o0, o1, o2, o3],
            cas: u64::from_be_bytes(cas),
        })
    }

    /// Do extras and key fit into the body?
    pub(super) fn is_sound(&self) -> bool {
        self.extras + self.key <= self.body
    }

    /// What is left of a sound body behind extras and key.
    pub(super) fn value(&self) -> usize {
        self.body - self.extras - self.key
    }
}

/// What a command does, quiet or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get {
        with_key: bool,
    },
    GetAndTouch {
        with_key: bool,
    },
    Touch,
    /// `set`, `add`, `replace`
    Store(Mode),
    /// `append`, `prepend`
    Extend(Mode),
    Delete,
    Count(Direction),
    Flush,
    Noop,
    Version,
    Stat,
    Verbosity,
    Quit,
    SaslList,
    SaslStart,
    SaslStep,
}

/// A verb, and whether it keeps quiet about what is expected.
pub(super) fn command(opcode: u8) -> Option<(Verb, bool)> {
    const LOUD: bool = false;
    const QUIET: bool = true;
    Some(match opcode {
        0x00 => (Verb::Get { with_key: false }, LOUD),
        0x01 => (Verb::Store(Mode::Set), LOUD),
        0x02 => (Verb::Store(Mode::Add), LOUD),
        0x03 => (Verb::Store(Mode::Replace), LOUD),
        0x04 => (Verb::Delete, LOUD),
        0x05 => (Verb::Count(Direction::Up), LOUD),
        0x06 => (Verb::Count(Direction::Down), LOUD),
        0x07 => (Verb::Quit, LOUD),
        0x08 => (Verb::Flush, LOUD),
        0x09 => (Verb::Get { with_key: false }, QUIET),
        0x0a => (Verb::Noop, LOUD),
        0x0b => (Verb::Version, LOUD),
        0x0c => (Verb::Get { with_key: true }, LOUD),
        0x0d => (Verb::Get { with_key: true }, QUIET),
        0x0e => (Verb::Extend(Mode::Append), LOUD),
        0x0f => (Verb::Extend(Mode::Prepend), LOUD),
        0x10 => (Verb::Stat, LOUD),
        0x11 => (Verb::Store(Mode::Set), QUIET),
        0x12 => (Verb::Store(Mode::Add), QUIET),
        0x13 => (Verb::Store(Mode::Replace), QUIET),
        0x14 => (Verb::Delete, QUIET),
        0x15 => (Verb::Count(Direction::Up), QUIET),
        0x16 => (Verb::Count(Direction::Down), QUIET),
        0x17 => (Verb::Quit, QUIET),
        0x18 => (Verb::Flush, QUIET),
        0x19 => (Verb::Extend(Mode::Append), QUIET),
        0x1a => (Verb::Extend(Mode::Prepend), QUIET),
        0x1b => (Verb::Verbosity, LOUD),
        0x1c => (Verb::Touch, LOUD),
        0x1d => (Verb::GetAndTouch { with_key: false }, LOUD),
        0x1e => (Verb::GetAndTouch { with_key: false }, QUIET),
        0x20 => (Verb::SaslList, LOUD),
        0x21 => (Verb::SaslStart, LOUD),
        0x22 => (Verb::SaslStep, LOUD),
        0x23 => (Verb::GetAndTouch { with_key: true }, LOUD),
        0x24 => (Verb::GetAndTouch { with_key: true }, QUIET),
        _ => return None,
    })
}

impl Verb {
    /// Do the lengths of a sound header make sense for this command?
    pub(super) fn takes(self, header: &Header) -> bool {
        let &Header { extras, key, body, .. } = header;
        let has_key = (1..=MAX_KEY).contains(&key);
        match self {
            Verb::Noop | Verb::Version | Verb::Quit | Verb::SaslList => body == 0,
            Verb::Flush => key == 0 && body == extras && (extras == 0 || extras == 4),
            Verb::Verbosity => key == 0 && body == extras && extras == 4,
            Verb::Get { .. } | Verb::Delete => has_key && body == key,
            Verb::Count(_) => has_key && extras == 20 && body == key + extras,
            Verb::Store(_) => has_key && extras == 8,
            Verb::Extend(_) | Verb::SaslStart | Verb::SaslStep => has_key && extras == 0,
            Verb::Stat => key <= MAX_KEY && extras == 0,
            Verb::GetAndTouch { .. } | Verb::Touch => has_key && extras == 4,
        }
    }

    /// Does a value follow the key? Where none does, memcached takes what the body has beyond the key for the next
    /// packet.
    pub(super) fn has_value(self) -> bool {
        matches!(self, Verb::Store(_) | Verb::Extend(_) | Verb::SaslStart | Verb::SaslStep)
    }
}

/// A request with its body, as far as that has been waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub header: Header,
    pub extras: &'a [u8],
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Cuts the body up. `None` while not so much of it has come.
    pub(super) fn cut(header: Header, body: &'a [u8], with_value: bool) -> Option<Packet<'a>> {
        let (extras, rest) = body.split_at_checked(header.extras)?;
        let (key, rest) = rest.split_at_checked(header.key)?;
        let value = if with_value { rest.get(..header.value())? } else { b"" };
        Some(Packet { header, extras, key, value })
    }

    /// The 32-bit number at `at` in the extras; 0 where they are shorter.
    pub(super) fn extra32(&self, at: usize) -> u32 {
        self.extras.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    pub(super) fn extra64(&self, at: usize) -> u64 {
        self.extras.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}
