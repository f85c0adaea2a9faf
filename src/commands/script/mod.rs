//! Scripts and functions: `EVAL`, `SCRIPT`, `FUNCTION`, `FCALL`. What needs the VM (a spec's `needs_vm`) runs on the
//! script's thread, but for scripts that are known to be short: with these a worker visits the [`Room`] that has the VM.
//! See [`crate::turns`] for how either gets the store for itself, and [`crate::lua`] for the VM.

mod cache;
mod errand;
mod function;
mod host;
mod library;
mod room;
mod run;
mod shared;

pub use errand::start;
pub(super) use errand::{Back, Errand, Slot};
pub use room::Room;
pub use shared::{Kind, Scripts};

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done};
use shared::Kill;

const CALL: &[Flag] =
    &[Flag::NoScript, Flag::Stale, Flag::SkipMonitor, Flag::NoMandatoryKeys, Flag::MovableKeys];
const CALL_RO: &[Flag] = &[
    Flag::ReadOnly,
    Flag::NoScript,
    Flag::Stale,
    Flag::SkipMonitor,
    Flag::NoMandatoryKeys,
    Flag::MovableKeys,
];
const WRITES: &[Flag] = &[Flag::Write, Flag::NoScript];
const LOADS: &[Flag] = &[Flag::Write, Flag::DenyOom, Flag::NoScript];
const KILLS: &[Flag] = &[Flag::NoScript, Flag::AllowBusy];
const HELPS: &[Flag] = &[Flag::Loading, Flag::Stale];
const TO_ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const TO_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
const TO_ONE_THAT_RUNS: &[&str] = &["request_policy:all_shards", "response_policy:one_succeeded"];

/// `EVAL` and its kin.
const RUNS: CommandSpec = CommandSpec {
    arity: Arity::AtLeast(3),
    flags: CALL,
    keys: &[KeySpec::counted(2, KeyUse::ReadUpdate)],
    acl: &["scripting"],
    group: "scripting",
    complexity: "Depends on the script that is executed.",
    needs_vm: true,
    ..CommandSpec::BASE
};
const RUNS_RO: CommandSpec =
    CommandSpec { flags: CALL_RO, keys: &[KeySpec::counted(2, KeyUse::Read)], since: "7.0.0", ..RUNS };
const SUBCOMMAND: CommandSpec = CommandSpec { acl: &["scripting"], group: "scripting", ..CommandSpec::BASE };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "eval",
        since: "2.6.0",
        summary: "Executes a server-side Lua script.",
        run: |ctx, args| run::eval(ctx, args, false),
        ..RUNS
    },
    CommandSpec {
        name: "eval_ro",
        summary: "Executes a read-only server-side Lua script.",
        run: |ctx, args| run::eval(ctx, args, true),
        ..RUNS_RO
    },
    CommandSpec {
        name: "evalsha",
        since: "2.6.0",
        summary: "Executes a server-side Lua script by SHA1 digest.",
        run: |ctx, args| run::evalsha(ctx, args, false),
        ..RUNS
    },
    CommandSpec {
        name: "evalsha_ro",
        summary: "Executes a read-only server-side Lua script by SHA1 digest.",
        run: |ctx, args| run::evalsha(ctx, args, true),
        ..RUNS_RO
    },
    CommandSpec {
        name: "fcall",
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        summary: "Invokes a function.",
        run: |ctx, args| run::fcall(ctx, args, false),
        ..RUNS
    },
    CommandSpec {
        name: "fcall_ro",
        complexity: "Depends on the function that is executed.",
        summary: "Invokes a read-only function.",
        run: |ctx, args| run::fcall(ctx, args, true),
        ..RUNS_RO
    },
    CommandSpec {
        name: "function",
        arity: Arity::AtLeast(2),
        since: "7.0.0",
        group: "scripting",
        complexity: "Depends on subcommand.",
        summary: "A container for function commands.",
        subcommands: FUNCTION,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "script",
        arity: Arity::AtLeast(2),
        since: "2.6.0",
        group: "scripting",
        complexity: "Depends on subcommand.",
        summary: "A container for Lua scripts management commands.",
        subcommands: SCRIPT,
        ..CommandSpec::BASE
    },
];

const FUNCTION: &[CommandSpec] = &[
    CommandSpec {
        name: "delete",
        arity: Arity::Exactly(3),
        flags: WRITES,
        tips: TO_ALL_SHARDS,
        since: "7.0.0",
        summary: "Deletes a library and its functions.",
        needs_vm: true,
        run: function::delete,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "dump",
        arity: Arity::Exactly(2),
        flags: &[Flag::NoScript],
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        summary: "Dumps all libraries into a serialized binary payload.",
        needs_vm: true,
        run: function::dump,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "flush",
        arity: Arity::AtLeast(2),
        flags: WRITES,
        tips: TO_ALL_SHARDS,
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions deleted",
        summary: "Deletes all libraries and functions.",
        needs_vm: true,
        run: function::flush,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: HELPS,
        since: "7.0.0",
        summary: "Returns helpful text about the different subcommands.",
        run: function::help,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "kill",
        arity: Arity::Exactly(2),
        flags: KILLS,
        tips: TO_ONE_THAT_RUNS,
        since: "7.0.0",
        summary: "Terminates a function during execution.",
        run: function::kill_function,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "list",
        arity: Arity::AtLeast(2),
        flags: &[Flag::NoScript],
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        summary: "Returns information about all libraries.",
        needs_vm: true,
        run: function::list,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "load",
        arity: Arity::AtLeast(3),
        flags: LOADS,
        tips: TO_ALL_SHARDS,
        since: "7.0.0",
        complexity: "O(1) (considering compilation time is redundant)",
        summary: "Creates a library.",
        needs_vm: true,
        run: function::load,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "restore",
        arity: Arity::AtLeast(3),
        flags: LOADS,
        tips: TO_ALL_SHARDS,
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions on the payload",
        summary: "Restores all libraries from a payload.",
        needs_vm: true,
        run: function::restore,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "stats",
        arity: Arity::Exactly(2),
        flags: KILLS,
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        since: "7.0.0",
        summary: "Returns information about a function during execution.",
        run: function::stats,
        ..SUBCOMMAND
    },
];

const SCRIPT: &[CommandSpec] = &[
    CommandSpec {
        name: "debug",
        arity: Arity::Exactly(3),
        flags: &[Flag::NoScript],
        since: "3.2.0",
        summary: "Sets the debug mode of server-side Lua scripts.",
        run: debug,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "exists",
        arity: Arity::AtLeast(3),
        flags: &[Flag::NoScript],
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
        summary: "Determines whether server-side Lua scripts exist in the script cache.",
        needs_vm: true,
        run: exists,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "flush",
        arity: Arity::AtLeast(2),
        flags: &[Flag::NoScript],
        tips: TO_ALL_NODES,
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts in cache",
        summary: "Removes all server-side Lua scripts from the script cache.",
        needs_vm: true,
        run: flush,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: HELPS,
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        run: help,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "kill",
        arity: Arity::Exactly(2),
        flags: KILLS,
        tips: TO_ONE_THAT_RUNS,
        since: "2.6.0",
        summary: "Terminates a server-side Lua script during execution.",
        run: |ctx, _| kill(ctx, Kind::Eval),
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "load",
        arity: Arity::Exactly(3),
        flags: &[Flag::NoScript, Flag::Stale],
        tips: TO_ALL_NODES,
        since: "2.6.0",
        complexity: "O(N) with N being the length in bytes of the script body.",
        summary: "Loads a server-side Lua script to the script cache.",
        needs_vm: true,
        run: load,
        ..SUBCOMMAND
    },
];

/// `--scripting no`, or no memory for the VM.
#[cold]
fn off() -> CommandError {
    CommandError::other("ERR scripts are turned off (scripting no)")
}

/// `SCRIPT LOAD script`
fn load(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let room = ctx.room.ok_or_else(off)?;
    let (sha, _) = room.script(args.bytes()?)?;
    room.cache.borrow_mut().pin(&sha);
    ctx.reply.bulk(&sha);
    Ok(Done)
}

/// `SCRIPT EXISTS sha1 [sha1 …]`
fn exists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let cache = ctx.room.ok_or_else(off)?.cache.borrow();
    ctx.reply.array(args.len());
    while !args.is_empty() {
        let sha = args.bytes()?.to_ascii_lowercase().try_into();
        ctx.reply.int(u8::from(sha.is_ok_and(|sha| cache.contains(&sha))));
    }
    Ok(Done)
}

/// `SCRIPT FLUSH [ASYNC | SYNC]`
fn flush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    sync_or_async(args, "ERR SCRIPT FLUSH only support SYNC|ASYNC option")?;
    let room = ctx.room.ok_or_else(off)?;
    room.cache.borrow_mut().clear();
    room.vm.collect();
    ctx.reply.ok();
    Ok(Done)
}

/// Both mean the same here.
fn sync_or_async(args: &mut Args<'_>, error: &str) -> Result<(), CommandError> {
    let is_valid = args.is_empty() || args.len() == 1 && (args.accept("SYNC") || args.accept("ASYNC"));
    if is_valid { Ok(()) } else { Err(CommandError::other(error)) }
}

/// `SCRIPT KILL`, `FUNCTION KILL`: reaches a worker while a script runs, in busy mode only.
fn kill(ctx: &mut Ctx<'_>, kind: Kind) -> CommandResult {
    match ctx.daemon.scripts.kill(kind) {
        Kill::Done => {
            ctx.reply.ok();
            Ok(Done)
        }
        Kill::NotBusy => Err(CommandError::other("NOTBUSY No scripts in execution right now.")),
        Kill::Other(kind) => Err(CommandError::other(kind.busy())),
        Kill::Unkillable => Err(CommandError::other(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait \
             the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        )),
    }
}

/// `SCRIPT DEBUG YES | SYNC | NO`
///
/// Differs: there is no debugger, so only `NO` is taken.
fn debug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.accept("NO") {
        ctx.reply.ok();
        return Ok(Done);
    }
    if args.accept("YES") || args.accept("SYNC") {
        return Err(CommandError::other("ERR magpie has no Lua debugger"));
    }
    Err(CommandError::other("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}

/// `SCRIPT HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Set the debug mode for subsequent scripts executed.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return information about the existence of the scripts in the script cache.",
            "FLUSH [ASYNC|SYNC]",
            "    Flush the Lua scripts cache. Very dangerous on replicas.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the scripts cache.",
            "    * SYNC: Synchronously flush the scripts cache.",
            "KILL",
            "    Kill the currently executing Lua script.",
            "LOAD <script>",
            "    Load a script into the scripts cache without executing it.",
        ],
    )
}
