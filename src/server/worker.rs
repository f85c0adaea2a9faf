//! A worker: a thread, its runtime, its connections, and its share of the store's housekeeping.

use super::connection::Connection;
use super::round::Rounds;
use super::transport::Transport;
use crate::clients::{Arrival, Client, Wire};
use crate::clock::Millis;
use crate::config::Param;
use crate::daemon::{Context, Daemon};
use crate::observe::{Counter, Counters};
use crate::{commands, memcached};
use anyhow::Context as _;
use std::future::poll_fn;
use std::net::TcpStream as StdTcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How often expiry, compaction and idle clients are looked after.
const TICK: Duration = Duration::from_millis(100);

/// What the connections of a worker share.
pub(super) struct WorkerState {
    pub daemon: Arc<Daemon>,
    pub number: usize,
}

impl WorkerState {
    #[inline]
    pub(super) fn counters(&self) -> &Counters {
        &self.daemon.counters[self.number]
    }
}

/// A socket just accepted.
pub(super) enum Socket {
    Tcp(StdTcpStream),
    Unix(StdUnixStream),
}

pub(super) struct Newcomer {
    pub socket: Socket,
    pub wire: Wire,
    pub addr: String,
    pub laddr: String,
}

/// The acceptor's end of a worker.
pub(super) struct Worker {
    newcomers: UnboundedSender<Newcomer>,
    /// Connections it has, those on their way included.
    load: Arc<AtomicUsize>,
}

impl Worker {
    pub(super) fn start(number: usize, of: usize, daemon: Arc<Daemon>) -> anyhow::Result<Worker> {
        let (newcomers, arrivals) = unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let loaded = load.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a worker")?;
        std::thread::Builder::new()
            .name(format!("worker-{number}"))
            // Short scripts run here.
            .stack_size(crate::lua::STACK)
            .spawn(move || {
                let state = Rc::new(WorkerState { daemon, number });
                let tasks = tokio::task::LocalSet::new();
                tasks.spawn_local(keep_house(state.clone(), of));
                // It decides by itself how much it does at once: tokio's budget would have it look in vain.
                tasks.block_on(&runtime, tokio::task::unconstrained(work(state, arrivals, loaded)));
            })
            .context("cannot start a worker thread")?;
        Ok(Worker { newcomers, load })
    }

    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self, newcomer: Newcomer) {
        self.load.fetch_add(1, Ordering::Relaxed);
        // Fails only when the worker is gone, and then so is the process.
        let _ = self.newcomers.send(newcomer);
    }
}

/// Takes in the connections that the acceptor hands over, and serves them all.
async fn work(state: Rc<WorkerState>, mut arrivals: UnboundedReceiver<Newcomer>, load: Arc<AtomicUsize>) {
    let mut rounds = Rounds::new(state.clone());
    poll_fn(|cx| {
        while let Poll::Ready(arrival) = arrivals.poll_recv(cx) {
            let Some(newcomer) = arrival else { return Poll::Ready(()) };
            welcome(newcomer, &state, Chair(load.clone()), &mut rounds);
        }
        rounds.poll(cx);
        Poll::Pending
    })
    .await;
}

/// A connection's place in its worker's load: free again however the connection ends, by a panic too.
struct Chair(Arc<AtomicUsize>);

impl Drop for Chair {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a connection has of its worker and of the registry of clients, until it is dropped.
pub(super) struct Tenancy {
    client: Arc<Client>,
    daemon: Arc<Daemon>,
    _chair: Chair,
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        self.daemon.clients.forget(&self.client);
    }
}

fn welcome(newcomer: Newcomer, state: &Rc<WorkerState>, chair: Chair, rounds: &mut Rounds) {
    let daemon = &state.daemon;
    let fd = match &newcomer.socket {
        Socket::Tcp(socket) => socket.as_raw_fd(),
        Socket::Unix(socket) => socket.as_raw_fd(),
    };
    let client = daemon.clients.register(Arrival {
        wire: newcomer.wire,
        addr: newcomer.addr,
        laddr: newcomer.laddr,
        fd,
        unix: matches!(newcomer.socket, Socket::Unix(_)),
        worker: state.number,
        now: daemon.clock.now(),
    });
    let tenancy = Tenancy { client: client.clone(), daemon: daemon.clone(), _chair: chair };
    state.counters().add(Counter::Connections, 1);
    let seated = match newcomer.socket {
        Socket::Tcp(socket) => TcpStream::from_std(socket)
            .map(|stream| seat(stream, newcomer.wire, client, state, tenancy, rounds)),
        Socket::Unix(socket) => UnixStream::from_std(socket)
            .map(|stream| seat(stream, newcomer.wire, client, state, tenancy, rounds)),
    };
    if let Err(error) = seated {
        tracing::debug!(%error, "a connection was lost before its first turn");
    }
}

fn seat<S: Transport>(
    stream: S,
    wire: Wire,
    client: Arc<Client>,
    state: &Rc<WorkerState>,
    tenancy: Tenancy,
    rounds: &mut Rounds,
) {
    let state = state.clone();
    rounds.seat(|bell| match wire {
        Wire::Resp => {
            let session = commands::Session::new(client.clone(), &state.daemon);
            Box::new(Connection::new(stream, session, client, state, bell, tenancy))
        }
        Wire::Memcached => {
            let session = memcached::Session::new(client.clone(), &state.daemon);
            Box::new(Connection::new(stream, session, client, state, bell, tenancy))
        }
    });
}

/// Expiry, compaction, idle clients: every worker looks after its own share.
async fn keep_house(state: Rc<WorkerState>, of: usize) {
    let daemon = &state.daemon;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = daemon.clock.now();
        look_after_store(&state, of, now).await;
        daemon.tracking.trim();
        daemon.tracking.tell_news();
        if state.number == 0 {
            daemon.sample(now);
        }
        let timeout = u64::try_from(daemon.config.number(Param::Timeout)).unwrap_or(0);
        if timeout > 0 {
            close_idle(&state, now.0.saturating_sub(timeout * 1000));
        }
    }
}

/// Expires and compacts, in slices between which the worker's connections have their turns.
async fn look_after_store(state: &WorkerState, of: usize, now: Millis) {
    const SLICE: Duration = Duration::from_micros(500);
    let daemon = &state.daemon;
    let expires = daemon.expires_actively.load(Ordering::Relaxed);
    let mut chores = daemon.store.chores(state.number, of, now, expires);
    let mut is_done = false;
    while !is_done {
        // While a script has the store, what is due waits for the next tick.
        let Some(turn) = daemon.turns.enter(state.number) else { return };
        let began = Instant::now();
        daemon.memcached.schedule.run(&daemon.store, now);
        while !is_done && began.elapsed() < SLICE {
            is_done = chores.next().is_none();
        }
        // Somebody may wait in XREADGROUP for what has expired just now.
        commands::serve_waiting(Context { daemon, counters: state.counters(), now, busy: None });
        drop(turn);
        tokio::task::yield_now().await;
    }
}

/// Closes clients that have said nothing since `before`; monitors and waiting ones may be silent.
fn close_idle(state: &WorkerState, before: u64) {
    for client in state.daemon.clients.all() {
        let may_be_silent = client.monitor.load(Ordering::Relaxed) || client.blocked.load(Ordering::Relaxed);
        if client.worker == state.number
            && !may_be_silent
            && client.last_active.load(Ordering::Relaxed) < before
        {
            client.close();
        }
    }
}
