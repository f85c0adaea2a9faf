//! Numbers as C prints and reads them.

/// `%.{precision}g`.
pub(super) fn format_g(value: f64, precision: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan".into() } else { "nan".into() };
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let precision = precision.max(1);
    let scientific = format!("{value:.*e}", precision - 1);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(digits), exponent.abs());
    }
    let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// `strtod`, without leading blanks: the number that `text` begins with and how many bytes it has.
pub(super) fn parse_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let body = &text[sign..];
    let (value, len) = if starts_with(body, b"infinity") {
        (f64::INFINITY, 8)
    } else if starts_with(body, b"inf") {
        (f64::INFINITY, 3)
    } else if starts_with(body, b"nan") {
        (f64::NAN, 3)
    } else if starts_with(body, b"0x") {
        hexadecimal(&body[2..]).map_or((0.0, 1), |(value, len)| (value, len + 2))
    } else {
        decimal(body)?
    };
    let negative = text.first() == Some(&b'-');
    Some((if negative { -value } else { value }, sign + len))
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn digits(text: &[u8], is_digit: fn(&u8) -> bool) -> usize {
    text.iter().take_while(|&byte| is_digit(byte)).count()
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = digits(text, u8::is_ascii_digit);
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        let fraction = digits(&text[len + 1..], u8::is_ascii_digit);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if len == 0 {
        return None;
    }
    len += exponent(&text[len..], b'e').1;
    Some((std::str::from_utf8(&text[..len]).ok()?.parse().ok()?, len))
}

/// The exponent behind a mantissa and its length; none without digits.
fn exponent(text: &[u8], letter: u8) -> (i32, usize) {
    if !text.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&letter)) {
        return (0, 0);
    }
    let sign = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    let len = digits(&text[1 + sign..], u8::is_ascii_digit);
    if len == 0 {
        return (0, 0);
    }
    let digits = &text[1 + sign..][..len];
    let value = digits.iter().fold(0i32, |sum, digit| (sum * 10 + i32::from(digit - b'0')).min(100_000));
    (if text[1] == b'-' { -value } else { value }, 1 + sign + len)
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = digits(text, u8::is_ascii_hexdigit);
    let fraction = match text.get(whole) {
        Some(b'.') => digits(&text[whole + 1..], u8::is_ascii_hexdigit),
        _ => 0,
    };
    if whole + fraction == 0 {
        return None;
    }
    let mut len = whole + if fraction > 0 { 1 + fraction } else { 0 };
    let mantissa = text[..len].iter().filter_map(|&byte| char::from(byte).to_digit(16));
    let mantissa = mantissa.fold(0.0, |sum, digit| sum * 16.0 + f64::from(digit));
    let (power, more) = exponent(&text[len..], b'p');
    len += more;
    Some((mantissa * 2f64.powi(power.saturating_sub(4 * fraction as i32)), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_c_does() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e14, "1e+14"),
            (12_345_678_901_234.0, "12345678901234"),
            (123_456_789_012_345.0, "1.2345678901234e+14"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.0 / 3.0, "0.33333333333333"),
            (99_999_999_999_999.9, "1e+14"),
            (-1.5e300, "-1.5e+300"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(format_g(value, 14), text, "{value:e}");
        }
    }

    #[test]
    fn reads_as_strtod_does() {
        for (text, value, len) in [
            ("12ab", 12.0, 2),
            ("1.5e3,", 1500.0, 5),
            ("1e", 1.0, 1),
            ("1e+", 1.0, 1),
            ("-.5", -0.5, 3),
            ("5.", 5.0, 2),
            ("0x10", 16.0, 4),
            ("0xg", 0.0, 1),
            ("0x1.8p1", 3.0, 7),
            ("-Infinity!", f64::NEG_INFINITY, 9),
            ("inf", f64::INFINITY, 3),
        ] {
            assert_eq!(parse_prefix(text.as_bytes()), Some((value, len)), "{text}");
        }
        assert_eq!(parse_prefix(b"."), None);
        assert_eq!(parse_prefix(b"-"), None);
        assert_eq!(parse_prefix(b"e5"), None);
    }
}
