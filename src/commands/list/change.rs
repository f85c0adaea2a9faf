//! Changes anywhere in a list: LINSERT, LSET, LREM, LTRIM.

use super::{
    Args, Collection, CommandError, CommandResult, Ctx, Done, End, List, PER_ELEMENT, absolute, node_limit,
    range_of, signed_count,
};
use crate::store::Event;
use crate::store::value::list::Side;

/// `LINSERT key BEFORE|AFTER pivot element`
pub(super) fn linsert(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let side = if args.accept("AFTER") {
        Side::After
    } else if args.accept("BEFORE") {
        Side::Before
    } else {
        return Err(CommandError::Syntax);
    };
    let (pivot, element) = (args.bytes()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    match entry.change_existing::<List>(element.len() + PER_ELEMENT)? {
        None => ctx.reply.int(0),
        Some(mut list) => {
            if list.insert(side, pivot, element, node_limit(&ctx.daemon.config)) {
                ctx.reply.int(list.len());
                list.done(Event::LInsert);
            } else {
                ctx.reply.int(-1);
            }
        }
    }
    Ok(Done)
}

/// `LSET key index element`
pub(super) fn lset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let len = entry.collection::<List>()?.ok_or(CommandError::NoSuchKey)?.len();
    let (index, element) = (absolute(args.int()?, len), args.bytes()?);
    let index = index.filter(|&index| index < len).ok_or(CommandError::IndexOutOfRange)?;
    // Making room for it may have evicted the list itself.
    let mut list =
        entry.change_existing::<List>(element.len() + PER_ELEMENT)?.ok_or(CommandError::NoSuchKey)?;
    list.set(index, element, node_limit(&ctx.daemon.config));
    list.done(Event::LSet);
    ctx.reply.ok();
    Ok(Done)
}

/// `LREM key count element`
pub(super) fn lrem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, count, element) = (args.key()?, signed_count(args)?, args.bytes()?);
    let from = if count < 0 { End::Tail } else { End::Head };
    let most = match count {
        0 => usize::MAX,
        _ => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
    };
    let mut entry = ctx.db.entry(key);
    let mut removed = 0;
    if let Some(mut list) = entry.change_existing::<List>(0)? {
        removed = list.remove_matching(element, most, from, node_limit(&ctx.daemon.config));
        if removed > 0 {
            list.done(Event::LRem);
        }
    }
    ctx.reply.int(removed);
    Ok(Done)
}

/// `LTRIM key start stop`
pub(super) fn ltrim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, start, stop) = (args.key()?, args.int()?, args.int()?);
    let mut entry = ctx.db.entry(key);
    if let Some(mut list) = entry.change_existing::<List>(0)? {
        let (len, limit) = (list.len(), node_limit(&ctx.daemon.config));
        let kept = range_of(start, stop, len);
        list.remove_range(kept.end, len - kept.end, limit);
        list.remove_range(0, kept.start, limit);
        list.done(Event::LTrim);
    }
    ctx.reply.ok();
    Ok(Done)
}
