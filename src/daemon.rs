//! The one value that every connection shares: configuration, store, clients, counters.

use crate::clients::Clients;
use crate::clock::{Clock, Millis};
use crate::config::Config;
use crate::observe::{Counter, Counters};
use crate::store::Store;

/// The running daemon, seen from a command.
pub struct Daemon {
    pub config: Config,
    pub store: Store,
    pub clock: Clock,
    pub clients: Clients,
    /// One set of counters a worker.
    pub counters: Box<[Counters]>,
    pub started: Millis,
    /// 40 hexadecimal digits, new at every start; `INFO`'s run_id.
    pub run_id: String,
    /// What memcached connections share beside the store.
    pub memcached: crate::memcached::State,
}

impl Daemon {
    /// A counter over all workers.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counters.iter().map(|set| set.get(counter)).sum()
    }
}

/// What a request sees: the daemon, its worker's counters, and the time, read once a batch.
#[derive(Clone, Copy)]
pub struct Context<'d> {
    pub daemon: &'d Daemon,
    pub counters: &'d Counters,
    pub now: Millis,
}
