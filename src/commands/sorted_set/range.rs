//! Ranges of one sorted set: ZRANGE and its older kin, ZRANGESTORE, ZREMRANGEBY….

use super::bounds::{By, Limit, Span};
use super::{
    Args, CommandError, CommandResult, Ctx, Done, Member, SortedSet, limits, lookup, reply_members, store,
};
use crate::store::Event;

/// What is asked for behind the key.
struct Query<'a> {
    span: Span<'a>,
    reverse: bool,
    limit: Limit,
    with_scores: bool,
}

impl<'a> Query<'a> {
    /// Reads `min max` and options. What the command's name says already cannot be an option.
    fn parse(
        args: &mut Args<'a>,
        mut by: Option<By>,
        mut reverse: Option<bool>,
        is_stored: bool,
    ) -> Result<Query<'a>, CommandError> {
        let (first, second) = (args.bytes()?, args.bytes()?);
        let (mut limit, mut with_scores) = (Limit::NONE, false);
        while !args.is_empty() {
            if !is_stored && args.accept("WITHSCORES") {
                with_scores = true;
            } else if args.len() >= 3 && args.accept("LIMIT") {
                limit = Limit { offset: args.int()?, count: args.int()? };
            } else if reverse.is_none() && args.accept("REV") {
                reverse = Some(true);
            } else if by.is_none() && args.accept("BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && args.accept("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        let error = |text| Err(CommandError::other(text));
        if limit.count != -1 && by == By::Rank {
            return error(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            );
        }
        if with_scores && by == By::Lex {
            return error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        }
        // From the highest to the lowest, by score and by name.
        let (min, max) = if reverse && by != By::Rank { (second, first) } else { (first, second) };
        // An offset alone says nothing of ranks.
        let limit = if by == By::Rank { Limit::NONE } else { limit };
        Ok(Query { span: Span::parse(by, min, max)?, reverse, limit, with_scores })
    }

    fn ranks(&self, set: &SortedSet) -> std::ops::Range<usize> {
        self.limit.of(self.span.ranks(set, self.reverse), self.reverse)
    }
}

fn range(ctx: &mut Ctx<'_>, args: &mut Args<'_>, by: Option<By>, reverse: Option<bool>) -> CommandResult {
    let key = args.key()?;
    let query = Query::parse(args, by, reverse, false)?;
    let mut entry = ctx.db.entry(key);
    let Some(set) = lookup::collection::<SortedSet>(ctx.counters, &mut entry)? else {
        ctx.reply.array(0);
        return Ok(Done);
    };
    let ranks = query.ranks(set);
    let (len, members) = (ranks.len(), set.range(ranks));
    if query.reverse {
        reply_members(&mut ctx.reply, len, members.rev(), query.with_scores);
    } else {
        reply_members(&mut ctx.reply, len, members, query.with_scores);
    }
    Ok(Done)
}

/// `ZRANGE key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(super) fn zrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    range(ctx, args, None, None)
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(super) fn zrevrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    range(ctx, args, Some(By::Rank), Some(true))
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    range(ctx, args, Some(By::Score), Some(false))
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    range(ctx, args, Some(By::Score), Some(true))
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(super) fn zrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    range(ctx, args, Some(By::Lex), Some(false))
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(super) fn zrevrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    range(ctx, args, Some(By::Lex), Some(true))
}

/// `ZRANGESTORE dst src min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]`
pub(super) fn zrangestore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (destination, source) = (args.key()?, args.key()?);
    let query = Query::parse(args, None, None, true)?;
    let limits = limits(&ctx.daemon.config);
    let mut entry = ctx.db.entry(source);
    let (mut result, mut buffer) = (SortedSet::default(), itoa::Buffer::new());
    if let Some(set) = lookup::collection::<SortedSet>(ctx.counters, &mut entry)? {
        let ranks = query.ranks(set);
        result.expect(ranks.len(), 0, &limits);
        // In the order asked for: it decides when the result stops to be a listpack, which knows no -0.
        let mut insert = |(member, score): (Member<'_>, f64)| {
            result.insert(member.text(&mut buffer), score, &limits);
        };
        let members = set.range(ranks);
        if query.reverse { members.rev().for_each(&mut insert) } else { members.for_each(&mut insert) }
    }
    drop(entry);
    store(ctx, destination, result, Event::ZRangeStore)
}

fn remove(ctx: &mut Ctx<'_>, args: &mut Args<'_>, by: By, event: Event) -> CommandResult {
    let key = args.key()?;
    let span = Span::parse(by, args.bytes()?, args.bytes()?)?;
    let mut entry = ctx.db.entry(key);
    let mut removed = 0;
    if let Some(mut set) = entry.change_existing::<SortedSet>(0)? {
        let ranks = span.ranks(&set, false);
        removed = set.remove_range(ranks);
        if removed > 0 {
            set.done(event);
        }
    }
    ctx.reply.int(removed);
    Ok(Done)
}

/// `ZREMRANGEBYRANK key start stop`
pub(super) fn zremrangebyrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    remove(ctx, args, By::Rank, Event::ZRemRangeByRank)
}

/// `ZREMRANGEBYSCORE key min max`
pub(super) fn zremrangebyscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    remove(ctx, args, By::Score, Event::ZRemRangeByScore)
}

/// `ZREMRANGEBYLEX key min max`
pub(super) fn zremrangebylex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    remove(ctx, args, By::Lex, Event::ZRemRangeByLex)
}
