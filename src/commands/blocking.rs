//! How commands wait for keys, and how those that wait are served; see [`crate::waiting`].

use super::session::State;
use super::table::Command;
use super::{CommandError, CommandResult, Ctx, Done, Outcome, dispatch};
use crate::acl::Login;
use crate::clock::Millis;
use crate::daemon::Context;
use crate::resp::{Argv, OwnedArgv, Reply};
use crate::store::Interest;
use crate::waiting::{Nil, Place, Waiter};
use crate::wire::Out;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Ctx<'_> {
    /// Waits for one of the command's keys to change, then the command is run again. Where waiting is not allowed
    /// (`EXEC`, scripts) the reply is nil at once.
    pub(super) fn block(&mut self, deadline: Option<Millis>, nil: Nil) -> CommandResult {
        if !self.state.executing {
            return Ok(Outcome::Block { deadline, nil });
        }
        match nil {
            Nil::Bulk => self.reply.nil(),
            Nil::Array => self.reply.nil_array(),
        }
        Ok(Done)
    }

    /// `block`, after which the command is run again with other arguments: what is relative to the moment it
    /// came (XREAD's `$`) must not move.
    pub(super) fn block_as(&mut self, deadline: Option<Millis>, nil: Nil, argv: OwnedArgv) -> CommandResult {
        self.state.retry_as = Some(argv);
        self.block(deadline, nil)
    }
}

/// Enters the connection on all keys of its command, whose shards are held.
pub(super) fn wait(
    ctx: &mut Ctx<'_>,
    command: &Command,
    argv: Argv<'_>,
    deadline: Option<Millis>,
    nil: Nil,
) -> Arc<Waiter> {
    let argv = ctx.state.retry_as.take().unwrap_or_else(|| OwnedArgv::from(argv));
    let keys = argv.as_argv();
    let keys = command.key_positions(keys).into_iter().filter_map(|at| keys.get(at)).map(Box::from).collect();
    let place = (ctx.state.db, ctx.state.resp3);
    let waiter = Arc::new(Waiter::new(ctx.client.clone(), place, argv, keys, deadline, nil));
    let store = &ctx.daemon.store;
    ctx.daemon.waiting.add(&waiter, || store.listen(Interest::Waiting, true));
    ctx.client.blocked.store(true, Ordering::Relaxed);
    waiter
}

/// Takes a connection's waiter out, whose wait is over.
pub(super) fn leave(daemon: &crate::daemon::Daemon, waiter: &Arc<Waiter>) {
    daemon.waiting.remove(waiter, || daemon.store.listen(Interest::Waiting, false));
    waiter.client.blocked.store(false, Ordering::Relaxed);
}

/// Runs the commands that wait for keys which have changed. The caller holds no shard.
#[cold]
pub fn serve(context: Context<'_>) {
    let waiting = &context.daemon.waiting;
    let _turn = waiting.serve();
    // Commands that are served change keys themselves (BLMOVE): the list may grow meanwhile.
    while let Some(place) = waiting.next_ready() {
        for waiter in waiting.queue_of(&place) {
            serve_one(context, &place, &waiter);
        }
    }
}

fn serve_one(context: Context<'_>, (db, key): &Place, waiter: &Arc<Waiter>) {
    let argv = waiter.argv.as_argv();
    let Ok(command) = dispatch::resolve(argv) else { return };
    // Only a consumer group's reader wants to know that the key has gone.
    let minds_absence = command.spec.name == "xreadgroup";
    let is_there = || context.daemon.store.db(*db, context.now).entry(key).is_present();
    if !minds_absence && !is_there() || !waiter.begin() {
        return;
    }
    // The connection of a user who is gone is about to be closed.
    let Ok(login) = Login::of(&context.daemon.acl, waiter.client.user.load(Ordering::Relaxed)) else {
        return waiter.end(None);
    };
    let mut out = Out::new();
    let mut state = State::new(login);
    (state.db, state.resp3) = (waiter.db, waiter.resp3);
    let mut ctx = Ctx {
        daemon: context.daemon,
        counters: context.counters,
        now: context.now,
        db: context.daemon.store.db(waiter.db, context.now),
        reply: Reply::new(&mut out, waiter.resp3),
        state: &mut state,
        client: &waiter.client,
        waiter: None,
        room: None,
        busy: None,
    };
    let reply = match dispatch::retry(&mut ctx, command, argv) {
        Ok(Outcome::Block { .. }) => None,
        Err(CommandError::WrongType) if !minds_absence => None,
        Ok(_) => Some(ctx.reply.out().to_vec()),
        Err(error) => {
            ctx.reply.out().clear();
            dispatch::fail(&mut ctx, &error);
            Some(ctx.reply.out().to_vec())
        }
    };
    if reply.is_some() {
        leave(context.daemon, waiter);
    }
    waiter.end(reply);
}
