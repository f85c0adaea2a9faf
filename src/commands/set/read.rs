//! Looking into one set: SCARD, SISMEMBER, SMISMEMBER, SMEMBERS, SSCAN.

use super::{Args, Collection, CommandResult, Ctx, Done, Set, lookup, reply_members};
use crate::commands::scan;

/// `SCARD key`
pub(super) fn scard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<Set>(ctx.counters, &mut entry)?;
    ctx.reply.int(set.map_or(0, Set::len));
    Ok(Done)
}

/// `SISMEMBER key member`
pub(super) fn sismember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<Set>(ctx.counters, &mut entry)?;
    let member = args.bytes()?;
    ctx.reply.int(u8::from(set.is_some_and(|set| set.contains(member))));
    Ok(Done)
}

/// `SMISMEMBER key member [member ...]`
pub(super) fn smismember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<Set>(ctx.counters, &mut entry)?;
    ctx.reply.array(args.len());
    for member in args.rest().iter() {
        ctx.reply.int(u8::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(Done)
}

/// `SMEMBERS key`
pub(super) fn smembers(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    match lookup::collection::<Set>(ctx.counters, &mut entry)? {
        Some(set) => reply_members(&mut ctx.reply, set),
        None => ctx.reply.set(0),
    }
    Ok(Done)
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn sscan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let cursor = scan::cursor(args.bytes()?)?;
    let Some(set) = lookup::collection::<Set>(ctx.counters, &mut entry)? else {
        scan::reply(&mut ctx.reply, 0, &[]);
        return Ok(Done);
    };
    let options = scan::Options::parse(args, |_| Ok(false))?;
    let (mut found, mut buffer) = (Vec::new(), itoa::Buffer::new());
    let cursor = set.scan(cursor, options.count, |member| {
        let member = member.text(&mut buffer);
        if options.shows(member) {
            found.push(member.to_vec());
        }
    });
    scan::reply(&mut ctx.reply, cursor, &found);
    Ok(Done)
}
