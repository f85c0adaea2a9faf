//! From list to list: LMOVE, RPOPLPUSH and their blocking forms BLMOVE, BRPOPLPUSH.

use super::{Args, CommandError, CommandResult, Ctx, Done, End, List, PER_ELEMENT};
use super::{end, node_limit, pop_event, push_event};
use crate::waiting::Nil;

/// `LMOVE source destination LEFT|RIGHT LEFT|RIGHT`
pub(super) fn lmove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (source, destination) = (args.key()?, args.key()?);
    let (from, to) = (end(args)?, end(args)?);
    move_or_nil(ctx, source, destination, from, to)
}

/// `RPOPLPUSH source destination`
pub(super) fn rpoplpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (source, destination) = (args.key()?, args.key()?);
    move_or_nil(ctx, source, destination, End::Tail, End::Head)
}

/// `BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout`
pub(super) fn blmove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (source, destination) = (args.key()?, args.key()?);
    let (from, to) = (end(args)?, end(args)?);
    move_or_block(ctx, args, source, destination, from, to)
}

/// `BRPOPLPUSH source destination timeout`
pub(super) fn brpoplpush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (source, destination) = (args.key()?, args.key()?);
    move_or_block(ctx, args, source, destination, End::Tail, End::Head)
}

fn move_or_nil(ctx: &mut Ctx<'_>, source: &[u8], destination: &[u8], from: End, to: End) -> CommandResult {
    if !transfer(ctx, source, destination, from, to)? {
        ctx.reply.nil();
    }
    Ok(Done)
}

/// The nil of a timeout is an array's, that of a transaction a string's, as in Redis.
fn move_or_block(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
) -> CommandResult {
    let deadline = args.timeout(ctx.now)?;
    if transfer(ctx, source, destination, from, to)? {
        return Ok(Done);
    }
    let nil = if ctx.state.executing { Nil::Bulk } else { Nil::Array };
    ctx.block(deadline, nil)
}

/// Moves an element and replies with it; `false`: there is no source. The destination gets it first, so that
/// nothing is lost when there is no memory for it.
fn transfer(
    ctx: &mut Ctx<'_>,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
) -> Result<bool, CommandError> {
    let limit = node_limit(&ctx.daemon.config);
    let element =
        ctx.db.entry(source).collection::<List>()?.and_then(|list| Some(list.end(from)?.to_bytes()));
    let Some(element) = element else { return Ok(false) };
    let cost = element.len() + PER_ELEMENT;
    let push = |list: &mut List| list.push(to, std::iter::once(&element[..]), limit);
    if source == destination {
        let mut entry = ctx.db.entry(source);
        let mut list = entry.change::<List>(cost)?;
        list.remove_end(from, 1, limit);
        push(&mut list);
        list.announce(push_event(to));
        list.done(pop_event(from));
    } else {
        let mut entry = ctx.db.entry(destination);
        let mut list = entry.change::<List>(cost)?;
        push(&mut list);
        list.done(push_event(to));
        drop(entry);
        let mut entry = ctx.db.entry(source);
        if let Some(mut list) = entry.change_existing::<List>(0)? {
            list.remove_end(from, 1, limit);
            list.done(pop_event(from));
        }
    }
    ctx.reply.shared(&element);
    Ok(true)
}
