//! A worker: a thread, its runtime, its connections, and its share of the store's housekeeping.

use super::connection::Connection;
use crate::clients::{Arrival, Client, Wire};
use crate::clock::Millis;
use crate::config::Param;
use crate::daemon::{Context, Daemon};
use crate::observe::{Counter, Counters};
use crate::{commands, memcached};
use anyhow::Context as _;
use std::cell::RefCell;
use std::net::TcpStream as StdTcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes that one read takes at most.
const INPUT: usize = 64 * 1024;
/// How often expiry, compaction and idle clients are looked after.
const TICK: Duration = Duration::from_millis(100);

/// Buffers that whichever connection has its turn reads into and answers into.
pub(super) struct Scratch {
    pub input: Box<[u8]>,
    pub out: crate::wire::Out,
}

/// What the connections of a worker share.
pub(super) struct WorkerState {
    pub daemon: Arc<Daemon>,
    pub number: usize,
    pub scratch: RefCell<Scratch>,
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
            .spawn(move || {
                let scratch = Scratch { input: vec![0; INPUT].into(), out: crate::wire::Out::new() };
                let state = Rc::new(WorkerState { daemon, number, scratch: RefCell::new(scratch) });
                let tasks = tokio::task::LocalSet::new();
                tasks.spawn_local(keep_house(state.clone(), of));
                tasks.block_on(&runtime, welcome(state, arrivals, loaded));
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

/// Starts a task for each connection that the acceptor hands over.
async fn welcome(state: Rc<WorkerState>, mut arrivals: UnboundedReceiver<Newcomer>, load: Arc<AtomicUsize>) {
    while let Some(newcomer) = arrivals.recv().await {
        let (state, seat) = (state.clone(), Seat(load.clone()));
        tokio::task::spawn_local(async move {
            let _seat = seat;
            serve(newcomer, state).await;
        });
    }
}

/// A connection's place in its worker's load: free again however the connection ends, by a panic too.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client's entry in the registry, likewise.
struct Registration(Arc<Client>, Arc<Daemon>);

impl Drop for Registration {
    fn drop(&mut self) {
        self.1.clients.forget(&self.0);
    }
}

async fn serve(newcomer: Newcomer, state: Rc<WorkerState>) {
    let daemon = state.daemon.clone();
    let fd = match &newcomer.socket {
        Socket::Tcp(socket) => socket.as_raw_fd(),
        Socket::Unix(socket) => socket.as_raw_fd(),
    };
    let wire = newcomer.wire;
    let client = daemon.clients.register(Arrival {
        wire,
        addr: newcomer.addr,
        laddr: newcomer.laddr,
        fd,
        unix: matches!(newcomer.socket, Socket::Unix(_)),
        worker: state.number,
        now: daemon.clock.now(),
    });
    let _registration = Registration(client.clone(), daemon);
    state.counters().add(Counter::Connections, 1);
    let lost = |error: std::io::Error| {
        tracing::debug!(%error, "a connection was lost before its first turn");
    };
    match newcomer.socket {
        Socket::Tcp(socket) => match TcpStream::from_std(socket) {
            Ok(stream) => speak(stream, wire, client, state).await,
            Err(error) => lost(error),
        },
        Socket::Unix(socket) => match UnixStream::from_std(socket) {
            Ok(stream) => speak(stream, wire, client, state).await,
            Err(error) => lost(error),
        },
    }
}

async fn speak<S: super::transport::Transport>(
    stream: S,
    wire: Wire,
    client: Arc<Client>,
    state: Rc<WorkerState>,
) {
    match wire {
        Wire::Resp => {
            let session = commands::Session::new(client.clone(), &state.daemon);
            Connection::new(stream, session, client, state).run().await;
        }
        Wire::Memcached => {
            let session = memcached::Session::new(client.clone(), &state.daemon);
            Connection::new(stream, session, client, state).run().await;
        }
    }
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
