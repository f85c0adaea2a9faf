//! `CLIENT`: what connections say of themselves, and what one may do to others (`others`).

mod others;
mod tracking;

use super::session::Replies;
use super::table::{Arity, CommandSpec, Flag};
use super::{Args, CommandError, CommandResult, Ctx, Done};
use others::{info, kill, list, pause, unblock, unpause};
pub(super) use others::{line, timeout};
use std::sync::atomic::Ordering::Relaxed;
pub use tracking::Tracking;
pub(super) use tracking::remember;
use tracking::{caching, getredir, trackinginfo};

/// What most subcommands are.
const SUBCOMMAND: CommandSpec = CommandSpec {
    flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
    acl: &["connection"],
    group: "connection",
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "client",
    arity: Arity::AtLeast(2),
    since: "2.4.0",
    group: "connection",
    complexity: "Depends on subcommand.",
    summary: "A container for client connection commands.",
    subcommands: SUBCOMMANDS,
    ..CommandSpec::BASE
}];

const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "caching",
        arity: Arity::Exactly(3),
        since: "6.0.0",
        summary: "Instructs the server whether to track the keys in the next request.",
        run: caching,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "getname",
        arity: Arity::Exactly(2),
        since: "2.6.9",
        summary: "Returns the name of the connection.",
        run: getname,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "getredir",
        arity: Arity::Exactly(2),
        since: "6.0.0",
        summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
        run: getredir,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        run: help,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "id",
        arity: Arity::Exactly(2),
        since: "5.0.0",
        summary: "Returns the unique client ID of the connection.",
        run: id,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "info",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        summary: "Returns information about the connection.",
        run: info,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "kill",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Terminates open connections.",
        run: kill,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "list",
        arity: Arity::AtLeast(2),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
        tips: &["nondeterministic_output"],
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Lists open connections.",
        run: list,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "no-evict",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
        since: "7.0.0",
        summary: "Sets the client eviction mode of the connection.",
        run: no_evict,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "no-touch",
        arity: Arity::Exactly(3),
        since: "7.2.0",
        summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        run: no_touch,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "pause",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
        since: "2.9.50",
        summary: "Suspends commands processing.",
        run: pause,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "reply",
        arity: Arity::Exactly(3),
        since: "3.2.0",
        summary: "Instructs the server whether to reply to commands.",
        run: reply,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "setinfo",
        arity: Arity::Exactly(4),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "7.2.0",
        summary: "Sets information specific to the client or connection.",
        run: setinfo,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "setname",
        arity: Arity::Exactly(3),
        since: "2.6.9",
        summary: "Sets the connection name.",
        run: setname,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "tracking",
        arity: Arity::AtLeast(3),
        since: "6.0.0",
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Controls server-assisted client-side caching for the connection.",
        run: tracking::tracking,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "trackinginfo",
        arity: Arity::Exactly(2),
        since: "6.2.0",
        summary: "Returns information about server-assisted client-side caching for the connection.",
        run: trackinginfo,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "unblock",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        summary: "Unblocks a client blocked by a blocking command from a different connection.",
        run: unblock,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "unpause",
        arity: Arity::Exactly(2),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
        since: "6.2.0",
        complexity: "O(N) Where N is the number of paused clients",
        summary: "Resumes processing commands from paused clients.",
        run: unpause,
        ..SUBCOMMAND
    },
];

/// What may be a name in a line of `CLIENT LIST`: printable, without blanks.
pub(super) fn check_word(word: &[u8], what: &str) -> Result<(), CommandError> {
    if word.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(CommandError::other(format!("ERR {what} cannot contain spaces, newlines or special characters.")))
}

/// The name must have been checked.
pub(super) fn set_name(ctx: &mut Ctx<'_>, name: &[u8]) {
    ctx.client.profile.lock().name = String::from_utf8_lossy(name).into_owned();
}

pub(super) fn set_no_touch(ctx: &mut Ctx<'_>, on: bool) {
    ctx.state.no_touch = on;
    ctx.client.no_touch.store(on, Relaxed);
    ctx.db.set_touching(!on);
}

fn on_or_off(args: &mut Args<'_>) -> Result<bool, CommandError> {
    if args.accept("ON") {
        Ok(true)
    } else if args.accept("OFF") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}

/// `CLIENT GETNAME`
fn getname(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let name = ctx.client.profile.lock().name.clone();
    if name.is_empty() {
        ctx.reply.nil()
    } else {
        ctx.reply.bulk(name.as_bytes())
    }
    Ok(Done)
}

/// `CLIENT SETNAME name`; an empty one takes it away.
fn setname(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let name = args.bytes()?;
    check_word(name, "Client names")?;
    set_name(ctx, name);
    ctx.reply.ok();
    Ok(Done)
}

/// `CLIENT SETINFO LIB-NAME|LIB-VER value`
fn setinfo(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let option = args.bytes()?;
    let is_name = option.eq_ignore_ascii_case(b"lib-name");
    if !is_name && !option.eq_ignore_ascii_case(b"lib-ver") {
        let option = String::from_utf8_lossy(option);
        return Err(CommandError::other(format!("ERR Unrecognized option '{option}'")));
    }
    let value = args.bytes()?;
    check_word(value, if is_name { "lib-name" } else { "lib-ver" })?;
    let value = String::from_utf8_lossy(value).into_owned();
    let mut profile = ctx.client.profile.lock();
    if is_name {
        profile.lib_name = value;
    } else {
        profile.lib_ver = value;
    }
    drop(profile);
    ctx.reply.ok();
    Ok(Done)
}

/// `CLIENT ID`
fn id(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.int(ctx.client.id);
    Ok(Done)
}

/// `CLIENT NO-EVICT ON|OFF`: whether `maxmemory-clients` may close it.
fn no_evict(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    ctx.client.no_evict.store(on_or_off(args)?, Relaxed);
    ctx.reply.ok();
    Ok(Done)
}

/// `CLIENT NO-TOUCH ON|OFF`: reads leave no trace for eviction and idle time.
fn no_touch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    set_no_touch(ctx, on_or_off(args)?);
    ctx.reply.ok();
    Ok(Done)
}

/// `CLIENT REPLY ON|OFF|SKIP`
fn reply(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.accept("ON") {
        ctx.state.replies = Replies::On;
        ctx.reply.ok();
    } else if args.accept("OFF") {
        ctx.state.replies = Replies::Off;
    } else if args.accept("SKIP") {
        if ctx.state.replies != Replies::Off {
            ctx.state.replies = Replies::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(Done)
}

/// `CLIENT HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "CLIENT",
        &[
            "CACHING (YES|NO)",
            "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
            "GETREDIR",
            "    Return the client ID we are redirecting to when tracking is enabled.",
            "GETNAME",
            "    Return the name of the current connection.",
            "ID",
            "    Return the ID of the current connection.",
            "INFO",
            "    Return information about the current client connection.",
            "KILL <ip:port>",
            "    Kill connection made from <ip:port>.",
            "KILL <option> <value> [<option> <value> [...]]",
            "    Kill connections. Options are:",
            "    * ADDR (<ip:port>|<unixsocket>:0)",
            "      Kill connections made from the specified address",
            "    * LADDR (<ip:port>|<unixsocket>:0)",
            "      Kill connections made to specified local address",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "      Kill connections by type.",
            "    * USER <username>",
            "      Kill connections authenticated by <username>.",
            "    * SKIPME (YES|NO)",
            "      Skip killing current connection (default: yes).",
            "    * ID <client-id>",
            "      Kill connections by client id.",
            "    * MAXAGE <maxage>",
            "      Kill connections older than the specified age.",
            "LIST [options ...]",
            "    Return information about client connections. Options:",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "      Return clients of specified type.",
            "    * ID <client-id> [...]",
            "      Return clients of specified IDs only.",
            "UNPAUSE",
            "    Stop the current client pause, resuming traffic.",
            "PAUSE <timeout> [WRITE|ALL]",
            "    Suspend all, or just write, clients for <timeout> milliseconds.",
            "REPLY (ON|OFF|SKIP)",
            "    Control the replies sent to the current connection.",
            "SETNAME <name>",
            "    Assign the name <name> to the current connection.",
            "SETINFO <option> <value>",
            "    Set client meta attr. Options are:",
            "    * LIB-NAME: the client lib name.",
            "    * LIB-VER: the client lib version.",
            "UNBLOCK <clientid> [TIMEOUT|ERROR]",
            "    Unblock the specified blocked client.",
            "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
            "         [OPTIN] [OPTOUT] [NOLOOP]",
            "    Control server assisted client side caching.",
            "TRACKINGINFO",
            "    Report tracking status for the current connection.",
            "NO-EVICT (ON|OFF)",
            "    Protect current client connection from eviction.",
            "NO-TOUCH (ON|OFF)",
            "    Will not touch LRU/LFU stats when this mode is on.",
        ],
    )
}
