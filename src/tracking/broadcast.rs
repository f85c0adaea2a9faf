//! Broadcasting mode: clients that want to hear of every change to keys with a prefix, read or not. Keys are
//! gathered while a batch of requests runs and told in one message a prefix, as Redis does at the end of a turn of
//! its event loop.

use std::collections::{BTreeMap, BTreeSet};

/// By prefix.
#[derive(Debug, Default)]
pub(super) struct Broadcast {
    audiences: BTreeMap<Vec<u8>, Audience>,
}

#[derive(Debug, Default)]
struct Audience {
    listeners: BTreeSet<u64>,
    /// Changed keys, with the client that changed them last.
    keys: BTreeMap<Box<[u8]>, u64>,
}

/// What a prefix's listeners are to be told.
pub(super) struct News {
    pub listeners: Vec<u64>,
    /// With the client that changed them.
    pub keys: BTreeMap<Box<[u8]>, u64>,
}

impl Broadcast {
    pub(super) fn len(&self) -> usize {
        self.audiences.len()
    }

    pub(super) fn join(&mut self, prefix: &[u8], id: u64) {
        self.audiences.entry(prefix.to_vec()).or_default().listeners.insert(id);
    }

    pub(super) fn leave(&mut self, prefix: &[u8], id: u64) {
        if let Some(audience) = self.audiences.get_mut(prefix) {
            audience.listeners.remove(&id);
            if audience.listeners.is_empty() {
                self.audiences.remove(prefix);
            }
        }
    }

    /// Notes a changed key; `false`: nobody wants to know. `O(prefixes)`.
    pub(super) fn note(&mut self, key: &[u8], by: u64) -> bool {
        let mut is_wanted = false;
        for (_, audience) in self.audiences.iter_mut().filter(|(prefix, _)| key.starts_with(prefix)) {
            audience.keys.insert(key.into(), by);
            is_wanted = true;
        }
        is_wanted
    }

    /// Takes what was noted.
    pub(super) fn news(&mut self) -> Vec<News> {
        let with_keys = self.audiences.values_mut().filter(|audience| !audience.keys.is_empty());
        with_keys
            .map(|audience| News {
                listeners: audience.listeners.iter().copied().collect(),
                keys: std::mem::take(&mut audience.keys),
            })
            .collect()
    }
}
