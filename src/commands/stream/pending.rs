//! XACK and XPENDING: what was delivered and is not yet done with.

use super::{Args, CommandError, CommandResult, Ctx, Done, ids, lookup, no_group_or_key, reply_id};
use crate::clock::Millis;
use crate::resp::Reply;
use crate::store::value::stream::{Group, Stream, StreamId};

/// `XACK key group id [id …]`
pub(super) fn xack(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, group) = (args.key()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?;
    let mut acknowledged = 0;
    if stream.is_some_and(|stream| stream.group(group).is_some()) {
        let ids = ids::all(args)?;
        if let Some(mut stream) = entry.change_existing::<Stream>(0)? {
            let acknowledge = |group: &mut Group| ids.iter().filter(|&&id| group.acknowledge(id)).count();
            acknowledged = stream.change_group(group, |group, _| acknowledge(group)).unwrap_or(0);
        }
    }
    ctx.reply.int(acknowledged);
    Ok(Done)
}

/// Which pending entries XPENDING lists.
struct Listing<'a> {
    min_idle: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

/// `XPENDING key group [[IDLE min-idle] start end count [consumer]]`
pub(super) fn xpending(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, group) = (args.key()?, args.bytes()?);
    let listing = if args.is_empty() { None } else { Some(listing(args)?) };
    let mut entry = ctx.db.entry(key);
    let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?;
    let group = stream.and_then(|stream| stream.group(group)).ok_or_else(|| no_group_or_key(key, group))?;
    match listing {
        None => summarize(&mut ctx.reply, group),
        Some(listing) => list(&mut ctx.reply, group, &listing, ctx.now),
    }
    Ok(Done)
}

fn listing<'a>(args: &mut Args<'a>) -> Result<Listing<'a>, CommandError> {
    // Whatever it says: start, end and count, or IDLE and three or four more.
    if !(3..=6).contains(&args.len()) {
        return Err(CommandError::Syntax);
    }
    let mut min_idle = 0;
    if args.accept("IDLE") {
        min_idle = args.int()?;
        if args.len() < 3 {
            return Err(CommandError::Syntax);
        }
    }
    let (start, end) = (args.bytes()?, args.bytes()?);
    let count = usize::try_from(args.int()?).unwrap_or(0);
    let (start, end) = (ids::start(start)?, ids::end(end)?);
    Ok(Listing { min_idle, start, end, count, consumer: args.bytes().ok() })
}

/// How much is pending, between which IDs, and for whom.
fn summarize(reply: &mut Reply<'_>, group: &Group) {
    let pending = group.pending();
    reply.array(4);
    reply.int(pending.len());
    match (pending.first_key_value(), pending.last_key_value()) {
        (Some((&first, _)), Some((&last, _))) => {
            reply_id(reply, first);
            reply_id(reply, last);
            reply.array_of(|reply| {
                let busy = group.consumers().filter(|consumer| !consumer.pending().is_empty());
                busy.map(|consumer| {
                    reply.array(2);
                    reply.bulk(consumer.name());
                    reply.bulk(itoa::Buffer::new().format(consumer.pending().len()).as_bytes());
                })
                .count()
            });
        }
        _ => {
            reply.nil();
            reply.nil();
            reply.nil_array();
        }
    }
}

fn list(reply: &mut Reply<'_>, group: &Group, listing: &Listing<'_>, now: Millis) {
    let consumer = match listing.consumer.map(|name| group.consumer(name)) {
        // Nothing is pending for somebody unknown.
        Some(None) => return reply.array(0),
        Some(consumer) => consumer,
        None => None,
    };
    reply.array_of(|reply| {
        let all = group.pending_range(listing.start, listing.end, consumer);
        let idle = |delivered: Millis| now.0 as i64 - delivered.0 as i64;
        all.filter(|(_, pending)| listing.min_idle == 0 || idle(pending.delivered) >= listing.min_idle)
            .take(listing.count)
            .map(|(id, pending)| {
                reply.array(4);
                reply_id(reply, id);
                reply.bulk(group.owner(&pending).name());
                reply.int(idle(pending.delivered).max(0));
                reply.int(pending.count as i64);
            })
            .count()
    });
}
