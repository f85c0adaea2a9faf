//! The options that give a key its deadline: EX, PX, EXAT, PXAT, KEEPTTL, PERSIST; shared by `SET`, `GETEX`
//! and `MSETEX`.

use super::args::parse_int;
use super::{Args, CommandError};
use crate::clock::{Deadline, Millis};

/// A deadline as the client writes it. Its number is read late: as in Redis, mistakes in other options
/// are reported first, and a `GETEX` of no key not at all.
#[derive(Clone, Copy, Debug)]
pub(super) enum ExpiryOption<'a> {
    Ex(&'a [u8]),
    Px(&'a [u8]),
    ExAt(&'a [u8]),
    PxAt(&'a [u8]),
    KeepTtl,
    Persist,
}

impl<'a> ExpiryOption<'a> {
    /// Takes `EX n`, `PX n`, `EXAT n` or `PXAT n` off the arguments; `None` when they go on differently.
    pub(super) fn accept(args: &mut Args<'a>) -> Result<Option<ExpiryOption<'a>>, CommandError> {
        Ok(Some(if args.accept("EX") {
            ExpiryOption::Ex(args.bytes()?)
        } else if args.accept("PX") {
            ExpiryOption::Px(args.bytes()?)
        } else if args.accept("EXAT") {
            ExpiryOption::ExAt(args.bytes()?)
        } else if args.accept("PXAT") {
            ExpiryOption::PxAt(args.bytes()?)
        } else {
            return Ok(None);
        }))
    }

    /// Is the time given as a date?
    pub(super) fn is_absolute(self) -> bool {
        matches!(self, ExpiryOption::ExAt(_) | ExpiryOption::PxAt(_))
    }

    /// The moment that is meant; `None` where no number is given.
    ///
    /// # Errors
    /// No number, not positive, or too large; `command` is named in the words.
    pub(super) fn deadline(
        self,
        now: Millis,
        command: &'static str,
    ) -> Result<Option<Deadline>, CommandError> {
        let (text, unit, base) = match self {
            ExpiryOption::Ex(text) => (text, 1000, now.0),
            ExpiryOption::Px(text) => (text, 1, now.0),
            ExpiryOption::ExAt(text) => (text, 1000, 0),
            ExpiryOption::PxAt(text) => (text, 1, 0),
            ExpiryOption::KeepTtl | ExpiryOption::Persist => return Ok(None),
        };
        let number = parse_int(text).ok_or(CommandError::NotAnInteger)?;
        let ms = Some(number)
            .filter(|&n| n > 0)
            .and_then(|n| n.checked_mul(unit))
            .and_then(|n| n.checked_add(i64::try_from(base).ok()?))
            .ok_or(CommandError::InvalidExpire(command))?;
        Ok(Some(Deadline::at_ms(ms.unsigned_abs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_becomes_a_moment_or_an_error_in_redis_words() {
        let now = Millis(1_000_000);
        let ms = |option: ExpiryOption<'_>| {
            option.deadline(now, "set").map(|at| at.map(|at| at.0.0)).map_err(|error| error.to_string())
        };
        assert_eq!(ms(ExpiryOption::Ex(b"2")), Ok(Some(1_002_000)));
        assert_eq!(ms(ExpiryOption::Px(b"2")), Ok(Some(1_000_002)));
        assert_eq!(ms(ExpiryOption::ExAt(b"2")), Ok(Some(2_000)));
        assert_eq!(ms(ExpiryOption::PxAt(b"2")), Ok(Some(2)));
        assert_eq!(ms(ExpiryOption::KeepTtl), Ok(None));
        let invalid = Err("ERR invalid expire time in 'set' command".to_owned());
        for text in [&b"0"[..], b"-1", b"9223372036854775807", b"9223372036854775"] {
            assert_eq!(ms(ExpiryOption::Ex(text)), invalid);
        }
        assert_eq!(ms(ExpiryOption::Px(b"9223372036854775807")), invalid);
        assert_eq!(ms(ExpiryOption::PxAt(b"9223372036854775807")), Ok(Some(i64::MAX as u64)));
        for text in [&b""[..], b"x", b"1.5", b"01", b"9223372036854775808"] {
            assert_eq!(
                ms(ExpiryOption::Ex(text)),
                Err("ERR value is not an integer or out of range".to_owned())
            );
        }
    }
}
