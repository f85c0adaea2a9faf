//! Floating-point numbers of 80 bits, x87's `long double`, in which Redis' INCRBYFLOAT counts: read as
//! `strtold` reads them, added, and printed as Redis prints them, each step rounded as the hardware and
//! the C library do, to the nearest and to even.
//!
//! A double would not do: 3.0e3 plus 0.1 is 3000.10000000000000009 in Redis. Parts that need more than
//! 64 bits on the way are worked out exactly, in whole numbers.

use std::cmp::Ordering;

/// Bits of the mantissa, and the largest and smallest exponent of its lowest bit.
const BITS: u32 = 64;
const EXPONENT_MAX: i32 = 16383 - 63;
const EXPONENT_MIN: i32 = -16445;
/// Longer texts are no numbers to Redis (`MAX_LONG_DOUBLE_CHARS`).
const TEXT_MAX: usize = 5 * 1024;

/// A number, or an infinity. `mantissa · 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongDouble {
    negative: bool,
    mantissa: u64,
    exponent: i32,
    infinite: bool,
}

impl LongDouble {
    pub(super) const ZERO: LongDouble =
        LongDouble { negative: false, mantissa: 0, exponent: 0, infinite: false };

    /// The number nearest to `bits · 2^exponent`, where more than nothing and less than the lowest bit is
    /// missing when `inexact`. Too large: an infinity.
    fn rounded(negative: bool, bits: u128, inexact: bool, exponent: i32) -> LongDouble {
        let width = u128::BITS - bits.leading_zeros();
        let drop = (width as i32 - BITS as i32).max(EXPONENT_MIN - exponent).max(0);
        let (mut mantissa, rest, half) = match drop {
            0 => (bits, 0, 1),
            1..=127 => (bits >> drop, bits & ((1 << drop) - 1), 1 << (drop - 1)),
            _ => (0, 0, 1),
        };
        let up = match rest.cmp(&half) {
            _ if drop == 0 => false,
            Ordering::Less => false,
            Ordering::Equal => inexact || mantissa & 1 == 1,
            Ordering::Greater => true,
        };
        mantissa += u128::from(up);
        let mut exponent = exponent + drop;
        if mantissa >> BITS != 0 {
            (mantissa, exponent) = (mantissa >> 1, exponent + 1);
        }
        LongDouble { negative, mantissa: mantissa as u64, exponent, infinite: false }.normalized()
    }

    /// With the mantissa's highest bit set, if it is not zero.
    fn normalized(self) -> LongDouble {
        if self.mantissa == 0 {
            return LongDouble { negative: self.negative, ..LongDouble::ZERO };
        }
        let shift = self.mantissa.leading_zeros();
        let exponent = self.exponent - shift as i32;
        LongDouble {
            mantissa: self.mantissa << shift,
            exponent,
            infinite: self.infinite || exponent > EXPONENT_MAX,
            ..self
        }
    }

    /// Reads a number as Redis does: all of the text, no blanks before it, no NaN, nothing that is too large
    /// or too close to zero to be told from it.
    pub(super) fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.is_empty() || text.len() >= TEXT_MAX {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble { negative, infinite: true, ..LongDouble::ZERO });
        }
        let number = match text {
            [b'0', b'x' | b'X', rest @ ..] => parse_hexadecimal(rest, negative)?,
            _ => parse_decimal(text, negative)?,
        };
        (!number.infinite).then_some(number)
    }

    pub(super) fn is_finite(self) -> bool {
        !self.infinite
    }

    /// The sum; `None` when it is not a number.
    pub(super) fn add(self, other: LongDouble) -> Option<LongDouble> {
        match (self.infinite, other.infinite) {
            (true, true) => return (self.negative == other.negative).then_some(self),
            (true, false) => return Some(self),
            (false, true) => return Some(other),
            (false, false) => {}
        }
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // Two bits are left above for the carry, 62 below for what is shifted out.
        const ROOM: u32 = 62;
        let a = u128::from(large.mantissa) << ROOM;
        let all = u128::from(small.mantissa) << ROOM;
        let shift = u32::try_from(large.exponent - small.exponent).unwrap_or(u32::MAX);
        let b = all.checked_shr(shift).unwrap_or(0);
        let inexact = b.checked_shl(shift).unwrap_or(0) != all;
        let exponent = large.exponent - ROOM as i32;
        if large.negative == small.negative {
            return Some(LongDouble::rounded(large.negative, a + b, inexact, exponent));
        }
        // The part of `b` that was shifted out is taken away as a whole bit less its rest.
        let b = b + u128::from(inexact);
        let negative = if a >= b { large.negative } else { small.negative };
        Some(LongDouble::rounded(negative, a.abs_diff(b), inexact, exponent))
    }

    /// As Redis prints it: `%.17Lf` without zeros at its end. `None` for an infinity.
    pub(super) fn to_text(self) -> Option<String> {
        const PLACES: usize = 17;
        const SCALE: u128 = 100_000_000_000_000_000;
        if self.infinite {
            return None;
        }
        if self.mantissa == 0 {
            return Some("0".into());
        }
        let sign = if self.negative { "-" } else { "" };
        if self.exponent >= 0 {
            let mut whole = Natural::from(u128::from(self.mantissa));
            whole.shift_left(self.exponent as usize);
            return Some(format!("{sign}{}", whole.to_text()));
        }
        let scaled = u128::from(self.mantissa) * SCALE;
        let shift = self.exponent.unsigned_abs();
        let mut units = scaled.checked_shr(shift).unwrap_or(0);
        if shift < u128::BITS {
            let (rest, half) = (scaled & ((1 << shift) - 1), 1 << (shift - 1));
            units += u128::from(rest > half || rest == half && units & 1 == 1);
        }
        let (whole, places) = (units / SCALE, units % SCALE);
        let text = format!("{sign}{whole}.{places:0PLACES$}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        Some(if text == "-0" { "0".into() } else { text.into() })
    }
}

/// Splits off an exponent: `e`, perhaps a sign, digits. One far beyond all numbers is cut short.
fn split_exponent(text: &[u8], letter: u8) -> Option<(&[u8], i64)> {
    let Some(at) = text.iter().position(|byte| byte.eq_ignore_ascii_case(&letter)) else {
        return Some((text, 0));
    };
    let (negative, digits) = match &text[at + 1..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    const FAR: i64 = 1_000_000;
    let value = digits.iter().fold(0, |n: i64, digit| (n * 10 + i64::from(digit - b'0')).min(FAR));
    Some((&text[..at], if negative { -value } else { value }))
}

/// The digits of `12.34`, and how many stand behind the point.
fn split_point(text: &[u8], radix: u32) -> Option<(Vec<u8>, i64)> {
    let mut digits = Vec::with_capacity(text.len());
    let mut point = None;
    for &byte in text {
        if byte == b'.' && point.is_none() {
            point = Some(digits.len());
        } else {
            digits.push(char::from(byte).to_digit(radix)? as u8);
        }
    }
    let behind = point.map_or(0, |at| digits.len() - at);
    (!digits.is_empty()).then_some((digits, behind as i64))
}

fn parse_decimal(text: &[u8], negative: bool) -> Option<LongDouble> {
    let (text, exponent) = split_exponent(text, b'e')?;
    let (digits, behind) = split_point(text, 10)?;
    let exponent = exponent - behind;
    let leading = digits.iter().take_while(|&&digit| digit == 0).count();
    let digits = &digits[leading..];
    if digits.is_empty() {
        return Some(LongDouble { negative, ..LongDouble::ZERO });
    }
    // Beyond these the number is out of range whatever its digits are.
    if !(-5000..5000).contains(&(exponent + digits.len() as i64)) {
        return None;
    }
    let (mut above, mut below) = (Natural::default(), Natural::from(1));
    for &digit in digits {
        above.multiply_and_add(10, digit.into());
    }
    let power = if exponent >= 0 { &mut above } else { &mut below };
    for _ in 0..exponent.unsigned_abs() {
        power.multiply_and_add(10, 0);
    }
    // Scaled so that the quotient has a few bits more than the mantissa.
    let scale = BITS as i64 + 2 - (above.bits() as i64 - below.bits() as i64);
    let scaled = if scale >= 0 { &mut above } else { &mut below };
    scaled.shift_left(scale.unsigned_abs() as usize);
    let (bits, inexact) = above.divided_by(below);
    let number = LongDouble::rounded(negative, bits, inexact, -scale as i32);
    (number.mantissa != 0).then_some(number)
}

fn parse_hexadecimal(text: &[u8], negative: bool) -> Option<LongDouble> {
    let (text, exponent) = split_exponent(text, b'p')?;
    let (digits, behind) = split_point(text, 16)?;
    let (mut bits, mut inexact, mut dropped) = (0u128, false, 0);
    for &digit in &digits {
        if bits >> (u128::BITS - 8) == 0 {
            bits = bits << 4 | u128::from(digit);
        } else {
            inexact |= digit != 0;
            dropped += 4;
        }
    }
    let exponent = exponent - behind * 4 + dropped;
    if bits == 0 {
        return Some(LongDouble { negative, ..LongDouble::ZERO });
    }
    let number = LongDouble::rounded(negative, bits, inexact, exponent as i32);
    (number.mantissa != 0).then_some(number)
}

/// A whole number of any size: 32 bits a digit, the lowest first, no zeros at the top.
#[derive(Clone, Debug, Default)]
struct Natural(Vec<u32>);

impl From<u128> for Natural {
    fn from(mut value: u128) -> Natural {
        let mut digits = Vec::new();
        while value != 0 {
            digits.push(value as u32);
            value >>= 32;
        }
        Natural(digits)
    }
}

impl Natural {
    fn bits(&self) -> usize {
        self.0.last().map_or(0, |top| self.0.len() * 32 - top.leading_zeros() as usize)
    }

    fn multiply_and_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for digit in &mut self.0 {
            carry += u64::from(*digit) * u64::from(factor);
            *digit = carry as u32;
            carry >>= 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    fn shift_left(&mut self, by: usize) {
        self.multiply_and_add(1 << (by % 32), 0);
        if !self.0.is_empty() {
            self.0.splice(..0, std::iter::repeat_n(0, by / 32));
        }
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for digit in self.0.iter_mut().rev() {
            (*digit, carry) = (*digit >> 1 | carry << 31, *digit & 1);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_at_least(&self, other: &Natural) -> bool {
        let order = self.0.len().cmp(&other.0.len());
        order.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())).is_ge()
    }

    /// Takes away what is not larger.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        for (at, digit) in self.0.iter_mut().enumerate() {
            let (less, first) = digit.overflowing_sub(other.0.get(at).copied().unwrap_or(0));
            let (less, second) = less.overflowing_sub(borrow.into());
            (*digit, borrow) = (less, first || second);
        }
        self.trim();
    }

    /// Quotient, which is known to fit, and whether something is left over. Bit by bit, as at school.
    fn divided_by(mut self, mut other: Natural) -> (u128, bool) {
        let steps = (self.bits() + 1).saturating_sub(other.bits());
        other.shift_left(steps);
        let mut quotient = 0u128;
        for _ in 0..=steps {
            quotient <<= 1;
            if self.is_at_least(&other) {
                self.subtract(&other);
                quotient |= 1;
            }
            other.halve();
        }
        (quotient, !self.0.is_empty())
    }

    fn to_text(&self) -> String {
        const BILLION: u64 = 1_000_000_000;
        let mut rest = self.clone();
        let mut groups = Vec::new();
        while !rest.0.is_empty() {
            let mut remainder = 0;
            for digit in rest.0.iter_mut().rev() {
                let value = remainder << 32 | u64::from(*digit);
                (*digit, remainder) = ((value / BILLION) as u32, value % BILLION);
            }
            rest.trim();
            groups.push(remainder);
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:09}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        LongDouble::parse(a.as_bytes())?.add(LongDouble::parse(b.as_bytes())?)?.to_text()
    }

    /// From `redis-server` 7.0.15 on x86-64.
    #[test]
    fn sums_are_those_of_redis() {
        for (a, b, expected) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3.0e3", "0.1", "3000.10000000000000009"),
            ("0", "0x10", "16"),
            ("0", "0x1.8p1", "3"),
            ("0.1", "0.2", "0.3"),
            ("1", "-1", "0"),
            ("0", "-0", "0"),
            ("-1e-30", "0", "0"),
            ("1e17", "0.5", "100000000000000000.5"),
            ("1e30", "0", "1000000000000000000024696061952"),
            ("9223372036854775807", "1", "9223372036854775808"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", " 1", "1 ", "nan", "1e", "1e+", "e1", ".", "0x", "1x", "1e5000", "1e-5000", "--1", "1.2.3"]
        {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
        }
        for text in ["1.", ".5", "+1", "1E3", "InF", "-infinity", "1e4932", "1e-4950", "0e99999999999"] {
            assert!(LongDouble::parse(text.as_bytes()).is_some(), "{text}");
        }
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("inf", "-inf"), None);
        assert_eq!(sum("1e4932", "1e4932"), None);
    }

    proptest! {
        /// Numbers of up to 63 bits are exact in 80 bits, and so are their sums.
        #[test]
        fn whole_numbers_are_exact(a in -(1i64 << 62)..1 << 62, b in -(1i64 << 62)..1 << 62) {
            prop_assert_eq!(sum(&a.to_string(), &b.to_string()), Some((a + b).to_string()));
        }

        #[test]
        fn doubles_are_read_exactly(value in any::<f64>().prop_filter("a normal number", |value| value.is_normal())) {
            // With more digits than the shortest text, which can lie half way to the next double.
            let number = LongDouble::parse(format!("{value:.30e}").as_bytes()).expect("a number");
            let near = number.mantissa as f64 * 2f64.powi(number.exponent / 2) * 2f64.powi(number.exponent - number.exponent / 2);
            prop_assert_eq!(if number.negative { -near } else { near }, value);
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eExXpPaif]{0,40}", other in "[-+0-9.e]{0,40}") {
            let _ = sum(&text, &other);
        }
    }
}
