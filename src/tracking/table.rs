//! Which client has read which key: the invalidation table of default mode. Keys of all databases are one, as
//! in Redis. Sharded by key, so that readers and writers of different keys seldom meet; each lock is held for
//! one key at a time and nothing is taken under it.

use foldhash::quality::RandomState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SLOTS: usize = 64;

#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Mutex<Slot>>,
    hasher: RandomState,
    keys: AtomicUsize,
    /// Pairs of a key and a client.
    items: AtomicUsize,
    random: AtomicUsize,
}

/// Keys lie in a row, so that one can be drawn at random.
#[derive(Debug, Default)]
struct Slot {
    places: HashMap<Arc<[u8]>, usize, RandomState>,
    readers: Vec<Readers>,
}

#[derive(Debug)]
struct Readers {
    key: Arc<[u8]>,
    /// Client ids, ascending.
    ids: Vec<u64>,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            keys: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
            random: AtomicUsize::new(0),
        }
    }
}

impl Slot {
    fn remove(&mut self, place: usize) -> Readers {
        let readers = self.readers.swap_remove(place);
        self.places.remove(&readers.key);
        if let Some(moved) = self.readers.get(place)
            && let Some(at) = self.places.get_mut(&moved.key)
        {
            *at = place;
        }
        readers
    }
}

impl Table {
    fn slot(&self, key: &[u8]) -> &Mutex<Slot> {
        &self.slots[self.hasher.hash_one(key) as usize % SLOTS]
    }

    pub(super) fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    pub(super) fn items(&self) -> usize {
        self.items.load(Ordering::Relaxed)
    }

    pub(super) fn remember(&self, key: &[u8], id: u64) {
        let mut slot = self.slot(key).lock();
        let slot = &mut *slot;
        let readers = match slot.places.get(key) {
            Some(&place) => &mut slot.readers[place],
            None => {
                let key: Arc<[u8]> = key.into();
                slot.places.insert(key.clone(), slot.readers.len());
                slot.readers.push(Readers { key, ids: Vec::new() });
                self.keys.fetch_add(1, Ordering::Relaxed);
                slot.readers.last_mut().expect("it was just pushed")
            }
        };
        if let Err(at) = readers.ids.binary_search(&id) {
            readers.ids.insert(at, id);
            self.items.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets a key; the clients that had read it.
    pub(super) fn forget(&self, key: &[u8]) -> Vec<u64> {
        if self.keys() == 0 {
            return Vec::new();
        }
        let mut slot = self.slot(key).lock();
        let Some(&place) = slot.places.get(key) else { return Vec::new() };
        let readers = slot.remove(place);
        self.count_out(&readers);
        readers.ids
    }

    /// Forgets some key at random.
    pub(super) fn forget_any(&self) -> Option<(Arc<[u8]>, Vec<u64>)> {
        let random = self.hasher.hash_one(self.random.fetch_add(1, Ordering::Relaxed)) as usize;
        for step in 0..SLOTS {
            let mut slot = self.slots[random.wrapping_add(step) % SLOTS].lock();
            if !slot.readers.is_empty() {
                let place = (random / SLOTS) % slot.readers.len();
                let readers = slot.remove(place);
                self.count_out(&readers);
                return Some((readers.key, readers.ids));
            }
        }
        None
    }

    fn count_out(&self, readers: &Readers) {
        self.keys.fetch_sub(1, Ordering::Relaxed);
        self.items.fetch_sub(readers.ids.len(), Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        for slot in &self.slots {
            let slot = std::mem::take(&mut *slot.lock());
            slot.readers.iter().for_each(|readers| self.count_out(readers));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        /// The table agrees with a map from keys to sets, whatever is remembered and forgotten.
        #[test]
        fn agrees_with_a_map_of_sets(steps in prop::collection::vec((0u8..10, 0u64..4, 0u8..10), 1..200)) {
            let table = Table::default();
            let mut model = BTreeMap::<Vec<u8>, BTreeSet<u64>>::new();
            for (key, id, what) in steps {
                let key = vec![b'k'; key as usize];
                match what {
                    0..7 => {
                        table.remember(&key, id);
                        model.entry(key).or_default().insert(id);
                    }
                    7 | 8 => {
                        let ids = model.remove(&key).unwrap_or_default();
                        prop_assert_eq!(table.forget(&key), ids.into_iter().collect::<Vec<_>>());
                    }
                    _ => match table.forget_any() {
                        Some((key, ids)) => {
                            let expected = model.remove(&*key).expect("what is drawn is there");
                            prop_assert_eq!(ids, expected.into_iter().collect::<Vec<_>>());
                        }
                        None => prop_assert!(model.is_empty()),
                    },
                }
                prop_assert_eq!(table.keys(), model.len());
                prop_assert_eq!(table.items(), model.values().map(BTreeSet::len).sum::<usize>());
            }
            table.clear();
            prop_assert_eq!((table.keys(), table.items()), (0, 0));
        }
    }
}
