//! A cursor over a command's arguments: they become types at once, with Redis' errors when they do not.

use super::error::CommandError;
use crate::clock::Millis;
use crate::resp::Argv;

/// The arguments that are still to be read; the command's name is behind the cursor.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    argv: Argv<'a>,
    at: usize,
}

/// An integer as Redis reads one: decimal digits, perhaps a minus, no blanks, no leading zeros or plus.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    match text {
        b"0" => return Some(0),
        [b'1'..=b'9', ..] => {}
        [b'-', b'1'..=b'9', ..] => {}
        _ => return None,
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A float as Redis reads one (`strtold`, whole text, no NaN): also `inf`, `+1.5`, `1e3`, hexadecimal not.
pub fn parse_float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || text.starts_with(char::is_whitespace) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

impl<'a> Args<'a> {
    /// After the first `skip` arguments: the name, and a subcommand's.
    pub fn new(argv: Argv<'a>, skip: usize) -> Args<'a> {
        Args { argv, at: skip }
    }

    /// All arguments, the names included: for the slow log, MONITOR and queuing.
    pub fn argv(&self) -> Argv<'a> {
        self.argv
    }

    pub fn len(&self) -> usize {
        self.argv.len() - self.at
    }

    pub fn is_empty(&self) -> bool {
        self.at >= self.argv.len()
    }

    /// The next argument, without moving on.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.argv.get(self.at)
    }

    /// The next argument as it is.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], CommandError> {
        let arg = self.argv.get(self.at).ok_or(CommandError::Syntax)?;
        self.at += 1;
        Ok(arg)
    }

    /// The next argument, a key.
    #[inline]
    pub fn key(&mut self) -> Result<&'a [u8], CommandError> {
        self.bytes()
    }

    pub fn int(&mut self) -> Result<i64, CommandError> {
        parse_int(self.bytes()?).ok_or(CommandError::NotAnInteger)
    }

    /// An integer where Redis has a C `int`.
    pub fn small_int(&mut self) -> Result<i32, CommandError> {
        i32::try_from(self.int()?).map_err(|_| {
            CommandError::other("ERR value is out of range, value must between -2147483648 and 2147483647")
        })
    }

    /// How long a blocking command waits, in seconds with a fraction; 0: for ever (`None`). The moment it gives up.
    pub fn timeout(&mut self, now: Millis) -> Result<Option<Millis>, CommandError> {
        let error = |what| CommandError::other(format!("ERR timeout is {what}"));
        let seconds = parse_float(self.bytes()?).ok_or_else(|| error("not a float or out of range"))?;
        // Rounded up before it is looked at: -0.0001 is for ever.
        let ms = (seconds * 1000.0).ceil();
        if ms < 0.0 {
            return Err(error("negative"));
        }
        if ms >= i64::MAX as f64 || now.0.checked_add(ms as u64).is_none_or(|at| i64::try_from(at).is_err()) {
            return Err(error("out of range"));
        }
        Ok((ms > 0.0).then(|| now.saturating_add(ms as u64)))
    }

    /// The number of a database, of which there are `databases`.
    pub fn database(&mut self, databases: u32) -> Result<u32, CommandError> {
        let number = u32::try_from(self.small_int()?).ok();
        number.filter(|&number| number < databases).ok_or(CommandError::DbOutOfRange)
    }

    pub fn float(&mut self) -> Result<f64, CommandError> {
        parse_float(self.bytes()?).ok_or(CommandError::NotAFloat)
    }

    /// Moves past the next argument if it is this word, in any case.
    pub fn accept(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(found);
        found
    }

    /// Cuts off the next `count` arguments, which are known to be there.
    pub fn take(&mut self, count: usize) -> Args<'a> {
        let taken = Args { argv: self.argv.first(self.at + count), at: self.at };
        self.at += count;
        taken
    }

    /// `numkeys key [key ...] [LIMIT limit]`, as SINTERCARD and ZINTERCARD have them. No limit: `usize::MAX`.
    pub fn keys_and_limit(&mut self) -> Result<(Argv<'a>, usize), CommandError> {
        let count = self.int().ok().and_then(|count| usize::try_from(count).ok()).filter(|&count| count > 0);
        let count = count.ok_or_else(|| CommandError::other("ERR numkeys should be greater than 0"))?;
        if count > self.len() {
            return Err(CommandError::other("ERR Number of keys can't be greater than number of args"));
        }
        let keys = self.take(count).rest();
        let mut most = usize::MAX;
        while !self.is_empty() {
            if self.len() < 2 || !self.accept("LIMIT") {
                return Err(CommandError::Syntax);
            }
            let limit = self.int().ok().and_then(|limit| usize::try_from(limit).ok());
            let limit = limit.ok_or_else(|| CommandError::other("ERR LIMIT can't be negative"))?;
            most = if limit == 0 { usize::MAX } else { limit };
        }
        Ok((keys, most))
    }

    /// Nothing may follow.
    pub fn finish(&self) -> Result<(), CommandError> {
        if self.is_empty() { Ok(()) } else { Err(CommandError::Syntax) }
    }

    /// What is left, without moving on.
    pub fn rest(&self) -> Argv<'a> {
        self.argv.skip(self.at)
    }
}

/// Keeps the rule that an option may come again but not meet its rival, in one place: in `EX 1 EX 2` the
/// last one counts, `NX XX` is a syntax error.
pub fn pick<T>(slot: &mut Option<T>, value: T) -> Result<(), CommandError> {
    let same = slot.as_ref().is_none_or(|old| std::mem::discriminant(old) == std::mem::discriminant(&value));
    if !same {
        return Err(CommandError::Syntax);
    }
    *slot = Some(value);
    Ok(())
}
