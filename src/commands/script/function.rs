//! `FUNCTION` and its subcommands.

use super::library::Libraries;
use super::shared::Kind;
use super::{kill, off, sync_or_async};
use crate::commands::{Args, CommandError, CommandResult, Ctx, Done};
use crate::config::Param;
use crate::glob;
use crate::rdb::{self, LoadError};
use std::sync::atomic::Ordering::Relaxed;

/// `FUNCTION LOAD [REPLACE] code`
pub(super) fn load(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut replace = false;
    while args.len() > 1 {
        if !args.accept("REPLACE") {
            return Err(CommandError::quoting("ERR Unknown option given: ", args.bytes()?, 128, ""));
        }
        replace = true;
    }
    let code = args.bytes()?;
    let room = ctx.room.ok_or_else(off)?;
    let (name, source) = super::library::metadata(code).map_err(CommandError::Other)?;
    if !replace && room.libraries.borrow().contains(&name) {
        return Err(CommandError::other(format!("ERR Library '{name}' already exists")));
    }
    let library = room.library_of(name, source, code)?;
    let name = library.name.clone();
    room.libraries.borrow_mut().insert(library).map_err(CommandError::Other)?;
    ctx.reply.bulk(name.as_bytes());
    Ok(Done)
}

/// `FUNCTION DELETE library`
pub(super) fn delete(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let name = String::from_utf8_lossy(args.bytes()?).into_owned();
    if !ctx.room.ok_or_else(off)?.libraries.borrow_mut().remove(&name) {
        return Err(CommandError::other("ERR Library not found"));
    }
    ctx.reply.ok();
    Ok(Done)
}

/// `FUNCTION FLUSH [ASYNC | SYNC]`
pub(super) fn flush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    sync_or_async(args, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option")?;
    ctx.room.ok_or_else(off)?.libraries.borrow_mut().clear();
    ctx.reply.ok();
    Ok(Done)
}

/// `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`
pub(super) fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (mut pattern, mut with_code) = (None, false);
    while !args.is_empty() {
        if !with_code && args.accept("WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.accept("LIBRARYNAME") {
            let missing = || CommandError::other("ERR library name argument was not given");
            pattern = Some(args.bytes().map_err(|_| missing())?);
        } else {
            return Err(CommandError::quoting("ERR Unknown argument ", args.bytes()?, 128, ""));
        }
    }
    let libraries = ctx.room.ok_or_else(off)?.libraries.borrow();
    let is_wanted = |name: &str| pattern.is_none_or(|pattern| glob::matches(pattern, name.as_bytes(), true));
    let wanted: Vec<_> = libraries.iter().filter(|library| is_wanted(&library.name)).collect();
    let reply = &mut ctx.reply;
    reply.array(wanted.len());
    for library in wanted {
        reply.map(if with_code { 4 } else { 3 });
        reply.bulk(b"library_name");
        reply.bulk(library.name.as_bytes());
        reply.bulk(b"engine");
        reply.bulk(b"LUA");
        reply.bulk(b"functions");
        reply.array(library.functions.len());
        for function in &library.functions {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(function.name.as_bytes());
            reply.bulk(b"description");
            match &function.description {
                Some(text) => reply.bulk(text.as_bytes()),
                None => reply.nil(),
            }
            reply.bulk(b"flags");
            reply.set(function.flags.names().count());
            function.flags.names().for_each(|name| reply.simple(name));
        }
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(&library.code);
        }
    }
    Ok(Done)
}

/// `FUNCTION STATS`: also while a function runs.
pub(super) fn stats(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let running = if ctx.busy.is_some() { ctx.daemon.scripts.running() } else { None };
    if running.as_ref().is_some_and(|running| running.kind == Kind::Eval) {
        return Err(CommandError::other(Kind::Eval.busy()));
    }
    let reply = &mut ctx.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        None => reply.nil(),
        Some(running) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(running.name.as_bytes());
            reply.bulk(b"command");
            reply.bulks(running.command.iter().map(Vec::as_slice));
            reply.bulk(b"duration_ms");
            reply.int(ctx.now.since(running.since));
        }
    }
    let figures = &ctx.daemon.scripts.figures;
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.int(figures.libraries.load(Relaxed));
    reply.bulk(b"functions_count");
    reply.int(figures.functions.load(Relaxed));
    Ok(Done)
}

/// `FUNCTION KILL`
pub(super) fn kill_function(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    kill(ctx, Kind::Function)
}

/// `FUNCTION DUMP`
pub(super) fn dump(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let libraries = ctx.room.ok_or_else(off)?.libraries.borrow();
    let compresses = ctx.daemon.config.flag(Param::RdbCompression);
    ctx.reply.bulk(&rdb::dump_functions(libraries.iter().map(|library| &*library.code), compresses));
    Ok(Done)
}

/// `FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]`
pub(super) fn restore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let payload = args.bytes()?;
    let (mut flush, mut replace) = (false, false);
    if !args.is_empty() {
        flush = args.accept("FLUSH");
        replace = !flush && args.accept("REPLACE");
        if !flush && !replace && !args.accept("APPEND") || !args.is_empty() {
            return Err(CommandError::other(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    }
    let room = ctx.room.ok_or_else(off)?;
    let most = ctx.daemon.config.size(Param::LuaMemoryLimit);
    let codes = rdb::load_functions(payload, most).map_err(|error| {
        CommandError::other(match error {
            LoadError::Unsealed => "ERR DUMP payload version or checksum are wrong",
            LoadError::Corrupt | LoadError::TooLarge => "ERR given type is not a function",
        })
    })?;
    let added = codes.iter().map(|code| room.library(code)).collect::<Result<Vec<_>, _>>()?;
    let mut libraries = room.libraries.borrow_mut();
    if flush {
        let mut fresh = Libraries::default();
        fresh.join(added, false).map_err(CommandError::Other)?;
        *libraries = fresh;
    } else {
        libraries.join(added, replace).map_err(CommandError::Other)?;
    }
    ctx.reply.ok();
    Ok(Done)
}

/// `FUNCTION HELP`
pub(super) fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help("FUNCTION", &[
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Create a new library with the given library name and code.",
        "DELETE <LIBRARY NAME>",
        "    Delete the given library.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Return general information on all the libraries:",
        "    * Library name",
        "    * The engine used to run the Library",
        "    * Library description",
        "    * Functions list",
        "    * Library code (if WITHCODE is given)",
        "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
        "STATS",
        "    Return information about the current function running:",
        "    * Function name",
        "    * Command used to run the function",
        "    * Duration in MS that the function is running",
        "    If no function is running, return nil",
        "    In addition, returns a list of available engines.",
        "KILL",
        "    Kill the current running function.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all the libraries.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the libraries.",
        "    * SYNC: Synchronously flush the libraries.",
        "DUMP",
        "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
        "    control how to handle existing libraries (default APPEND):",
        "    * FLUSH: delete all existing libraries.",
        "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
        "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
        "      libraries with the new libraries (notice that even on this option there is a chance of failure",
        "      in case of functions name collision with another library).",
    ])
}
