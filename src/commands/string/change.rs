//! Changing strings: APPEND, SETRANGE, and arithmetic. Deadline and memcached's flags stay as they are.

use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::commands::args::parse_int;
use crate::commands::long_double::LongDouble;
use crate::config::Param;
use crate::store::{Entry, Event, Expiry, Put};

/// Where a piece of a string ends that begins at `at`.
///
/// # Errors
/// `TooLong`: the string would be longer than `proto-max-bulk-len`.
fn end_of(at: usize, len: usize, most: i64) -> Result<usize, CommandError> {
    let end = at.checked_add(len).filter(|&end| i64::try_from(end).is_ok_and(|end| end <= most));
    end.ok_or(CommandError::TooLong)
}

/// The length of a string that is to be changed; 0 when there is none.
fn length(entry: &Entry<'_>) -> Result<usize, CommandError> {
    entry.item().map_or(Ok(0), |item| Ok(lookup::string(&item)?.len()))
}

/// `APPEND key value`
pub(super) fn append(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, value) = (args.key()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let old = length(&entry)?;
    let end = end_of(old, value.len(), ctx.daemon.config.number(Param::ProtoMaxBulkLen))?;
    let len = entry.edit(end, Event::Append, |bytes| bytes[old..].copy_from_slice(value))?;
    ctx.reply.int(len);
    Ok(Done)
}

/// `SETRANGE key offset value`
pub(super) fn setrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, offset, value) = (args.key()?, args.int()?, args.bytes()?);
    let offset = usize::try_from(offset).map_err(|_| CommandError::other("ERR offset is out of range"))?;
    let mut entry = ctx.db.entry(key);
    let old = length(&entry)?;
    if value.is_empty() {
        ctx.reply.int(old);
        return Ok(Done);
    }
    let end = end_of(offset, value.len(), ctx.daemon.config.number(Param::ProtoMaxBulkLen))?;
    let len = entry.edit(end, Event::SetRange, |bytes| bytes[offset..end].copy_from_slice(value))?;
    ctx.reply.int(len);
    Ok(Done)
}

/// `INCR key`
pub(super) fn incr(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    add(ctx, args.key()?, 1)
}

/// `DECR key`
pub(super) fn decr(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    add(ctx, args.key()?, -1)
}

/// `INCRBY key increment`
pub(super) fn incrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, by) = (args.key()?, args.int()?);
    add(ctx, key, by)
}

/// `DECRBY key decrement`
pub(super) fn decrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, by) = (args.key()?, args.int()?);
    let by = by.checked_neg().ok_or_else(|| CommandError::other("ERR decrement would overflow"))?;
    add(ctx, key, by)
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], by: i64) -> CommandResult {
    let mut entry = ctx.db.entry(key);
    let (old, flags) = match entry.item() {
        None => (0, 0),
        Some(item) => (parse_int(lookup::string(&item)?).ok_or(CommandError::NotAnInteger)?, item.flags()),
    };
    let new = old.checked_add(by).ok_or(CommandError::Overflow)?;
    let text = itoa::Buffer::new().format(new).to_owned();
    entry.put(text.as_bytes(), Put::new(flags, Expiry::Keep, Event::IncrBy))?;
    ctx.reply.int(new);
    Ok(Done)
}

/// `INCRBYFLOAT key increment`. Counts as Redis does on x86, in 80 bits.
pub(super) fn incrbyfloat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, by) = (args.key()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let (old, flags) = match entry.item() {
        None => (LongDouble::ZERO, 0),
        Some(item) => {
            (LongDouble::parse(lookup::string(&item)?).ok_or(CommandError::NotAFloat)?, item.flags())
        }
    };
    let by = LongDouble::parse(by).ok_or(CommandError::NotAFloat)?;
    let new = old
        .add(by)
        .and_then(LongDouble::to_text)
        .ok_or_else(|| CommandError::other("ERR increment would produce NaN or Infinity"))?;
    entry.put(new.as_bytes(), Put::new(flags, Expiry::Keep, Event::IncrByFloat))?;
    ctx.reply.bulk(new.as_bytes());
    Ok(Done)
}
