//! Commands about the server as a whole: time, saving, stopping.

use super::table::{Arity, CommandSpec, Flag};
use super::{Args, CommandError, CommandResult, Ctx, Done, Outcome};
use crate::{MAGPIE_VERSION, REDIS_VERSION};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "bgrewriteaof",
        arity: Arity::Exactly(1),
        flags: &[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading],
        group: "server",
        summary: "Asynchronously rewrites the append-only file to disk.",
        run: bgrewriteaof,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "bgsave",
        arity: Arity::AtLeast(1),
        flags: &[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading],
        group: "server",
        summary: "Asynchronously saves the database(s) to disk.",
        run: bgsave,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "lastsave",
        arity: Arity::Exactly(1),
        flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
        acl: &["admin", "dangerous"],
        tips: &["nondeterministic_output"],
        group: "server",
        summary: "Returns the Unix timestamp of the last successful save to disk.",
        run: lastsave,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "lolwut",
        arity: Arity::AtLeast(1),
        flags: &[Flag::ReadOnly, Flag::Fast],
        since: "5.0.0",
        group: "server",
        complexity: "",
        summary: "Displays computer art and the Redis version",
        run: lolwut,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "save",
        arity: Arity::Exactly(1),
        flags: &[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading, Flag::NoMulti],
        group: "server",
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Synchronously saves the database(s) to disk.",
        run: save,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "shutdown",
        arity: Arity::AtLeast(1),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale, Flag::NoMulti, Flag::AllowBusy],
        group: "server",
        complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
        summary: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
        run: shutdown,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "time",
        arity: Arity::Exactly(1),
        flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        group: "server",
        summary: "Returns the server time.",
        run: time,
        ..CommandSpec::BASE
    },
];

/// Differs: Redis saves when asked, whatever it is configured for. We have no disk, and whoever copies
/// `dump.rdb` after a `BGSAVE` must not be told that all is well.
fn no_disk() -> CommandError {
    CommandError::other("ERR magpie is a cache and writes no data to disk")
}

/// `SAVE`
fn save(_ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    Err(no_disk())
}

/// `BGSAVE [SCHEDULE]`
fn bgsave(_ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    args.accept("SCHEDULE");
    args.finish()?;
    Err(no_disk())
}

/// `BGREWRITEAOF`
fn bgrewriteaof(_ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    Err(no_disk())
}

/// `LASTSAVE`: when the daemon started, as of a Redis that has not saved since.
fn lastsave(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.int(ctx.daemon.started.secs());
    Ok(Done)
}

/// `TIME`
fn time(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let now = ctx.daemon.clock.micros();
    ctx.reply.array(2);
    ctx.reply.bulk((now / 1_000_000).to_string().as_bytes());
    ctx.reply.bulk((now % 1_000_000).to_string().as_bytes());
    Ok(Done)
}

/// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]`: no answer, the connection closes; what others have in
/// flight is answered. `SAVE` cannot be done and stops only with `FORCE`, as in Redis when saving fails.
fn shutdown(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (mut save, mut nosave, mut force, mut abort, mut now) = (false, false, false, false, false);
    while !args.is_empty() {
        let option = [
            ("SAVE", &mut save),
            ("NOSAVE", &mut nosave),
            ("NOW", &mut now),
            ("FORCE", &mut force),
            ("ABORT", &mut abort),
        ]
        .into_iter()
        .find(|(name, _)| args.accept(name));
        *option.ok_or(CommandError::Syntax)?.1 = true;
    }
    if save && nosave || abort && (save || nosave || now || force) {
        return Err(CommandError::Syntax);
    }
    if abort {
        return Err(CommandError::other("ERR No shutdown in progress."));
    }
    if save && !force {
        return Err(CommandError::other("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    if let Some(kind) = ctx.busy
        && !nosave
    {
        return Err(CommandError::Busy(kind));
    }
    ctx.daemon.shutdown.ask();
    Ok(Outcome::Close)
}

const MAGPIE: &str = r#"
              .--.
             / o  \__
            /  __    >      one for sorrow,
       ____/  /##\  |       two for mirth,
  ____/  ____/###/  |       seven for a value
 <______/   \___/  /        never to be lost
             \____/
              | |
           ---"-"---
"#;

/// `LOLWUT [VERSION version …]`
fn lolwut(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.accept("VERSION") {
        args.int()?;
    }
    let text = format!("{MAGPIE}\nmagpie ver. {MAGPIE_VERSION}, speaking as Redis ver. {REDIS_VERSION}\n");
    ctx.reply.verbatim(&text);
    Ok(Done)
}
