//! String commands.

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done};
use crate::observe::Counter;
use crate::resp::Reply;
use crate::store::{Event, Expiry, Item, Put, Value};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "get",
        arity: Arity::Exactly(2),
        flags: &[Flag::ReadOnly, Flag::Fast],
        keys: &[KeySpec::one(1, KeyUse::Read)],
        acl: &["string"],
        group: "string",
        summary: "Returns the string value of a key.",
        run: get,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "mget",
        arity: Arity::AtLeast(2),
        flags: &[Flag::ReadOnly, Flag::Fast],
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Read)],
        acl: &["string"],
        group: "string",
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Atomically returns the string values of one or more keys.",
        run: mget,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "set",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Write, Flag::DenyOom],
        keys: &[KeySpec::one(1, KeyUse::Update)],
        acl: &["string"],
        group: "string",
        summary: "Sets the string value of a key, ignoring its type.",
        run: set,
        ..CommandSpec::BASE
    },
];

/// Writes a value; one of another type is `None` and left to the caller.
fn put_value(reply: &mut Reply<'_>, item: &Item<'_>) {
    match item.value() {
        Value::Inline(bytes) => reply.bulk(bytes),
        Value::Shared(bytes) => reply.shared(bytes),
    }
}

/// `GET key`
fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    match entry.read() {
        Some(item) => {
            ctx.counters.add(Counter::KeyspaceHits, 1);
            put_value(&mut ctx.reply, &item);
        }
        None => {
            ctx.counters.add(Counter::KeyspaceMisses, 1);
            ctx.reply.nil();
        }
    }
    Ok(Done)
}

/// `MGET key [key …]`
fn mget(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    ctx.reply.array(args.len());
    while !args.is_empty() {
        get(ctx, args)?;
    }
    Ok(Done)
}

/// `SET key value`
fn set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, value) = (args.key()?, args.bytes()?);
    if !args.is_empty() {
        return Err(CommandError::Syntax);
    }
    ctx.db.entry(key).put(value, Put::new(0, Expiry::Never, Event::Set))?;
    ctx.reply.ok();
    Ok(Done)
}
