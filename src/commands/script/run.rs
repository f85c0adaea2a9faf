//! `EVAL`, `EVALSHA`, `FCALL` and their `_RO` forms.

use super::cache::{Pace, Script};
use super::host::ScriptHost;
use super::off;
use super::room::Room;
use super::shared::{Kind, Running};
use crate::commands::args::parse_int;
use crate::commands::table::Command;
use crate::commands::{Args, CommandError, CommandResult, Ctx, Done, Outcome};
use crate::lua::{Flags, Mode, Run};
use crate::resp::Argv;
use std::time::{Duration, Instant};

/// Who is called, and how.
struct Call<'a> {
    kind: Kind,
    name: &'a str,
    script: &'a Script,
    /// By a `_RO` command.
    read_only: bool,
    /// How many of the arguments that follow are keys.
    keys: usize,
}

/// `EVAL script numkeys [key …] [arg …]`
pub(super) fn eval(ctx: &mut Ctx<'_>, args: &mut Args<'_>, read_only: bool) -> CommandResult {
    let body = args.bytes()?;
    let keys = key_count(args, CommandError::NotAnInteger)?;
    let (sha, script) = ctx.room.ok_or_else(off)?.script(body)?;
    let name = std::str::from_utf8(&sha).unwrap_or_default();
    run(ctx, args, &Call { kind: Kind::Eval, name, script: &script, read_only, keys })
}

/// `EVALSHA sha1 numkeys [key …] [arg …]`
pub(super) fn evalsha(ctx: &mut Ctx<'_>, args: &mut Args<'_>, read_only: bool) -> CommandResult {
    let sha = args.bytes()?.to_ascii_lowercase().try_into().map_err(|_| CommandError::NoScript)?;
    let keys = key_count(args, CommandError::NotAnInteger)?;
    let script = ctx.room.ok_or_else(off)?.cache.borrow_mut().get(&sha).ok_or(CommandError::NoScript)?;
    let name = std::str::from_utf8(&sha).unwrap_or_default();
    run(ctx, args, &Call { kind: Kind::Eval, name, script: &script, read_only, keys })
}

/// `FCALL function numkeys [key …] [arg …]`
pub(super) fn fcall(ctx: &mut Ctx<'_>, args: &mut Args<'_>, read_only: bool) -> CommandResult {
    let name = args.bytes()?;
    let script = ctx.room.ok_or_else(off)?.libraries.borrow().function(name).cloned();
    let script = script.ok_or_else(|| CommandError::other("ERR Function not found"))?;
    let keys = key_count(args, CommandError::other("ERR Bad number of keys provided"))?;
    let name = std::str::from_utf8(name).unwrap_or_default();
    run(ctx, args, &Call { kind: Kind::Function, name, script: &script, read_only, keys })
}

/// May a worker run this request's script, or what else it asks for? One that is not there is answered at once.
pub(super) fn is_short(room: &Room, command: &Command, argv: Argv<'_>) -> bool {
    /// A longer body takes its time to be hashed.
    const BODY_MOST: usize = 64 << 10;
    let Some(named) = argv.get(1) else { return false };
    let (cache, libraries) = (room.cache.borrow(), room.libraries.borrow());
    match command.full_name {
        "eval" | "eval_ro" => {
            named.len() <= BODY_MOST && cache.pace(&room.sha_of(named)).is_some_and(Pace::is_short)
        }
        "evalsha" | "evalsha_ro" => match named.to_ascii_lowercase().try_into() {
            Ok(sha) => cache.pace(&sha).is_none_or(Pace::is_short),
            Err(_) => true,
        },
        "fcall" | "fcall_ro" => libraries.function(named).is_none_or(|script| script.pace.is_short()),
        _ => false,
    }
}

fn key_count(args: &mut Args<'_>, no_number: CommandError) -> Result<usize, CommandError> {
    let count = parse_int(args.bytes()?).ok_or(no_number)?;
    if count > args.len() as i64 {
        return Err(CommandError::other("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(count).map_err(|_| CommandError::other("ERR Number of keys can't be negative"))
}

fn run(ctx: &mut Ctx<'_>, args: &mut Args<'_>, call: &Call<'_>) -> CommandResult {
    let room = ctx.room.ok_or_else(off)?;
    let flags = call.script.flags.unwrap_or_default();
    if call.script.flags.is_some() {
        if call.read_only && !flags.has(Flags::NO_WRITES) {
            let text = "ERR Can not execute a script with write flag using *_ro command.";
            return Err(CommandError::other(text));
        }
        let needs_memory = !flags.has(Flags::ALLOW_OOM) && !flags.has(Flags::NO_WRITES);
        if needs_memory && ctx.daemon.store.is_out_of_memory() {
            return Err(CommandError::other(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
            ));
        }
    }
    let of_function = call.kind == Kind::Function;
    ctx.daemon.scripts.begin(Running {
        kind: call.kind,
        name: if of_function { call.name.to_owned() } else { String::new() },
        command: if of_function { args.argv().iter().map(<[u8]>::to_vec).collect() } else { Vec::new() },
        since: ctx.daemon.clock.now(),
        on_worker: room.is_visited.get(),
    });
    // On a worker it is known to be short.
    let began = (!room.is_visited.get()).then(Instant::now);
    let rest = args.rest();
    let script = Run {
        function: &call.script.function,
        mode: if of_function { Mode::Function } else { Mode::Eval },
        name: call.name,
        keys: rest.first(call.keys),
        args: rest.skip(call.keys),
    };
    room.is_soiled.set(room.is_soiled.get() || call.script.soils);
    let read_only = call.read_only || flags.has(Flags::NO_WRITES);
    let ended = room.vm.run(&script, &mut ScriptHost::new(ctx, read_only, flags));
    if !ctx.daemon.scripts.end() {
        call.script.pace.note(Duration::MAX);
        return Ok(Outcome::Elsewhere);
    }
    if let Some(began) = began {
        call.script.pace.note(began.elapsed());
    }
    let value = ended.map_err(CommandError::Quoting)?;
    room.vm.answer(&value, &mut ctx.reply).map_err(CommandError::Other)?;
    Ok(Done)
}
