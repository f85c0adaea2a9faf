//! Integers of any width within a string, and changes to them that are not yet made: so that a command
//! knows what it changes before it changes it.

use std::collections::BTreeMap;

/// The type of an integer in a bitfield: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Width {
    pub signed: bool,
    pub bits: u32,
}

/// What becomes of a value that does not fit its integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Overflow {
    #[default]
    Wrap,
    Saturate,
    Fail,
}

impl Width {
    /// Reads `i16`, `u8`, …
    pub(super) fn parse(text: &[u8]) -> Option<Width> {
        let (signed, most) = match text.first()? {
            b'i' => (true, 64),
            b'u' => (false, 63),
            _ => return None,
        };
        let bits = super::parse_int(&text[1..]).filter(|bits| (1..=most).contains(bits))?;
        Some(Width { signed, bits: bits as u32 })
    }

    /// The integer that these low bits are.
    fn value(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed { (raw << unused) as i64 >> unused } else { raw as i64 }
    }

    /// A number made to fit; `None` where it does not and must not be made to.
    pub(super) fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (low, high) = match self.signed {
            true => (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1),
            false => (0, (1i128 << self.bits) - 1),
        };
        match overflow {
            _ if (low..=high).contains(&number) => Some(number as i64),
            Overflow::Wrap => Some(self.value(number as u64 & (u64::MAX >> (64 - self.bits)))),
            Overflow::Saturate => Some(number.clamp(low, high) as i64),
            Overflow::Fail => None,
        }
    }

    /// The number that a `SET` means: where the integer has no sign, -1 is the largest of 64 bits. Of those
    /// with a sign Redis takes the very lowest, from which the distance to the integer's highest exceeds 63
    /// bits, for too high; it shows when they saturate.
    pub(super) fn meant(self, number: i64) -> i128 {
        let highest = i64::MAX >> (64 - self.bits);
        let is_positive = !self.signed || self.bits < 64 && highest.checked_sub(number).is_none();
        if is_positive { (number as u64).into() } else { number.into() }
    }
}

/// A string and the bytes that are to be written over it.
pub(super) struct Patch<'s> {
    old: &'s [u8],
    bytes: BTreeMap<usize, u8>,
}

impl<'s> Patch<'s> {
    pub(super) fn new(old: &'s [u8]) -> Patch<'s> {
        Patch { old, bytes: BTreeMap::new() }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(&at).or(self.old.get(at)).copied().unwrap_or(0)
    }

    /// The integer at this bit; zeros behind the string's end.
    pub(super) fn get(&self, bit: usize, width: Width) -> i64 {
        width.value((self.window(bit) >> self.shift(bit, width)) as u64 & (u64::MAX >> (64 - width.bits)))
    }

    /// Writes an integer, which fits.
    pub(super) fn set(&mut self, bit: usize, width: Width, value: i64) {
        let shift = self.shift(bit, width);
        let mask = u128::from(u64::MAX >> (64 - width.bits)) << shift;
        let window = (self.window(bit) & !mask) | ((value as u64 as u128) << shift & mask);
        let last = (bit + width.bits as usize - 1) / 8;
        for (at, &byte) in (bit / 8..=last).zip(&window.to_be_bytes()) {
            self.bytes.insert(at, byte);
        }
    }

    /// The sixteen bytes from the one that the bit is in.
    fn window(&self, bit: usize) -> u128 {
        (0..16).fold(0, |window, at| window << 8 | u128::from(self.byte(bit / 8 + at)))
    }

    fn shift(&self, bit: usize, width: Width) -> u32 {
        128 - (bit % 8) as u32 - width.bits
    }

    /// The bytes that differ from what is there.
    pub(super) fn changes(self) -> Vec<(usize, u8)> {
        let Patch { old, bytes } = self;
        bytes.into_iter().filter(|&(at, byte)| old.get(at) != Some(&byte)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn width() -> impl Strategy<Value = Width> {
        (any::<bool>(), 1u32..=64)
            .prop_map(|(signed, bits)| Width { signed, bits: if signed { bits } else { bits.min(63) } })
    }

    #[test]
    fn types_are_named_by_sign_and_width() {
        assert_eq!(Width::parse(b"i64"), Some(Width { signed: true, bits: 64 }));
        assert_eq!(Width::parse(b"u63"), Some(Width { signed: false, bits: 63 }));
        for text in [&b"u64"[..], b"i65", b"i0", b"I8", b"u", b"", b"x8", b"u08", b"u-1", b"i+8"] {
            assert_eq!(Width::parse(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_does_not_fit_wraps_or_saturates_or_fails() {
        let (i8, u8) = (Width { signed: true, bits: 8 }, Width { signed: false, bits: 8 });
        assert_eq!(i8.fit(128, Overflow::Wrap), Some(-128));
        assert_eq!(i8.fit(-129, Overflow::Wrap), Some(127));
        assert_eq!(i8.fit(-129, Overflow::Saturate), Some(-128));
        assert_eq!(i8.fit(128, Overflow::Fail), None);
        assert_eq!(i8.fit(127, Overflow::Fail), Some(127));
        assert_eq!(u8.fit(-1, Overflow::Wrap), Some(255));
        assert_eq!(u8.fit(-1, Overflow::Saturate), Some(0));
        assert_eq!(u8.fit(u8.meant(-1), Overflow::Saturate), Some(255));
        assert_eq!(i8.fit(i8.meant(-129), Overflow::Saturate), Some(-128));
        assert_eq!(i8.fit(i8.meant(i64::MIN), Overflow::Saturate), Some(127));
        assert_eq!(i8.fit(i8.meant(i64::MIN), Overflow::Wrap), Some(0));
        let i64 = Width { signed: true, bits: 64 };
        assert_eq!(i64.fit(i128::from(i64::MAX) + 1, Overflow::Wrap), Some(i64::MIN));
        assert_eq!(i64.fit(i128::from(i64::MIN) - 1, Overflow::Saturate), Some(i64::MIN));
    }

    proptest! {
        /// Beside a row of bools.
        #[test]
        fn integers_lie_where_their_bits_do(
            old in prop::collection::vec(any::<u8>(), 0..12),
            writes in prop::collection::vec((0usize..80, width(), any::<i64>()), 1..6),
        ) {
            let mut bits = vec![false; 30 * 8];
            for at in 0..old.len() * 8 {
                bits[at] = old[at / 8] & (0x80 >> (at % 8)) != 0;
            }
            let mut patch = Patch::new(&old);
            for (at, width, value) in writes {
                let value = width.fit(value.into(), Overflow::Wrap).expect("wrapping never fails");
                patch.set(at, width, value);
                for i in 0..width.bits {
                    bits[at + i as usize] = value >> (width.bits - 1 - i) & 1 == 1;
                }
                prop_assert_eq!(patch.get(at, width), value);
            }
            let mut new = old.clone();
            new.resize(30, 0);
            for (at, byte) in patch.changes() {
                prop_assert!(old.get(at) != Some(&byte));
                new[at] = byte;
            }
            for (at, &bit) in bits.iter().enumerate() {
                prop_assert_eq!(new[at / 8] & (0x80 >> (at % 8)) != 0, bit, "bit {}", at);
            }
        }
    }
}
