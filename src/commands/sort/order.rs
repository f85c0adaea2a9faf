//! Putting elements in order.

use super::CommandError;
use bytes::Bytes;
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    pub descending: bool,
    /// `ALPHA`.
    pub by_text: bool,
}

/// Sorts elements by their own text or by `weights`, one for each. Those that are equal stay in their order,
/// numbers that are equal are ordered by the element's text. `O(n log n)`.
///
/// Differs: Redis compares text as the locale of its environment says; here it is by bytes, as in the C locale.
///
/// # Errors
/// Something is no number and should be.
pub(super) fn sort(
    elements: Vec<Bytes>,
    weights: Option<Vec<Option<Bytes>>>,
    order: Order,
) -> Result<Vec<Bytes>, CommandError> {
    let Order { descending, by_text } = order;
    match weights {
        _ if !by_text => {
            let no_number = || CommandError::other("ERR One or more scores can't be converted into double");
            let score = |text: &[u8]| score(text).ok_or_else(no_number);
            let scores = match weights {
                None => elements.iter().map(|element| score(element)).collect::<Result<Vec<_>, _>>()?,
                // What has no weight weighs nothing.
                Some(weights) => weights
                    .iter()
                    .map(|weight| weight.as_ref().map_or(Ok(0.0), |weight| score(weight)))
                    .collect::<Result<Vec<_>, _>>()?,
            };
            Ok(sorted(scores, elements, descending, |(a, a_text), (b, b_text)| {
                // No score is NaN.
                a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| a_text.cmp(b_text))
            }))
        }
        None => Ok(sorted(vec![(); elements.len()], elements, descending, |(_, a), (_, b)| a.cmp(b))),
        Some(weights) => Ok(sorted(weights, elements, descending, |(a, _), (b, _)| a.cmp(b))),
    }
}

fn sorted<W>(
    weights: Vec<W>,
    elements: Vec<Bytes>,
    descending: bool,
    compare: impl Fn(&(W, Bytes), &(W, Bytes)) -> Ordering,
) -> Vec<Bytes> {
    let mut pairs: Vec<(W, Bytes)> = weights.into_iter().zip(elements).collect();
    pairs.sort_by(|a, b| if descending { compare(b, a) } else { compare(a, b) });
    pairs.into_iter().map(|(_, element)| element).collect()
}

/// A number as C's `strtod` reads one, and all of it: blanks before it are passed over, nothing at all is 0, and
/// what is too large or too small is none.
///
/// Differs: hexadecimal numbers are none.
fn score(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let text = std::str::from_utf8(text).ok()?.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let value: f64 = text.parse().ok()?;
    let is_word = text.bytes().any(|byte| matches!(byte, b'i' | b'I' | b'n' | b'N'));
    let is_lost = match value.classify() {
        std::num::FpCategory::Nan => true,
        std::num::FpCategory::Infinite => !is_word,
        std::num::FpCategory::Subnormal => true,
        std::num::FpCategory::Zero => {
            let digits = text.split(['e', 'E']).next().unwrap_or_default();
            digits.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
        }
        std::num::FpCategory::Normal => false,
    };
    (!is_lost).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_as_c_reads_them() {
        for (text, expected) in [
            (&b""[..], Some(0.0)),
            (b" 1.5", Some(1.5)),
            (b"+2e3", Some(2000.0)),
            (b"-inf", Some(f64::NEG_INFINITY)),
            (b"Infinity", Some(f64::INFINITY)),
            (b"0e5", Some(0.0)),
            (b" ", None),
            (b"1 ", None),
            (b"1x", None),
            (b"nan", None),
            (b"1e400", None),
            (b"1e-400", None),
            (b"\xff", None),
        ] {
            assert_eq!(score(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_has_no_weight_comes_first_and_equals_stay() {
        let texts =
            |all: &[&'static str]| all.iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
        let weights = vec![Some(Bytes::from_static(b"b")), None, Some(Bytes::from_static(b"a")), None];
        let by_text = Order { by_text: true, descending: false };
        let all: Vec<Bytes> = texts(&["w", "x", "y", "z"]);
        assert_eq!(sort(all.clone(), Some(weights.clone()), by_text), Ok(texts(&["x", "z", "y", "w"])));
        let falling = Order { descending: true, ..by_text };
        assert_eq!(sort(all, Some(weights), falling), Ok(texts(&["w", "y", "x", "z"])));
        let numbers: Vec<Bytes> = texts(&["10", "9", "1.0", "1"]);
        assert_eq!(sort(numbers, None, Order::default()), Ok(texts(&["1", "1.0", "9", "10"])));
    }
}
