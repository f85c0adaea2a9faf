//! What Redis' words mean: a table of commands in families, each a function from arguments to a reply.
//! Meaning follows the Redis command pages, version 7.2, and 7.4 and 8 for the commands that came
//! later.

pub mod args;
mod blocking;
pub mod categories;
mod dispatch;
pub mod error;
pub mod session;
pub mod table;

mod acl;
mod bitmap;
mod client;
mod config;
mod connection;
mod debug;
mod expire;
mod expiry;
mod geo;
mod hash;
mod hyperloglog;
mod info;
mod introspect;
mod keysizes;
mod keyspace;
mod latency;
mod list;
mod long_double;
mod lookup;
mod memory;
mod metering;
mod monitor;
mod permission;
mod pubsub;
mod random;
mod replica;
mod replication;
mod scan;
mod script;
mod server;
mod set;
mod slowlog;
mod sort;
mod sorted_set;
mod stream;
mod string;
mod transaction;

pub use args::{Args, pick};
pub use blocking::serve_waiting;
pub use error::CommandError;
pub use keyspace::Migrations;
pub use script::{Kind as ScriptKind, Scripts, start as start_scripts};

use crate::acl::Login;
use crate::clients::{Client, Unblock};
use crate::clock::Millis;
use crate::config::Param;
use crate::daemon::{Context, Daemon};
use crate::observe::Counters;
use crate::resp::{Ahead, Limits, Reply};
use crate::store::{Db, Place, Places};
use crate::tracking::Acting;
use crate::waiting::{Nil, UNBLOCKED, Waiter};
use crate::wire::{FLUSH_AT, Next, Out, Progress};
use keyspace::{KeysWalk, Migration};
use script::{Back, Errand, Kind, Room, Slot};
use session::State;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use table::CommandSpec;

/// Every family's commands. The only registration.
static FAMILIES: &[&[CommandSpec]] = &[
    acl::COMMANDS,
    bitmap::COMMANDS,
    client::COMMANDS,
    config::COMMANDS,
    connection::COMMANDS,
    debug::COMMANDS,
    expire::COMMANDS,
    geo::COMMANDS,
    hyperloglog::COMMANDS,
    hash::COMMANDS,
    info::COMMANDS,
    introspect::COMMANDS,
    keyspace::COMMANDS,
    latency::COMMANDS,
    list::COMMANDS,
    memory::COMMANDS,
    monitor::COMMANDS,
    pubsub::COMMANDS,
    replica::COMMANDS,
    replication::COMMANDS,
    script::COMMANDS,
    server::COMMANDS,
    set::COMMANDS,
    slowlog::COMMANDS,
    sort::COMMANDS,
    sorted_set::COMMANDS,
    stream::COMMANDS,
    string::COMMANDS,
    transaction::COMMANDS,
];

/// When the commands of a connection have taken this long, the worker's others have a turn before the next one.
const PATIENCE: Duration = Duration::from_micros(500);

/// What a command works with.
pub struct Ctx<'c> {
    pub daemon: &'c Daemon,
    pub counters: &'c Counters,
    pub now: Millis,
    /// The selected database.
    pub db: Db<'c>,
    /// Where the reply goes.
    pub reply: Reply<'c>,
    pub state: &'c mut State,
    pub client: &'c Arc<Client>,
    /// What a command that waits has been entered as.
    waiter: Option<Arc<Waiter>>,
    /// What the commands of this turn have taken, quick ones not counted.
    spent: Duration,
    /// Where a command stands that is not at its end ([`Outcome::Later`]).
    pause: Option<Pause>,
    /// The Lua VM and its scripts, for whoever has them: the script's thread, or a worker with a short script.
    room: Option<&'c Room>,
    /// A script has the store for long already: only what does without it is executed.
    busy: Option<Kind>,
    /// No gate can be shut for a plain command; see [`dispatch::is_plain`].
    is_plain: bool,
}

impl Ctx<'_> {
    /// Puts what others have sent the client meanwhile behind the replies written so far.
    #[inline]
    fn take_messages(&mut self) {
        if self.client.wants_attention() {
            self.take_messages_now();
        }
    }

    #[cold]
    fn take_messages_now(&mut self) {
        let messages = self.client.take_messages();
        self.reply.out().put(&messages);
    }

    /// Answers `HELP`: Redis' first and last lines around what is said of the subcommands.
    fn help(&mut self, container: &str, lines: &[&str]) -> CommandResult {
        self.reply.array(lines.len() + 3);
        self.reply.simple(format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
        for line in lines.iter().chain(&["HELP", "    Prints this help."]) {
            self.reply.simple(line);
        }
        Ok(Done)
    }
}

/// How a command ended, when not by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It wrote its reply.
    Done,
    /// It wrote its reply, which the client gets then, and not before the connection goes on (`DEBUG SLEEP`,
    /// `WAIT`). `CLIENT UNBLOCK` ends it when the client is marked as blocked.
    Sleep(Millis),
    /// It wrote nothing and waits for one of its keys to change, until `deadline`; then it is run again. See
    /// [`crate::waiting`].
    Block { deadline: Option<Millis>, nil: Nil },
    /// It goes on when others have had a turn (`KEYS`) or another server has answered (`MIGRATE`), and replies at its
    /// end.
    Later,
    /// It changed and wrote nothing, and has to be run on the script's thread.
    Elsewhere,
    /// Close when the reply is written.
    Close,
}

pub use Outcome::Done;

pub type CommandResult = Result<Outcome, CommandError>;

/// One RESP connection.
pub struct Session {
    place: Whereabouts,
    client: Arc<Client>,
}

/// Where the better part of a session is.
#[allow(clippy::large_enum_variant, reason = "it is here nearly always, and read at every request")]
enum Whereabouts {
    Here(Core),
    /// On the script's thread; it comes back into the slot.
    Away(Arc<Slot>),
    /// Lost with the script's thread.
    Gone,
}

/// Requests and what commands left behind.
struct Core {
    requests: Ahead,
    state: State,
    pause: Option<Pause>,
}

/// How far a core came.
struct Fed {
    progress: Progress,
    /// The next request belongs on the script's thread.
    is_elsewhere: bool,
}

/// Why no request is executed.
enum Pause {
    /// Before this moment; then the reply goes out.
    Asleep { until: Millis, reply: Vec<u8> },
    /// A command waits for its keys.
    Blocked(Arc<Waiter>),
    /// A command that takes long lets others have their turns.
    Walking(KeysWalk),
    /// Keys are on their way to another server.
    Migrating(Migration),
}

impl Pause {
    /// Writes the reply with which the pause ends; `Some`: it goes on.
    fn poll(&mut self, ctx: &mut Ctx<'_>) -> Option<Next> {
        let reply = match self {
            Pause::Asleep { until, .. } if *until > ctx.now => {
                return Some(Next::Wait { until: Some(*until) });
            }
            Pause::Asleep { reply, .. } => std::mem::take(reply),
            Pause::Blocked(waiter) => match waiter.poll(ctx.now) {
                Some(reply) => reply,
                None => {
                    // While it is being served its time may have passed: whoever serves it wakes it.
                    let until = waiter.deadline.filter(|deadline| *deadline > ctx.now);
                    return Some(Next::Wait { until });
                }
            },
            Pause::Migrating(migration) => {
                match migration.poll(&mut ctx.db) {
                    None => return Some(Next::Wait { until: None }),
                    Some(Ok(())) => ctx.reply.ok(),
                    Some(Err(error)) => dispatch::fail(ctx, &error),
                }
                return None;
            }
            Pause::Walking(walk) => return (!walk.step(ctx)).then_some(Next::Flush),
        };
        ctx.reply.out().put(&reply);
        None
    }
}

impl Session {
    pub fn new(client: Arc<Client>, daemon: &Daemon) -> Session {
        let login = Login::new(&daemon.acl);
        client.become_user(login.user());
        let state = State::new(login);
        Session { place: Whereabouts::Here(Core { requests: Ahead::default(), state, pause: None }), client }
    }

    /// Executes the requests that `input` holds; see [`Progress`].
    #[inline]
    pub fn feed(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Progress {
        if let Some(progress) = self.collect(out) {
            return progress;
        }
        let Whereabouts::Here(core) = &mut self.place else {
            return Progress { consumed: 0, next: Next::Close };
        };
        let mut fed = core.feed(context, &self.client, None, input, out);
        if fed.is_elsewhere && core.visit(context, &self.client, input, &mut fed, out) {
            return self.go(context, input, fed.progress.consumed, out);
        }
        fed.progress
    }

    /// Decodes the first requests that `input` holds and says where they will look.
    #[inline]
    pub fn foresee(&mut self, daemon: &Daemon, input: &[u8], places: &mut Vec<Place>) {
        if let Whereabouts::Here(core) = &mut self.place {
            core.foresee(daemon, input, places);
        }
    }

    /// While a script has the store: nothing is executed that needs it. `None`: wait until the script is over.
    pub fn feed_busy(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Option<Progress> {
        match &mut self.place {
            Whereabouts::Here(core) if core.pause.is_none() => {
                Some(core.feed(context, &self.client, None, input, out).progress)
            }
            _ => None,
        }
    }

    /// What a session that was away brings back, or that it still is. Needs no store.
    #[inline]
    pub fn collect(&mut self, out: &mut Out) -> Option<Progress> {
        let Whereabouts::Away(slot) = &self.place else { return None };
        let Some(back) = slot.take() else {
            return Some(Progress { consumed: 0, next: Next::Wait { until: None } });
        };
        Some(self.come_back(back, out))
    }

    fn come_back(&mut self, back: Back, out: &mut Out) -> Progress {
        self.place = back.core.map_or(Whereabouts::Gone, Whereabouts::Here);
        out.append(back.out);
        self.client.look_again();
        match back.progress {
            None => Progress { consumed: 0, next: Next::Close },
            // More may have come meanwhile than it was shown.
            Some(Progress { consumed, next: Next::Read { .. } }) => Progress { consumed, next: Next::Flush },
            Some(progress) => progress,
        }
    }

    /// Goes to the script's thread with the input that is left.
    fn go(&mut self, context: Context<'_>, input: &[u8], consumed: usize, out: &mut Out) -> Progress {
        let Whereabouts::Here(core) = std::mem::replace(&mut self.place, Whereabouts::Gone) else {
            return Progress { consumed, next: Next::Close };
        };
        let (errand, slot) = Errand::new(core, &input[consumed..], self.client.clone());
        self.place = Whereabouts::Away(slot.clone());
        context.daemon.turns.leave(self.client.worker);
        // Where many clients have scripts, the worker takes their requests meanwhile, and the thread has them in one go.
        let is_alone = context.daemon.scripts.send(errand);
        match slot.watch(is_alone) {
            None => Progress { consumed, next: Next::Wait { until: None } },
            Some(back) => {
                let there = self.come_back(back, out);
                Progress { consumed: consumed + there.consumed, next: there.next }
            }
        }
    }

    /// `CLIENT UNBLOCK` reached the connection; nothing to do unless a command is waiting.
    pub fn unblock(&mut self, how: Unblock) {
        if let Whereabouts::Here(core) = &mut self.place {
            core.unblock(how, &self.client);
        }
    }

    /// Has a script's reply not been fetched yet? A client that was told before it reads the reply that what the
    /// reply says is stale would cache the reply for ever.
    pub fn owes_reply(&self) -> bool {
        matches!(self.place, Whereabouts::Away(_))
    }

    /// Is it on the script's thread? It cannot be closed then.
    pub fn is_away(&mut self) -> bool {
        self.collect(&mut Out::new()).is_some() && matches!(self.place, Whereabouts::Away(_))
    }

    /// The connection is gone: lets go of what it held elsewhere.
    pub fn close(&mut self, daemon: &Daemon, now: Millis) {
        if let Whereabouts::Here(core) = &mut self.place {
            core.close(daemon, &self.client, now);
        }
    }

    /// Called when the connection has been idle for a while.
    pub fn shrink(&mut self) {
        if let Whereabouts::Here(core) = &mut self.place {
            core.requests.shrink();
        }
    }
}

impl Core {
    #[inline]
    fn limits(&self, daemon: &Daemon) -> Limits {
        let bulk_max = daemon.config.number(Param::ProtoMaxBulkLen);
        Limits { bulk_max, stranger: self.state.login.is_stranger(&daemon.acl) }
    }

    #[inline]
    fn foresee(&mut self, daemon: &Daemon, input: &[u8], places: &mut Vec<Place>) {
        // An error is found again when its turn has come.
        if self.pause.is_none() && self.requests.look(input, self.limits(daemon)).is_ok() {
            let look = |key| places.push(daemon.store.foresee(self.state.db, key));
            first_keys(&self.requests, input).for_each(look);
        }
    }

    /// Executes the scripts that come next on the worker, if they are short and the VM is to be had. `true`: they
    /// have to go to the script's thread.
    #[cold]
    #[inline(never)]
    fn visit(
        &mut self,
        context: Context<'_>,
        client: &Arc<Client>,
        input: &[u8],
        fed: &mut Fed,
        out: &mut Out,
    ) -> bool {
        let daemon = context.daemon;
        daemon.turns.leave(client.worker);
        let Some(visit) = daemon.scripts.visit(&daemon.turns) else { return true };
        let consumed = fed.progress.consumed;
        let there = self.feed(context, client, Some(&visit.room), &input[consumed..], out);
        if there.is_elsewhere && there.progress.consumed == 0 {
            return true;
        }
        visit.room.leave(daemon);
        fed.progress = Progress { consumed: consumed + there.progress.consumed, next: there.progress.next };
        false
    }

    /// Executes requests, on a worker (`room` is `None`) or where the scripts are, for as long as they belong there.
    fn feed(
        &mut self,
        context: Context<'_>,
        client: &Arc<Client>,
        room: Option<&Room>,
        input: &[u8],
        out: &mut Out,
    ) -> Fed {
        let daemon = context.daemon;
        let (mut consumed, mut is_elsewhere) = (0, false);
        let mut limits = self.limits(daemon);
        let resp3 = self.state.resp3;
        let mut ctx = Ctx {
            daemon,
            counters: context.counters,
            now: context.now,
            db: daemon.store.db(self.state.db, context.now),
            reply: Reply::new(out, resp3),
            state: &mut self.state,
            client,
            waiter: None,
            spent: Duration::ZERO,
            pause: None,
            room,
            busy: context.busy,
            is_plain: false,
        };
        ctx.is_plain = dispatch::is_plain(&ctx);
        ctx.db.set_touching(!ctx.state.no_touch);
        let _acting = Acting::as_client(ctx.client.id);
        // Whoever learns from elsewhere that something was published and then asks, gets the message first.
        ctx.take_messages();
        let next = loop {
            if let Some(pause) = &mut self.pause {
                let mark = ctx.reply.out().mark();
                if let Some(next) = pause.poll(&mut ctx) {
                    break next;
                }
                match self.pause.take() {
                    Some(Pause::Blocked(waiter)) => {
                        blocking::leave(daemon, &waiter, context.now);
                        dispatch::mute(&mut ctx, mark, true);
                    }
                    Some(Pause::Walking(walk)) => {
                        dispatch::end_walk(&mut ctx, &walk);
                        dispatch::mute(&mut ctx, mark, true);
                    }
                    Some(Pause::Migrating(_)) => dispatch::mute(&mut ctx, mark, true),
                    Some(Pause::Asleep { .. }) | None => {}
                }
                ctx.client.blocked.store(false, Ordering::Relaxed);
            }
            if ctx.reply.out().len() >= FLUSH_AT {
                break Next::Flush;
            }
            if ctx.spent > PATIENCE && consumed < input.len() {
                break Next::Flush;
            }
            if self.requests.is_empty() {
                limits.stranger = !ctx.is_plain && ctx.state.login.is_stranger(&daemon.acl);
                match self.requests.look(input, limits) {
                    Ok(Some(at_least)) => break Next::Read { at_least },
                    Ok(None) => load_ahead(daemon, ctx.db.index(), &self.requests, input),
                    Err(error) => {
                        ctx.reply.error(error.to_string());
                        break Next::Close;
                    }
                }
            }
            let Some(found) = self.requests.next() else { break Next::Read { at_least: 0 } };
            let argv = self.requests.argv(found, input);
            let len = found.to - consumed;
            if argv.is_empty() {
                consumed += len;
                continue;
            }
            let mark = ctx.reply.out().mark();
            match dispatch::run(&mut ctx, argv) {
                dispatch::Ran::Done => {
                    consumed += len;
                    // What a command sends to the client that gave it comes behind its reply, as in Redis 7.2.
                    ctx.take_messages();
                }
                dispatch::Ran::Sleep(until) => {
                    consumed += len;
                    let out = ctx.reply.out();
                    // A large shared value before it cannot be held back: it goes first.
                    let reply = out.as_plain().map(|_| out.text_since(mark).to_vec());
                    if reply.is_some() {
                        out.cut_to(mark);
                    }
                    self.pause = Some(Pause::Asleep { until, reply: reply.unwrap_or_default() });
                }
                dispatch::Ran::Blocked(waiter) => {
                    consumed += len;
                    self.pause = Some(Pause::Blocked(waiter));
                }
                dispatch::Ran::GoesOn(pause) => {
                    consumed += len;
                    self.pause = Some(pause);
                }
                dispatch::Ran::Elsewhere => {
                    is_elsewhere = true;
                    break Next::Flush;
                }
                // Not executed: shown again when the pause is over.
                dispatch::Ran::Paused(until) => break Next::Wait { until: Some(until) },
                dispatch::Ran::Close => {
                    consumed += len;
                    break Next::Close;
                }
            }
        };
        daemon.tracking.tell_news();
        ctx.take_messages();
        self.requests.settle(consumed);
        Fed { progress: Progress { consumed, next }, is_elsewhere }
    }

    fn unblock(&mut self, how: Unblock, client: &Client) {
        if let Some(Pause::Asleep { until, reply }) = &mut self.pause
            && client.blocked.load(Ordering::Relaxed)
        {
            *until = Millis(0);
            if how == Unblock::Error {
                *reply = UNBLOCKED.to_vec();
            }
        }
    }

    fn close(&mut self, daemon: &Daemon, client: &Arc<Client>, now: Millis) {
        match self.pause.take() {
            Some(Pause::Blocked(waiter)) => {
                waiter.cancel(Vec::new);
                blocking::leave(daemon, &waiter, now);
            }
            Some(Pause::Migrating(mut migration)) => migration.abandon(&mut daemon.store.db(0, now)),
            Some(Pause::Asleep { .. } | Pause::Walking(_)) | None => {}
        }
        self.state.subscriptions.end(daemon, client);
        self.state.tracking.stop(daemon, client);
        transaction::unwatch_all(&mut self.state, &mut daemon.store.db(0, now));
    }
}

/// Loads what a batch of one connection's requests will ask for. A single one would only wait for it.
#[inline]
fn load_ahead(daemon: &Daemon, db: u32, requests: &Ahead, input: &[u8]) {
    if requests.len() > 1 {
        let mut places = Places::default();
        places.extend(first_keys(requests, input).map(|key| daemon.store.foresee(db, key)));
        daemon.store.load(places.as_slice());
    }
}

/// The first key of each request that is decoded: nearly always its first argument. A request with many keys has them
/// loaded when it holds them.
#[inline]
fn first_keys<'a>(requests: &'a Ahead, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    requests.upcoming(input).filter_map(|argv| argv.get(1))
}
