//! Adding to the ends: LPUSH, RPUSH, LPUSHX, RPUSHX.

use super::{Args, Collection, CommandResult, Ctx, Done, End, List, PER_ELEMENT, node_limit, push_event};

/// `LPUSH key element [element ...]`
pub(super) fn lpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    push(ctx, args, End::Head, false)
}

/// `RPUSH key element [element ...]`
pub(super) fn rpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    push(ctx, args, End::Tail, false)
}

/// `LPUSHX key element [element ...]`
pub(super) fn lpushx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    push(ctx, args, End::Head, true)
}

/// `RPUSHX key element [element ...]`
pub(super) fn rpushx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    push(ctx, args, End::Tail, true)
}

fn push(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End, only_existing: bool) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let elements = args.rest();
    let cost = elements.iter().map(|element| element.len() + PER_ELEMENT).sum();
    let list = if only_existing { entry.change_existing::<List>(cost)? } else { Some(entry.change(cost)?) };
    let Some(mut list) = list else {
        ctx.reply.int(0);
        return Ok(Done);
    };
    list.push(end, elements.iter(), node_limit(&ctx.daemon.config));
    ctx.reply.int(list.len());
    list.done(push_event(end));
    Ok(Done)
}
