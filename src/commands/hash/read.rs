//! Reading hashes: HGET and its variants, HLEN, HSCAN.

use super::{Args, Collection, CommandResult, Ctx, Done, Hash, read};
use crate::commands::scan;
use crate::resp::Reply;
use crate::store::value::listpack::Entry;

/// Writes a value, or nil when there is none.
pub(super) fn reply_value(reply: &mut Reply<'_>, value: Option<Entry<'_>>) {
    match value {
        Some(value) => reply.bulk(value.text(&mut itoa::Buffer::new())),
        None => reply.nil(),
    }
}

/// `HGET key field`
pub(super) fn hget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let field = args.bytes()?;
    let hash = read(ctx.counters, &mut entry, ctx.now)?;
    reply_value(&mut ctx.reply, hash.and_then(|hash| hash.get(field, ctx.now)));
    Ok(Done)
}

/// `HMGET key field [field ...]`
pub(super) fn hmget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let hash = read(ctx.counters, &mut entry, ctx.now)?;
    ctx.reply.array(args.len());
    for field in args.rest().iter() {
        reply_value(&mut ctx.reply, hash.and_then(|hash| hash.get(field, ctx.now)));
    }
    Ok(Done)
}

/// `HEXISTS key field`
pub(super) fn hexists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let field = args.bytes()?;
    let hash = read(ctx.counters, &mut entry, ctx.now)?;
    ctx.reply.int(u8::from(hash.is_some_and(|hash| hash.contains(field, ctx.now))));
    Ok(Done)
}

/// `HSTRLEN key field`
pub(super) fn hstrlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let field = args.bytes()?;
    let value = read(ctx.counters, &mut entry, ctx.now)?.and_then(|hash| hash.get(field, ctx.now));
    ctx.reply.int(value.map_or(0, |value| value.text(&mut itoa::Buffer::new()).len()));
    Ok(Done)
}

/// `HLEN key`
pub(super) fn hlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let hash = read(ctx.counters, &mut entry, ctx.now)?;
    ctx.reply.int(hash.map_or(0, Hash::len));
    Ok(Done)
}

/// `HGETALL key`
pub(super) fn hgetall(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let Some(hash) = read(ctx.counters, &mut entry, ctx.now)? else {
        ctx.reply.map(0);
        return Ok(Done);
    };
    ctx.reply.map(hash.count(ctx.now));
    for (field, value) in hash.iter(ctx.now) {
        reply_value(&mut ctx.reply, Some(field));
        reply_value(&mut ctx.reply, Some(value));
    }
    Ok(Done)
}

/// `HKEYS key`
pub(super) fn hkeys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    one_of_each(ctx, args, |(field, _)| field)
}

/// `HVALS key`
pub(super) fn hvals(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    one_of_each(ctx, args, |(_, value)| value)
}

/// Replies with one half of each pair.
fn one_of_each(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    half: for<'e> fn((Entry<'e>, Entry<'e>)) -> Entry<'e>,
) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let Some(hash) = read(ctx.counters, &mut entry, ctx.now)? else {
        ctx.reply.array(0);
        return Ok(Done);
    };
    ctx.reply.array(hash.count(ctx.now));
    for pair in hash.iter(ctx.now) {
        reply_value(&mut ctx.reply, Some(half(pair)));
    }
    Ok(Done)
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`
pub(super) fn hscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let cursor = scan::cursor(args.bytes()?)?;
    let Some(hash) = read(ctx.counters, &mut entry, ctx.now)? else {
        scan::reply(&mut ctx.reply, 0, &[]);
        return Ok(Done);
    };
    let mut with_values = true;
    let options = scan::Options::parse(args, |args| {
        let accepted = args.accept("NOVALUES");
        with_values &= !accepted;
        Ok(accepted)
    })?;
    let mut found = Vec::new();
    let cursor = hash.scan(cursor, options.count, ctx.now, |field, value| {
        let field = field.to_text();
        if options.shows(&field) {
            found.push(field.into_owned());
            if with_values {
                found.push(value.to_text().into_owned());
            }
        }
    });
    scan::reply(&mut ctx.reply, cursor, &found);
    Ok(Done)
}
