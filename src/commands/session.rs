//! What a RESP connection remembers between requests.

use super::client::Tracking;
use super::pubsub::Subscriptions;
use super::table::Command;
use crate::acl::Login;
use crate::resp::{Argv, OwnedArgv};
use std::collections::HashMap;

/// `CLIENT REPLY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replies {
    #[default]
    On,
    Off,
    /// Off for the command that follows.
    SkipNext,
    Skip,
}

/// A command on the queue of `MULTI`.
pub struct Queued {
    pub command: &'static Command,
    pub argv: OwnedArgv,
}

/// An open `MULTI`.
#[derive(Default)]
pub struct Transaction {
    pub queue: Vec<Queued>,
    /// What the queue takes, in bytes.
    pub bytes: usize,
    /// A command could not be queued: `EXEC` will refuse.
    pub broken: bool,
    /// A command needs the Lua VM, and so does `EXEC`.
    pub needs_vm: bool,
}

impl Transaction {
    pub fn queue(&mut self, command: &'static Command, argv: Argv<'_>) {
        let argv = OwnedArgv::from(argv);
        self.needs_vm |= command.spec.needs_vm;
        self.bytes += argv.size() + size_of::<Queued>();
        self.queue.push(Queued { command, argv });
    }
}

/// What a watched key was like.
pub struct WatchedKey {
    pub version: u64,
    /// It was there when it was watched, though its deadline may pass before `EXEC`.
    pub was_present: bool,
}

/// State that commands read and change.
pub struct State {
    pub db: u32,
    pub resp3: bool,
    pub login: Login,
    pub replies: Replies,
    pub transaction: Option<Transaction>,
    /// By database and key.
    pub watched: HashMap<(u32, Box<[u8]>), WatchedKey>,
    pub subscriptions: Subscriptions,
    pub tracking: Tracking,
    /// A script's call is being executed.
    pub scripted: bool,
    /// Inside `EXEC` or a script: what would wait must not.
    pub executing: bool,
    /// What a command that is about to wait is to be run again with, when not with the same arguments.
    pub retry_as: Option<OwnedArgv>,
    /// In MONITOR mode.
    pub monitors: bool,
    /// `CLIENT NO-TOUCH`.
    pub no_touch: bool,
}

impl State {
    pub fn new(login: Login) -> State {
        State {
            db: 0,
            resp3: false,
            login,
            replies: Replies::On,
            transaction: None,
            watched: HashMap::new(),
            subscriptions: Subscriptions::default(),
            scripted: false,
            tracking: Tracking::default(),
            executing: false,
            retry_as: None,
            monitors: false,
            no_touch: false,
        }
    }
}
