//! What all threads know of scripts: which one runs, whether it is to end, how many there are.

use super::errand::Errand;
use crate::clock::Millis;
use parking_lot::Mutex;
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
    /// The way to the script's thread; none when scripts are turned off.
    inbox: OnceLock<Sender<Errand>>,
    running: Mutex<Option<Running>>,
    /// 0: go on; else why to end.
    kill: AtomicU8,
    has_written: AtomicBool,
    /// The client that came last, by its id.
    last: AtomicU64,
    pub figures: Figures,
}

const KILL_EVAL: u8 = 1;
const KILL_FUNCTION: u8 = 2;

impl Scripts {
    pub(super) fn open(&self, inbox: Sender<Errand>) {
        let _ = self.inbox.set(inbox);
    }

    /// Is there a thread for scripts?
    #[inline]
    pub fn are_on(&self) -> bool {
        self.inbox.get().is_some()
    }

    /// Sends a session on its way. `true`: its client was the last to come too, so it is likely to be alone.
    pub(in crate::commands) fn send(&self, errand: Errand) -> bool {
        let client = errand.client();
        let is_alone = self.last.swap(client, Ordering::Relaxed) == client;
        if let Some(inbox) = self.inbox.get() {
            // An errand that cannot be sent says so to its session when it is dropped.
            let _ = inbox.send(errand);
        }
        is_alone
    }

    pub(super) fn begin(&self, running: Running) {
        self.has_written.store(false, Ordering::Relaxed);
        *self.running.lock() = Some(running);
    }

    pub(super) fn end(&self) {
        let mut running = self.running.lock();
        *running = None;
        self.kill.store(0, Ordering::Relaxed);
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
    }

    /// Why the running script has to end.
    pub(super) fn why_end(&self) -> Option<&'static str> {
        match self.kill.load(Ordering::Relaxed) {
            KILL_EVAL => Some(Kind::Eval.killed()),
            KILL_FUNCTION => Some(Kind::Function.killed()),
            _ => None,
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
