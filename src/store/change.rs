//! What every write announces. WATCH listens here; keyspace events, tracking, snapshots and replicas
//! will.

use std::collections::HashMap;

/// What happened to a key, as Redis' keyspace events name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Set,
    Append,
    SetRange,
    IncrBy,
    IncrByFloat,
    Del,
    Expire,
    Persist,
    Expired,
    Evicted,
    RenameFrom,
    RenameTo,
    MoveFrom,
    MoveTo,
    CopyTo,
    Flush,
}

/// The keys of a shard that some client watches, each with a version that changes with the key.
#[derive(Debug, Default)]
pub(super) struct Watched {
    keys: HashMap<(u8, Box<[u8]>), Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    watchers: u32,
    version: u64,
}

impl Watched {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn add(&mut self, db: u8, key: &[u8]) -> u64 {
        let watch = self.keys.entry((db, key.into())).or_default();
        watch.watchers += 1;
        watch.version
    }

    pub(super) fn version(&self, db: u8, key: &[u8]) -> Option<u64> {
        // A key pair cannot be borrowed in parts; WATCH is rare enough for the copy.
        self.keys.get(&(db, key.into())).map(|watch| watch.version)
    }

    pub(super) fn release(&mut self, db: u8, key: &[u8]) {
        let place = (db, key.into());
        if let Some(watch) = self.keys.get_mut(&place) {
            watch.watchers -= 1;
            if watch.watchers == 0 {
                self.keys.remove(&place);
            }
        }
    }

    pub(super) fn changed(&mut self, db: u8, key: &[u8]) {
        if let Some(watch) = self.keys.get_mut(&(db, key.into())) {
            watch.version += 1;
        }
    }

    /// `SWAPDB`: who watches a key watches it in the logical database, whatever lies under it.
    pub(super) fn swap(&mut self, a: u8, b: u8) {
        let keys = std::mem::take(&mut self.keys);
        let other = |db: u8| {
            if db == a {
                b
            } else if db == b {
                a
            } else {
                db
            }
        };
        self.keys = keys.into_iter().map(|((db, key), watch)| ((other(db), key), watch)).collect();
    }

    /// The watched keys of a database, to look at one by one.
    pub(super) fn keys_of(&self, db: u8) -> Vec<Box<[u8]>> {
        self.keys.keys().filter(|(of, _)| *of == db).map(|(_, key)| key.clone()).collect()
    }
}
