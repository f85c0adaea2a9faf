//! XCLAIM and XAUTOCLAIM: pending entries change hands.

use super::{
    Args, CommandError, CommandResult, Ctx, Done, ids, lookup, no_group_or_key, reply_id, reply_item,
};
use crate::clock::Millis;
use crate::commands::args::parse_int;
use crate::resp::Reply;
use crate::store::value::stream::{ConsumerNumber, Entries, Group, PENDING_BYTES, Pending, Stream, StreamId};
use crate::store::{Entry, Event};

/// What a consumer that is created takes beside its name, at most.
const CONSUMER_BYTES: usize = 256;

/// An option's number, which has an error of its own.
fn number(args: &mut Args<'_>, what: &str, command: &str) -> Result<i64, CommandError> {
    parse_int(args.bytes()?)
        .ok_or_else(|| CommandError::other(format!("ERR Invalid {what} argument for {command}")))
}

/// Who claims, and how.
struct Claim {
    consumer: ConsumerNumber,
    now: Millis,
    min_idle: i64,
    /// When it is said to have been delivered.
    delivered: Millis,
    /// How often; otherwise once more than before, unless only IDs are told.
    retry_count: Option<u64>,
    just_id: bool,
}

impl Claim {
    /// Gives an entry that is still there to the consumer, if it has been idle for long enough; `false` if
    /// not. One that was not pending, for which there is no `old`, counts as delivered once.
    fn take(&self, group: &mut Group, id: StreamId, old: Option<Pending>) -> bool {
        let idle = |old: Pending| self.now.0 as i64 - old.delivered.0 as i64;
        if self.min_idle > 0 && old.is_some_and(|old| idle(old) < self.min_idle) {
            return false;
        }
        let before = old.map_or(1, |old| old.count);
        let count = self.retry_count.unwrap_or(before.saturating_add(u64::from(!self.just_id)));
        group.assign(id, Pending { consumer: self.consumer, delivered: self.delivered, count });
        group.set_active(self.consumer, self.now);
        true
    }

    fn reply(&self, reply: &mut Reply<'_>, entries: &Entries, id: StreamId) {
        match entries.get(id) {
            Some(item) if !self.just_id => reply_item(reply, item),
            _ => reply_id(reply, id),
        }
    }
}

/// What XCLAIM may say behind its IDs.
#[derive(Default)]
struct Options {
    delivered: Option<i64>,
    retry_count: Option<i64>,
    last_id: StreamId,
    force: bool,
    just_id: bool,
}

fn options(args: &mut Args<'_>, now: Millis) -> Result<Options, CommandError> {
    let mut options = Options::default();
    while !args.is_empty() {
        let more = args.len() >= 2;
        if args.accept("FORCE") {
            options.force = true;
        } else if args.accept("JUSTID") {
            options.just_id = true;
        } else if more && args.accept("IDLE") {
            let idle = number(args, "IDLE option", "XCLAIM")?;
            options.delivered = Some((now.0 as i64).wrapping_sub(idle));
        } else if more && args.accept("TIME") {
            options.delivered = Some(number(args, "TIME option", "XCLAIM")?);
        } else if more && args.accept("RETRYCOUNT") {
            options.retry_count = Some(number(args, "RETRYCOUNT option", "XCLAIM")?);
        } else if more && args.accept("LASTID") {
            options.last_id = ids::exact(args.bytes()?)?;
        } else {
            return Err(CommandError::quoting(
                "ERR Unrecognized XCLAIM option '",
                args.bytes()?,
                usize::MAX,
                "'",
            ));
        }
    }
    Ok(options)
}

/// `XCLAIM key group consumer min-idle id [id …] [IDLE ms] [TIME unix-ms] [RETRYCOUNT count] [FORCE] [JUSTID]
/// [LASTID id]`
pub(super) fn xclaim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, group, consumer) = (args.key()?, args.bytes()?, args.bytes()?);
    let now = ctx.now;
    let mut entry = ctx.db.entry(key);
    let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?;
    if stream.is_none_or(|stream| stream.group(group).is_none()) {
        return Err(no_group_or_key(key, group));
    }
    let min_idle = number(args, "min-idle-time", "XCLAIM")?;
    let mut wanted = Vec::with_capacity(args.len());
    while let Some(id) = args.peek().and_then(|text| ids::exact(text).ok()) {
        wanted.push(id);
        args.bytes()?;
    }
    let options = options(args, now)?;
    // A moment that cannot be is not worth an error: clients' clocks differ.
    let delivered = options.delivered.and_then(|ms| u64::try_from(ms).ok()).filter(|&ms| ms <= now.0);
    let adding =
        CONSUMER_BYTES + consumer.len() + if options.force { wanted.len() * PENDING_BYTES } else { 0 };
    let reply = &mut ctx.reply;
    change_group(&mut entry, (key, group), adding, |group, entries| {
        group.last_id = group.last_id.max(options.last_id);
        let (consumer, created) = group.see(consumer, now);
        let claim = Claim {
            consumer,
            now,
            min_idle,
            delivered: delivered.map_or(now, Millis),
            retry_count: options.retry_count.and_then(|count| u64::try_from(count).ok()),
            just_id: options.just_id,
        };
        reply.array_of(|reply| {
            let mut claimed = 0;
            for &id in &wanted {
                let old = group.pending().get(&id).copied();
                if entries.get(id).is_none() {
                    group.acknowledge(id);
                } else if (old.is_some() || options.force) && claim.take(group, id, old) {
                    claim.reply(reply, entries, id);
                    claimed += 1;
                }
            }
            claimed
        });
        created
    })
}

/// `XAUTOCLAIM key group consumer min-idle start [COUNT count] [JUSTID]`
pub(super) fn xautoclaim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    /// So many pending entries are looked at for each that may be claimed.
    const ATTEMPTS: u64 = 10;
    let (key, group, consumer) = (args.key()?, args.bytes()?, args.bytes()?);
    let min_idle = number(args, "min-idle-time", "XAUTOCLAIM")?;
    let start = ids::start(args.bytes()?)?;
    let (mut count, mut just_id) = (100, false);
    while !args.is_empty() {
        if args.len() >= 2 && args.accept("COUNT") {
            let wanted = parse_int(args.bytes()?).filter(|wanted| (1..=i64::MAX / 16).contains(wanted));
            count = wanted.ok_or_else(|| CommandError::other("ERR COUNT must be > 0"))? as u64;
        } else if args.accept("JUSTID") {
            just_id = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let now = ctx.now;
    let mut entry = ctx.db.entry(key);
    lookup::collection::<Stream>(ctx.counters, &mut entry)?;
    let reply = &mut ctx.reply;
    change_group(&mut entry, (key, group), CONSUMER_BYTES + consumer.len(), |group, entries| {
        let (consumer, created) = group.see(consumer, now);
        let claim = Claim { consumer, now, min_idle, delivered: now, retry_count: None, just_id };
        let mut next = Some(start);
        let first_from = |group: &Group, from: Option<StreamId>| {
            from.and_then(|from| group.pending_range(from, StreamId::MAX, None).next())
        };
        let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
        for _ in 0..count.saturating_mul(ATTEMPTS) {
            if (claimed.len() + deleted.len()) as u64 >= count {
                break;
            }
            let Some((id, old)) = first_from(group, next) else { break };
            next = id.next();
            if entries.get(id).is_none() {
                group.acknowledge(id);
                deleted.push(id);
            } else if claim.take(group, id, Some(old)) {
                claimed.push(id);
            }
        }
        reply.array(3);
        reply_id(reply, first_from(group, next).map_or(StreamId::MIN, |(id, _)| id));
        reply.array(claimed.len());
        claimed.iter().for_each(|&id| claim.reply(reply, entries, id));
        reply.array(deleted.len());
        deleted.iter().for_each(|&id| reply_id(reply, id));
        created
    })
}

/// Lets `change` change a group; it says whether it created a consumer.
///
/// # Errors
/// `NOGROUP`; `OutOfMemory`. Differs: Redis lets what is pending grow beyond the limit.
fn change_group(
    entry: &mut Entry<'_>,
    (key, group): (&[u8], &[u8]),
    adding: usize,
    change: impl FnOnce(&mut Group, &Entries) -> bool,
) -> CommandResult {
    let missing = || no_group_or_key(key, group);
    let mut stream = entry.change_existing::<Stream>(adding)?.ok_or_else(missing)?;
    if stream.change_group(group, change).ok_or_else(missing)? {
        stream.announce(Event::XGroupCreateConsumer);
    }
    Ok(Done)
}
