//! XGROUP.

use super::{Args, CommandError, CommandResult, Ctx, Done, STREAM, ids, no_group};
use crate::commands::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse, wrong_subcommand};
use crate::store::value::stream::{Group, Stream};
use crate::store::{Change, Entry, Event};

const GROWS: &[Flag] = &[Flag::Write, Flag::DenyOom];

pub(super) const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "create",
        arity: Arity::AtLeast(5),
        flags: GROWS,
        keys: &[KeySpec::one(2, KeyUse::Insert)],
        summary: "Creates a consumer group.",
        run: create,
        ..STREAM
    },
    CommandSpec {
        name: "createconsumer",
        arity: Arity::Exactly(5),
        flags: GROWS,
        keys: &[KeySpec::one(2, KeyUse::Insert)],
        since: "6.2.0",
        summary: "Creates a consumer in a consumer group.",
        run: create_consumer,
        ..STREAM
    },
    CommandSpec {
        name: "delconsumer",
        arity: Arity::Exactly(5),
        flags: &[Flag::Write],
        keys: &[KeySpec::one(2, KeyUse::Delete)],
        summary: "Deletes a consumer from a consumer group.",
        run: delete_consumer,
        ..STREAM
    },
    CommandSpec {
        name: "destroy",
        arity: Arity::Exactly(4),
        flags: &[Flag::Write],
        keys: &[KeySpec::one(2, KeyUse::Delete)],
        complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        summary: "Destroys a consumer group.",
        run: destroy,
        ..STREAM
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
        name: "setid",
        arity: Arity::AtLeast(5),
        flags: &[Flag::Write],
        keys: &[KeySpec::one(2, KeyUse::Update)],
        summary: "Sets the last-delivered ID of a consumer group.",
        run: set_id,
        ..STREAM
    },
];

/// What follows the ID of `CREATE` and `SETID`.
#[derive(Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<i64>,
}

fn options(args: &mut Args<'_>, may_make_stream: bool) -> Result<Options, CommandError> {
    let mut options = Options::default();
    while !args.is_empty() {
        if may_make_stream && args.accept("MKSTREAM") {
            options.makes_stream = true;
        } else if args.len() >= 2 && args.accept("ENTRIESREAD") {
            let count = args.int()?;
            if count < -1 {
                return Err(CommandError::other("ERR value for ENTRIESREAD must be positive or -1"));
            }
            options.entries_read = (count >= 0).then_some(count);
        } else {
            return Err(wrong_subcommand(args.argv()));
        }
    }
    Ok(options)
}

/// The stream of an XGROUP command, which has to be there.
fn existing<'e, 'd>(entry: &'e mut Entry<'d>, adding: usize) -> Result<Change<'e, 'd, Stream>, CommandError> {
    entry.change_existing::<Stream>(adding)?.ok_or_else(|| {
        CommandError::other(
            "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
             MKSTREAM option to create an empty stream automatically.",
        )
    })
}

/// What a group or a consumer that is created takes beside its name, at most.
const OVERHEAD: usize = 512;

/// `XGROUP CREATE key group <id|$> [MKSTREAM] [ENTRIESREAD count]`
fn create(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, name, id) = (args.key()?, args.bytes()?, args.bytes()?);
    let options = options(args, true)?;
    let mut entry = ctx.db.entry(key);
    if !options.makes_stream {
        existing(&mut entry, 0)?;
    }
    let last_id = entry.collection::<Stream>()?.map(|stream| stream.entries.last_id());
    if args.argv().len() > 8 {
        return Err(wrong_subcommand(args.argv()));
    }
    let id = match id {
        b"$" => last_id.unwrap_or_default(),
        _ => ids::exact(id)?,
    };
    let mut stream = entry.change::<Stream>(OVERHEAD + name.len())?;
    if !stream.create_group(name, Group::new(id, options.entries_read)) {
        return Err(CommandError::other("BUSYGROUP Consumer Group name already exists"));
    }
    stream.done(if last_id.is_some() { Event::XGroupCreate } else { Event::XGroupMkStream });
    ctx.reply.ok();
    Ok(Done)
}

/// `XGROUP SETID key group <id|$> [ENTRIESREAD count]`
fn set_id(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, name, id) = (args.key()?, args.bytes()?, args.bytes()?);
    let options = options(args, false)?;
    let mut entry = ctx.db.entry(key);
    let mut stream = existing(&mut entry, 0)?;
    if stream.group(name).is_none() {
        return Err(no_group(key, name));
    }
    if !matches!(args.argv().len(), 5 | 7) {
        return Err(wrong_subcommand(args.argv()));
    }
    let id = match id {
        b"$" => stream.entries.last_id(),
        _ => ids::exact_or_end(id, 0)?,
    };
    stream.change_group(name, |group, _| (group.last_id, group.entries_read) = (id, options.entries_read));
    stream.done(Event::XGroupSetId);
    ctx.reply.ok();
    Ok(Done)
}

/// `XGROUP DESTROY key group`
fn destroy(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, name) = (args.key()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let mut stream = existing(&mut entry, 0)?;
    let destroyed = stream.destroy_group(name);
    if destroyed.is_some() {
        stream.done(Event::XGroupDestroy);
    }
    ctx.reply.int(u8::from(destroyed.is_some()));
    Ok(Done)
}

/// `XGROUP CREATECONSUMER key group consumer`
fn create_consumer(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, name, consumer) = (args.key()?, args.bytes()?, args.bytes()?);
    let now = ctx.now;
    let mut entry = ctx.db.entry(key);
    let mut stream = existing(&mut entry, OVERHEAD + consumer.len())?;
    let created = stream.change_group(name, |group, _| group.create_consumer(consumer, now));
    let created = created.ok_or_else(|| no_group(key, name))?;
    if created {
        stream.done(Event::XGroupCreateConsumer);
    }
    ctx.reply.int(u8::from(created));
    Ok(Done)
}

/// `XGROUP DELCONSUMER key group consumer`
fn delete_consumer(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, name, consumer) = (args.key()?, args.bytes()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let mut stream = existing(&mut entry, 0)?;
    let deleted = stream.change_group(name, |group, _| group.delete_consumer(consumer));
    let deleted = deleted.ok_or_else(|| no_group(key, name))?;
    if deleted.is_some() {
        stream.done(Event::XGroupDelConsumer);
    }
    ctx.reply.int(deleted.unwrap_or(0));
    Ok(Done)
}

/// `XGROUP HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
        ],
    )
}
