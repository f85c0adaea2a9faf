//! XINFO.

use super::{
    Args, CommandError, CommandResult, Ctx, Done, STREAM, UNSURE, at_most, lookup, no_group, reply_id,
    reply_item, reply_items,
};
use crate::clock::Millis;
use crate::commands::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse, wrong_subcommand};
use crate::resp::Reply;
use crate::store::value::stream::{Consumer, Entries, Group, Item, Stream, StreamId};

const ABOUT: CommandSpec =
    CommandSpec { flags: &[Flag::ReadOnly], keys: &[KeySpec::one(2, KeyUse::Read)], ..STREAM };

pub(super) const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "consumers",
        arity: Arity::Exactly(4),
        tips: UNSURE,
        summary: "Returns a list of the consumers in a consumer group.",
        run: consumers,
        ..ABOUT
    },
    CommandSpec {
        name: "groups",
        arity: Arity::Exactly(3),
        summary: "Returns a list of the consumer groups of a stream.",
        run: groups,
        ..ABOUT
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        summary: "Returns helpful text about the different subcommands.",
        run: help,
        ..STREAM
    },
    CommandSpec {
        name: "stream",
        arity: Arity::AtLeast(3),
        summary: "Returns information about a stream.",
        run: stream,
        ..ABOUT
    },
];

/// `XINFO STREAM key [FULL [COUNT count]]`
///
/// Costs `O(nodes)` where Redis has `O(1)`: the nodes of a radix tree that we have not have to be counted.
fn stream(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?.ok_or(CommandError::NoSuchKey)?;
    let full = if args.is_empty() { None } else { Some(full_count(args)?) };
    let (reply, entries) = (&mut ctx.reply, &stream.entries);
    reply.map(if full.is_some() { 9 } else { 10 });
    reply.bulk(b"length");
    reply.int(entries.len());
    reply.bulk(b"radix-tree-keys");
    reply.int(entries.nodes().len());
    reply.bulk(b"radix-tree-nodes");
    reply.int(entries.radix_tree_nodes());
    reply.bulk(b"last-generated-id");
    reply_id(reply, entries.last_id());
    reply.bulk(b"max-deleted-entry-id");
    reply_id(reply, entries.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.int(entries.added() as i64);
    reply.bulk(b"recorded-first-entry-id");
    reply_id(reply, entries.first_id());
    match full {
        None => {
            reply.bulk(b"groups");
            reply.int(stream.groups().len());
            reply.bulk(b"first-entry");
            reply_end(reply, entries.first());
            reply.bulk(b"last-entry");
            reply_end(reply, entries.last());
        }
        Some(count) => {
            reply.bulk(b"entries");
            reply_items(reply, entries.range(StreamId::MIN, StreamId::MAX).take(count));
            reply.bulk(b"groups");
            reply.array(stream.groups().len());
            for (name, group) in stream.groups() {
                whole_group(reply, entries, (name, group), count);
            }
        }
    }
    Ok(Done)
}

/// How many entries `FULL` tells at most, of each kind.
fn full_count(args: &mut Args<'_>) -> Result<usize, CommandError> {
    const DEFAULT: i64 = 10;
    let wrong = |args: &Args<'_>| Err(wrong_subcommand(args.argv()));
    if !matches!(args.len(), 1 | 3) || !args.accept("FULL") {
        return wrong(args);
    }
    if args.is_empty() {
        return Ok(at_most(DEFAULT));
    }
    if !args.accept("COUNT") {
        return wrong(args);
    }
    let count = args.int()?;
    Ok(at_most(if count < 0 { DEFAULT } else { count }))
}

fn reply_end(reply: &mut Reply<'_>, item: Option<Item<'_>>) {
    match item {
        Some(item) => reply_item(reply, item),
        None => reply.nil(),
    }
}

fn reply_known(reply: &mut Reply<'_>, number: Option<i64>) {
    match number {
        Some(number) => reply.int(number),
        None => reply.nil(),
    }
}

fn reply_read_counts(reply: &mut Reply<'_>, entries: &Entries, group: &Group) {
    reply.bulk(b"entries-read");
    reply_known(reply, group.entries_read);
    reply.bulk(b"lag");
    reply_known(reply, entries.lag(group));
}

/// A group as `XINFO STREAM … FULL` shows it.
fn whole_group(reply: &mut Reply<'_>, entries: &Entries, (name, group): (&[u8], &Group), count: usize) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(name);
    reply.bulk(b"last-delivered-id");
    reply_id(reply, group.last_id);
    reply_read_counts(reply, entries, group);
    reply.bulk(b"pel-count");
    reply.int(group.pending().len());
    reply.bulk(b"pending");
    reply.array(group.pending().len().min(count));
    for (&id, pending) in group.pending().iter().take(count) {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(group.owner(pending).name());
        reply.int(pending.delivered.0);
        reply.int(pending.count as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        whole_consumer(reply, group, consumer, count);
    }
}

fn whole_consumer(reply: &mut Reply<'_>, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.int(consumer.seen.0);
    reply.bulk(b"active-time");
    reply.int(consumer.active.map_or(-1, |active| active.0 as i64));
    reply.bulk(b"pel-count");
    reply.int(consumer.pending().len());
    reply.bulk(b"pending");
    reply.array(consumer.pending().len().min(count));
    for (id, pending) in group.pending_range(StreamId::MIN, StreamId::MAX, Some(consumer)).take(count) {
        reply.array(3);
        reply_id(reply, id);
        reply.int(pending.delivered.0);
        reply.int(pending.count as i64);
    }
}

/// `XINFO GROUPS key`
fn groups(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?.ok_or(CommandError::NoSuchKey)?;
    let reply = &mut ctx.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.int(group.consumers().len());
        reply.bulk(b"pending");
        reply.int(group.pending().len());
        reply.bulk(b"last-delivered-id");
        reply_id(reply, group.last_id);
        reply_read_counts(reply, &stream.entries, group);
    }
    Ok(Done)
}

/// `XINFO CONSUMERS key group`
fn consumers(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, name) = (args.key()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let stream = lookup::collection::<Stream>(ctx.counters, &mut entry)?.ok_or(CommandError::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_group(key, name))?;
    let (reply, now) = (&mut ctx.reply, ctx.now);
    let since = |time: Millis| now.0 as i64 - time.0 as i64;
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.int(consumer.pending().len());
        reply.bulk(b"idle");
        reply.int(since(consumer.seen).max(0));
        reply.bulk(b"inactive");
        reply.int(consumer.active.map_or(-1, since));
    }
    Ok(Done)
}

/// `XINFO HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
        ],
    )
}
