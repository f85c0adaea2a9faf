//! Reading strings: GET and its variants, STRLEN, GETRANGE.

use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::commands::expiry::ExpiryOption;
use crate::commands::pick;
use crate::store::{Event, Value};

/// `GET key`
pub(super) fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let item = lookup::read(ctx.counters, &mut entry);
    if let Some(item) = &item {
        lookup::string(item)?;
    }
    lookup::reply_string(&mut ctx.reply, item.as_ref())
}

/// `MGET key [key …]`. What is no string is nil, as if it were absent.
pub(super) fn mget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    ctx.reply.array(args.len());
    while !args.is_empty() {
        let mut entry = ctx.db.entry(args.key()?);
        let item = lookup::read(ctx.counters, &mut entry);
        lookup::reply_string(&mut ctx.reply, item.filter(|item| item.string().is_some()).as_ref())?;
    }
    Ok(Done)
}

/// `GETDEL key`
pub(super) fn getdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let mut entry = ctx.db.entry(key);
    let item = lookup::read(ctx.counters, &mut entry);
    if let Some(item) = &item {
        lookup::string(item)?;
    }
    lookup::reply_string(&mut ctx.reply, item.as_ref())?;
    entry.delete(Event::Del);
    Ok(Done)
}

/// `GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]`
pub(super) fn getex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let mut option = None;
    while !args.is_empty() {
        if args.accept("PERSIST") {
            pick(&mut option, ExpiryOption::Persist)?;
        } else {
            pick(&mut option, ExpiryOption::accept(args)?.ok_or(CommandError::Syntax)?)?;
        }
    }
    let mut entry = ctx.db.entry(key);
    let Some(item) = lookup::read(ctx.counters, &mut entry) else {
        ctx.reply.nil();
        return Ok(Done);
    };
    lookup::string(&item)?;
    let deadline = option.map_or(Ok(None), |option| option.deadline(ctx.now, "getex"))?;
    let is_volatile = item.deadline().is_some();
    lookup::reply_string(&mut ctx.reply, Some(&item))?;
    match (option, deadline) {
        (Some(option), Some(deadline)) if option.is_absolute() && deadline.is_due(ctx.now) => {
            entry.delete(Event::Del);
        }
        (_, Some(deadline)) => {
            entry.set_deadline(Some(deadline), Event::Expire);
        }
        (Some(ExpiryOption::Persist), None) if is_volatile => {
            entry.set_deadline(None, Event::Persist);
        }
        _ => {}
    }
    Ok(Done)
}

/// `STRLEN key`
pub(super) fn strlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    match lookup::read(ctx.counters, &mut entry) {
        Some(item) => ctx.reply.int(lookup::string(&item)?.len()),
        None => ctx.reply.int(0),
    }
    Ok(Done)
}

/// `GETRANGE key start end`, and `SUBSTR`, its old name. Both ends count, from the string's end when negative.
pub(super) fn getrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, start, end) = (args.key()?, args.int()?, args.int()?);
    let mut entry = ctx.db.entry(key);
    let Some(item) = lookup::read(ctx.counters, &mut entry) else {
        ctx.reply.bulk(b"");
        return Ok(Done);
    };
    match item.value().ok_or(CommandError::WrongType)? {
        Value::Shared(bytes) => ctx.reply.shared(&bytes.slice(range(start, end, bytes.len()))),
        Value::Inline(bytes) => ctx.reply.bulk(&bytes[range(start, end, bytes.len())]),
    }
    Ok(Done)
}

/// The bytes meant by `start` and `end` in a string of `len` bytes.
fn range(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let size = i64::try_from(len).unwrap_or(i64::MAX);
    if size == 0 || start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_end = |at: i64| if at < 0 { at.saturating_add(size).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(size - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ends_beyond_the_string_are_drawn_in() {
        for (start, end, expected) in [
            (0, -1, 0..5),
            (1, 2, 1..3),
            (-3, -2, 2..4),
            (-100, 2, 0..3),
            (0, 100, 0..5),
            (5, 9, 0..0),
            (3, 2, 0..0),
            (-1, -2, 0..0),
            (-100, -100, 0..1),
            (-100, -101, 0..0),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MIN, 0..0),
        ] {
            assert_eq!(range(start, end, 5), expected, "{start} {end}");
        }
        assert_eq!(range(0, -1, 0), 0..0);
    }
}
