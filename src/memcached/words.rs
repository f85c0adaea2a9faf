//! The words of a line and the numbers in them, as memcached 1.6 reads both: only a space separates
//! words, a NUL ends the line early, and numbers follow C's `strtol` family.

use crate::simd;

/// Words of a line that are looked at; `get` alone has no limit.
pub(super) const MAX_WORDS: usize = 23;

/// Bytes of a line that are looked at together.
const BLOCK: usize = 64;

/// The words of a line, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words<'a> {
    text: &'a [u8],
    /// Bytes of it that are behind us.
    at: usize,
    /// Bit i: at byte i of `text` a word begins, or has ended. Only words that end within the block.
    starts: u64,
    ends: u64,
}

impl<'a> Words<'a> {
    #[inline]
    pub(super) fn new(text: &'a [u8]) -> Words<'a> {
        let mut marks = Marks::default();
        let mut at = 0;
        while at < text.len().min(BLOCK) {
            marks.note(simd::load(&text[at..]), at);
            at += simd::LANES;
        }
        Words::of(text, marks)
    }

    #[inline]
    fn of(text: &'a [u8], marks: Marks) -> Words<'a> {
        let below = |end: usize| if end < BLOCK { (1 << end) - 1 } else { u64::MAX };
        // Where the text ends, or a NUL ends it.
        let inside = below(text.len()) & below((marks.nuls & below(text.len())).trailing_zeros() as usize);
        let letters = !marks.spaces & inside;
        let ends = letters << 1 & !letters;
        Words { text, at: 0, starts: letters & !(letters << 1), ends }
    }

    /// All of the line.
    #[inline]
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Is there no further word?
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ends == 0 && { *self }.next().is_none()
    }

    /// The bytes not yet looked at.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        match &self.text[self.at..] {
            [0, ..] => &[],
            rest => rest,
        }
    }

    /// The first word of the next block; it may be longer than that.
    #[cold]
    #[inline(never)]
    fn find_next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        *self = Words::new(rest);
        if self.ends != 0 {
            return self.next();
        }
        let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
        let rest = &rest[spaces..];
        let length = memchr::memchr2(b' ', 0, rest).unwrap_or(rest.len());
        *self = Words::new(&rest[length..]);
        (length > 0).then(|| &rest[..length])
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.ends == 0 {
            return if self.at == self.text.len() { None } else { self.find_next() };
        }
        let (start, end) = (self.starts.trailing_zeros() as usize, self.ends.trailing_zeros() as usize);
        self.starts &= self.starts - 1;
        self.ends &= self.ends - 1;
        self.at = end;
        self.text.get(start..end)
    }
}

/// Where spaces and NULs are in a block; tabs and the like are part of a word.
#[derive(Clone, Copy, Default)]
struct Marks {
    spaces: u64,
    nuls: u64,
}

impl Marks {
    #[inline]
    fn note(&mut self, bytes: u128, at: usize) {
        self.spaces |= u64::from(simd::equal(bytes, b' ')) << at;
        self.nuls |= u64::from(simd::equal(bytes, 0)) << at;
    }
}

/// The first line of `input`: its words, and how many bytes it takes with its ending, a newline or a return and a newline.
#[inline]
pub(super) fn first_line(input: &[u8]) -> Option<(Words<'_>, usize)> {
    let mut marks = Marks::default();
    let mut at = 0;
    let end = loop {
        if at >= input.len().min(BLOCK) {
            break at + memchr::memchr(b'\n', input.get(at..)?)?;
        }
        let bytes = simd::load(&input[at..]);
        marks.note(bytes, at);
        let newline = simd::equal(bytes, b'\n');
        if newline != 0 {
            break at + newline.trailing_zeros() as usize;
        }
        at += simd::LANES;
    };
    Some((Words::of(strip_return(&input[..end]), marks), end + 1))
}

/// As memcached: the return of an otherwise empty line stays, and makes it an unknown command.
#[inline]
fn strip_return(text: &[u8]) -> &[u8] {
    match text {
        [head @ .., b'\r'] if !head.is_empty() => head,
        _ => text,
    }
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

/// A number of at most nine digits and nothing else, as nearly all are.
#[inline]
fn plain_number(text: &[u8]) -> Option<u64> {
    const DIGITS: usize = 9;
    if text.is_empty() || text.len() > DIGITS {
        return None;
    }
    text.iter()
        .try_fold(0, |number: u32, &byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit <= 9).then(|| number * 10 + u32::from(digit))
        })
        .map(u64::from)
}

/// A number as C reads it: white space, a sign, digits, and then the end, white space or a NUL.
/// `None` when there is no digit, something else follows, or 64 bits do not hold it.
#[inline]
fn c_number(text: &[u8]) -> Option<(bool, u64)> {
    match plain_number(text) {
        Some(number) => Some((false, number)),
        None => any_number(text),
    }
}

#[cold]
fn any_number(text: &[u8]) -> Option<(bool, u64)> {
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

    fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
        let byte =
            prop_oneof![40 => 0x21u8.., 8 => Just(b' '), 1 => Just(0), 1 => Just(b'\r'), 2 => Just(b'\n')];
        prop::collection::vec(byte, 0..most)
    }

    /// Words and what is left behind each, found byte by byte.
    fn plainly(text: &[u8]) -> Vec<(&[u8], usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            while text.get(at) == Some(&b' ') {
                at += 1;
            }
            let start = at;
            while text.get(at).is_some_and(|&byte| byte != b' ' && byte != 0) {
                at += 1;
            }
            if at == start {
                return found;
            }
            let ends = text.get(at) == Some(&0);
            found.push((&text[start..at], if ends { 0 } else { text.len() - at }));
            if ends {
                return found;
            }
        }
    }

    proptest! {
        #[test]
        fn words_end_at_a_space_or_nul(text in bytes(300)) {
            let mut words = Words::new(&text);
            for (word, left) in plainly(&text) {
                prop_assert!(!words.is_empty());
                prop_assert_eq!(words.next(), Some(word));
                prop_assert_eq!(words.rest().len(), left);
            }
            prop_assert!(words.is_empty());
            prop_assert_eq!(words.next(), None);
        }

        #[test]
        fn a_line_ends_at_its_newline(input in bytes(200)) {
            let end = input.iter().position(|&byte| byte == b'\n');
            let found = first_line(&input);
            prop_assert_eq!(found.map(|(_, used)| used), end.map(|end| end + 1));
            if let (Some((words, _)), Some(end)) = (found, end) {
                let text = strip_return(&input[..end]);
                prop_assert_eq!(words.text(), text);
                prop_assert_eq!(words.collect::<Vec<_>>(), Words::new(text).collect::<Vec<_>>());
            }
        }

        #[test]
        fn numbers_of_digits_are_read_as_all_numbers_are(text in "[0-9]{0,11}[-+ x]?") {
            prop_assert_eq!(c_number(text.as_bytes()), any_number(text.as_bytes()));
        }
    }
}
