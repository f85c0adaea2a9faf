//! `ACL LOG`: what was denied lately, newest first. The same again within a minute counts up an entry.

use super::check::Reason;
use crate::clock::Millis;
use std::collections::VecDeque;

/// Entries that are looked through for the same.
const SEARCHED: usize = 10;
/// Denials further apart are not the same.
const GROUPED_MS: u64 = 60_000;

/// Where a command came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Toplevel,
    Multi,
    Lua,
}

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Origin::Toplevel => "toplevel",
            Origin::Multi => "multi",
            Origin::Lua => "lua",
        }
    }
}

/// What was denied to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub reason: Reason,
    pub origin: Origin,
    /// The command, key or channel; of a failed log-in the command that tried it.
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    /// The client as `CLIENT INFO` shows it.
    pub client: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: u64,
    pub count: u64,
    pub denial: Denial,
    pub created: Millis,
    pub updated: Millis,
}

#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// `most`: entries that are kept (`acllog-max-len`). `O(1)`.
    pub fn add(&mut self, denial: Denial, now: Millis, most: usize) {
        let is_same = |entry: &Entry| {
            let known = &entry.denial;
            known.reason == denial.reason
                && known.origin == denial.origin
                && known.object == denial.object
                && known.user == denial.user
                && entry.updated.0.abs_diff(now.0) <= GROUPED_MS
        };
        let known = self.entries.iter().take(SEARCHED).position(is_same);
        if let Some(mut entry) = known.and_then(|at| self.entries.remove(at)) {
            entry.count += 1;
            entry.updated = now;
            entry.denial.client = denial.client;
            self.entries.push_front(entry);
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(Entry { id, count: 1, denial, created: now, updated: now });
        self.entries.truncate(most);
    }

    pub fn latest(&self, count: usize) -> Vec<Entry> {
        self.entries.iter().take(count).cloned().collect()
    }

    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(object: &str) -> Denial {
        Denial {
            reason: Reason::Key,
            origin: Origin::Toplevel,
            object: object.into(),
            user: b"bob".to_vec(),
            client: "id=1".into(),
        }
    }

    fn seen(log: &Log) -> Vec<(u64, String, u64)> {
        let name = |entry: &Entry| String::from_utf8_lossy(&entry.denial.object).into_owned();
        log.latest(100).iter().map(|entry| (entry.id, name(entry), entry.count)).collect()
    }

    #[test]
    fn the_same_again_counts_up_and_comes_first() {
        let mut log = Log::default();
        for object in ["a", "b", "a"] {
            log.add(denial(object), Millis(1000), 128);
        }
        assert_eq!(seen(&log), [(0, "a".into(), 2), (1, "b".into(), 1)]);
        log.add(Denial { origin: Origin::Multi, ..denial("a") }, Millis(1000), 128);
        log.add(denial("a"), Millis(62_000), 128);
        assert_eq!(seen(&log).len(), 4);
    }

    #[test]
    fn only_the_ten_newest_are_searched_and_the_oldest_go() {
        let mut log = Log::default();
        for object in 0..11 {
            log.add(denial(&object.to_string()), Millis(0), 11);
        }
        log.add(denial("0"), Millis(0), 11);
        let seen = seen(&log);
        assert_eq!(
            (seen.len(), seen[0].clone(), seen[10].clone()),
            (11, (11, "0".into(), 1), (1, "1".into(), 1))
        );
        log.add(denial("x"), Millis(0), 0);
        assert!(log.latest(9).is_empty());
    }
}
