//! Redis' intset: whole numbers in ascending order in one allocation, byte for byte as Redis keeps and dumps
//! it (`src/intset.c`).
//!
//! ```text
//! <width: u32> <count: u32> <numbers of `width` bytes: 2, 4 or 8> ...   all little-endian
//! ```
//!
//! The width is that of the widest number that ever was in it.

use crate::store::memory::allocated;

const HEADER: usize = 8;

/// An intset. Its allocation is as long as its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intset(Vec<u8>);

impl Default for Intset {
    fn default() -> Intset {
        Intset(vec![2, 0, 0, 0, 0, 0, 0, 0])
    }
}

/// Bytes that a number needs.
fn width_of(number: i64) -> usize {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

impl Intset {
    /// Takes over bytes that come from outside. `None`, unless they are a sound intset with something in it.
    /// `O(bytes)`.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Intset> {
        let (header, body) = bytes.split_at_checked(HEADER)?;
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (width, count) = (word(0) as usize, word(4) as usize);
        if !matches!(width, 2 | 4 | 8) || count == 0 || count.checked_mul(width) != Some(body.len()) {
            return None;
        }
        let set = Intset(bytes);
        let is_ascending = set.iter().zip(set.iter().skip(1)).all(|(a, b)| a < b);
        is_ascending.then_some(set)
    }

    /// Takes over a copy of what `as_bytes` gave.
    pub fn trusted(bytes: &[u8]) -> Intset {
        Intset(bytes.to_vec())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes allocated.
    pub fn bytes(&self) -> usize {
        allocated(self.0.capacity())
    }

    fn width(&self) -> usize {
        self.0[0].into()
    }

    pub fn len(&self) -> usize {
        (self.0.len() - HEADER) / self.width()
    }

    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER
    }

    fn decode(bytes: &[u8]) -> i64 {
        match *bytes {
            [a, b] => i16::from_le_bytes([a, b]).into(),
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => 0,
        }
    }

    /// The number at an index, which must be there.
    pub fn get(&self, index: usize) -> i64 {
        let (width, at) = (self.width(), HEADER + index * self.width());
        Self::decode(&self.0[at..at + width])
    }

    /// In ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone {
        self.0[HEADER..].chunks_exact(self.width()).map(Self::decode)
    }

    /// Where a number is, or where it would be. `O(log n)`.
    fn search(&self, number: i64) -> Result<usize, usize> {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            match self.get(middle).cmp(&number) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }

    /// `O(log n)`
    pub fn contains(&self, number: i64) -> bool {
        width_of(number) <= self.width() && self.search(number).is_ok()
    }

    /// `false` when it is there already. `O(n)`, as in Redis.
    pub fn insert(&mut self, number: i64) -> bool {
        if width_of(number) > self.width() {
            self.widen(width_of(number));
        }
        let Err(index) = self.search(number) else { return false };
        let width = self.width();
        let at = HEADER + index * width;
        self.0.reserve_exact(width);
        self.0.splice(at..at, number.to_le_bytes()[..width].iter().copied());
        self.write_len();
        true
    }

    /// `false` when it is not there. `O(n)`
    pub fn remove(&mut self, number: i64) -> bool {
        if width_of(number) > self.width() {
            return false;
        }
        let Ok(index) = self.search(number) else { return false };
        let at = HEADER + index * self.width();
        self.0.drain(at..at + self.width());
        self.0.shrink_to_fit();
        self.write_len();
        true
    }

    fn widen(&mut self, width: usize) {
        let mut wide = Vec::with_capacity(HEADER + (self.len() + 1) * width);
        wide.extend_from_slice(&[width as u8, 0, 0, 0, 0, 0, 0, 0]);
        for number in self.iter() {
            wide.extend_from_slice(&number.to_le_bytes()[..width]);
        }
        self.0 = wide;
        self.write_len();
    }

    fn write_len(&mut self) {
        let len = self.len() as u32;
        self.0[4..HEADER].copy_from_slice(&len.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_written_as_redis_writes_it() {
        let mut set = Intset::default();
        for number in [3, 1, -2] {
            assert!(set.insert(number));
        }
        assert_eq!(set.as_bytes(), b"\x02\0\0\0\x03\0\0\0\xfe\xff\x01\0\x03\0");
        set.insert(40_000);
        assert_eq!(set.as_bytes(), b"\x04\0\0\0\x04\0\0\0\xfe\xff\xff\xff\x01\0\0\0\x03\0\0\0\x40\x9c\0\0");
    }

    #[test]
    fn unsound_bytes_are_refused() {
        let bytes = |text: &[u8]| Intset::from_bytes(text.to_vec()).is_some();
        assert!(bytes(b"\x02\0\0\0\x02\0\0\0\x01\0\x02\0"));
        for unsound in [
            &b""[..],
            b"\x02\0\0\0\0\0\0\0",
            b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0",
            b"\x02\0\0\0\x01\0\0\0\x01\0\x02\0",
            b"\x03\0\0\0\x01\0\0\0\x01\0\x02",
            b"\x08\0\0\0\xff\xff\xff\xff\x01\0\x02",
        ] {
            assert!(!bytes(unsound), "{}", unsound.escape_ascii());
        }
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![-20..20i64, -70_000..70_000i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), number()), 0..200)) {
            let (mut set, mut model) = (Intset::default(), BTreeSet::new());
            for (adds, number) in steps {
                prop_assert_eq!(set.contains(number), model.contains(&number));
                if adds {
                    prop_assert_eq!(set.insert(number), model.insert(number));
                } else {
                    prop_assert_eq!(set.remove(number), model.remove(&number));
                }
                prop_assert!(set.iter().eq(model.iter().copied()));
                prop_assert_eq!(Intset::from_bytes(set.as_bytes().to_vec()).is_some(), !model.is_empty());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(set) = Intset::from_bytes(bytes) {
                prop_assert!(set.iter().all(|number| set.contains(number)));
            }
        }
    }
}
