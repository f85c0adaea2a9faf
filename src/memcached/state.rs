//! What the memcached side keeps beside the store. The daemon owns one [`State`].

use super::DATABASE;
use super::prefixes::Prefixes;
use super::watch::Watchers;
use crate::clock::Millis;
use crate::store::Store;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Shared by all memcached connections.
#[derive(Debug)]
pub struct State {
    pub schedule: Schedule,
    pub(super) prefixes: Prefixes,
    pub(super) watchers: Watchers,
    /// `verbosity`; kept to be shown.
    pub(super) verbosity: AtomicU32,
    /// `lru_crawler enable|disable`: whether dumps are allowed.
    pub(super) crawler: AtomicBool,
    /// `stats sizes_enable|sizes_disable`
    pub(super) sizes: AtomicBool,
    /// When `memcached-nodes` was given its value; Unix seconds.
    pub(super) nodes_since: AtomicU64,
}

impl State {
    /// Another value of `memcached-nodes` than before.
    pub fn note_nodes(&self, now: Millis) {
        // Two changes within a second are two versions all the same.
        let old = self.nodes_since.load(Ordering::Relaxed);
        self.nodes_since.store(now.secs().max(old + 1), Ordering::Relaxed);
    }
}

impl Default for State {
    fn default() -> State {
        State {
            schedule: Schedule::default(),
            prefixes: Prefixes::default(),
            watchers: Watchers::default(),
            verbosity: AtomicU32::new(0),
            crawler: AtomicBool::new(true),
            sizes: AtomicBool::new(false),
            nodes_since: AtomicU64::new(0),
        }
    }
}

/// A `flush_all` that was asked for a later moment. As in memcached there is one: the last one asked.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Unix milliseconds; 0: none.
    flush_at: AtomicU64,
}

impl Schedule {
    /// Flushes if the moment has come. Each batch of requests and the maintenance task ask; one relaxed
    /// load when nothing is due.
    #[inline]
    pub fn run(&self, store: &Store, now: Millis) {
        let at = self.flush_at.load(Ordering::Relaxed);
        if at != 0 && at <= now.0 {
            self.run_due(at, store, now);
        }
    }

    #[cold]
    fn run_due(&self, at: u64, store: &Store, now: Millis) {
        // One of all who see that it is due flushes.
        if self.flush_at.compare_exchange(at, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            store.db(DATABASE, now).flush();
        }
    }

    /// Sets the moment and forgets an earlier one.
    pub(super) fn set(&self, at: Millis) {
        self.flush_at.store(at.0, Ordering::Release);
    }

    pub(super) fn cancel(&self) {
        self.flush_at.store(0, Ordering::Release);
    }
}
