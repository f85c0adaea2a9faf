//! A short byte string: up to 22 bytes lie in the value itself, as most members and fields of collections
//! are no longer; a longer one is on the heap.

use crate::store::memory::allocated;
use std::cmp::Ordering;
use std::fmt;

const INLINE_MAX: usize = 22;

/// 24 bytes; compares and hashes by what it holds.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE_MAX]),
    Heap(Box<[u8]>),
}

impl Text {
    pub fn new(bytes: &[u8]) -> Text {
        if bytes.len() > INLINE_MAX {
            return Text(Repr::Heap(bytes.into()));
        }
        let mut inline = [0; INLINE_MAX];
        inline[..bytes.len()].copy_from_slice(bytes);
        Text(Repr::Inline(bytes.len() as u8, inline))
    }

    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }

    /// Bytes allocated behind the value.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline(..) => 0,
            Repr::Heap(bytes) => allocated(bytes.len()),
        }
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Text {
        Text::new(bytes)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_three_words_and_keeps_what_it_is_given() {
        assert_eq!(size_of::<Text>(), 24);
        for len in 0..100 {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let text = Text::new(&bytes);
            assert_eq!(text.as_bytes(), bytes);
            assert_eq!(text.heap_bytes() > 0, len > INLINE_MAX);
        }
    }
}
