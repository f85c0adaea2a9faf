//! Changing hashes: HSET and its variants, HDEL, arithmetic.

use super::{Args, CommandError, CommandResult, Ctx, Done, Hash, PER_FIELD, change_existing, limits, write};
use crate::commands::args::parse_int;
use crate::commands::long_double::LongDouble;
use crate::store::Event;
use crate::store::value::hash::FieldTtl;
use crate::store::value::listpack::Entry;

/// `HSET key field value [field value ...]`
pub(super) fn hset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let added = set_all(ctx, args, "hset")?;
    ctx.reply.int(added);
    Ok(Done)
}

/// `HMSET key field value [field value ...]`
pub(super) fn hmset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    set_all(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(Done)
}

/// Sets pairs of field and value; returns how many fields are new.
fn set_all(ctx: &mut Ctx<'_>, args: &mut Args<'_>, name: &str) -> Result<usize, CommandError> {
    let key = args.key()?;
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity(name.into()));
    }
    let limits = limits(&ctx.daemon.config);
    let cost = args.rest().iter().map(|arg| arg.len() + PER_FIELD).sum();
    let mut entry = ctx.db.entry(key);
    let mut hash = write(&mut entry, cost, ctx.now)?;
    let mut added = 0;
    while !args.is_empty() {
        let (field, value) = (args.bytes()?, args.bytes()?);
        added += usize::from(hash.set(field, value, FieldTtl::Clear, limits, ctx.now));
    }
    hash.done(Event::HSet);
    Ok(added)
}

/// `HSETNX key field value`
pub(super) fn hsetnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, field, value) = (args.key()?, args.bytes()?, args.bytes()?);
    let limits = limits(&ctx.daemon.config);
    let mut entry = ctx.db.entry(key);
    let mut hash = write(&mut entry, field.len() + value.len() + PER_FIELD, ctx.now)?;
    let is_new = !hash.contains(field, ctx.now);
    if is_new {
        hash.set(field, value, FieldTtl::Clear, limits, ctx.now);
        hash.done(Event::HSet);
    }
    ctx.reply.int(u8::from(is_new));
    Ok(Done)
}

/// `HDEL key field [field ...]`
pub(super) fn hdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let mut removed = 0;
    if let Some(mut hash) = change_existing(&mut entry, 0, ctx.now)? {
        removed = args.rest().iter().filter(|field| hash.remove(field, ctx.now)).count();
        if removed > 0 {
            hash.done(Event::HDel);
        }
    }
    ctx.reply.int(removed);
    Ok(Done)
}

/// Puts a number that follows from the old value in its place, and returns it as text. The field's deadline
/// stays.
fn count_on(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    field: &[u8],
    event: Event,
    next: impl FnOnce(Option<Entry<'_>>) -> Result<String, CommandError>,
) -> Result<String, CommandError> {
    const LONGEST_NUMBER: usize = 64;
    let limits = limits(&ctx.daemon.config);
    let mut entry = ctx.db.entry(key);
    let mut hash = write(&mut entry, field.len() + LONGEST_NUMBER + PER_FIELD, ctx.now)?;
    let new = next(Hash::get(&hash, field, ctx.now))?;
    hash.set(field, new.as_bytes(), FieldTtl::Keep, limits, ctx.now);
    hash.done(event);
    Ok(new)
}

/// `HINCRBY key field increment`
pub(super) fn hincrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, field, by) = (args.key()?, args.bytes()?, args.int()?);
    let mut sum = 0;
    count_on(ctx, key, field, Event::HIncrBy, |old| {
        let old = match old {
            None => 0,
            Some(Entry::Int(old)) => old,
            Some(Entry::Str(text)) => {
                parse_int(text).ok_or_else(|| CommandError::other("ERR hash value is not an integer"))?
            }
        };
        sum = old.checked_add(by).ok_or(CommandError::Overflow)?;
        Ok(sum.to_string())
    })?;
    ctx.reply.int(sum);
    Ok(Done)
}

/// `HINCRBYFLOAT key field increment`. Counts as Redis does on x86, in 80 bits.
pub(super) fn hincrbyfloat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, field, by) = (args.key()?, args.bytes()?, args.bytes()?);
    let by = LongDouble::parse(by).ok_or(CommandError::NotAFloat)?;
    if !by.is_finite() {
        return Err(CommandError::other("ERR value is NaN or Infinity"));
    }
    let sum = count_on(ctx, key, field, Event::HIncrByFloat, |old| {
        let old = match old {
            None => LongDouble::ZERO,
            Some(old) => LongDouble::parse(&old.to_text())
                .ok_or_else(|| CommandError::other("ERR hash value is not a float"))?,
        };
        old.add(by)
            .and_then(LongDouble::to_text)
            .ok_or_else(|| CommandError::other("ERR increment would produce NaN or Infinity"))
    })?;
    ctx.reply.bulk(sum.as_bytes());
    Ok(Done)
}
