//! Adding to sets and taking from them by name: SADD, SREM, SMOVE.

use super::{Args, CommandResult, Ctx, Done, Set, limits};
use crate::store::Event;

/// What a member takes at most beside its own bytes.
const PER_MEMBER: usize = 64;

/// `SADD key member [member ...]`
pub(super) fn sadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let limits = limits(&ctx.daemon.config);
    let members = args.rest();
    let cost = members.iter().map(|member| member.len() + PER_MEMBER).sum();
    let mut set = entry.change::<Set>(cost)?;
    set.expect(members.len(), members.get(0).unwrap_or_default(), &limits);
    let added = members.iter().filter(|member| set.insert(member, &limits)).count();
    if added > 0 {
        set.done(Event::SAdd);
    }
    ctx.reply.int(added);
    Ok(Done)
}

/// `SREM key member [member ...]`
pub(super) fn srem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let mut removed = 0;
    if let Some(mut set) = entry.change_existing::<Set>(0)? {
        removed = args.rest().iter().filter(|member| set.remove(member)).count();
        if removed > 0 {
            set.done(Event::SRem);
        }
    }
    ctx.reply.int(removed);
    Ok(Done)
}

/// `SMOVE source destination member`. The member is put into the destination first, so that nothing is lost
/// when there is no memory for it; the events come in Redis' order.
pub(super) fn smove(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (source, destination, member) = (args.key()?, args.key()?, args.bytes()?);
    let limits = limits(&ctx.daemon.config);
    let is_member = ctx.db.entry(source).collection::<Set>()?.map(|set| set.contains(member));
    let Some(is_member) = is_member else {
        ctx.reply.int(0);
        return Ok(Done);
    };
    let mut to = ctx.db.entry(destination);
    to.collection::<Set>()?;
    if is_member && source != destination {
        let mut set = to.change::<Set>(member.len() + PER_MEMBER)?;
        set.expect(1, member, &limits);
        let is_new = set.insert(member, &limits);
        drop(set);
        drop(to);
        if let Some(mut set) = ctx.db.entry(source).change_existing::<Set>(0)? {
            set.remove(member);
            set.done(Event::SRem);
        }
        if is_new && let Some(set) = ctx.db.entry(destination).change_existing::<Set>(0)? {
            set.done(Event::SAdd);
        }
    } else {
        drop(to);
    }
    ctx.reply.int(u8::from(is_member));
    Ok(Done)
}
