//! The way of a request: look-up, the gates in Redis' order, then the one call.

use super::error::CommandError;
use super::keyspace::KeysWalk;
use super::session::Replies;
use super::table::{Command, TABLE, unknown_command, unknown_subcommand};
use super::{Args, CommandResult, Ctx, Outcome, Pause, blocking, client, metering, permission, transaction};
use crate::clock::Millis;
use crate::config::Param;
use crate::daemon::Context;
use crate::observe::Counter;
use crate::resp::Argv;
use crate::waiting::Waiter;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What became of a request.
pub(super) enum Ran {
    Done,
    Sleep(Millis),
    Blocked(Arc<Waiter>),
    /// It is not at its end.
    GoesOn(Pause),
    /// It runs where the VM is, or not there; nothing was done.
    Elsewhere,
    /// Held back by `CLIENT PAUSE`; nothing was done.
    Paused(Millis),
    Close,
}

/// Is every gate open for the plain commands ([`Command::is_plain`]) of this connection? They change nothing that this
/// depends on, so it is asked once for a run of them.
#[inline]
pub(super) fn is_plain(ctx: &Ctx<'_>) -> bool {
    let (state, daemon) = (&*ctx.state, ctx.daemon);
    state.login.is_unrestricted()
        && !state.login.is_stale(&daemon.acl)
        && !state.login.is_stranger(&daemon.acl)
        && state.transaction.is_none()
        && state.replies == Replies::On
        && !state.monitors
        && !state.scripted
        && !state.tracking.is_on()
        && state.subscriptions.is_empty()
        && ctx.room.is_none()
        && ctx.busy.is_none()
        && daemon.clients.monitors.load(Ordering::Relaxed) == 0
        && daemon.clients.paused_until.load(Ordering::Relaxed) <= ctx.now.0
}

/// Looks a request's command up and executes it. Writes the reply, or an error in its place.
#[inline]
pub(super) fn run(ctx: &mut Ctx<'_>, argv: Argv<'_>) -> Ran {
    if ctx.is_plain
        && let Some(command) = argv.get(0).and_then(|name| TABLE.find(name))
        && command.is_plain
        && command.spec.arity.allows(argv.len())
        && !(command.denies_oom && ctx.daemon.store.is_out_of_memory())
    {
        return run_plain(ctx, command, argv);
    }
    let ran = run_gated(ctx, argv);
    ctx.is_plain = is_plain(ctx);
    ran
}

/// `run` where all gates are known to be open.
#[inline]
fn run_plain(ctx: &mut Ctx<'_>, command: &'static Command, argv: Argv<'_>) -> Ran {
    ctx.counters.add(Counter::Commands, 1);
    let mark = ctx.reply.out().mark();
    if let Err(error) = call(ctx, command, argv) {
        ctx.reply.out().cut_to(mark);
        fail(ctx, &error);
    }
    if let Some(pause) = ctx.pause.take() {
        return Ran::GoesOn(pause);
    }
    serve_waiting(ctx);
    Ran::Done
}

/// A command may have changed what others wait for.
#[inline]
fn serve_waiting(ctx: &Ctx<'_>) {
    let (daemon, counters, now, busy) = (ctx.daemon, ctx.counters, ctx.now, ctx.busy);
    blocking::serve_waiting(Context { daemon, counters, now, busy });
}

fn run_gated(ctx: &mut Ctx<'_>, argv: Argv<'_>) -> Ran {
    if ctx.state.login.refresh(&ctx.daemon.acl).is_err() {
        return Ran::Close;
    }
    let mark = ctx.reply.out().mark();
    let found = resolve(argv);
    if found.is_err() && is_browser(argv) {
        tracing::warn!(client = ctx.client.id, "a browser was made to talk to the Redis port; hung up");
        ctx.reply.out().clear();
        return Ran::Close;
    }
    if let Ok(command) = found
        && let Some(until) = paused_until(ctx, command)
    {
        return Ran::Paused(until);
    }
    if let Ok(command) = found {
        let (is_script, room) = (needs_vm(ctx, command), ctx.room);
        if is_script != room.is_some() || room.is_some_and(|room| !room.takes(command, argv)) {
            return Ran::Elsewhere;
        }
        if ctx.busy.is_some() && uses_store(ctx, command) {
            return Ran::Paused(Millis(ctx.now.0 + LOOK_AGAIN));
        }
    }
    ctx.counters.add(Counter::Commands, 1);
    // A command that cannot be queued spoils the transaction; one that ends it cannot.
    let spoils = !matches!(found, Ok(command) if ends_transaction(command));
    let known = found.as_ref().ok().copied();
    let is_silenced = !known.is_some_and(|command| command.answers_with_messages);
    let result = found.and_then(|command| {
        if let Err(error) = gates(ctx, command, argv) {
            ctx.counters.commands.reject(command.number);
            return Err(rejected(ctx, command.full_name, error));
        }
        if ctx.state.transaction.is_some() && !ends_transaction(command) {
            return queue(ctx, command, argv);
        }
        call(ctx, command, argv)
    });
    let result = match result {
        Err(CommandError::Arity(name)) if known.is_none() => {
            if let Some(command) = TABLE.find_full(name.as_bytes()) {
                ctx.counters.commands.reject(command.number);
            }
            let text = name.clone();
            Err(rejected(ctx, &text, CommandError::Arity(name)))
        }
        result => result,
    };
    let ran = match result {
        Ok(Outcome::Done) => Ran::Done,
        Ok(Outcome::Sleep(until)) => Ran::Sleep(until),
        Ok(Outcome::Block { .. }) => match ctx.waiter.take() {
            // Muted or not, its reply comes later.
            Some(waiter) => return Ran::Blocked(waiter),
            None => Ran::Done,
        },
        Ok(Outcome::Later) => match ctx.pause.take() {
            Some(pause) => return Ran::GoesOn(pause),
            None => Ran::Done,
        },
        Ok(Outcome::Close) => Ran::Close,
        Ok(Outcome::Elsewhere) => return Ran::Elsewhere,
        Err(error) => {
            ctx.reply.out().cut_to(mark);
            fail(ctx, &error);
            if spoils && let Some(transaction) = &mut ctx.state.transaction {
                transaction.broken = true;
            }
            Ran::Done
        }
    };
    mute(ctx, mark, is_silenced);
    ctx.state.tracking.command_ends(ctx.state.transaction.is_some(), known);
    serve_waiting(ctx);
    ran
}

/// Does this request need the VM?
#[inline]
fn needs_vm(ctx: &Ctx<'_>, command: &Command) -> bool {
    let transaction = ctx.state.transaction.as_ref();
    let of_transaction = || transaction.is_some_and(|open| open.needs_vm) && command.spec.name == "exec";
    (command.spec.needs_vm && transaction.is_none() || of_transaction())
        && ctx.busy.is_none()
        && ctx.daemon.scripts.are_on()
}

/// How soon a request that waits for a script's end in busy mode looks again, in milliseconds.
const LOOK_AGAIN: u64 = 20;

/// Of the commands that Redis allows while a script is busy these would wait for the store.
fn uses_store(ctx: &Ctx<'_>, command: &Command) -> bool {
    match command.spec.name {
        "watch" => ctx.state.transaction.is_none(),
        "unwatch" | "discard" | "reset" => !ctx.state.watched.is_empty(),
        _ => false,
    }
}

/// An `EXEC` that is not even begun discards the transaction all the same, and says so.
fn rejected(ctx: &mut Ctx<'_>, name: &str, error: CommandError) -> CommandError {
    if name != "exec" {
        return error;
    }
    transaction::end(ctx);
    let text = error.to_string();
    let reason = text.strip_prefix("ERR ").unwrap_or(&text);
    CommandError::other(format!("EXECABORT Transaction discarded because of: {reason}"))
}

/// Redis hangs up on POST and Host:, lest a page make a browser send commands in a request's body.
#[cold]
fn is_browser(argv: Argv<'_>) -> bool {
    argv.get(0)
        .is_some_and(|name| [&b"post"[..], b"host:"].iter().any(|word| name.eq_ignore_ascii_case(word)))
}

/// Answers with an error, and counts it.
#[cold]
pub(super) fn fail(ctx: &mut Ctx<'_>, error: &CommandError) {
    ctx.counters.add(Counter::ErrorReplies, 1);
    let text = error.to_string();
    ctx.daemon.errors.count(&text);
    match error {
        CommandError::Quoting(bytes) => ctx.reply.error(bytes),
        _ => ctx.reply.error(text),
    }
}

/// `CLIENT REPLY OFF` and `SKIP` take replies back, but for messages.
pub(super) fn mute(ctx: &mut Ctx<'_>, mark: crate::wire::Mark, is_silenced: bool) {
    if ctx.state.replies != Replies::On && is_silenced {
        ctx.reply.out().cut_to(mark);
    }
    ctx.state.replies = match ctx.state.replies {
        Replies::SkipNext => Replies::Skip,
        Replies::Skip => Replies::On,
        other => other,
    };
}

/// The command, or the subcommand, with the arity checked.
pub(super) fn resolve(argv: Argv<'_>) -> Result<&'static Command, CommandError> {
    let name = argv.get(0).unwrap_or_default();
    let command = TABLE.find(name).ok_or_else(|| unknown_command(argv))?;
    let command = match argv.get(1) {
        Some(sub) if !command.subcommands.is_empty() => command
            .subcommands
            .iter()
            .find(|known| known.spec.name.as_bytes().eq_ignore_ascii_case(sub))
            .ok_or_else(|| unknown_subcommand(command.spec.name, sub))?,
        _ => command,
    };
    if command.spec.arity.allows(argv.len()) {
        Ok(command)
    } else {
        Err(CommandError::Arity(command.full_name.to_owned()))
    }
}

/// `MULTI`'s own commands are executed while the others are queued.
fn ends_transaction(command: &Command) -> bool {
    matches!(command.spec.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
        && command.container.is_none()
}

#[inline]
fn gates(ctx: &mut Ctx<'_>, command: &Command, argv: Argv<'_>) -> Result<(), CommandError> {
    if ctx.state.login.is_stranger(&ctx.daemon.acl) && !command.may_run_unauthenticated {
        return Err(CommandError::NoAuth);
    }
    if let Some(param) = command.spec.guard {
        guard(ctx, command, param)?;
    }
    permission::gate(ctx, command, argv)?;
    if let Some(kind) = ctx.busy
        && !command.spec.has(super::table::Flag::AllowBusy)
    {
        return Err(CommandError::Busy(kind));
    }
    if ctx.state.monitors && (command.is_write || command.is_read) {
        return Err(CommandError::other("ERR Replica can't interact with the keyspace"));
    }
    if command.denies_oom && ctx.daemon.store.is_out_of_memory() {
        return Err(CommandError::OutOfMemory);
    }
    if !ctx.state.resp3 && !command.is_for_subscribers && !ctx.state.subscriptions.is_empty() {
        return Err(CommandError::SubscribersOnly(command.full_name));
    }
    Ok(())
}

/// Some commands are for those only whom the configuration allows them.
fn guard(ctx: &Ctx<'_>, command: &Command, param: Param) -> Result<(), CommandError> {
    if ctx.daemon.config.access(param).allows(ctx.client.is_local()) {
        return Ok(());
    }
    let name = command.container.unwrap_or(command.spec.name).to_ascii_uppercase();
    Err(CommandError::other(format!(
        "ERR {name} command not allowed. If the {} option is set to \"local\", you can run it from a local \
         connection, otherwise you need to set this option in the configuration file, and then restart \
         the server.",
        param.name()
    )))
}

fn paused_until(ctx: &Ctx<'_>, command: &Command) -> Option<Millis> {
    let clients = &ctx.daemon.clients;
    let until = clients.paused_until.load(Ordering::Relaxed);
    if until <= ctx.now.0 {
        return None;
    }
    let writes_only = clients.pause_writes_only.load(Ordering::Relaxed);
    // Whoever would end the pause must get through.
    let exempt = command.spec.has(super::table::Flag::Admin) || command.container == Some("client");
    (!exempt && (!writes_only || command.is_write)).then_some(Millis(until))
}

fn queue(ctx: &mut Ctx<'_>, command: &'static Command, argv: Argv<'_>) -> CommandResult {
    if command.spec.has(super::table::Flag::NoMulti) {
        return Err(CommandError::other("ERR Command not allowed inside a transaction"));
    }
    if let Some(transaction) = &mut ctx.state.transaction {
        transaction.queue(command, argv);
        ctx.client.queued.store(transaction.queue.len() as u32, Ordering::Relaxed);
        ctx.client.queued_bytes.store(transaction.bytes as u64, Ordering::Relaxed);
        // As for a single request that is too long, there is no reply.
        if transaction.bytes > ctx.daemon.config.size(Param::ClientQueryBufferLimit) {
            tracing::warn!(
                client = ctx.client.id,
                "hung up on a transaction beyond client-query-buffer-limit"
            );
            ctx.counters.add(Counter::InputBufferKills, 1);
            return Ok(Outcome::Close);
        }
    }
    ctx.reply.simple("QUEUED");
    Ok(Outcome::Done)
}

/// Executes a command whose gates are open.
pub(super) fn call(ctx: &mut Ctx<'_>, command: &'static Command, argv: Argv<'_>) -> CommandResult {
    let started = metering::begin(ctx, command, argv);
    let result = execute(ctx, command, argv);
    // What a walk takes is known at its end; what goes elsewhere is called again there.
    if !matches!(ctx.pause, Some(Pause::Walking(_))) && !matches!(result, Ok(Outcome::Elsewhere)) {
        let elapsed = started.map(|started| started.elapsed());
        metering::end(ctx, command, argv, elapsed, &result);
    }
    result
}

/// A command that let others come between has come to its end.
pub(super) fn end_walk(ctx: &mut Ctx<'_>, walk: &KeysWalk) {
    let argv = walk.argv.as_argv();
    if let Ok(command) = resolve(argv) {
        metering::end(ctx, command, argv, Some(walk.spent), &Ok(Outcome::Done));
    }
}

/// Runs the command of a connection that waits once more. Its keys are held while it runs. It was counted when
/// it came. What its user may do can have changed meanwhile.
pub(super) fn retry(ctx: &mut Ctx<'_>, command: &'static Command, argv: Argv<'_>) -> CommandResult {
    permission::gate(ctx, command, argv)?;
    hold_keys(ctx, command, argv);
    let result = (command.spec.run)(ctx, &mut args_of(command, argv));
    ctx.db.release();
    result
}

fn args_of<'a>(command: &Command, argv: Argv<'a>) -> Args<'a> {
    Args::new(argv, if command.container.is_some() { 2 } else { 1 })
}

fn hold_keys(ctx: &mut Ctx<'_>, command: &Command, argv: Argv<'_>) {
    if let Some(range) = command.key_range(argv) {
        return ctx.db.hold_for_one(range.filter_map(|at| argv.get(at)));
    }
    if command.reaches_beyond_keys(argv) {
        return ctx.db.hold_all_for_one();
    }
    let positions = command.key_positions(argv);
    ctx.db.hold_for_one(positions.iter().filter_map(|&at| argv.get(at)));
}

/// Several keys are held together, so that nobody sees a half; those of a command that may have to wait until it
/// is known to wait, so that no change is missed; those that a client caches until they are remembered.
#[inline]
fn execute(ctx: &mut Ctx<'_>, command: &'static Command, argv: Argv<'_>) -> CommandResult {
    let mut args = args_of(command, argv);
    let remembers = command.is_read && !command.spec.needs_vm && ctx.state.tracking.remembers();
    let is_held = ctx.db.is_holding();
    if is_held {
        ctx.db.keep_held();
    } else if (command.holds_keys || remembers) && !command.spec.needs_vm {
        hold_keys(ctx, command, argv);
        if remembers {
            ctx.db.keep_held();
        }
    } else {
        return (command.spec.run)(ctx, &mut args);
    }
    let result = (command.spec.run)(ctx, &mut args);
    // Before the shards are let go: no change comes between.
    if remembers {
        client::remember(ctx, command, argv);
    }
    if !is_held {
        if let Ok(Outcome::Block { deadline, nil }) = result {
            ctx.waiter = Some(blocking::wait(ctx, command, argv, deadline, nil));
        }
        ctx.db.release();
    }
    result
}
