//! Reading ziplists, which Redis wrote for small collections before 7.0 (`src/ziplist.c`).
//!
//! ```text
//! <bytes: u32> <offset of the last entry: u32> <entries: u16> <entry> … 0xFF     all little-endian
//! entry: <length of the one before: 1 byte, or 0xFE and 4> <encoding and length> <data>
//! ```

use super::LoadError;
use crate::store::value::listpack::Entry;

const HEADER: usize = 10;
const END: u8 = 0xff;
const LONG: u8 = 0xfe;
/// In the header's count: more entries than it can tell.
const UNCOUNTED: u16 = u16::MAX;

/// All entries.
///
/// # Errors
/// `Corrupt`, unless everything agrees with everything else.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, LoadError> {
    sound_entries(bytes).ok_or(LoadError::Corrupt)
}

fn sound_entries(bytes: &[u8]) -> Option<Vec<Entry<'_>>> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (total, tail) = (word(0)?, word(4)?);
    let count = u16::from_le_bytes(bytes.get(8..HEADER)?.try_into().ok()?);
    let (&END, body) = bytes.split_last()? else { return None };
    if total != bytes.len() || body.len() < HEADER {
        return None;
    }
    let (mut at, mut before, mut last) = (HEADER, 0, HEADER);
    let mut entries = Vec::new();
    while at < body.len() {
        let (told, head) = match body[at] {
            LONG => (u32::from_le_bytes(body.get(at + 1..at + 5)?.try_into().ok()?) as usize, 5),
            END => return None,
            len => (len.into(), 1),
        };
        if told != before {
            return None;
        }
        let (entry, len) = entry(body.get(at + head..)?)?;
        entries.push(entry);
        (last, before) = (at, head + len);
        at += before;
    }
    let is_counted = count == UNCOUNTED || usize::from(count) == entries.len();
    (is_counted && tail == last).then_some(entries)
}

/// An entry behind its first field, and how long it is.
fn entry(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let (&head, rest) = bytes.split_first()?;
    let text = |len: usize, skip: usize| {
        let text = rest.get(skip..)?.get(..len)?;
        Some((Entry::Str(text), 1 + skip + len))
    };
    let number = |bytes: usize| {
        let little = rest.get(..bytes)?;
        let mut word = [if little[bytes - 1] & 0x80 == 0 { 0 } else { 0xff }; 8];
        word[..bytes].copy_from_slice(little);
        Some((Entry::Int(i64::from_le_bytes(word)), 1 + bytes))
    };
    match head {
        0x00..0x40 => text(head.into(), 0),
        0x40..0x80 => text(usize::from(head & 0x3f) << 8 | usize::from(*rest.first()?), 1),
        0x80 => text(u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize, 4),
        0xc0 => number(2),
        0xd0 => number(4),
        0xe0 => number(8),
        0xf0 => number(3),
        0xfe => number(1),
        0xf1..=0xfd => Some((Entry::Int(i64::from(head & 0x0f) - 1), 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The list of `ziplist.c`'s own comment: "2", "5".
    const TWO: &[u8] = b"\x0f\x00\x00\x00\x0c\x00\x00\x00\x02\x00\x00\xf3\x02\xf6\xff";

    #[test]
    fn entries_are_read() {
        assert_eq!(entries(TWO), Ok(vec![Entry::Int(2), Entry::Int(5)]));
        assert_eq!(entries(b"\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\xff"), Ok(vec![]));
        let mixed =
            b"\x18\x00\x00\x00\x10\x00\x00\x00\x03\x00\x00\x02hi\x04\xfe\x80\x03\xf0\x00\x00\x80\x05\x00\xff";
        let mut mixed = mixed.to_vec();
        mixed[0] = mixed.len() as u8;
        mixed[4] = 22;
        mixed[8] = 4;
        let read = entries(&mixed);
        assert_eq!(
            read,
            Ok(vec![Entry::Str(b"hi"), Entry::Int(-128), Entry::Int(-8_388_608), Entry::Str(b"")])
        );
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed_or_harmless(at in 0..TWO.len(), byte in any::<u8>()) {
            let mut bytes = TWO.to_vec();
            bytes[at] = byte;
            let _ = entries(&bytes);
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let len = (HEADER + body.len() + 1) as u32;
            let bytes = [&len.to_le_bytes()[..], &[10, 0, 0, 0, 0xff, 0xff], &body, &[END]].concat();
            let _ = entries(&bytes);
        }
    }
}
