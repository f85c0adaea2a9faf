//! Several sets together: intersection, union, difference.
//!
//! Only one key is looked at at a time, though all are held. What is copied is never more than the result or
//! the smallest set of an intersection.

use super::{Args, Collection, CommandError, CommandResult, Ctx, Done, Set, limits, lookup, reply_members};
use crate::resp::Argv;
use crate::store::value::text::Text;
use crate::store::{Event, Owned};

/// Of each key the number of members, 0 where there is none.
///
/// # Errors
/// `WrongType`: one of them is no set.
fn lengths(ctx: &mut Ctx<'_>, keys: Argv<'_>) -> Result<Vec<usize>, CommandError> {
    let length = |key| {
        let mut entry = ctx.db.entry(key);
        let set = lookup::collection::<Set>(ctx.counters, &mut entry)?;
        Ok(set.map_or(0, Set::len))
    };
    keys.iter().map(length).collect()
}

/// Shows the set at a key, which is known to be none of another type.
fn with<T>(ctx: &mut Ctx<'_>, key: &[u8], look: impl FnOnce(&Set) -> T) -> Result<Option<T>, CommandError> {
    Ok(ctx.db.entry(key).collection::<Set>()?.map(look))
}

/// The members that are in all sets, up to `most` of them. `O(smallest × keys)`
fn intersection(ctx: &mut Ctx<'_>, keys: Argv<'_>, most: usize) -> Result<Vec<Text>, CommandError> {
    let lengths = lengths(ctx, keys)?;
    if lengths.contains(&0) {
        return Ok(Vec::new());
    }
    let mut order: Vec<(usize, &[u8])> = lengths.into_iter().zip(keys.iter()).collect();
    order.sort_by_key(|&(len, _)| len);
    let Some(((_, smallest), others)) = order.split_first() else { return Ok(Vec::new()) };
    // The limit counts where members come out of the last set.
    let mut buffer = itoa::Buffer::new();
    let few = if others.is_empty() { most } else { usize::MAX };
    let copy = |set: &Set| set.iter().take(few).map(|member| Text::new(member.text(&mut buffer))).collect();
    let mut members: Vec<Text> = with(ctx, smallest, copy)?.unwrap_or_default();
    for (at, (_, key)) in others.iter().enumerate() {
        let mut left = if at + 1 == others.len() { most } else { usize::MAX };
        with(ctx, key, |set| {
            members.retain(|member| {
                let stays = left > 0 && set.contains(member.as_bytes());
                left -= usize::from(stays);
                stays
            });
        })?;
    }
    Ok(members)
}

/// `SINTER key [key ...]`
pub(super) fn sinter(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.len() == 1 {
        return super::read::smembers(ctx, args);
    }
    let members = intersection(ctx, args.rest(), usize::MAX)?;
    ctx.reply.set(members.len());
    members.iter().for_each(|member| ctx.reply.bulk(member.as_bytes()));
    Ok(Done)
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(super) fn sintercard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let error = CommandError::other("ERR numkeys should be greater than 0");
    let count = args.positive(error.clone())?;
    if count == 0 {
        return Err(error);
    }
    if count > args.len() {
        return Err(CommandError::other("ERR Number of keys can't be greater than number of args"));
    }
    let keys = args.take(count).rest();
    let mut most = usize::MAX;
    while !args.is_empty() {
        if args.len() < 2 || !args.accept("LIMIT") {
            return Err(CommandError::Syntax);
        }
        let limit = args.positive(CommandError::other("ERR LIMIT can't be negative"))?;
        most = if limit == 0 { usize::MAX } else { limit };
    }
    let members = intersection(ctx, keys, most)?;
    ctx.reply.int(members.len());
    Ok(Done)
}

/// `SINTERSTORE destination key [key ...]`
pub(super) fn sinterstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let destination = args.key()?;
    let members = intersection(ctx, args.rest(), usize::MAX)?;
    let (mut set, limits) = (Set::default(), limits(&ctx.daemon.config));
    for member in &members {
        set.insert(member.as_bytes(), &limits);
    }
    store(ctx, destination, set, Event::SInterStore)
}

/// The members that are in any set. The largest is copied as it is. `O(members)`
fn union(ctx: &mut Ctx<'_>, keys: Argv<'_>) -> Result<Set, CommandError> {
    let lengths = lengths(ctx, keys)?;
    let limits = limits(&ctx.daemon.config);
    let largest = (0..keys.len()).max_by_key(|&at| lengths[at]);
    let mut union = match largest.and_then(|at| keys.get(at)) {
        Some(key) => with(ctx, key, Set::clone)?.unwrap_or_default(),
        None => Set::default(),
    };
    let mut buffer = itoa::Buffer::new();
    for (_, key) in keys.iter().enumerate().filter(|&(at, _)| Some(at) != largest && lengths[at] > 0) {
        with(ctx, key, |set| {
            for member in set.iter() {
                union.insert(member.text(&mut buffer), &limits);
            }
        })?;
    }
    Ok(union)
}

/// `SUNION key [key ...]`
pub(super) fn sunion(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.len() == 1 {
        return super::read::smembers(ctx, args);
    }
    let union = union(ctx, args.rest())?;
    reply_members(&mut ctx.reply, &union);
    Ok(Done)
}

/// `SUNIONSTORE destination key [key ...]`
pub(super) fn sunionstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let destination = args.key()?;
    let union = union(ctx, args.rest())?;
    let limits = limits(&ctx.daemon.config);
    store(ctx, destination, union.compacted(&limits), Event::SUnionStore)
}

/// The members of the first set that are in no other. Of two sets the smaller one is walked.
fn difference(ctx: &mut Ctx<'_>, keys: Argv<'_>) -> Result<Set, CommandError> {
    let lengths = lengths(ctx, keys)?;
    let first = keys.get(0).unwrap_or_default();
    if lengths.first() == Some(&0) || keys.iter().skip(1).any(|key| key == first) {
        return Ok(Set::default());
    }
    let mut rest = with(ctx, first, Set::clone)?.unwrap_or_default();
    for (key, _) in keys.iter().zip(&lengths).skip(1).filter(|(_, len)| **len > 0) {
        with(ctx, key, |set| subtract(&mut rest, set))?;
        if rest.is_empty() {
            break;
        }
    }
    Ok(rest)
}

fn subtract(from: &mut Set, set: &Set) {
    let mut buffer = itoa::Buffer::new();
    if set.len() <= from.len() {
        for member in set.iter() {
            from.remove(member.text(&mut buffer));
        }
        return;
    }
    let members = from.iter().map(|member| Text::new(member.text(&mut buffer)));
    let gone: Vec<Text> = members.filter(|member| set.contains(member.as_bytes())).collect();
    for member in gone {
        from.remove(member.as_bytes());
    }
}

/// `SDIFF key [key ...]`
pub(super) fn sdiff(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.len() == 1 {
        return super::read::smembers(ctx, args);
    }
    let difference = difference(ctx, args.rest())?;
    reply_members(&mut ctx.reply, &difference);
    Ok(Done)
}

/// `SDIFFSTORE destination key [key ...]`
pub(super) fn sdiffstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let destination = args.key()?;
    let difference = difference(ctx, args.rest())?;
    let limits = limits(&ctx.daemon.config);
    store(ctx, destination, difference.compacted(&limits), Event::SDiffStore)
}

/// Puts the result in the place of whatever is at the destination; an empty one deletes that.
fn store(ctx: &mut Ctx<'_>, destination: &[u8], set: Set, event: Event) -> CommandResult {
    let mut entry = ctx.db.entry(destination);
    let len = set.len();
    if len == 0 {
        entry.delete(Event::Del);
    } else {
        entry.insert(Owned::object(set), event)?;
    }
    ctx.reply.int(len);
    Ok(Done)
}
