//! Members at random: SPOP, SRANDMEMBER.

use super::{Args, Collection, CommandError, CommandResult, Ctx, Done, Set, lookup, reply_members};
use crate::commands::random::{Draw, Random};
use crate::store::Event;

/// Takes a member out, as text.
fn pop(set: &mut Set, random: &mut Random) -> Option<Vec<u8>> {
    let member = set.get(random.below(set.len().max(1)))?.to_text().into_owned();
    set.remove(&member);
    Some(member)
}

/// `SPOP key [count]`
pub(super) fn spop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    if !args.is_empty() {
        return spop_many(ctx, key, args);
    }
    let mut entry = ctx.db.entry(key);
    let mut popped = None;
    if let Some(mut set) = entry.change_existing::<Set>(0)? {
        popped = pop(&mut set, &mut Random::new());
        set.done(Event::SPop);
    }
    match popped {
        Some(member) => ctx.reply.bulk(&member),
        None => ctx.reply.nil(),
    }
    Ok(Done)
}

fn spop_many(ctx: &mut Ctx<'_>, key: &[u8], args: &mut Args<'_>) -> CommandResult {
    if args.len() > 1 {
        return Err(CommandError::Syntax);
    }
    let count = args.positive(CommandError::NotPositive)?;
    // A large set is dropped when its shard is unlocked.
    let all;
    let mut entry = ctx.db.entry(key);
    let len = entry.collection::<Set>()?.map_or(0, Set::len);
    if count == 0 || len == 0 {
        ctx.reply.set(0);
        return Ok(Done);
    }
    if let Some(mut set) = entry.change_existing::<Set>(0)? {
        if count >= len {
            all = std::mem::take(&mut *set);
            reply_members(&mut ctx.reply, &all);
        } else {
            ctx.reply.set(count);
            let mut random = Random::new();
            for member in (0..count).map_while(|_| pop(&mut set, &mut random)) {
                ctx.reply.bulk(&member);
            }
        }
        set.done(Event::SPop);
    }
    Ok(Done)
}

/// `SRANDMEMBER key [count]`
pub(super) fn srandmember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    if args.len() > 1 {
        return Err(CommandError::Syntax);
    }
    let draw = if args.is_empty() { None } else { Some(Draw::parse(args)?) };
    let mut entry = ctx.db.entry(key);
    let set = lookup::collection::<Set>(ctx.counters, &mut entry)?;
    let mut buffer = itoa::Buffer::new();
    let Some(draw) = draw else {
        match set.and_then(|set| set.get(Random::new().below(set.len()))) {
            Some(member) => ctx.reply.bulk(member.text(&mut buffer)),
            None => ctx.reply.nil(),
        }
        return Ok(Done);
    };
    let Some(set) = set else {
        ctx.reply.array(0);
        return Ok(Done);
    };
    let places = draw.places(set.len(), set.bytes())?;
    ctx.reply.array(places.len());
    for member in places.filter_map(|place| set.get(place)) {
        ctx.reply.bulk(member.text(&mut buffer));
    }
    Ok(Done)
}
