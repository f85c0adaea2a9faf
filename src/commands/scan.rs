//! What SCAN, SSCAN, HSCAN and ZSCAN share: the cursor and the options.

use super::{Args, CommandError};
use crate::glob;
use crate::resp::Reply;

/// Which of the things that a scan comes to are shown.
pub(super) struct Options<'a> {
    /// About as many are looked at.
    pub(super) count: usize,
    pattern: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads `MATCH` and `COUNT`; `other` takes what else the command knows.
    pub(super) fn parse(
        args: &mut Args<'a>,
        mut other: impl FnMut(&mut Args<'a>) -> Result<bool, CommandError>,
    ) -> Result<Options<'a>, CommandError> {
        let mut options = Options { count: 10, pattern: None };
        while !args.is_empty() {
            if args.accept("COUNT") {
                options.count = usize::try_from(args.int()?)
                    .ok()
                    .filter(|&count| count > 0)
                    .ok_or(CommandError::Syntax)?;
            } else if args.accept("MATCH") {
                options.pattern = Some(args.bytes()?).filter(|&pattern| pattern != b"*");
            } else if !other(args)? {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    pub(super) fn shows(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name, false))
    }
}

/// Writes the cursor to go on from, and what was found.
pub(super) fn reply(reply: &mut Reply<'_>, cursor: u64, found: &[Vec<u8>]) {
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    reply.bulks(found.iter().map(Vec::as_slice));
}

/// A cursor as Redis reads it: `strtoul` of the whole argument.
pub(super) fn cursor(text: &[u8]) -> Result<u64, CommandError> {
    let invalid = || CommandError::other("ERR invalid cursor");
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if text.is_empty() {
        return Ok(0);
    }
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid());
    }
    let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
    let cursor: u64 = digits.parse().map_err(|_| invalid())?;
    Ok(if negative { cursor.wrapping_neg() } else { cursor })
}

#[cfg(test)]
mod tests {
    use super::cursor;

    #[test]
    fn cursors_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("007", Some(7)),
            ("+1", Some(1)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1x", None),
            (" 1", None),
            ("-", None),
        ] {
            assert_eq!(cursor(text.as_bytes()).ok(), expected, "{text}");
        }
    }
}
