//! The way of a session to the script's thread and back; see [`crate::turns`].
//!
//! The worker hands over what the session is made of and a copy of the input that it has not executed. The thread executes
//! requests for as long as they are scripts (a pipeline of them takes one way), and leaves session and replies in a slot.

use super::room::Room;
use crate::clients::Client;
use crate::commands::Core;
use crate::daemon::{Context, Daemon};
use crate::observe::Counters;
use crate::wire::{Out, Progress};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// Looks for a result before a worker turns to its other connections, and for errands before the thread sleeps: about
/// five microseconds. With five times as many a script costs half as much again where others want the processor.
const LOOKS: u32 = 100;
/// The store is given back between errands after this time, so that others get a turn.
const ALONE_FOR: Duration = Duration::from_millis(1);

/// A session on its way.
pub(in crate::commands) struct Errand {
    core: Option<Core>,
    input: Vec<u8>,
    client: Arc<Client>,
    slot: Arc<Slot>,
}

/// Where the session finds itself again.
#[derive(Default)]
pub(in crate::commands) struct Slot {
    state: AtomicU8,
    back: Mutex<Option<Back>>,
}

/// The worker looks at the slot all the time.
const WATCHED: u8 = 0;
/// The worker does something else: the connection has to be woken.
const LEFT_ALONE: u8 = 1;
const READY: u8 = 2;

/// What comes back.
pub(in crate::commands) struct Back {
    /// `None`: the script's thread is gone, and the session with it.
    pub core: Option<Core>,
    pub out: Out,
    pub progress: Option<Progress>,
}

impl Slot {
    fn leave(&self, back: Back, client: &Client) {
        *self.back.lock() = Some(back);
        if self.state.swap(READY, Ordering::AcqRel) == LEFT_ALONE {
            client.nudge();
        }
    }

    #[inline]
    fn is_ready(&self) -> bool {
        self.state.load(Ordering::Acquire) == READY
    }

    #[inline]
    pub fn take(&self) -> Option<Back> {
        if self.is_ready() { self.back.lock().take() } else { None }
    }

    /// Watches the slot for a moment, if there is nothing better to do: most scripts are over before a sleeping worker
    /// could be woken. After that the connection is woken when there is something.
    pub fn watch(&self, is_patient: bool) -> Option<Back> {
        for _ in 0..if is_patient { LOOKS } else { 0 } {
            if self.is_ready() {
                break;
            }
            std::hint::spin_loop();
        }
        let _ = self.state.compare_exchange(WATCHED, LEFT_ALONE, Ordering::AcqRel, Ordering::Acquire);
        self.take()
    }
}

impl Errand {
    pub fn new(core: Core, input: &[u8], client: Arc<Client>) -> (Errand, Arc<Slot>) {
        let slot = Arc::<Slot>::default();
        (Errand { core: Some(core), input: input.to_vec(), client, slot: slot.clone() }, slot)
    }

    /// Its client's id.
    pub fn client(&self) -> u64 {
        self.client.id
    }

    fn run(mut self, daemon: &Daemon, counters: &Counters, room: &Room) {
        let Some(mut core) = self.core.take() else { return };
        let mut out = Out::new();
        let context = Context { daemon, counters, now: daemon.clock.now(), busy: None };
        let fed = core.feed(context, &self.client, Some(room), &self.input, &mut out);
        room.vm.clean();
        self.slot.leave(Back { core: Some(core), out, progress: Some(fed.progress) }, &self.client);
    }
}

impl Drop for Errand {
    /// Nobody ran it, or the thread panicked on it and its session is lost.
    fn drop(&mut self) {
        if !self.slot.is_ready() {
            let core = self.core.take();
            self.slot.leave(Back { core, out: Out::new(), progress: None }, &self.client);
        }
    }
}

/// Makes the VM, and starts the script's thread.
///
/// # Errors
/// The thread cannot be started.
pub fn start(daemon: &Arc<Daemon>) -> std::io::Result<()> {
    let (sender, errands) = channel();
    match Room::new(daemon) {
        Ok(room) => daemon.scripts.open(room, sender),
        Err(error) => {
            tracing::error!(%error, "there is no memory for the VM of scripts; they are off");
            return Ok(());
        }
    }
    let daemon = daemon.clone();
    let thread = std::thread::Builder::new().name("scripts".to_owned()).stack_size(crate::lua::STACK);
    thread.spawn(move || serve(&daemon, &errands))?;
    Ok(())
}

fn serve(daemon: &Daemon, errands: &Receiver<Errand>) {
    let counters = daemon.script_counters();
    while let Some(first) = next(errands) {
        let Some(room) = daemon.scripts.room() else { return };
        let alone = daemon.turns.close();
        let begun = Instant::now();
        let mut errand = Some(first);
        while let Some(it) = errand.take() {
            it.run(daemon, counters, &room);
            if begun.elapsed() < ALONE_FOR {
                errand = errands.try_recv().ok();
            }
        }
        drop(alone);
        room.publish(daemon);
    }
}

fn next(errands: &Receiver<Errand>) -> Option<Errand> {
    for _ in 0..LOOKS {
        match errands.try_recv() {
            Ok(errand) => return Some(errand),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    errands.recv().ok()
}
