//! XADD and XSETID.

use super::trim::TrimOptions;
use super::{Args, CommandError, CommandResult, Ctx, Done, ids, reply_id};
use crate::config::Param;
use crate::store::Event;
use crate::store::value::listpack::MAX_BYTES;
use crate::store::value::stream::{Entries, NewId, NodeLimits, Pair, Stream, StreamId};

/// What an entry may take beside its fields and values: lengths before and behind each, and its head.
const OVERHEAD: usize = 64;
const OVERHEAD_PER_PAIR: usize = 20;

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [~|=] threshold [LIMIT count]] <*|id> field value [field value …]`
pub(super) fn xadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let mut options = TrimOptions::default();
    let mut creates = true;
    let mut wanted = None;
    while wanted.is_none() && !args.is_empty() {
        if args.accept("*") {
            wanted = Some(NewId::Now(ctx.now.0));
        } else if args.accept("NOMKSTREAM") {
            creates = false;
        } else if !options.accept(args)? {
            wanted = Some(new_id(args.bytes()?)?);
        }
    }
    let trim = options.finish(ctx.daemon)?;
    let (Some(wanted), true) = (wanted, !args.is_empty() && args.len().is_multiple_of(2)) else {
        return Err(CommandError::Arity("xadd".to_owned()));
    };
    if wanted == NewId::Exactly(StreamId::MIN) {
        return Err(CommandError::other("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let mut entry = ctx.db.entry(key);
    let stream = entry.collection::<Stream>()?;
    if stream.is_none() && !creates {
        ctx.reply.nil();
        return Ok(Done);
    }
    let id = next_id(stream.map(|stream| &stream.entries), wanted)?;
    let pairs = pairs(args)?;
    let size: usize = pairs.iter().map(|(field, value)| field.len() + value.len()).sum();
    if size > MAX_BYTES {
        return Err(CommandError::other("ERR Elements are too large to be stored"));
    }
    let limits = NodeLimits {
        bytes: ctx.daemon.config.size(Param::StreamNodeMaxBytes),
        entries: ctx.daemon.config.number(Param::StreamNodeMaxEntries).max(0) as u64,
    };
    let mut stream = entry.change::<Stream>(size + pairs.len() * OVERHEAD_PER_PAIR + OVERHEAD)?;
    stream.entries.append(id, &pairs, limits);
    stream.announce(Event::XAdd);
    if let Some(trim) = trim
        && stream.entries.trim(trim) > 0
    {
        stream.announce(Event::XTrim);
    }
    reply_id(&mut ctx.reply, id);
    Ok(Done)
}

fn new_id(text: &[u8]) -> Result<NewId, CommandError> {
    match StreamId::parse_ms_star(text) {
        Some(ms) => Ok(NewId::InMs(ms)),
        None => Ok(NewId::Exactly(ids::exact(text)?)),
    }
}

fn next_id(entries: Option<&Entries>, wanted: NewId) -> Result<StreamId, CommandError> {
    let fresh = Entries::default();
    let entries = entries.unwrap_or(&fresh);
    if entries.last_id() == StreamId::MAX {
        return Err(CommandError::other(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    entries.new_id(wanted).map_err(|_| {
        CommandError::other(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        )
    })
}

fn pairs<'a>(args: &mut Args<'a>) -> Result<Vec<Pair<'a>>, CommandError> {
    let mut pairs = Vec::with_capacity(args.len() / 2);
    while !args.is_empty() {
        pairs.push((args.bytes()?, args.bytes()?));
    }
    Ok(pairs)
}

/// `XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id]`
pub(super) fn xsetid(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let error = |text: &str| Err(CommandError::other(format!("ERR {text}")));
    let key = args.key()?;
    let last_id = ids::exact(args.bytes()?)?;
    let (mut added, mut max_deleted) = (None, None);
    while !args.is_empty() {
        if args.len() >= 2 && args.accept("ENTRIESADDED") {
            let Ok(count) = u64::try_from(args.int()?) else {
                return error("entries_added must be positive");
            };
            added = Some(count);
        } else if args.len() >= 2 && args.accept("MAXDELETEDID") {
            let id = ids::exact(args.bytes()?)?;
            if last_id < id {
                return error("The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
            }
            max_deleted = Some(id);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let mut entry = ctx.db.entry(key);
    let Some(mut stream) = entry.change_existing::<Stream>(0)? else {
        return Err(CommandError::NoSuchKey);
    };
    let entries = &mut stream.entries;
    if last_id < entries.max_deleted_id() {
        return error("The ID specified in XSETID is smaller than current max_deleted_entry_id");
    }
    if let Some(last) = entries.last() {
        if last_id < last.id {
            return error("The ID specified in XSETID is smaller than the target stream top item");
        }
        if added.is_some_and(|added| added < entries.len()) {
            return error("The entries_added specified in XSETID is smaller than the target stream length");
        }
    }
    // 0-0 says nothing, as if it had not been given.
    entries.set_id(last_id, added, max_deleted.filter(|&id| id != StreamId::MIN));
    stream.done(Event::XSetId);
    ctx.reply.ok();
    Ok(Done)
}
