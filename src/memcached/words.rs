//! The words of a line and the numbers in them, as memcached 1.6 reads both: only a space separates
//! words, a NUL ends the line early, and numbers follow C's `strtol` family.

/// Words of a line that are looked at; `get` alone has no limit.
pub(super) const MAX_WORDS: usize = 23;

/// The words of a line, from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a [u8]) -> Words<'a> {
        Words { rest: text }
    }

    /// Is there no further word?
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.iter().find(|&&byte| byte != b' ').is_none_or(|&byte| byte == 0)
    }

    /// The bytes not yet looked at.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest;
        let mut start = 0;
        while text.get(start) == Some(&b' ') {
            start += 1;
        }
        let end = start + word_length(&text[start..]);
        // A NUL ends the line.
        self.rest = if text.get(end) == Some(&0) { &[] } else { &text[end..] };
        (end > start).then(|| &text[start..end])
    }
}

/// Bytes before the first space or NUL; tabs and the like are part of a word. Eight at a time: keys are long.
#[inline]
fn word_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    // The lowest bit set is in the first byte that is zero; bits above it mean nothing.
    let zeros = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes & (ONES << 7);
    let mut at = 0;
    while let Some(chunk) = text[at..].first_chunk() {
        let bytes = u64::from_le_bytes(*chunk);
        let ends = zeros(bytes) | zeros(bytes ^ (ONES * u64::from(b' ')));
        if ends != 0 {
            return at + ends.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &text[at..];
    at + rest.iter().position(|&byte| byte == b' ' || byte == 0).unwrap_or(rest.len())
}

/// The first `MAX_WORDS` words, for commands that look at their count.
#[derive(Debug)]
pub(super) struct Args<'a> {
    words: [&'a [u8]; MAX_WORDS],
    len: usize,
}

impl<'a> Args<'a> {
    /// All words of a line, its verb included.
    pub(super) fn of(text: &'a [u8]) -> Args<'a> {
        let mut args = Args { words: [b""; MAX_WORDS], len: 0 };
        for word in Words::new(text).take(MAX_WORDS) {
            args.words[args.len] = word;
            args.len += 1;
        }
        args
    }

    /// How many words there are; the verb counts.
    pub(super) fn count(&self) -> usize {
        self.len
    }

    /// Word `i`, 0 being the verb; empty when there is none.
    pub(super) fn at(&self, i: usize) -> &'a [u8] {
        self.words.get(i).copied().unwrap_or_default()
    }

    pub(super) fn from(&self, i: usize) -> &[&'a [u8]] {
        self.words[..self.len].get(i..).unwrap_or_default()
    }

    pub(super) fn is_noreply(&self) -> bool {
        self.from(1).last() == Some(&b"noreply".as_slice())
    }
}

/// A number as C reads it: white space, a sign, digits, and then the end, white space or a NUL.
/// `None` when there is no digit, something else follows, or 64 bits do not hold it.
#[inline]
fn c_number(text: &[u8]) -> Option<(bool, u64)> {
    let start = text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len());
    let text = &text[start..];
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    let mut magnitude = 0u64;
    let mut count = 0;
    for &byte in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        count += 1;
    }
    let ends = digits.get(count).is_none_or(|&byte| byte == 0 || is_space(byte));
    (count > 0 && ends).then_some((is_negative, magnitude))
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// memcached's `safe_strtoull`: a minus sign is refused only where the wrapped result is in the upper half.
#[inline]
pub(super) fn uint(text: &[u8]) -> Option<u64> {
    match c_number(text)? {
        (false, magnitude) => Some(magnitude),
        (true, magnitude) => Some(magnitude.wrapping_neg()).filter(|&n| n >> 63 == 0),
    }
}

/// memcached's `safe_strtoul`: read with 64 bits, kept with 32.
#[inline]
pub(super) fn uint32(text: &[u8]) -> Option<u32> {
    uint(text).map(|n| n as u32)
}

/// memcached's `safe_strtol`: read with 64 bits, kept with 32.
#[inline]
pub(super) fn int(text: &[u8]) -> Option<i32> {
    let (is_negative, magnitude) = c_number(text)?;
    let n = i128::from(magnitude) * if is_negative { -1 } else { 1 };
    i64::try_from(n).ok().map(|n| n as i32)
}

/// memcached's `safe_strtod`, for the few settings that are fractions.
pub(super) fn real(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_ends_at_a_space_or_nul(text in prop::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(b' '), 1 => Just(0), 1 => Just(0x21)], 0..40)) {
            let end = text.iter().position(|&byte| byte == b' ' || byte == 0).unwrap_or(text.len());
            prop_assert_eq!(word_length(&text), end);
        }
    }
}
