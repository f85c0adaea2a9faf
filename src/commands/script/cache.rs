//! Compiled scripts by SHA1. Those that `EVAL` brought are bounded in number, and the one unused for longest goes first;
//! those that `SCRIPT LOAD` brought stay, up to a bound of their own.

use crate::lua::{Flags, Function};
use moka::policy::EvictionPolicy;
use moka::sync::Cache as Recent;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) type Sha = [u8; 40];

/// Scripts that `SCRIPT LOAD` may pin.
const PINNED_MAX: usize = 10_000;

#[derive(Clone)]
pub(super) struct Script {
    pub function: Function,
    /// From the shebang; `None` without one: what it may do is found out as it goes.
    pub flags: Option<Flags>,
    /// It may leave something in tables that all scripts share.
    pub soils: bool,
    pub pace: Arc<Pace>,
}

/// Whether a script is known to be over soon: such a one runs where it is called, without a way to the script's thread.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicBool);

/// A script that took no longer is short.
const SHORT: Duration = Duration::from_micros(500);

impl Pace {
    pub fn is_short(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// It ran for so long the last time.
    pub fn note(&self, taken: Duration) {
        self.0.store(taken <= SHORT, Ordering::Relaxed);
    }
}

struct Kept {
    script: Script,
    is_pinned: bool,
}

pub(super) struct Cache {
    scripts: HashMap<Sha, Kept>,
    /// Those that are not pinned, for their order. It may forget; who is in `forgotten` goes from `scripts` too.
    recent: Recent<Sha, ()>,
    forgotten: Arc<Mutex<Vec<Sha>>>,
    /// The one that was used last.
    last: Sha,
    pinned: usize,
    pub evicted: u64,
}

impl Cache {
    pub fn new(most: u64) -> Cache {
        let forgotten = Arc::<Mutex<Vec<Sha>>>::default();
        let listener = forgotten.clone();
        let recent = Recent::builder()
            .max_capacity(most)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |sha: Arc<Sha>, (), cause| {
                if cause.was_evicted() {
                    listener.lock().push(*sha);
                }
            })
            .build();
        Cache { scripts: HashMap::new(), recent, forgotten, last: [0; 40], pinned: 0, evicted: 0 }
    }

    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    pub fn contains(&self, sha: &Sha) -> bool {
        self.scripts.contains_key(sha)
    }

    /// How long a script runs; `None`: it is not here. Does not count as use.
    pub fn pace(&self, sha: &Sha) -> Option<&Pace> {
        self.scripts.get(sha).map(|kept| &*kept.script.pace)
    }

    /// A script, marked as used.
    pub fn get(&mut self, sha: &Sha) -> Option<Script> {
        let kept = self.scripts.get(sha)?;
        // The last one is the most recent already.
        if !kept.is_pinned && self.last != *sha {
            self.last = *sha;
            self.recent.get(sha);
        }
        Some(kept.script.clone())
    }

    /// Adds a script.
    pub fn insert(&mut self, sha: Sha, script: Script) {
        self.scripts.insert(sha, Kept { script, is_pinned: false });
        self.last = sha;
        self.recent.insert(sha, ());
        self.recent.run_pending_tasks();
        for sha in std::mem::take(&mut *self.forgotten.lock()) {
            if self.scripts.get(&sha).is_some_and(|kept| !kept.is_pinned) {
                self.scripts.remove(&sha);
                self.evicted += 1;
            }
        }
    }

    /// `SCRIPT LOAD`: it stays, if there is room.
    pub fn pin(&mut self, sha: &Sha) {
        if self.pinned < PINNED_MAX
            && let Some(kept) = self.scripts.get_mut(sha)
            && !kept.is_pinned
        {
            kept.is_pinned = true;
            self.pinned += 1;
            self.recent.invalidate(sha);
        }
    }

    /// Forgets what is not pinned.
    pub fn shed(&mut self) {
        let before = self.scripts.len();
        self.recent.invalidate_all();
        self.scripts.retain(|_, kept| kept.is_pinned);
        self.evicted += (before - self.scripts.len()) as u64;
    }

    /// `SCRIPT FLUSH`
    pub fn clear(&mut self) {
        self.recent.invalidate_all();
        self.recent.run_pending_tasks();
        self.scripts.clear();
        self.pinned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(number: usize) -> Sha {
        format!("{number:040}").into_bytes().try_into().expect("40 digits")
    }

    #[test]
    fn the_one_unused_for_longest_goes_and_pinned_ones_stay() {
        let lua = mlua::Lua::new();
        let function = lua.create_function(|_, ()| Ok(())).expect("a function");
        let script = Script { function, flags: None, soils: false, pace: Arc::default() };
        let mut cache = Cache::new(3);
        cache.insert(sha(0), script.clone());
        cache.pin(&sha(0));
        for number in 1..=3 {
            cache.insert(sha(number), script.clone());
        }
        assert!(cache.get(&sha(1)).is_some());
        cache.insert(sha(4), script.clone());
        let there: Vec<usize> = (0..5).filter(|&number| cache.contains(&sha(number))).collect();
        assert_eq!((there, cache.evicted), (vec![0, 1, 3, 4], 1));
        cache.shed();
        assert_eq!(cache.len(), 1);
        cache.clear();
        assert_eq!(cache.len(), 0);
    }
}
