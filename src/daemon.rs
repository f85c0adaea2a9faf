//! The one value that every connection shares: configuration, store, clients, counters.

use crate::acl::Acl;
use crate::clients::Clients;
use crate::clock::{Clock, Millis};
use crate::config::{ClientClass, Config, Param};
use crate::notifications::Notifications;
use crate::observe::commands::CommandTotals;
use crate::observe::{Counter, Counters, ErrorKinds, LatencyMonitor, Rates, SlowLog, Totals, process};
use crate::pubsub::PubSub;
use crate::store::{Event, Interest, Observer, PolicyKind, Store, StoreOptions};
use crate::tracking::Tracking;
use crate::turns::Turns;
use crate::waiting::Waiting;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A slow log that begins below so many microseconds wants every command timed. Above, only work that
/// grows with its arguments or the data can get there by itself, and that is always timed.
const TIMES_ALL_BELOW: i64 = 1000;

/// The running daemon, seen from a command.
pub struct Daemon {
    pub config: Config,
    pub store: Store,
    pub clock: Clock,
    pub clients: Clients,
    /// Users and what they may do.
    pub acl: Acl,
    pub pubsub: Arc<PubSub>,
    pub tracking: Arc<Tracking>,
    listeners: Listeners,
    /// One set of counters a worker, the last for the script's thread.
    pub counters: Box<[Counters]>,
    pub started: Millis,
    /// 40 hexadecimal digits, new at every start; `INFO`'s run_id.
    pub run_id: String,
    /// What replicas would know the data by; as long as a run_id.
    pub replication_id: Mutex<String>,
    /// Scripts: what runs, and the way to their thread.
    pub scripts: crate::commands::Scripts,
    /// Keys on their way to other servers.
    pub migrations: crate::commands::Migrations,
    /// How a script gets the store for itself.
    pub turns: Turns,
    /// Connections that wait for keys.
    pub waiting: Arc<Waiting>,
    /// What memcached connections share beside the store.
    pub memcached: crate::memcached::State,
    pub shutdown: Shutdown,
    pub slowlog: SlowLog,
    pub latency: LatencyMonitor,
    pub errors: ErrorKinds,
    pub rates: Rates,
    /// Resident memory of the empty daemon, in bytes: what is there before any data.
    pub startup_resident: usize,
    /// What of it is no page of the program file.
    startup_anonymous: usize,
    /// Time every command, quick ones too: somebody wants to see what takes microseconds. Follows from
    /// the configuration; dispatch looks at this alone.
    pub times_all: AtomicBool,
    /// Is what is due removed in the background? `DEBUG SET-ACTIVE-EXPIRE` turns it off.
    pub expires_actively: AtomicBool,
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
        let (waiting, pubsub) = (Arc::<Waiting>::default(), Arc::<PubSub>::default());
        let tracking = Arc::<Tracking>::default();
        let listeners = Listeners {
            waiting: waiting.clone(),
            notifications: Arc::new(Notifications::new(pubsub.clone())),
            tracking: tracking.clone(),
        };
        store.observe(Arc::new(listeners.clone()));
        let daemon = Daemon {
            store,
            clients: Clients::default(),
            acl: Acl::new(&config.text(Param::RequirePass)),
            pubsub,
            tracking,
            listeners,
            counters: (0..=workers.max(1)).map(|_| Counters::default()).collect(),
            started: clock.now(),
            clock,
            run_id: random_id(),
            replication_id: Mutex::new(random_id()),
            scripts: Default::default(),
            migrations: Default::default(),
            turns: Turns::new(workers.max(1)),
            waiting,
            memcached: Default::default(),
            shutdown: Shutdown::default(),
            slowlog: SlowLog::default(),
            latency: LatencyMonitor::default(),
            errors: ErrorKinds::default(),
            rates: Rates::default(),
            startup_resident: process::resident(),
            startup_anonymous: process::anonymous(),
            times_all: AtomicBool::new(false),
            expires_actively: AtomicBool::new(true),
            config,
        };
        daemon.follow(Param::MaxMemorySamples);
        daemon.follow(Param::SlowlogLogSlowerThan);
        daemon.follow(Param::ClientOutputBufferLimit);
        daemon.follow(Param::NotifyKeyspaceEvents);
        daemon.follow(Param::TrackingTableMaxKeys);
        daemon.follow(Param::MemcachedNodes);
        daemon
    }

    /// Takes a store laid out by hand in the place of the one that `config` led to.
    pub fn set_store(&mut self, store: Store) {
        store.observe(Arc::new(self.listeners.clone()));
        self.store = store;
        self.follow(Param::NotifyKeyspaceEvents);
    }

    /// Does what must follow when a parameter has got another value.
    pub fn follow(&self, param: Param) {
        let config = &self.config;
        match param {
            Param::MaxMemory => self.store.set_limit(config.size(param)),
            Param::MaxMemoryPolicy => {
                self.store.set_policy(PolicyKind::from_name(config.choice(param)).unwrap_or_default());
            }
            Param::MaxMemorySamples | Param::LfuLogFactor | Param::LfuDecayTime => {
                let number = |param| u32::try_from(config.number(param)).unwrap_or(u32::MAX);
                self.store.set_sampling(
                    number(Param::MaxMemorySamples),
                    number(Param::LfuLogFactor),
                    number(Param::LfuDecayTime),
                );
            }
            Param::RequirePass => self.acl.set_default_password(&config.text(param)),
            Param::ClientOutputBufferLimit => {
                let limit = config.output_limit(ClientClass::Pubsub).hard_bytes;
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                self.pubsub.set_limit(limit);
                self.tracking.set_limit(limit);
            }
            Param::MemcachedNodes => self.memcached.note_nodes(self.clock.now()),
            Param::TrackingTableMaxKeys => self.tracking.set_max_keys(config.size(param)),
            Param::NotifyKeyspaceEvents => {
                let is_wanted = self.listeners.notifications.choose(config.number(param));
                self.store.listen(Interest::Notifications, is_wanted);
            }
            Param::LogLevel => crate::logging::set_level(config),
            Param::SlowlogLogSlowerThan | Param::LatencyMonitorThreshold => {
                let slow = config.number(Param::SlowlogLogSlowerThan);
                let all =
                    (0..TIMES_ALL_BELOW).contains(&slow) || config.number(Param::LatencyMonitorThreshold) > 0;
                self.times_all.store(all, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Takes the users of the config file or of the ACL file; before anybody connects.
    ///
    /// # Errors
    /// What is wrong with them, for the terminal.
    pub fn load_users(&self) -> Result<(), String> {
        let (lines, file) = (self.config.users(), self.config.text(Param::AclFile));
        if !lines.is_empty() && !file.is_empty() {
            return Err(
                "users are in the config file and there is an aclfile too: keep them in one place".into()
            );
        }
        self.acl.configure(lines, self.new_users_have_all_channels())?;
        if !file.is_empty() {
            let loaded = self.acl.load(Path::new(&*file), self.new_users_have_all_channels());
            loaded.map_err(|error| String::from_utf8_lossy(&error).into_owned())?;
        }
        let file = self.config.text(Param::AuthFile);
        if !file.is_empty() {
            self.acl.add_auth_file(Path::new(&*file), self.new_users_have_all_channels())?;
        }
        if self.config.flag(Param::EnableSasl) && self.acl.is_open() {
            return Err(
                "clients shall log in (-S, enable-sasl), but the user `default` needs no password: set one \
                        with `requirepass`, or name users with `-Y FILE`"
                    .into(),
            );
        }
        for user in self.acl.all().iter().filter(|user| !user.is_on()) {
            let name = String::from_utf8_lossy(&user.name).into_owned();
            tracing::info!("user '{name}' is off: nobody can log in as that user");
        }
        Ok(())
    }

    /// `acl-pubsub-default`
    pub fn new_users_have_all_channels(&self) -> bool {
        self.config.choice(Param::AclPubsubDefault) == "allchannels"
    }

    /// Redis' protected mode: is a client from another machine to be refused (`-DENIED`)? While the default user
    /// takes any password; for the listener to ask on accept, since that may change.
    pub fn denies_strangers(&self) -> bool {
        self.config.flag(Param::ProtectedMode) && self.acl.default_user().takes_any_password()
    }

    /// For maintenance: keeps rates, the memory peak and the store's knowledge of fragmentation up to date.
    /// Reads one small file of `/proc`; call it on every tick.
    pub fn sample(&self, now: Millis) {
        self.measure_excess();
        let totals = || Totals {
            commands: self.count(Counter::Commands),
            bytes_in: self.count(Counter::BytesRead),
            bytes_out: self.count(Counter::BytesWritten),
        };
        self.rates.sample(now, totals, self.store.used());
    }

    /// The limit is a promise about the process: what it holds beyond the empty daemon, its data and its
    /// connections is fragmentation, and counts as used. Connections never cost data, nor does the code that runs.
    fn measure_excess(&self) {
        /// A connection's task, socket state and entry in the table of clients.
        const CONNECTION: usize = 6 * 1024;
        /// What a thread that runs commands takes: its stack and its share of the allocator.
        const THREAD: usize = 128 * 1024;
        let idle = self.startup_anonymous + self.counters.len() * THREAD;
        let clients = self.clients.len() * CONNECTION + self.clients.buffered();
        let accounted = idle + self.store.used() + clients;
        self.store.set_excess(process::anonymous().saturating_sub(accounted));
    }

    /// `CONFIG RESETSTAT`; the store's events are the caller's to reset, who may hold its locks.
    pub fn reset_stats(&self) {
        self.counters.iter().for_each(Counters::reset);
        self.errors.reset();
        self.rates.reset(self.store.used());
    }

    /// A RESP command's figures over all workers, by its number in the command table.
    pub fn command_totals(&self, number: usize) -> CommandTotals {
        CommandTotals::of(self.counters.iter().map(|set| &set.commands), number)
    }

    /// The counters of the script's thread.
    pub fn script_counters(&self) -> &Counters {
        self.counters.last().expect("there is one set at least")
    }

    /// A counter over all workers.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counters.iter().map(|set| set.get(counter)).sum()
    }
}

/// Who is told of every change in the store while somebody listens.
#[derive(Clone)]
struct Listeners {
    waiting: Arc<Waiting>,
    notifications: Arc<Notifications>,
    tracking: Arc<Tracking>,
}

impl Observer for Listeners {
    fn changed(&self, db: u32, key: &[u8], event: Event) {
        if self.waiting.count() > 0 && event.may_serve() {
            self.waiting.changed(db, key);
        }
        if event.is_change() {
            self.tracking.changed(key);
        }
        self.notifications.changed(db, key, event);
    }

    fn flushed(&self, db: Option<u32>) {
        self.waiting.changed_all(db.as_ref().map(std::slice::from_ref));
        self.tracking.changed_all();
    }

    fn swapped(&self, a: u32, b: u32) {
        self.waiting.changed_all(Some(&[a, b]));
        // Differs: Redis leaves what clients have cached of the two as it is.
        self.tracking.changed_all();
    }
}

/// 40 hexadecimal digits.
pub fn random_id() -> String {
    (0..5).map(|_| format!("{:08x}", getrandom::u32().unwrap_or(0))).collect()
}

/// What a request sees: the daemon, its worker's counters, and the time, read once a batch.
#[derive(Clone, Copy)]
pub struct Context<'d> {
    pub daemon: &'d Daemon,
    pub counters: &'d Counters,
    pub now: Millis,
    /// A script has had the store for longer than `busy-reply-threshold`; its kind.
    pub busy: Option<crate::commands::ScriptKind>,
}
