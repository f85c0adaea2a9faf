//! XRANGE, XREVRANGE, XLEN.

use super::{Args, CommandError, CommandResult, Ctx, Done, at_most, ids, lookup, reply_items};
use crate::store::value::stream::Stream;

/// `XRANGE key start end [COUNT count]`
pub(super) fn xrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    range(ctx, args, false)
}

/// `XREVRANGE key end start [COUNT count]`
pub(super) fn xrevrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    range(ctx, args, true)
}

fn range(ctx: &mut Ctx<'_>, args: &mut Args<'_>, reverse: bool) -> CommandResult {
    let key = args.key()?;
    let (first, second) = (args.bytes()?, args.bytes()?);
    let (start, end) = if reverse { (second, first) } else { (first, second) };
    let (start, end) = (ids::start(start)?, ids::end(end)?);
    let mut count = None;
    while !args.is_empty() {
        if args.len() < 2 || !args.accept("COUNT") {
            return Err(CommandError::Syntax);
        }
        count = Some(args.int()?.max(0));
    }
    let mut entry = ctx.db.entry(key);
    let reply = &mut ctx.reply;
    match lookup::collection::<Stream>(ctx.counters, &mut entry)? {
        None => reply.array(0),
        Some(_) if count == Some(0) => reply.nil_array(),
        Some(stream) => {
            let entries = &stream.entries;
            let items = if reverse { entries.range_reversed(start, end) } else { entries.range(start, end) };
            reply_items(reply, items.take(at_most(count.unwrap_or(0))));
        }
    }
    Ok(Done)
}

/// `XLEN key`
pub(super) fn xlen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?;
    ctx.reply.int(stream.map_or(0, |stream| stream.entries.len()));
    Ok(Done)
}
