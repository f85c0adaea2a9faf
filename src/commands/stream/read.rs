//! XREAD and XREADGROUP.

use super::{
    Args, CommandError, CommandResult, Ctx, Done, at_most, ids, lookup, quoting_both, reply_id, reply_item,
    reply_items,
};
use crate::clock::Millis;
use crate::resp::{Argv, OwnedArgv, Reply};
use crate::store::value::stream::{ConsumerNumber, Entries, Group, PENDING_BYTES, Pending, Stream, StreamId};
use crate::store::{Entry, Event};
use crate::waiting::Nil;
use crate::wire::Out;

/// Everything in front of the keys.
#[derive(Default)]
struct Options<'a> {
    /// `BLOCK`: when to give up; `Some(None)`: never.
    deadline: Option<Option<Millis>>,
    count: i64,
    /// Group and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
}

/// The keys, and the ID given for each.
struct Streams<'a> {
    keys: Argv<'a>,
    ids: Argv<'a>,
    /// Where the IDs begin.
    ids_at: usize,
}

impl<'a> Streams<'a> {
    fn each(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.keys.iter().zip(self.ids.iter())
    }
}

/// Reads the options, and the keys and IDs behind `STREAMS`.
fn options<'a>(
    args: &mut Args<'a>,
    command: &str,
    now: Millis,
) -> Result<(Options<'a>, Streams<'a>), CommandError> {
    let for_group = command == "xreadgroup";
    let only_group = |option: &str| {
        CommandError::other(format!(
            "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
        ))
    };
    let mut options = Options::default();
    while !args.is_empty() {
        let more = args.len() - 1;
        if more >= 1 && args.accept("BLOCK") {
            options.deadline = Some(block_deadline(args, now)?);
        } else if more >= 1 && args.accept("COUNT") {
            options.count = args.int()?;
        } else if more >= 1 && args.accept("STREAMS") {
            let streams = streams(args, command)?;
            if for_group && options.group.is_none() {
                return Err(CommandError::other("ERR Missing GROUP option for XREADGROUP"));
            }
            return Ok((options, streams));
        } else if more >= 2 && args.accept("GROUP") {
            if !for_group {
                return Err(only_group("GROUP"));
            }
            options.group = Some((args.bytes()?, args.bytes()?));
        } else if args.accept("NOACK") {
            if !for_group {
                return Err(only_group("NOACK"));
            }
            options.no_ack = true;
        } else {
            break;
        }
    }
    Err(CommandError::Syntax)
}

/// `BLOCK`'s milliseconds; 0: for ever.
fn block_deadline(args: &mut Args<'_>, now: Millis) -> Result<Option<Millis>, CommandError> {
    let error = |what| CommandError::other(format!("ERR timeout is {what}"));
    let ms = args.int().map_err(|_| error("not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| error("negative"))?;
    let at = now.0.checked_add(ms).filter(|&at| i64::try_from(at).is_ok());
    let at = at.ok_or_else(|| error("out of range"))?;
    Ok((ms > 0).then_some(Millis(at)))
}

fn streams<'a>(args: &mut Args<'a>, command: &str) -> Result<Streams<'a>, CommandError> {
    let rest = args.rest();
    if !rest.len().is_multiple_of(2) {
        let symbol = if command == "xread" { '$' } else { '>' };
        return Err(CommandError::other(format!(
            "ERR Unbalanced '{command}' list of streams: for each stream key an ID or '{symbol}' must be specified."
        )));
    }
    let half = rest.len() / 2;
    let ids_at = args.argv().len() - half;
    Ok(Streams { keys: rest.first(half), ids: rest.skip(half), ids_at })
}

/// Begins the reply of so many streams.
fn reply_streams(reply: &mut Reply<'_>, count: usize) {
    if reply.is_resp3() { reply.map(count) } else { reply.array(count) }
}

fn reply_key(reply: &mut Reply<'_>, key: &[u8]) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key [key …] id [id …]`
pub(super) fn xread(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (options, streams) = options(args, "xread", ctx.now)?;
    let mut after = Vec::with_capacity(streams.keys.len());
    for (key, id) in streams.each() {
        let mut entry = ctx.db.entry(key);
        let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?;
        after.push(read_after(stream.map(|stream| &stream.entries), id)?);
    }
    let mut ready = Vec::new();
    for ((key, _), &after) in streams.each().zip(&after) {
        let mut entry = ctx.db.entry(key);
        let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?;
        let last = stream.and_then(|stream| stream.entries.last());
        if let Some(first) = after.next().filter(|_| last.is_some_and(|last| last.id > after)) {
            ready.push((key, first));
        }
    }
    if ready.is_empty() {
        let Some(deadline) = options.deadline else {
            ctx.reply.nil_array();
            return Ok(Done);
        };
        return ctx.block_as(deadline, Nil::Array, resolved(args.argv(), &streams, &after));
    }
    let reply = &mut ctx.reply;
    reply_streams(reply, ready.len());
    for (key, first) in ready {
        reply_key(reply, key);
        let entry = ctx.db.entry(key);
        match entry.collection::<Stream>()? {
            Some(stream) => {
                let items = stream.entries.range(first, StreamId::MAX);
                reply_items(reply, items.take(at_most(options.count)));
            }
            None => reply.array(0),
        }
    }
    Ok(Done)
}

/// The ID behind which XREAD reads.
fn read_after(entries: Option<&Entries>, id: &[u8]) -> Result<StreamId, CommandError> {
    match id {
        b"$" => Ok(entries.map_or(StreamId::MIN, Entries::last_id)),
        // The last entry itself, since Redis 7.4.
        b"+" => Ok(entries.and_then(Entries::last).and_then(|last| last.id.prev()).unwrap_or_default()),
        b">" => Err(CommandError::other(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => ids::exact(id),
    }
}

/// The command with `$` put in concrete terms, to be run again later.
fn resolved(argv: Argv<'_>, streams: &Streams<'_>, after: &[StreamId]) -> OwnedArgv {
    let mut owned = OwnedArgv::default();
    argv.first(streams.ids_at).iter().for_each(|arg| owned.push(arg));
    for (id, after) in streams.ids.iter().zip(after) {
        match id {
            b"$" => owned.push(after.to_string().as_bytes()),
            _ => owned.push(id),
        }
    }
    owned
}

/// What XREADGROUP reads of a stream.
#[derive(Clone, Copy)]
enum Wanted {
    /// `>`: what the group has not been given yet.
    New,
    /// What is pending for the consumer behind this ID.
    History(StreamId),
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key [key …] id [id …]`
///
/// Differs: Redis lets what is pending grow beyond the memory limit.
pub(super) fn xreadgroup(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (options, streams) = options(args, "xreadgroup", ctx.now)?;
    let (group_name, consumer_name) = options.group.unwrap_or_default();
    let mut wanted = Vec::with_capacity(streams.keys.len());
    for (key, id) in streams.each() {
        let mut entry = ctx.db.entry(key);
        let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?;
        if stream.is_none_or(|stream| stream.group(group_name).is_none()) {
            let parts =
                ["NOGROUP No such key '", "' or consumer group '", "' in XREADGROUP with GROUP option"];
            return Err(quoting_both(parts, [key, group_name]));
        }
        wanted.push(group_wants(id)?);
    }
    let reader = Reader { group: group_name, consumer: consumer_name, now: ctx.now, options: &options };
    let mut body = Out::new();
    let mut served = 0;
    for ((key, _), &wanted) in streams.each().zip(&wanted) {
        let mut entry = ctx.db.entry(key);
        lookup::collection::<Stream>(ctx.counters, &mut entry)?;
        let mut reply = Reply::new(&mut body, ctx.reply.is_resp3());
        served += usize::from(reader.read(&mut entry, wanted, &mut reply)?);
    }
    if served == 0 {
        let Some(deadline) = options.deadline else {
            ctx.reply.nil_array();
            return Ok(Done);
        };
        return ctx.block(deadline, Nil::Array);
    }
    reply_streams(&mut ctx.reply, served);
    ctx.reply.out().put(&body.to_vec());
    Ok(Done)
}

fn group_wants(id: &[u8]) -> Result<Wanted, CommandError> {
    let meaningless = |id: &str| {
        CommandError::other(format!(
            "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of this \
             consumer by specifying a proper ID, or use the > ID to get new messages. The {id} ID would just \
             return an empty result set."
        ))
    };
    match id {
        b">" => Ok(Wanted::New),
        b"$" => Err(meaningless("$")),
        b"+" => Err(meaningless("+")),
        _ => match ids::exact(id)? {
            // That is how Redis notes a `>`.
            StreamId::MAX => Ok(Wanted::New),
            id => Ok(Wanted::History(id)),
        },
    }
}

/// Who reads on behalf of a group, and how.
struct Reader<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    now: Millis,
    options: &'a Options<'a>,
}

impl Reader<'_> {
    /// Delivers what is wanted of one stream, with the key in front; `false`: there is nothing.
    fn read(
        &self,
        entry: &mut Entry<'_>,
        wanted: Wanted,
        reply: &mut Reply<'_>,
    ) -> Result<bool, CommandError> {
        let key = entry.key();
        let adding = self.consumer.len() + self.about_to_deliver(entry, wanted)? * PENDING_BYTES;
        let Some(mut stream) = entry.change_existing::<Stream>(adding)? else { return Ok(false) };
        let read = stream.change_group(self.group, |group, entries| {
            // Who reads is seen to try, whether there is anything to read or not.
            let (consumer, created) = group.see(self.consumer, self.now);
            let served = match wanted {
                Wanted::New => {
                    let has_new = entries.last().is_some_and(|last| last.id > group.last_id);
                    if has_new {
                        reply_key(reply, key);
                        self.deliver(reply, group, entries, consumer);
                    }
                    has_new
                }
                Wanted::History(after) => {
                    reply_key(reply, key);
                    self.retell(reply, group, entries, after);
                    true
                }
            };
            (served, created)
        });
        let (served, created) = read.unwrap_or_default();
        if created {
            stream.announce(Event::XGroupCreateConsumer);
        }
        Ok(served)
    }

    /// How many entries will be pending that are not yet. `O(that many)`.
    fn about_to_deliver(&self, entry: &Entry<'_>, wanted: Wanted) -> Result<usize, CommandError> {
        let Some(stream) = entry.collection::<Stream>()? else { return Ok(0) };
        let first = stream.group(self.group).and_then(|group| group.last_id.next());
        Ok(match (wanted, first) {
            (Wanted::New, Some(first)) if !self.options.no_ack => {
                let new = stream.entries.range(first, StreamId::MAX);
                new.take(at_most(self.options.count)).count()
            }
            _ => 0,
        })
    }

    /// Entries that the group has not been given yet.
    fn deliver(&self, reply: &mut Reply<'_>, group: &mut Group, entries: &Entries, consumer: ConsumerNumber) {
        let first = group.last_id.next().unwrap_or(StreamId::MAX);
        let items = entries.range(first, StreamId::MAX).take(at_most(self.options.count));
        reply.array_of(|reply| {
            items
                .map(|item| {
                    group.advance(entries, item.id);
                    reply_item(reply, item);
                    if !self.options.no_ack {
                        group.assign(item.id, Pending { consumer, delivered: self.now, count: 1 });
                        group.set_active(consumer, self.now);
                    }
                })
                .count()
        });
    }

    /// Entries that are pending for the consumer; of one that was deleted meanwhile, only the ID.
    fn retell(&self, reply: &mut Reply<'_>, group: &mut Group, entries: &Entries, after: StreamId) {
        let start = after.next().unwrap_or(StreamId::MAX);
        let pending = group.consumer(self.consumer).map(|consumer| consumer.pending().range(start..));
        let count = at_most(self.options.count);
        let history: Vec<StreamId> = pending.into_iter().flatten().take(count).copied().collect();
        reply.array(history.len());
        for id in history {
            match entries.get(id) {
                Some(item) => {
                    reply_item(reply, item);
                    group.redeliver(id, self.now);
                }
                None => {
                    reply.array(2);
                    reply_id(reply, id);
                    reply.nil_array();
                }
            }
        }
    }
}
