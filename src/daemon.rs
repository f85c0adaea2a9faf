//! The one value that every connection shares: configuration, store, clients, counters.

use crate::clients::Clients;
use crate::clock::{Clock, Millis};
use crate::config::{Config, Param};
use crate::observe::{Counter, Counters};
use crate::store::{PolicyKind, Store, StoreOptions};
use std::sync::atomic::{AtomicBool, Ordering};

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
    pub shutdown: Shutdown,
}

/// How a command stops the daemon; signals do the same.
#[derive(Debug, Default)]
pub struct Shutdown {
    asked: AtomicBool,
    bell: tokio::sync::Notify,
}

impl Shutdown {
    /// Asks for a graceful stop: no new connections, what is in flight is answered.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Waits until somebody asks. One waiter: the acceptor.
    pub async fn asked(&self) {
        if !self.is_asked() {
            self.bell.notified().await;
        }
    }
}

impl Daemon {
    /// A daemon with an empty store, laid out as `config` says, for this many workers.
    pub fn new(config: Config, workers: usize) -> Daemon {
        let clock = Clock::default();
        let store = Store::new(StoreOptions {
            limit: config.size(Param::MaxMemory),
            databases: u8::try_from(config.number(Param::Databases)).unwrap_or(u8::MAX),
            policy: PolicyKind::from_name(config.choice(Param::MaxMemoryPolicy)).unwrap_or_default(),
            shards: 0,
            seed: getrandom::u64().unwrap_or_else(|_| clock.now().0),
        });
        let run_id = (0..5).map(|_| format!("{:08x}", getrandom::u32().unwrap_or(0))).collect();
        Daemon {
            store,
            clients: Clients::default(),
            counters: (0..workers.max(1)).map(|_| Counters::default()).collect(),
            started: clock.now(),
            clock,
            run_id,
            memcached: Default::default(),
            shutdown: Shutdown::default(),
            config,
        }
    }

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
