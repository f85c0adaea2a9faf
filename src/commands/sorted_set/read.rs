//! Looking into one sorted set: its size, scores, ranks, counts, members at random, ZSCAN.

use super::bounds::{By, Span};
use super::{
    Args, Collection, CommandError, CommandResult, Ctx, Done, SortedSet, lookup, reply_len, reply_member,
};
use crate::commands::random::{Draw, Random};
use crate::commands::scan;
use crate::double;
use crate::resp::Reply;

/// `ZCARD key`
pub(super) fn zcard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    ctx.reply.int(set.map_or(0, SortedSet::len));
    Ok(Done)
}

fn reply_score(reply: &mut Reply<'_>, set: Option<&SortedSet>, member: &[u8]) {
    match set.and_then(|set| set.score(member)) {
        Some(score) => reply.double(score),
        None => reply.nil(),
    }
}

/// `ZSCORE key member`
pub(super) fn zscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    reply_score(&mut ctx.reply, set, args.bytes()?);
    Ok(Done)
}

/// `ZMSCORE key member [member ...]`
pub(super) fn zmscore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    ctx.reply.array(args.len());
    args.rest().iter().for_each(|member| reply_score(&mut ctx.reply, set, member));
    Ok(Done)
}

/// `ZRANK key member [WITHSCORE]`
pub(super) fn zrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    rank(ctx, args, "zrank", false)
}

/// `ZREVRANK key member [WITHSCORE]`
pub(super) fn zrevrank(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    rank(ctx, args, "zrevrank", true)
}

fn rank(ctx: &mut Ctx<'_>, args: &mut Args<'_>, name: &str, reverse: bool) -> CommandResult {
    let (key, member) = (args.key()?, args.bytes()?);
    if args.len() > 1 {
        return Err(CommandError::Arity(name.into()));
    }
    let with_score = args.accept("WITHSCORE");
    args.finish()?;
    let mut entry = ctx.db.entry(key);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(member)?;
        Some((if reverse { set.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            ctx.reply.array(2);
            ctx.reply.int(rank);
            ctx.reply.double(score);
        }
        Some((rank, _)) => ctx.reply.int(rank),
        None if with_score => ctx.reply.nil_array(),
        None => ctx.reply.nil(),
    }
    Ok(Done)
}

/// `ZCOUNT key min max`
pub(super) fn zcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    count(ctx, args, By::Score)
}

/// `ZLEXCOUNT key min max`
pub(super) fn zlexcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    count(ctx, args, By::Lex)
}

fn count(ctx: &mut Ctx<'_>, args: &mut Args<'_>, by: By) -> CommandResult {
    let key = args.key()?;
    let span = Span::parse(by, args.bytes()?, args.bytes()?)?;
    let mut entry = ctx.db.entry(key);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    ctx.reply.int(set.map_or(0, |set| span.ranks(set, false).len()));
    Ok(Done)
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn zscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let cursor = scan::cursor(args.bytes()?)?;
    let Some(set) = lookup::collection::<SortedSet>(ctx.counters, &mut entry)? else {
        scan::reply(&mut ctx.reply, 0, &[]);
        return Ok(Done);
    };
    let options = scan::Options::parse(args, |_| Ok(false))?;
    let (mut found, mut buffer) = (Vec::new(), itoa::Buffer::new());
    let cursor = set.scan(cursor, options.count, |member, score| {
        let member = member.text(&mut buffer);
        if options.shows(member) {
            found.extend([member.to_vec(), double::text(score).into_bytes()]);
        }
    });
    scan::reply(&mut ctx.reply, cursor, &found);
    Ok(Done)
}

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(super) fn zrandmember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let draw = if args.is_empty() { None } else { Some(Draw::parse(args)?) };
    let with_scores = !args.is_empty() && args.accept("WITHSCORES");
    args.finish()?;
    let draw = if with_scores { draw.map(Draw::of_pairs).transpose()? } else { draw };
    let mut entry = ctx.db.entry(key);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    let mut buffer = itoa::Buffer::new();
    let Some(draw) = draw else {
        match set.and_then(|set| set.get(Random::new().below(set.len()))) {
            Some((member, _)) => ctx.reply.bulk(member.text(&mut buffer)),
            None => ctx.reply.nil(),
        }
        return Ok(Done);
    };
    let Some(set) = set else {
        ctx.reply.array(0);
        return Ok(Done);
    };
    let places = draw.places(set.len(), set.bytes())?;
    reply_len(&mut ctx.reply, places.len(), with_scores);
    for (member, score) in places.filter_map(|place| set.get(place)) {
        reply_member(&mut ctx.reply, member.text(&mut buffer), with_scores.then_some(score));
    }
    Ok(Done)
}
