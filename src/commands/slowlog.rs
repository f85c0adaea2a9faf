//! `SLOWLOG`. `watch` fills the log.

use super::table::{Arity, CommandSpec, Flag, wrong_subcommand};
use super::{Args, CommandError, CommandResult, Ctx, Done};

/// What most subcommands are.
const SUBCOMMAND: CommandSpec = CommandSpec {
    flags: &[Flag::Admin, Flag::Loading, Flag::Stale],
    group: "server",
    since: "2.2.12",
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "slowlog",
    arity: Arity::AtLeast(2),
    since: "2.2.12",
    group: "server",
    complexity: "Depends on subcommand.",
    summary: "A container for slow log commands.",
    subcommands: SUBCOMMANDS,
    ..CommandSpec::BASE
}];

const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "get",
        arity: Arity::AtLeast(2),
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        complexity: "O(N) where N is the number of entries returned",
        summary: "Returns the slow log's entries.",
        run: get,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        since: "6.2.0",
        summary: "Show helpful text about the different subcommands",
        run: help,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "len",
        arity: Arity::Exactly(2),
        tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        summary: "Returns the number of entries in the slow log.",
        run: len,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "reset",
        arity: Arity::Exactly(2),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        complexity: "O(N) where N is the number of entries in the slowlog",
        summary: "Clears all entries from the slow log.",
        run: reset,
        ..SUBCOMMAND
    },
];

/// `SLOWLOG GET [count]`; -1 is all.
fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.len() > 1 {
        return Err(wrong_subcommand(args.argv()));
    }
    let most = if args.is_empty() {
        10
    } else {
        let count = args.int().ok().filter(|&count| count >= -1);
        let count =
            count.ok_or_else(|| CommandError::other("ERR count should be greater than or equal to -1"))?;
        usize::try_from(count).unwrap_or(usize::MAX)
    };
    let entries = ctx.daemon.slowlog.newest(most);
    let reply = &mut ctx.reply;
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.int(entry.id);
        reply.int(entry.at);
        reply.int(entry.micros);
        reply.bulks(entry.args.iter().map(Vec::as_slice));
        reply.bulk(entry.addr.as_bytes());
        reply.bulk(entry.client_name.as_bytes());
    }
    Ok(Done)
}

/// `SLOWLOG LEN`
fn len(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.int(ctx.daemon.slowlog.len());
    Ok(Done)
}

/// `SLOWLOG RESET`
fn reset(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.daemon.slowlog.clear();
    ctx.reply.ok();
    Ok(Done)
}

/// `SLOWLOG HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
        ],
    )
}
