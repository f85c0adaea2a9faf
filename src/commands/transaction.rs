//! MULTI, EXEC, DISCARD, WATCH, UNWATCH. A transaction holds the shards of all its keys (of all there are,
//! when a command's keys cannot be told) from before the first command until after the last.

use super::session::{State, Transaction, WatchedKey};
use super::table::{Arity, Command, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, Outcome, dispatch, permission};
use crate::store::Db;
use std::collections::hash_map::Entry::Vacant;
use std::sync::atomic::Ordering;

const FLAGS: &[Flag] = &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy];

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "discard",
        arity: Arity::Exactly(1),
        flags: FLAGS,
        acl: &["transaction"],
        since: "2.0.0",
        group: "transactions",
        complexity: "O(N), when N is the number of queued commands",
        summary: "Discards a transaction.",
        run: discard,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "exec",
        arity: Arity::Exactly(1),
        flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::SkipSlowlog],
        acl: &["transaction"],
        since: "1.2.0",
        group: "transactions",
        complexity: "Depends on commands in the transaction",
        summary: "Executes all commands in a transaction.",
        run: exec,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "multi",
        arity: Arity::Exactly(1),
        flags: FLAGS,
        acl: &["transaction"],
        since: "1.2.0",
        group: "transactions",
        summary: "Starts a transaction.",
        run: multi,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "unwatch",
        arity: Arity::Exactly(1),
        flags: FLAGS,
        acl: &["transaction"],
        since: "2.2.0",
        group: "transactions",
        summary: "Forgets about watched keys of a transaction.",
        run: unwatch,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "watch",
        arity: Arity::AtLeast(2),
        flags: FLAGS,
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Look)],
        acl: &["transaction"],
        since: "2.2.0",
        group: "transactions",
        complexity: "O(1) for every key.",
        summary: "Monitors changes to keys to determine the execution of a transaction.",
        run: watch,
        ..CommandSpec::BASE
    },
];

/// `MULTI`
fn multi(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    if ctx.state.transaction.is_some() {
        return Err(CommandError::other("ERR MULTI calls can not be nested"));
    }
    ctx.state.transaction = Some(Transaction::default());
    ctx.client.in_multi.store(true, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Done)
}

/// Ends the transaction, watched keys included.
pub(super) fn end(ctx: &mut Ctx<'_>) -> Option<Transaction> {
    unwatch_all(ctx.state, &mut ctx.db);
    ctx.client.in_multi.store(false, Ordering::Relaxed);
    ctx.client.queued.store(0, Ordering::Relaxed);
    ctx.client.queued_bytes.store(0, Ordering::Relaxed);
    ctx.client.watching.store(0, Ordering::Relaxed);
    ctx.state.transaction.take()
}

/// `DISCARD`
fn discard(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    if ctx.state.transaction.is_none() {
        return Err(CommandError::other("ERR DISCARD without MULTI"));
    }
    end(ctx);
    ctx.reply.ok();
    Ok(Done)
}

/// `EXEC`
fn exec(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let Some(transaction) = ctx.state.transaction.take() else {
        return Err(CommandError::other("ERR EXEC without MULTI"));
    };
    if transaction.broken {
        end(ctx);
        return Err(CommandError::ExecAbort);
    }
    hold(ctx, &transaction);
    let untouched = watched_are_untouched(ctx);
    end(ctx);
    let mut outcome = Done;
    if untouched {
        ctx.reply.array(transaction.queue.len());
        ctx.state.executing = true;
        for queued in &transaction.queue {
            let mark = ctx.reply.out().mark();
            let argv = queued.argv.as_argv();
            let allowed = permission::gate_again(ctx, queued.command, argv);
            match allowed.and_then(|()| dispatch::call(ctx, queued.command, argv)) {
                Ok(Done) => {}
                Ok(Outcome::Close) => outcome = Outcome::Close,
                Ok(sleep) => outcome = sleep,
                Err(error) => {
                    ctx.reply.out().cut_to(mark);
                    dispatch::fail(ctx, &error);
                }
            }
        }
        ctx.state.executing = false;
    } else {
        ctx.reply.nil_array();
    }
    ctx.db.release();
    Ok(outcome)
}

/// Takes the locks of everything the transaction may touch.
fn hold(ctx: &mut Ctx<'_>, transaction: &Transaction) {
    // A script may touch other keys than those it names.
    if transaction.needs_vm {
        ctx.db.hold_all();
        return;
    }
    let mut keys: Vec<&[u8]> = Vec::new();
    for queued in &transaction.queue {
        let argv = queued.argv.as_argv();
        let positions = queued.command.key_positions(argv);
        // Without keys a command may reach anything: FLUSHALL, RANDOMKEY, DBSIZE, a script.
        let reaches_all = positions.is_empty() && !is_harmless(queued.command);
        if reaches_all || queued.command.reaches_beyond_keys(argv) {
            ctx.db.hold_all();
            return;
        }
        keys.extend(positions.iter().filter_map(|&at| argv.get(at)));
    }
    ctx.db.hold(keys.into_iter().chain(ctx.state.watched.keys().map(|(_, key)| &**key)));
}

/// Commands that touch no data, which many transactions of Python libraries contain.
fn is_harmless(command: &Command) -> bool {
    command.spec.has(Flag::PubSub)
        || matches!(command.spec.name, "ping" | "echo" | "time" | "select" | "unwatch")
}

fn watched_are_untouched(ctx: &mut Ctx<'_>) -> bool {
    ctx.state.watched.iter().all(|((db, key), watched)| {
        let entry = ctx.db.entry_in(*db, key);
        // Looking the key up has made it expire, if it was due: that counts as a change.
        entry.watched_version() == Some(watched.version) && entry.is_present() == watched.was_present
    })
}

/// `WATCH key [key …]`
fn watch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if ctx.state.transaction.is_some() {
        return Err(CommandError::other("ERR WATCH inside MULTI is not allowed"));
    }
    while !args.is_empty() {
        let key = args.key()?;
        if let Vacant(place) = ctx.state.watched.entry((ctx.state.db, key.into())) {
            let mut entry = ctx.db.entry(key);
            place.insert(WatchedKey { version: entry.watch(), was_present: entry.is_present() });
        }
    }
    ctx.client.watching.store(ctx.state.watched.len() as u32, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Done)
}

/// `UNWATCH`
fn unwatch(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    unwatch_all(ctx.state, &mut ctx.db);
    ctx.client.watching.store(0, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Done)
}

pub(super) fn unwatch_all(state: &mut State, db: &mut Db<'_>) {
    for ((number, key), _) in state.watched.drain() {
        db.entry_in(number, &key).unwatch();
    }
}
