//! What Redis' words mean: a table of commands in families, each a function from arguments to a reply.
//! Meaning follows the Redis command pages, version 7.2, and 7.4 and 8 for the commands that came
//! later.

pub mod args;
mod dispatch;
pub mod error;
pub mod session;
pub mod table;

mod string;
mod transaction;

pub use args::{Args, pick};
pub use error::CommandError;

use crate::clients::{Client, Unblock};
use crate::clock::Millis;
use crate::daemon::{Context, Daemon};
use crate::observe::Counters;
use crate::resp::{Decoder, Limits, Reply, Step};
use crate::store::Db;
use crate::wire::{FLUSH_AT, Next, Out, Progress};
use session::State;
use std::sync::Arc;
use table::CommandSpec;

/// Every family's commands. The only registration.
static FAMILIES: &[&[CommandSpec]] = &[string::COMMANDS, transaction::COMMANDS];

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
}

/// How a command ended, when not by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It wrote its reply.
    Done,
    /// It wrote its reply, and the connection waits until then before it goes on (`DEBUG SLEEP`).
    Sleep(Millis),
    /// Close when the reply is written.
    Close,
}

pub use Outcome::Done;

pub type CommandResult = Result<Outcome, CommandError>;

/// One RESP connection: its decoder and what its commands left behind.
pub struct Session {
    decoder: Decoder,
    state: State,
    client: Arc<Client>,
    /// No request before this moment.
    asleep_until: Option<Millis>,
}

impl Session {
    pub fn new(client: Arc<Client>, daemon: &Daemon) -> Session {
        let open = daemon.config.text(crate::config::Param::RequirePass).is_empty();
        Session { decoder: Decoder::default(), state: State::new(open), client, asleep_until: None }
    }

    /// Executes the requests that `input` holds; see [`Progress`].
    pub fn feed(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Progress {
        let daemon = context.daemon;
        let limits = Limits {
            bulk_max: daemon.config.number(crate::config::Param::ProtoMaxBulkLen),
            stranger: !self.state.authenticated,
        };
        let mut consumed = 0;
        let resp3 = self.state.resp3;
        let mut ctx = Ctx {
            daemon,
            counters: context.counters,
            now: context.now,
            db: daemon.store.db(self.state.db, context.now),
            reply: Reply::new(out, resp3),
            state: &mut self.state,
            client: &self.client,
        };
        let next = loop {
            if let Some(until) = self.asleep_until {
                if until > context.now {
                    break Next::Wait { until: Some(until) };
                }
                self.asleep_until = None;
            }
            if ctx.reply.out().len() >= FLUSH_AT {
                break Next::Flush;
            }
            match self.decoder.step(&input[consumed..], limits) {
                Ok(Step::Incomplete(at_least)) => break Next::Read { at_least },
                Ok(Step::Request(len)) => {
                    let argv = self.decoder.argv(&input[consumed..]);
                    if argv.is_empty() {
                        consumed += len;
                        continue;
                    }
                    match dispatch::run(&mut ctx, argv) {
                        dispatch::Ran::Done => consumed += len,
                        dispatch::Ran::Sleep(until) => {
                            consumed += len;
                            self.asleep_until = Some(until);
                        }
                        // Not executed: shown again when the pause is over.
                        dispatch::Ran::Paused(until) => break Next::Wait { until: Some(until) },
                        dispatch::Ran::Close => {
                            consumed += len;
                            break Next::Close;
                        }
                    }
                }
                Err(error) => {
                    ctx.reply.error(&error.to_string());
                    break Next::Close;
                }
            }
        };
        Progress { consumed, next }
    }

    /// `CLIENT UNBLOCK` reached a connection that waits; nothing to do unless a command is waiting.
    pub fn unblock(&mut self, _how: Unblock) {}

    /// The connection is gone: lets go of what it held elsewhere.
    pub fn close(&mut self, daemon: &Daemon, now: Millis) {
        transaction::unwatch_all(&mut self.state, &mut daemon.store.db(0, now));
    }

    /// Called when the connection has been idle for a while.
    pub fn shrink(&mut self) {
        self.decoder.shrink();
    }
}
