//! What a RESP connection remembers between requests.

use super::table::Command;
use crate::resp::Argv;

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

/// A command on the queue of `MULTI`: its own copy of the arguments.
pub struct Queued {
    pub command: &'static Command,
    bytes: Vec<u8>,
    ranges: Vec<(u32, u32)>,
}

impl Queued {
    pub fn new(command: &'static Command, argv: Argv<'_>) -> Queued {
        let mut bytes = Vec::with_capacity(argv.iter().map(<[u8]>::len).sum());
        let mut ranges = Vec::with_capacity(argv.len());
        for arg in argv.iter() {
            let from = bytes.len() as u32;
            bytes.extend_from_slice(arg);
            ranges.push((from, bytes.len() as u32));
        }
        Queued { command, bytes, ranges }
    }

    pub fn argv(&self) -> Argv<'_> {
        Argv::new(&self.bytes, &self.ranges)
    }
}

/// An open `MULTI`.
#[derive(Default)]
pub struct Transaction {
    pub queue: Vec<Queued>,
    /// A command could not be queued: `EXEC` will refuse.
    pub broken: bool,
}

/// A watched key, with the version it had.
pub struct WatchedKey {
    pub db: u32,
    pub key: Vec<u8>,
    pub version: u64,
    /// It was there when it was watched, though its deadline may pass before `EXEC`.
    pub was_present: bool,
}

/// State that commands read and change.
pub struct State {
    pub db: u32,
    pub resp3: bool,
    pub authenticated: bool,
    pub replies: Replies,
    pub transaction: Option<Transaction>,
    pub watched: Vec<WatchedKey>,
    /// Inside `EXEC`: what would wait must not.
    pub executing: bool,
    /// In MONITOR mode.
    pub monitors: bool,
    /// `CLIENT NO-TOUCH`.
    pub no_touch: bool,
}

impl State {
    pub fn new(authenticated: bool) -> State {
        State {
            db: 0,
            resp3: false,
            authenticated,
            replies: Replies::On,
            transaction: None,
            watched: Vec::new(),
            executing: false,
            monitors: false,
            no_touch: false,
        }
    }
}
