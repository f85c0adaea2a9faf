//! The ID of a stream's entry: a time in milliseconds and a sequence number within it.

use std::fmt;

/// `<ms>-<seq>`; ordered by time, then by sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

/// Longer texts are not even looked at.
const TEXT_MAX: usize = 127;

impl StreamId {
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    pub fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// `<ms>-<seq>`, or `<ms>` alone with `missing_seq`; `None` for anything else.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        let (ms, seq) = split(to_c(text)?);
        Some(StreamId { ms: parse_part(ms)?, seq: seq.map_or(Some(missing_seq), parse_part)? })
    }

    /// The time of `<ms>-*`.
    pub fn parse_ms_star(text: &[u8]) -> Option<u64> {
        parse_part(to_c(text)?.strip_suffix(b"-*")?)
    }

    /// The ID behind this one; `None` behind the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The ID before this one; `None` before the first.
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// The key under which Redis files a node: both parts, the most significant byte first.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let number = u128::from_be_bytes(bytes);
        StreamId { ms: (number >> 64) as u64, seq: number as u64 }
    }

    /// What a node notes of an entry's ID: the differences to its master ID, which may be negative for the
    /// sequence number.
    pub(super) fn since(self, master: StreamId) -> (i64, i64) {
        (self.ms.wrapping_sub(master.ms) as i64, self.seq.wrapping_sub(master.seq) as i64)
    }

    pub(super) fn after(master: StreamId, (ms, seq): (i64, i64)) -> StreamId {
        StreamId { ms: master.ms.wrapping_add(ms as u64), seq: master.seq.wrapping_add(seq as u64) }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.ms, self.seq)
    }
}

/// A text as C sees it: up to a NUL.
fn to_c(text: &[u8]) -> Option<&[u8]> {
    (text.len() <= TEXT_MAX).then(|| text.split(|&byte| byte == 0).next().unwrap_or_default())
}

fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == b'-') {
        Some(dash) => (&text[..dash], Some(&text[dash + 1..])),
        None => (text, None),
    }
}

/// As Redis reads an unsigned number. What is no number in its strictest form is left to C's `strtoull`,
/// which takes blanks, a plus and leading zeros, and a minus as the distance from 2^64.
fn parse_part(text: &[u8]) -> Option<u64> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
    let (minus, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let is_strict = blanks == 0 && digits[0] != b'0' && number <= i64::MIN.unsigned_abs();
    match minus {
        true if is_strict => None,
        true => Some(number.wrapping_neg()),
        false => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let id = StreamId::new;
        assert_eq!(StreamId::parse(b"5-3", 7), Some(id(5, 3)));
        assert_eq!(StreamId::parse(b"5", 7), Some(id(5, 7)));
        assert_eq!(StreamId::parse(b"18446744073709551615-18446744073709551615", 0), Some(StreamId::MAX));
        assert_eq!(StreamId::parse(b"007-01", 0), Some(id(7, 1)));
        assert_eq!(StreamId::parse(b" +5- -3", 0), Some(id(5, u64::MAX - 2)));
        assert_eq!(StreamId::parse(b"-0", 0), None);
        assert_eq!(StreamId::parse(b"0--0", 0), Some(id(0, 0)));
        for wrong in
            ["", "-", "5-", "-5", "a", "5-a", "5-*", "5-3-1", "18446744073709551616", "5--3", "- 5", "5-3 "]
        {
            assert_eq!(StreamId::parse(wrong.as_bytes(), 0), None, "{wrong}");
        }
        assert_eq!(StreamId::parse_ms_star(b"12-*"), Some(12));
        assert_eq!(StreamId::parse_ms_star(b"*"), None);
        assert_eq!(StreamId::parse_ms_star(b"-*"), None);
    }

    #[test]
    fn neighbours_cross_milliseconds_and_end_at_the_ends() {
        let id = StreamId::new;
        assert_eq!(id(5, u64::MAX).next(), Some(id(6, 0)));
        assert_eq!(id(6, 0).prev(), Some(id(5, u64::MAX)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.prev(), None);
        assert_eq!(StreamId::MAX.prev().and_then(StreamId::next), Some(StreamId::MAX));
    }

    #[test]
    fn bytes_sort_as_ids_do_and_differences_come_back() {
        let ids =
            [StreamId::MIN, StreamId::new(0, 1), StreamId::new(1, 0), StreamId::new(256, 3), StreamId::MAX];
        assert!(ids.windows(2).all(|pair| pair[0].to_bytes() < pair[1].to_bytes()));
        for master in ids {
            for id in ids {
                assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
                assert_eq!(StreamId::after(master, id.since(master)), id);
            }
        }
    }
}
