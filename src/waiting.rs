//! Connections that wait for keys to change: `BLPOP`, `XREAD BLOCK` and their like.
//!
//! A command that finds nothing enters its connection here while the shards of its keys are still locked. Whoever
//! changes one of the keys afterwards is told by the store ([`Observer`](crate::store::Observer)), under the same
//! lock, so no change is missed. When its own command, transaction or script is over it runs the waiting commands
//! again, in the order in which they came, and leaves each one's reply with its waiter: the connection finds it
//! there, on whatever worker it lives.

use crate::clients::{Client, Unblock};
use crate::clock::Millis;
use crate::resp::OwnedArgv;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A database's number and a key in it.
pub type Place = (u32, Box<[u8]>);

/// What `CLIENT UNBLOCK … ERROR` makes of a reply.
pub const UNBLOCKED: &[u8] = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";

/// What a client gets whose wait ends with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nil {
    Bulk,
    Array,
}

/// One waiting command.
#[derive(Debug)]
pub struct Waiter {
    pub client: Arc<Client>,
    pub db: u32,
    pub resp3: bool,
    /// The request, to be run again.
    pub argv: OwnedArgv,
    /// The keys it waits for; one may come twice.
    pub keys: Vec<Box<[u8]>>,
    /// When it gives up; `None`: never.
    pub deadline: Option<Millis>,
    pub nil: Nil,
    state: Mutex<WaitState>,
}

#[derive(Debug, PartialEq, Eq)]
enum WaitState {
    Waiting,
    /// Somebody is running its command; what comes of it is known in a moment.
    Serving,
    /// The reply is there, or nobody wants it any more.
    Over(Vec<u8>),
}

impl Waiter {
    pub fn new(
        client: Arc<Client>,
        (db, resp3): (u32, bool),
        argv: OwnedArgv,
        keys: Vec<Box<[u8]>>,
        deadline: Option<Millis>,
        nil: Nil,
    ) -> Waiter {
        let state = Mutex::new(WaitState::Waiting);
        Waiter { client, db, resp3, argv, keys, deadline, nil, state }
    }

    /// Claims it, to run its command or to end its wait. `false`: it waits no longer, or its time is over.
    pub fn begin(&self, now: Millis) -> bool {
        let mut state = self.state.lock();
        let is_waiting = *state == WaitState::Waiting && !self.is_late(now);
        if is_waiting {
            *state = WaitState::Serving;
        }
        is_waiting
    }

    /// The command ran; `None`: it goes on waiting. Its connection is woken either way.
    pub fn end(&self, reply: Option<Vec<u8>>) {
        *self.state.lock() = reply.map_or(WaitState::Waiting, WaitState::Over);
        self.client.nudge();
    }

    /// Ends the wait with this reply, unless somebody is serving it or has.
    pub fn cancel(&self, reply: impl FnOnce() -> Vec<u8>) {
        let mut state = self.state.lock();
        if *state == WaitState::Waiting {
            *state = WaitState::Over(reply());
        }
    }

    /// For its connection: the reply, once. Gives up when the deadline has passed.
    pub fn poll(&self, now: Millis) -> Option<Vec<u8>> {
        if self.is_late(now) {
            self.cancel(|| self.nothing().to_vec());
        }
        match &mut *self.state.lock() {
            WaitState::Over(reply) => Some(std::mem::take(reply)),
            _ => None,
        }
    }

    fn is_late(&self, now: Millis) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The reply when `CLIENT UNBLOCK` ends the wait.
    pub fn unblocked(&self, how: Unblock) -> Vec<u8> {
        match how {
            Unblock::Error => UNBLOCKED.to_vec(),
            Unblock::Timeout => self.nothing().to_vec(),
        }
    }

    /// The reply when there is nothing.
    pub fn nothing(&self) -> &'static [u8] {
        match (self.resp3, self.nil) {
            (true, _) => b"_\r\n",
            (false, Nil::Bulk) => b"$-1\r\n",
            (false, Nil::Array) => b"*-1\r\n",
        }
    }
}

/// Keys that have changed since somebody looked, in order, each once.
#[derive(Debug, Default)]
struct Ready {
    order: VecDeque<Arc<Place>>,
    known: HashSet<Arc<Place>>,
}

/// All that wait, by key, in order of arrival.
#[derive(Debug, Default)]
pub struct Waiting {
    queues: Mutex<HashMap<Place, VecDeque<Arc<Waiter>>>>,
    by_client: Mutex<HashMap<u64, Arc<Waiter>>>,
    ready: Mutex<Ready>,
    has_ready: AtomicBool,
    count: AtomicUsize,
    serving: Mutex<()>,
}

impl Waiting {
    /// Enters a waiter, with the shards of its keys locked. `on_first` is called when nobody waited before.
    pub fn add(&self, waiter: &Arc<Waiter>, on_first: impl FnOnce()) {
        let mut queues = self.queues.lock();
        if queues.is_empty() {
            on_first();
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.by_client.lock().insert(waiter.client.id, waiter.clone());
        let mut seen = HashSet::new();
        for key in waiter.keys.iter().filter(|key| seen.insert(&***key)) {
            queues.entry((waiter.db, key.clone())).or_default().push_back(waiter.clone());
        }
    }

    /// Takes a waiter out whose wait is over. `on_last` is called when nobody waits any more.
    pub fn remove(&self, waiter: &Arc<Waiter>, on_last: impl FnOnce()) {
        let mut queues = self.queues.lock();
        let mut was_there = false;
        for key in &waiter.keys {
            let place = (waiter.db, key.clone());
            if let Some(queue) = queues.get_mut(&place) {
                let before = queue.len();
                queue.retain(|other| !Arc::ptr_eq(other, waiter));
                was_there |= queue.len() < before;
                if queue.is_empty() {
                    queues.remove(&place);
                }
            }
        }
        if was_there {
            self.count.fetch_sub(1, Ordering::Relaxed);
            self.by_client.lock().remove(&waiter.client.id);
            if queues.is_empty() {
                on_last();
            }
        }
    }

    /// The command that a client waits in.
    pub fn of_client(&self, id: u64) -> Option<Arc<Waiter>> {
        self.by_client.lock().get(&id).cloned()
    }

    /// How many keys are waited for.
    pub fn keys(&self) -> usize {
        self.queues.lock().len()
    }

    /// How many clients wait.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// A key has changed; called with its shard locked.
    pub fn changed(&self, db: u32, key: &[u8]) {
        let place = (db, key.into());
        if self.queues.lock().contains_key(&place) {
            self.is_ready(place);
        }
    }

    /// Everything in these databases may have changed (`None`: in all).
    pub fn changed_all(&self, dbs: Option<&[u32]>) {
        let places: Vec<Place> = self.queues.lock().keys().cloned().collect();
        places
            .into_iter()
            .filter(|(db, _)| dbs.is_none_or(|dbs| dbs.contains(db)))
            .for_each(|at| self.is_ready(at));
    }

    fn is_ready(&self, place: Place) {
        let mut ready = self.ready.lock();
        if !ready.known.contains(&place) {
            let place = Arc::new(place);
            ready.known.insert(place.clone());
            ready.order.push_back(place);
        }
        self.has_ready.store(true, Ordering::Release);
    }

    /// Has a key changed that somebody waits for? One relaxed load.
    #[inline]
    pub fn has_ready(&self) -> bool {
        self.has_ready.load(Ordering::Relaxed)
    }

    /// For whoever is about to run waiting commands: one at a time, so that order of arrival means something.
    pub fn serve(&self) -> MutexGuard<'_, ()> {
        self.serving.lock()
    }

    /// The next key that has changed.
    pub fn next_ready(&self) -> Option<Arc<Place>> {
        let mut ready = self.ready.lock();
        let next = ready.order.pop_front();
        match &next {
            Some(place) => _ = ready.known.remove(place),
            None => self.has_ready.store(false, Ordering::Release),
        }
        next
    }

    /// Who waits for a key, in order of arrival.
    pub fn queue_of(&self, place: &Place) -> Vec<Arc<Waiter>> {
        self.queues.lock().get(place).map(|queue| queue.iter().cloned().collect()).unwrap_or_default()
    }
}
