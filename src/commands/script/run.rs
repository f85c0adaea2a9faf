//! `EVAL`, `EVALSHA`, `FCALL` and their `_RO` forms.

use super::cache::Script;
use super::host::ScriptHost;
use super::off;
use super::shared::{Kind, Running};
use crate::commands::args::parse_int;
use crate::commands::{Args, CommandError, CommandResult, Ctx, Done};
use crate::lua::{Flags, Mode, Run};

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
    });
    let rest = args.rest();
    let script = Run {
        function: &call.script.function,
        mode: if of_function { Mode::Function } else { Mode::Eval },
        name: call.name,
        keys: rest.first(call.keys),
        args: rest.skip(call.keys),
    };
    let read_only = call.read_only || flags.has(Flags::NO_WRITES);
    let ended = room.vm.run(&script, &mut ScriptHost::new(ctx, read_only, flags));
    ctx.daemon.scripts.end();
    let value = ended.map_err(CommandError::Quoting)?;
    room.vm.answer(&value, &mut ctx.reply).map_err(CommandError::Other)?;
    Ok(Done)
}
