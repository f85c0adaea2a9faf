//! Reading zipmaps, which Redis wrote for small hashes before 2.6 (`src/zipmap.c`).
//!
//! ```text
//! <pairs: u8> <length> key <length> <free: u8> value <free bytes> … 0xFF
//! length: 1 byte, or 0xFE and 4 bytes little-endian
//! ```

use super::LoadError;

const END: u8 = 0xff;
const LONG: u8 = 0xfe;

pub(super) type Pair<'b> = (&'b [u8], &'b [u8]);

/// All pairs.
///
/// # Errors
/// `Corrupt`, unless everything agrees with everything else.
pub(super) fn pairs(bytes: &[u8]) -> Result<Vec<Pair<'_>>, LoadError> {
    sound_pairs(bytes).ok_or(LoadError::Corrupt)
}

fn sound_pairs(bytes: &[u8]) -> Option<Vec<Pair<'_>>> {
    let (&count, mut rest) = bytes.split_first()?;
    let mut pairs = Vec::new();
    while rest != [END] {
        let len = length(&mut rest)?;
        let key = take(&mut rest, len)?;
        let len = length(&mut rest)?;
        let free = take(&mut rest, 1)?[0];
        let value = take(&mut rest, len)?;
        take(&mut rest, free.into())?;
        pairs.push((key, value));
    }
    (usize::from(count) == pairs.len() || count >= LONG).then_some(pairs)
}

fn take<'b>(rest: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    match take(rest, 1)?[0] {
        END => None,
        LONG => Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?) as usize),
        len => Some(len.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        // The map of `zipmap.c`'s own comment.
        let map = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world..\xff";
        assert_eq!(pairs(map), Ok(vec![(&b"foo"[..], &b"bar"[..]), (b"hello", b"world")]));
        assert_eq!(pairs(b"\x00\xff"), Ok(vec![]));
        for end in 0..map.len() {
            assert_eq!(pairs(&map[..end]), Err(LoadError::Corrupt));
        }
        assert_eq!(pairs(b"\x01\x00\xff"), Err(LoadError::Corrupt));
    }
}
