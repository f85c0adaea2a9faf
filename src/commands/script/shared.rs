//! What all threads know of scripts: which one runs, whether it is to end, how many there are.

use super::errand::Errand;
use super::room::Room;
use crate::clock::Millis;
use crate::turns::{Alone, Turns};
use parking_lot::{Mutex, MutexGuard};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::Sender;

/// How a script was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Eval,
    Function,
}

impl Kind {
    /// The error for those whom the script keeps from the store.
    pub fn busy(self) -> &'static str {
        match self {
            Kind::Eval => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            Kind::Function => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
        }
    }

    fn killed(self) -> &'static str {
        match self {
            Kind::Eval => "ERR Script killed by user with SCRIPT KILL...",
            Kind::Function => "ERR Script killed by user with FUNCTION KILL...",
        }
    }
}

/// The script that runs.
#[derive(Clone, Debug)]
pub struct Running {
    pub kind: Kind,
    pub name: String,
    /// The request, of a function's call.
    pub command: Vec<Vec<u8>>,
    pub since: Millis,
    /// On a worker, which cannot answer anybody meanwhile.
    pub on_worker: bool,
}

/// How `SCRIPT KILL` ended.
pub enum Kill {
    Done,
    NotBusy,
    /// It has written already.
    Unkillable,
    /// It is of the other kind.
    Other(Kind),
}

/// Figures for `INFO`.
#[derive(Debug, Default)]
pub struct Figures {
    pub scripts: AtomicU64,
    pub evicted: AtomicU64,
    pub functions: AtomicU64,
    pub libraries: AtomicU64,
    pub vm_bytes: AtomicU64,
}

/// Shared by all threads.
#[derive(Default)]
pub struct Scripts {
    /// The VM, and the way to the script's thread; none when scripts are turned off.
    place: OnceLock<(Mutex<Room>, Sender<Errand>)>,
    running: Mutex<Option<Running>>,
    /// 0: go on; else why to end.
    kill: AtomicU8,
    has_written: AtomicBool,
    /// Running it once more would show.
    has_acted: AtomicBool,
    /// The client that came last, by its id.
    last: AtomicU64,
    pub figures: Figures,
}

const KILL_EVAL: u8 = 1;
const KILL_FUNCTION: u8 = 2;
const GIVE_UP: u8 = 3;

/// Looks for the VM to become free before a worker sends the script to the thread.
const LOOKS: u32 = 100;
/// How long a script may keep a worker from its clients, in milliseconds.
const LONG: u64 = 50;

/// A worker has VM and store for itself.
pub(in crate::commands) struct Visit<'s> {
    // Dropped first: who comes next for the VM wants the store too.
    _alone: Alone<'s>,
    pub room: MutexGuard<'s, Room>,
}

impl Scripts {
    pub(super) fn open(&self, room: Room, inbox: Sender<Errand>) {
        let _ = self.place.set((Mutex::new(room), inbox));
    }

    /// The VM, for the script's thread.
    pub(super) fn room(&self) -> Option<MutexGuard<'_, Room>> {
        let room = self.place.get()?.0.lock();
        room.is_visited.set(false);
        Some(room)
    }

    /// VM and store for a worker that has left its turn; `None` when they are not free in a moment.
    pub(in crate::commands) fn visit<'s>(&'s self, turns: &'s Turns) -> Option<Visit<'s>> {
        let (room, _) = self.place.get()?;
        let room = (0..LOOKS).find_map(|_| {
            std::hint::spin_loop();
            room.try_lock()
        })?;
        let alone = turns.try_close()?;
        room.is_visited.set(true);
        Some(Visit { _alone: alone, room })
    }

    /// Is there a thread for scripts?
    #[inline]
    pub fn are_on(&self) -> bool {
        self.place.get().is_some()
    }

    /// Sends a session on its way. `true`: its client was the last to come too, so it is likely to be alone.
    pub(in crate::commands) fn send(&self, errand: Errand) -> bool {
        let client = errand.client();
        let is_alone = self.last.swap(client, Ordering::Relaxed) == client;
        if let Some((_, inbox)) = self.place.get() {
            // An errand that cannot be sent says so to its session when it is dropped.
            let _ = inbox.send(errand);
        }
        is_alone
    }

    pub(super) fn begin(&self, running: Running) {
        self.has_written.store(false, Ordering::Relaxed);
        self.has_acted.store(false, Ordering::Relaxed);
        *self.running.lock() = Some(running);
    }

    /// `false`: it gave up, and has to be run again on the script's thread.
    pub(super) fn end(&self) -> bool {
        let mut running = self.running.lock();
        *running = None;
        self.kill.swap(0, Ordering::Relaxed) != GIVE_UP
    }

    pub fn running(&self) -> Option<Running> {
        self.running.lock().clone()
    }

    /// What runs and since when.
    pub fn running_since(&self) -> Option<(Kind, Millis)> {
        self.running.lock().as_ref().map(|running| (running.kind, running.since))
    }

    /// The script is about to write: from now on it cannot be killed.
    pub(super) fn writes(&self) {
        self.has_written.store(true, Ordering::SeqCst);
        self.has_acted.store(true, Ordering::Relaxed);
    }

    /// The script tells others something: it cannot begin again.
    pub(super) fn publishes(&self) {
        self.has_acted.store(true, Ordering::Relaxed);
    }

    /// Why the running script has to end.
    pub(super) fn why_end(&self, now: Millis) -> Option<&'static str> {
        self.give_up_if_long(now);
        match self.kill.load(Ordering::Relaxed) {
            GIVE_UP => Some("ERR to be run again"),
            KILL_EVAL => Some(Kind::Eval.killed()),
            KILL_FUNCTION => Some(Kind::Function.killed()),
            _ => None,
        }
    }

    /// A script that was thought short and keeps a worker from its clients is run again where it can be killed, unless
    /// it has written or published.
    ///
    /// Differs: while one goes on that has, the other clients of its worker are not told `BUSY` but wait.
    fn give_up_if_long(&self, now: Millis) {
        let is_long = |running: &Running| running.on_worker && now.0 > running.since.0 + LONG;
        if self.running.lock().as_ref().is_some_and(is_long) && !self.has_acted.load(Ordering::Relaxed) {
            let _ = self.kill.compare_exchange(0, GIVE_UP, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Ends the running script, at its next look.
    pub fn kill(&self, kind: Kind) -> Kill {
        let running = self.running.lock();
        match running.as_ref() {
            None => Kill::NotBusy,
            Some(_) if self.has_written.load(Ordering::SeqCst) => Kill::Unkillable,
            Some(running) if running.kind != kind => Kill::Other(running.kind),
            Some(_) => {
                self.kill_as(kind);
                Kill::Done
            }
        }
    }

    fn kill_as(&self, kind: Kind) {
        let why = match kind {
            Kind::Eval => KILL_EVAL,
            Kind::Function => KILL_FUNCTION,
        };
        self.kill.store(why, Ordering::Relaxed);
    }

    /// The daemon stops: whatever runs ends.
    pub fn stop(&self) {
        if let Some(running) = self.running.lock().as_ref() {
            self.kill_as(running.kind);
        }
    }
}
