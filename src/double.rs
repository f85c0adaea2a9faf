//! Doubles as Redis 7.2 prints and reads them: scores, distances, RESP3's doubles.

/// Integers up to here are printed as such: half of what an `i64` holds, where a double is surely one.
const INTEGER_MAX: f64 = (i64::MAX / 2) as f64;

/// The integer that a double is, if it is one and not too large (`double2ll`). Of a zero the sign is lost.
pub fn as_integer(value: f64) -> Option<i64> {
    (value.abs() <= INTEGER_MAX && value.trunc() == value).then_some(value as i64)
}

/// The shortest text that reads back the same, laid out as Redis does it: `fpconv_dtoa`, in which
/// scientific notation begins earlier than in C's `%g` and its exponent has no zeros before it.
pub fn text(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    if let Some(integer) = as_integer(value) {
        return integer.to_string();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
    // The power of ten of the last digit.
    let last = exponent - (digits - 1);
    let is_plain = if last >= 0 { exponent < digits + 7 } else { last > -7 || exponent.abs() < 4 };
    if is_plain {
        return format!("{value}");
    }
    format!("{mantissa}e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// Reads a number as Redis does with `strtod`: all of the text, no blank before it, no NaN, nothing that is too
/// large for a double or so close to zero that nothing is left of it; `inf` and hexadecimals are fine.
pub fn parse(text: &[u8]) -> Option<f64> {
    let (value, is_lost) = read(text)?;
    (!is_lost).then_some(value)
}

/// Reads the bound of a range, with which Redis is less strict: blanks may come before it, nothing at all is 0,
/// and what is too large is an infinity.
pub fn parse_bound(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| b" \t\n\x0b\x0c\r".contains(byte)).count();
    read(&text[blanks..]).map(|(value, _)| value)
}

/// Reads a number that is no NaN, and tells whether it was too large for a double, or too close to zero.
fn read(text: &[u8]) -> Option<(f64, bool)> {
    let unsigned = match text {
        [b'-' | b'+', rest @ ..] => rest,
        _ => text,
    };
    if let [b'0', b'x' | b'X', digits @ ..] = unsigned {
        let (value, is_lost) = hexadecimal(digits)?;
        return Some((if text[0] == b'-' { -value } else { value }, is_lost));
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let mantissa = unsigned.split(|byte| byte.eq_ignore_ascii_case(&b'e')).next().unwrap_or_default();
    let is_lost = match value {
        0.0 => mantissa.iter().any(|digit| !b"0.".contains(digit)),
        value => value.is_infinite() && unsigned.first().is_some_and(u8::is_ascii_digit),
    };
    (!value.is_nan()).then_some((value, is_lost))
}

/// `<hexadecimal digits>[.<digits>][p<exponent>]`, behind `0x`; see [`read`].
fn hexadecimal(text: &[u8]) -> Option<(f64, bool)> {
    let mut parts = text.splitn(2, |byte| byte.eq_ignore_ascii_case(&b'p'));
    let mantissa = parts.next()?;
    let mut exponent: i64 = match parts.next() {
        Some(exponent) => std::str::from_utf8(exponent).ok()?.parse().ok()?,
        None => 0,
    };
    let (mut bits, mut digits, mut is_fraction) = (0u64, 0, false);
    for &byte in mantissa {
        if byte == b'.' && !is_fraction {
            is_fraction = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        digits += 1;
        if bits >> 60 == 0 {
            bits = bits << 4 | u64::from(digit);
            exponent -= if is_fraction { 4 } else { 0 };
        } else {
            // What does not fit only decides how the rest is rounded.
            bits |= u64::from(digit != 0);
            exponent += if is_fraction { 0 } else { 4 };
        }
    }
    if digits == 0 {
        return None;
    }
    let mut value = bits as f64;
    // In steps, for 2^exponent alone may be no double.
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-1000, 1000);
        value *= 2f64.powi(step as i32);
        exponent -= step;
    }
    Some((value, bits != 0 && (value == 0.0 || value.is_infinite())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_print_as_in_redis() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e17, "100000000000000000"),
            (4e18, "4000000000000000000"),
            (5e18, "5e+18"),
            (1e20, "1e+20"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (1_234_567.891, "1234567.891"),
            (2.618_281_828, "2.618281828"),
            (12_345.678_901_234, "1.2345678901234e+4"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn numbers_are_read_as_strtod_reads_them() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("+1.5", Some(1.5)),
            ("-.5", Some(-0.5)),
            ("5.", Some(5.0)),
            ("1e3", Some(1000.0)),
            ("0e999999", Some(0.0)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0x10", Some(16.0)),
            ("-0x1.8p1", Some(-3.0)),
            ("0x.8", Some(0.5)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1p-1080", None),
            ("0x1p2000", None),
            ("0x", None),
            ("1e400", None),
            ("1e-400", None),
            ("4.9e-324", Some(5e-324)),
            ("nan", None),
            ("-nan", None),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("1x", None),
            ("e1", None),
            ("+", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn bounds_are_read_more_kindly() {
        for (text, expected) in [
            ("", Some(0.0)),
            (" 1", Some(1.0)),
            (" ", None),
            ("1e400", Some(f64::INFINITY)),
            ("nan", None),
            ("x", None),
        ] {
            assert_eq!(parse_bound(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse(text(value).as_bytes()), Some(value));
        }
    }
}
