//! Turns: how a script gets the store for itself without anybody waiting for a lock.
//!
//! A script is atomic and may run for long, and meanwhile the workers must be able to answer `BUSY` and to take
//! `SCRIPT KILL`. So it runs on a thread of its own, and no worker may stand at a shard's lock while it does. A script
//! that is known to be short runs on the worker instead: the way to the thread and back costs more than most scripts.
//!
//! Whoever is about to use the store on a worker's thread (a connection with requests to execute, housekeeping) enters a
//! turn: one store into a cache line of the worker's own, a fence, one look at a flag that is hardly ever written. The
//! script's thread raises that flag, a fence, and waits until no worker is in a turn: from then on the store is its
//! alone. Of the two fences one comes first, so either the worker sees the flag or the script's thread sees the turn.
//!
//! A worker that sees the flag does not enter. It looks again for a moment, since most scripts take a few microseconds;
//! then the connection parks: it goes to sleep and is woken when the flag is down. One that sleeps longer than
//! `busy-reply-threshold` wakes by itself to answer `BUSY`.
//!
//! ```text
//! worker     request EVAL -> hands session and input over, leaves its turn, spins shortly, serves others
//! script     flag up, waits for turns to end, executes the session's scripts, flag down, wakes who parks
//! worker     takes session and replies back, goes on behind the last script
//! ```
//!
//! ```text
//! worker     a short one -> leaves its turn, takes the VM, flag up, waits shortly for turns to end, executes it, flag down
//! ```

use crate::clients::Client;
use crate::sync::{AtomicBool, LOOKS, Mutex, Ordering, back_off, fence, pause};
use std::sync::Arc;

/// One worker's turn; on a cache line of its own, since it is written in every turn.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Turn(AtomicBool);

/// The turns of all workers.
#[derive(Debug)]
pub struct Turns {
    workers: Box<[Turn]>,
    /// The store is somebody's alone, or about to be.
    closed: AtomicBool,
    parked: Mutex<Vec<Arc<Client>>>,
}

impl Turns {
    pub fn new(workers: usize) -> Turns {
        Turns {
            workers: (0..workers).map(|_| Turn::default()).collect(),
            closed: AtomicBool::new(false),
            parked: Mutex::default(),
        }
    }

    /// Enters a turn of this worker, on its own thread. `None`: the store is taken; park, or do without it.
    #[inline]
    pub fn enter(&self, worker: usize) -> Option<Entered<'_>> {
        let turn = &self.workers[worker].0;
        turn.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !self.closed.load(Ordering::Acquire) {
            return Some(Entered(&self.workers[worker]));
        }
        turn.store(false, Ordering::Release);
        self.enter_soon(worker)
    }

    #[cold]
    fn enter_soon(&self, worker: usize) -> Option<Entered<'_>> {
        let turn = &self.workers[worker].0;
        for _ in 0..LOOKS {
            pause();
            if !self.closed.load(Ordering::Relaxed) {
                turn.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if !self.closed.load(Ordering::Acquire) {
                    return Some(Entered(&self.workers[worker]));
                }
                turn.store(false, Ordering::Release);
            }
        }
        None
    }

    /// Is this worker still in its turn, and nobody waiting for its end?
    #[inline]
    pub fn may_stay(&self, worker: usize) -> bool {
        self.workers[worker].0.load(Ordering::Relaxed) && !self.closed.load(Ordering::Relaxed)
    }

    /// Ends a worker's turn before its [`Entered`] goes.
    #[inline]
    pub fn leave(&self, worker: usize) {
        self.workers[worker].0.store(false, Ordering::Release);
    }

    /// Has the client woken when the store is free again; at once if it is.
    pub fn park(&self, client: &Arc<Client>) {
        let mut parked = self.parked.lock();
        if !self.closed.load(Ordering::Acquire) {
            drop(parked);
            client.nudge();
        } else if !parked.iter().any(|known| known.id == client.id) {
            parked.push(client.clone());
        }
    }

    /// Waits until no worker is in a turn. One caller at a time: who has the VM.
    pub fn close(&self) -> Alone<'_> {
        let alone = self.shut();
        for turn in &self.workers {
            let mut looks = 0;
            while turn.0.load(Ordering::Acquire) {
                // A turn may be a `KEYS` of a second.
                back_off(looks);
                looks += 1;
            }
        }
        alone
    }

    /// [`Turns::close`] for a worker, which has left its own turn. `None`: somebody's turn takes its time; nothing is
    /// closed.
    pub fn try_close(&self) -> Option<Alone<'_>> {
        let alone = self.shut();
        let is_over = |turn: &Turn| {
            (0..LOOKS).any(|_| {
                pause();
                !turn.0.load(Ordering::Acquire)
            })
        };
        self.workers.iter().all(|turn| !turn.0.load(Ordering::Acquire) || is_over(turn)).then_some(alone)
    }

    fn shut(&self) -> Alone<'_> {
        self.closed.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Alone(self)
    }
}

/// A worker is in a turn; no longer when this is dropped.
pub struct Entered<'t>(&'t Turn);

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

/// The store is this thread's alone until this is dropped.
pub struct Alone<'t>(&'t Turns);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let parked = {
            let mut parked = self.0.parked.lock();
            self.0.closed.store(false, Ordering::Release);
            std::mem::take(&mut *parked)
        };
        parked.iter().for_each(|client| client.nudge());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn nobody_is_in_a_turn_while_the_store_is_closed() {
        let (turns, inside, stop) = (Turns::new(2), AtomicU32::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let (turns, inside, stop) = (&turns, &inside, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        if let Some(_turn) = turns.enter(worker) {
                            inside.fetch_add(1, Ordering::Relaxed);
                            std::hint::spin_loop();
                            inside.fetch_sub(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            for _ in 0..2000 {
                let alone = turns.close();
                assert_eq!(inside.load(Ordering::Relaxed), 0);
                drop(alone);
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
