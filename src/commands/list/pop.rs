//! Taking from the ends: LPOP, RPOP, LMPOP and their blocking forms BLPOP, BRPOP, BLMPOP.

use super::{Args, Collection, CommandError, CommandResult, Ctx, Done, End, List, NodeLimit, Reply};
use super::{end, node_limit, pop_event, reply_element, reply_elements};
use crate::resp::Argv;
use crate::store::Change;
use crate::waiting::Nil;

/// `LPOP key [count]`
pub(super) fn lpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    pop(ctx, args, End::Head, "lpop")
}

/// `RPOP key [count]`
pub(super) fn rpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    pop(ctx, args, End::Tail, "rpop")
}

fn pop(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End, name: &str) -> CommandResult {
    let key = args.key()?;
    if args.len() > 1 {
        return Err(CommandError::Arity(name.to_owned()));
    }
    let count = if args.is_empty() { None } else { Some(count(args, CommandError::NotPositive)?) };
    let mut entry = ctx.db.entry(key);
    match (count, entry.collection::<List>()?) {
        (None, None) => ctx.reply.nil(),
        (Some(_), None) => ctx.reply.nil_array(),
        (Some(0), Some(_)) => ctx.reply.array(0),
        (_, Some(_)) => {
            if let Some(list) = entry.change_existing::<List>(0)? {
                take(&mut ctx.reply, list, end, count, node_limit(&ctx.daemon.config));
            }
        }
    }
    Ok(Done)
}

/// Replies with `count` elements from an end on, or with one by itself, and removes them.
fn take(
    reply: &mut Reply<'_>,
    mut list: Change<'_, '_, List>,
    end: End,
    count: Option<usize>,
    limit: NodeLimit,
) {
    let count = match count {
        Some(count) => {
            let count = count.min(list.len());
            reply_elements(reply, list.iter(end), count);
            count
        }
        None => {
            list.end(end).into_iter().for_each(|element| reply_element(reply, element));
            1
        }
    };
    list.remove_end(end, count, limit);
    list.done(pop_event(end));
}

/// A number that must not be negative.
fn count(args: &mut Args<'_>, error: CommandError) -> Result<usize, CommandError> {
    args.int().ok().and_then(|count| usize::try_from(count).ok()).ok_or(error)
}

/// `LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count]`
pub(super) fn lmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let wanted = Wanted::parse(args)?;
    if !wanted.pop(ctx)? {
        ctx.reply.nil_array();
    }
    Ok(Done)
}

/// `BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count]`
pub(super) fn blmpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut timeout = args.take(1);
    let wanted = Wanted::parse(args)?;
    let deadline = timeout.timeout(ctx.now)?;
    if wanted.pop(ctx)? { Ok(Done) } else { ctx.block(deadline, Nil::Array) }
}

/// What LMPOP is to take: from the first list that is there.
struct Wanted<'a> {
    keys: Argv<'a>,
    end: End,
    /// Without one a single element is taken, not in an array of its own.
    count: Option<usize>,
}

impl<'a> Wanted<'a> {
    /// `numkeys key [key ...] LEFT|RIGHT [COUNT count]`
    fn parse(args: &mut Args<'a>) -> Result<Wanted<'a>, CommandError> {
        let positive = |args: &mut Args<'a>, what: &str| {
            let error = CommandError::other(format!("ERR {what} should be greater than 0"));
            count(args, error.clone()).and_then(|number| if number > 0 { Ok(number) } else { Err(error) })
        };
        let keys = positive(args, "numkeys")?;
        if keys >= args.len() {
            return Err(CommandError::Syntax);
        }
        let keys = args.take(keys).rest();
        let end = end(args)?;
        let mut count = None;
        while !args.is_empty() {
            if count.is_some() || args.len() < 2 || !args.accept("COUNT") {
                return Err(CommandError::Syntax);
            }
            count = Some(positive(args, "count")?);
        }
        Ok(Wanted { keys, end, count: Some(count.unwrap_or(1)) })
    }

    /// Replies with the key and what was taken; `false`: there is no list.
    fn pop(&self, ctx: &mut Ctx<'_>) -> Result<bool, CommandError> {
        for key in self.keys.iter() {
            let mut entry = ctx.db.entry(key);
            let Some(list) = entry.change_existing::<List>(0)? else { continue };
            ctx.reply.array(2);
            ctx.reply.bulk(key);
            take(&mut ctx.reply, list, self.end, self.count, node_limit(&ctx.daemon.config));
            return Ok(true);
        }
        Ok(false)
    }
}

/// `BLPOP key [key ...] timeout`
pub(super) fn blpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    block_to_pop(ctx, args, End::Head)
}

/// `BRPOP key [key ...] timeout`
pub(super) fn brpop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    block_to_pop(ctx, args, End::Tail)
}

fn block_to_pop(ctx: &mut Ctx<'_>, args: &mut Args<'_>, end: End) -> CommandResult {
    let keys = args.take(args.len() - 1).rest();
    let deadline = args.timeout(ctx.now)?;
    let wanted = Wanted { keys, end, count: None };
    if wanted.pop(ctx)? { Ok(Done) } else { ctx.block(deadline, Nil::Array) }
}
