//! How commands wait for keys, and how those that wait are served; see [`crate::waiting`].

use super::session::State;
use super::table::{Command, KeyUse};
use super::{CommandResult, Ctx, Done, Outcome, dispatch};
use crate::acl::Login;
use crate::clients::Unblock;
use crate::clock::Millis;
use crate::daemon::{Context, Daemon};
use crate::resp::{Argv, OwnedArgv, Reply};
use crate::store::{Interest, Kind};
use crate::tracking::Acting;
use crate::waiting::{Nil, Waiter};
use crate::wire::Out;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

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

/// Enters the connection on the keys of its command, whose shards are held; not on one that is only written to
/// (BLMOVE's destination).
pub(super) fn wait(
    ctx: &mut Ctx<'_>,
    command: &Command,
    argv: Argv<'_>,
    deadline: Option<Millis>,
    nil: Nil,
) -> Arc<Waiter> {
    let argv = ctx.state.retry_as.take().unwrap_or_else(|| OwnedArgv::from(argv));
    let specs = command.spec.keys.iter().filter(|spec| spec.usage != KeyUse::Insert);
    let at = specs.flat_map(|spec| spec.positions(argv.as_argv()));
    let keys = at.filter_map(|at| argv.as_argv().get(at)).map(Box::from).collect();
    let place = (ctx.state.db, ctx.state.resp3);
    let waiter = Arc::new(Waiter::new(ctx.client.clone(), place, argv, keys, deadline, nil));
    let store = &ctx.daemon.store;
    ctx.daemon.waiting.add(&waiter, || store.listen(Interest::Waiting, true));
    ctx.client.blocked.store(true, Ordering::Relaxed);
    waiter
}

/// Takes a connection's waiter out, whose wait is over.
pub(super) fn leave(daemon: &Daemon, waiter: &Arc<Waiter>, now: Millis) {
    daemon.waiting.remove(waiter, || daemon.store.listen(Interest::Waiting, false));
    // It was not idle: it waited.
    waiter.client.last_active.store(now.0, Ordering::Relaxed);
    waiter.client.blocked.store(false, Ordering::Relaxed);
}

/// Ends the wait of another connection here and now, so that what changes afterwards is not given to it.
/// `false`: it does not wait for keys.
pub(super) fn end_wait(ctx: &Ctx<'_>, client: u64, how: Unblock) -> bool {
    let waiter = ctx.daemon.waiting.of_client(client).filter(|waiter| waiter.begin(ctx.now));
    if let Some(waiter) = &waiter {
        leave(ctx.daemon, waiter, ctx.now);
        waiter.end(Some(waiter.unblocked(how)));
    }
    waiter.is_some()
}

/// Runs the commands that wait for keys which have changed, if any has. The caller holds no shard, and is allowed
/// to use the store. To be called after everything that may have changed a key, on whatever port.
#[inline]
pub fn serve_waiting(context: Context<'_>) {
    if context.daemon.waiting.has_ready() && context.busy.is_none() {
        serve(context);
    }
}

#[cold]
fn serve(context: Context<'_>) {
    let waiting = &context.daemon.waiting;
    let _turn = waiting.serve();
    // Commands that are served change keys themselves (BLMOVE): the list may grow meanwhile.
    while let Some(place) = waiting.next_ready() {
        let (db, key) = (place.0, &place.1);
        let kind_now = || context.daemon.store.db(db, context.now).entry(key).item().map(|item| item.kind());
        let mut kind = kind_now();
        for waiter in waiting.queue_of(&place) {
            if serve_one(context, &waiter, kind) {
                kind = kind_now();
            }
        }
    }
}

/// Runs a waiting command, if what its key holds now, if anything, is of any use to it. `false`: it was not run.
fn serve_one(context: Context<'_>, waiter: &Arc<Waiter>, kind: Option<Kind>) -> bool {
    let argv = waiter.argv.as_argv();
    let Ok(command) = dispatch::resolve(argv) else { return false };
    // A consumer group's reader wants to know that its stream has gone, too.
    let is_of_use = command.spec.name == "xreadgroup"
        || match kind {
            Some(Kind::List) => command.spec.group == "list",
            Some(Kind::SortedSet) => command.spec.group == "sorted-set",
            Some(Kind::Stream) => command.spec.group == "stream",
            _ => false,
        };
    if !is_of_use || waiter.client.is_closing.load(Ordering::Relaxed) {
        return false;
    }
    // The connection of a user who is gone is about to be closed.
    let Ok(login) = Login::of(&context.daemon.acl, waiter.client.user.load(Ordering::Relaxed)) else {
        return false;
    };
    if !waiter.begin(context.now) {
        return false;
    }
    let _acting = Acting::as_client(waiter.client.id);
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
        spent: Duration::ZERO,
        pause: None,
        room: None,
        busy: None,
        is_plain: false,
    };
    let reply = match dispatch::retry(&mut ctx, command, argv) {
        Ok(Outcome::Block { .. }) => None,
        Ok(_) => Some(ctx.reply.out().to_vec()),
        Err(error) => {
            ctx.reply.out().clear();
            dispatch::fail(&mut ctx, &error);
            Some(ctx.reply.out().to_vec())
        }
    };
    if reply.is_some() {
        leave(context.daemon, waiter, context.now);
    }
    waiter.end(reply);
    true
}
