//! `stats detail`: counts by key prefix, the part before the first `:`.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Prefixes beyond this many are not counted: a client may make up ever new ones.
const MOST: usize = 1 << 16;
const DELIMITER: u8 = b':';

#[derive(Debug, Default)]
pub(super) struct Prefixes {
    on: AtomicBool,
    counts: Mutex<BTreeMap<Box<[u8]>, Counts>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    gets: u64,
    hits: u64,
    sets: u64,
    deletes: u64,
}

impl Prefixes {
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(super) fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    pub(super) fn record_get(&self, key: &[u8], hit: bool) {
        self.record(key, |counts| {
            counts.gets += 1;
            counts.hits += u64::from(hit);
        });
    }

    pub(super) fn record_set(&self, key: &[u8]) {
        self.record(key, |counts| counts.sets += 1);
    }

    pub(super) fn record_delete(&self, key: &[u8]) {
        self.record(key, |counts| counts.deletes += 1);
    }

    /// Keys without a delimiter have no prefix and are not counted.
    fn record(&self, key: &[u8], count: impl FnOnce(&mut Counts)) {
        let Some(end) = memchr::memchr(DELIMITER, key) else { return };
        let prefix = &key[..end];
        let mut all = self.counts.lock();
        if let Some(counts) = all.get_mut(prefix) {
            count(counts);
        } else if all.len() < MOST {
            count(all.entry(prefix.into()).or_default());
        }
    }

    pub(super) fn reset(&self) {
        self.counts.lock().clear();
    }

    pub(super) fn dump(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (prefix, counts) in self.counts.lock().iter() {
            text.extend(b"PREFIX ");
            text.extend_from_slice(prefix);
            let Counts { gets, hits, sets, deletes } = counts;
            text.extend(format!(" get {gets} hit {hits} set {sets} del {deletes}\r\n").as_bytes());
        }
        text.extend(b"END\r\n");
        text
    }
}
