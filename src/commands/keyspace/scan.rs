//! Finding keys: KEYS, SCAN, RANDOMKEY.

use super::{Args, CommandError, CommandResult, Ctx, Done};
use crate::glob;

/// Items looked at under one lock.
const AT_ONCE: usize = 256;

/// `KEYS pattern`
pub(super) fn keys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let pattern = args.bytes()?;
    let db = &mut ctx.db;
    ctx.reply.array_of(|reply| {
        let mut count = 0;
        db.for_each(&mut |key, _| {
            if pattern == b"*" || glob::matches(pattern, key, false) {
                reply.bulk(key);
                count += 1;
            }
            true
        });
        count
    });
    Ok(Done)
}

/// A cursor as Redis reads it: `strtoul` of the whole argument.
fn cursor(text: &[u8]) -> Result<u64, CommandError> {
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

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut cursor = cursor(args.bytes()?)?;
    let (mut count, mut pattern, mut kind) = (10, None, None);
    while !args.is_empty() {
        if args.accept("COUNT") {
            count = args.int()?;
            if count < 1 {
                return Err(CommandError::Syntax);
            }
        } else if args.accept("MATCH") {
            pattern = Some(args.bytes()?).filter(|&pattern| pattern != b"*");
        } else if args.accept("TYPE") {
            kind = Some(args.bytes()?);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let (mut found, mut left) = (Vec::new(), count as usize);
    while left > 0 {
        let some = left.min(AT_ONCE);
        cursor = ctx.db.scan(cursor, some, &mut |key, item| {
            let fits = kind.is_none_or(|kind| item.kind().name().as_bytes().eq_ignore_ascii_case(kind))
                && pattern.is_none_or(|pattern| glob::matches(pattern, key, false));
            if fits {
                found.push(key.to_vec());
            }
        });
        left -= some;
        if cursor == 0 {
            break;
        }
    }
    ctx.reply.array(2);
    ctx.reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    ctx.reply.bulks(found.iter().map(Vec::as_slice));
    Ok(Done)
}

/// `RANDOMKEY`
pub(super) fn randomkey(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let random = getrandom::u64().unwrap_or(ctx.now.0);
    match ctx.db.random_key(random) {
        Some(key) => ctx.reply.bulk(&key),
        None => ctx.reply.nil(),
    }
    Ok(Done)
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
