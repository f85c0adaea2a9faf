//! Taking out what is lowest or highest: ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait for it.

use super::{Args, Collection, CommandError, CommandResult, Ctx, Done, SortedSet, reply_len, reply_member};
use crate::resp::{Argv, Reply};
use crate::store::Event;
use crate::waiting::Nil;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Lowest,
    Highest,
}

impl End {
    fn event(self) -> Event {
        if self == End::Lowest { Event::ZPopMin } else { Event::ZPopMax }
    }
}

/// The first of the keys that has something.
///
/// # Errors
/// `WrongType`: a key before it holds another type.
fn first_of<'k>(ctx: &mut Ctx<'_>, keys: Argv<'k>) -> Result<Option<&'k [u8]>, CommandError> {
    for key in keys.iter() {
        if ctx.db.entry(key).collection::<SortedSet>()?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Takes out up to `count` members; `begin` is told how many, then each is written.
fn pop(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    end: End,
    count: usize,
    begin: impl FnOnce(&mut Reply<'_>, usize),
    write: impl Fn(&mut Reply<'_>, &[u8], f64),
) -> CommandResult {
    let mut entry = ctx.db.entry(key);
    if let Some(mut set) = entry.change_existing::<SortedSet>(0)? {
        let count = count.min(set.len());
        begin(&mut ctx.reply, count);
        for (member, score) in (0..count).map_while(|_| set.pop(end == End::Highest)) {
            write(&mut ctx.reply, &member, score);
        }
        set.done(end.event());
    }
    Ok(Done)
}

/// `ZPOPMIN key [count]`
pub(super) fn zpopmin(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    pop_from_one(ctx, args, End::Lowest)
}

/// `ZPOPMAX key [count]`
pub(super) fn zpopmax(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    pop_from_one(ctx, args, End::Highest)
}

fn pop_from_one(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End) -> CommandResult {
    let key = args.key()?;
    if args.len() > 1 {
        return Err(CommandError::Syntax);
    }
    let count = if args.is_empty() { None } else { Some(args.positive(CommandError::NotPositive)?) };
    let is_there = ctx.db.entry(key).collection::<SortedSet>()?.is_some();
    if !is_there || count == Some(0) {
        ctx.reply.array(0);
        return Ok(Done);
    }
    match count {
        None => pop(
            ctx,
            key,
            end,
            1,
            |reply, _| reply.array(2),
            |reply, member, score| {
                reply.bulk(member);
                reply.double(score);
            },
        ),
        Some(count) => pop(
            ctx,
            key,
            end,
            count,
            |reply, count| reply_len(reply, count, true),
            |reply, member, score| reply_member(reply, member, Some(score)),
        ),
    }
}

/// `ZMPOP numkeys key [key ...] MIN|MAX [COUNT count]`
pub(super) fn zmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let request = Many::parse(args)?;
    if !request.pop(ctx)? {
        ctx.reply.nil_array();
    }
    Ok(Done)
}

/// `BZMPOP timeout numkeys key [key ...] MIN|MAX [COUNT count]`
pub(super) fn bzmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut timeout = args.take(1);
    let request = Many::parse(args)?;
    let deadline = timeout.timeout(ctx.now)?;
    if request.pop(ctx)? { Ok(Done) } else { ctx.block(deadline, Nil::Array) }
}

/// What ZMPOP is asked for.
struct Many<'a> {
    keys: Argv<'a>,
    end: End,
    count: usize,
}

impl<'a> Many<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Many<'a>, CommandError> {
        let above_zero = |args: &mut Args<'_>, name: &str| {
            let error = CommandError::other(format!("ERR {name} should be greater than 0"));
            match args.positive(error.clone())? {
                0 => Err(error),
                count => Ok(count),
            }
        };
        let keys = above_zero(args, "numkeys")?;
        if keys >= args.len() {
            return Err(CommandError::Syntax);
        }
        let keys = args.take(keys).rest();
        let end = args.one_of(&[("MIN", End::Lowest), ("MAX", End::Highest)]).ok_or(CommandError::Syntax)?;
        let count = if args.len() >= 2 && args.accept("COUNT") { above_zero(args, "count")? } else { 1 };
        args.finish()?;
        Ok(Many { keys, end, count })
    }

    /// `false`, and no reply, when there is nothing.
    fn pop(&self, ctx: &mut Ctx<'_>) -> Result<bool, CommandError> {
        let Some(key) = first_of(ctx, self.keys)? else { return Ok(false) };
        let begin = |reply: &mut Reply<'_>, count| {
            reply.array(2);
            reply.bulk(key);
            reply.array(count);
        };
        pop(ctx, key, self.end, self.count, begin, |reply, member, score| {
            reply.array(2);
            reply.bulk(member);
            reply.double(score);
        })?;
        Ok(true)
    }
}

/// `BZPOPMIN key [key ...] timeout`
pub(super) fn bzpopmin(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    wait_and_pop(ctx, args, End::Lowest)
}

/// `BZPOPMAX key [key ...] timeout`
pub(super) fn bzpopmax(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    wait_and_pop(ctx, args, End::Highest)
}

fn wait_and_pop(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End) -> CommandResult {
    let keys = args.take(args.len().saturating_sub(1)).rest();
    let deadline = args.timeout(ctx.now)?;
    let Some(key) = first_of(ctx, keys)? else { return ctx.block(deadline, Nil::Array) };
    let begin = |reply: &mut Reply<'_>, _| {
        reply.array(3);
        reply.bulk(key);
    };
    pop(ctx, key, end, 1, begin, |reply, member, score| {
        reply.bulk(member);
        reply.double(score);
    })
}
