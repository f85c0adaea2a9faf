//! What a shard does about items, and about what is in them, whose time has come.

use super::{Found, Shard, Shared};
use crate::clock::{Deadline, Millis};
use crate::store::change::Event;
use crate::store::item;
use crate::store::item::Record;
use crate::store::log::Handle;
use crate::store::table::{Hint, SPENT};

impl Shard {
    pub(super) fn expire(&mut self, found: Found, hash: u32, db: u8, key: &[u8]) {
        self.stats.expired += 1;
        let fetched = self.log.record(found.handle).has_mark(item::Mark::Fetched);
        self.stats.expired_unfetched += u64::from(!fetched);
        self.remove(found, hash);
        self.announce(db, key, Event::Expired);
    }

    /// Removes items whose deadline has passed, and what is due within items, looking at up to `most` wheel
    /// entries. Returns whether there may be more.
    pub(in crate::store) fn expire_due(&mut self, now: Millis, most: usize, shared: &Shared) -> bool {
        let mut due = std::mem::take(&mut self.unfinished);
        let mut wheel = std::mem::take(&mut self.wheel);
        let more = wheel.turn(now, most, &mut due, |hint| self.first_due(hint, shared).map(|(due, ..)| due));
        self.wheel = wheel;
        for hint in due {
            self.expire_hinted(hint, now, shared);
        }
        // Deadlines that came and went leave entries behind: build the wheel anew when they dominate.
        let volatile: u64 = self.counts.iter().map(|count| count.volatile).sum();
        if self.wheel.len() as u64 > 2 * volatile.max(self.rebuilt_len) + 1024 {
            self.rebuild_wheel(now, shared);
        }
        self.settle(shared);
        more || !self.unfinished.is_empty()
    }

    /// When something is due in an item: the whole of it, or a part.
    fn record_due_at(&self, record: Record<'_>) -> Option<Deadline> {
        let part = record.heap_index().and_then(|index| self.heap.get(index).object.due_at());
        [record.deadline(), part].into_iter().flatten().min()
    }

    /// Of the items that a hint fits the one that comes first by `when`, with that and its hash.
    fn first_by(
        &self,
        hint: Hint,
        shared: &Shared,
        when: impl Fn(Record<'_>) -> Option<Deadline>,
    ) -> Option<(Deadline, Found, u32)> {
        let mut first: Option<(Deadline, Found, u32)> = None;
        let (low, high) = hint.hashes();
        self.table(low).each_between((low << SPENT, high << SPENT), |position, handle| {
            let handle = Handle(handle);
            let Some(due) = when(self.log.record(handle)) else { return };
            let hash = self.hash_of(handle, shared);
            if Hint::of(hash) == hint && first.is_none_or(|(least, ..)| due < least) {
                first = Some((due, Found { position, handle }, hash));
            }
        });
        first
    }

    /// The item in which something is due first.
    pub(super) fn first_due(&self, hint: Hint, shared: &Shared) -> Option<(Deadline, Found, u32)> {
        self.first_by(hint, shared, |record| self.record_due_at(record))
    }

    /// The item that is due first.
    pub(super) fn first_volatile(&self, hint: Hint, shared: &Shared) -> Option<(Deadline, Found, u32)> {
        self.first_by(hint, shared, |record| record.deadline())
    }

    fn expire_hinted(&mut self, hint: Hint, now: Millis, shared: &Shared) {
        while let Some((due, found, hash)) = self.first_due(hint, shared) {
            if !due.is_due(now) {
                self.wheel.insert(hint, due, now);
                return;
            }
            let record = self.log.record(found.handle);
            let (db, key) = (record.db(), self.key_of(record).to_vec());
            if record.deadline().is_some_and(|deadline| deadline.is_due(now)) {
                self.expire(found, hash, db, &key);
            } else if !self.purge(found, hash, db, &key, now) {
                self.unfinished.push(hint);
                return;
            }
        }
    }

    /// Removes what is due in an item, and the item with its last part. `false`: there is more to remove than
    /// is removed under one lock.
    fn purge(&mut self, found: Found, hash: u32, db: u8, key: &[u8], now: Millis) -> bool {
        const AT_ONCE: usize = 1024;
        let Some(index) = self.log.record(found.handle).heap_index() else { return true };
        let queue = self.log.queue_of(found.handle);
        let object = self.object_mut(index);
        let purged = object.purge(now, AT_ONCE);
        let is_over = object.is_empty();
        self.reweigh(index, queue);
        if purged > 0 {
            self.announce(db, key, Event::HExpired);
        }
        if is_over {
            self.remove(found, hash);
            self.announce(db, key, Event::Del);
        }
        purged < AT_ONCE || is_over
    }

    pub(super) fn rebuild_wheel(&mut self, now: Millis, shared: &Shared) {
        self.wheel.clear();
        let handles: Vec<u32> = self.handles().collect();
        for handle in handles {
            let handle = Handle(handle);
            if let Some(deadline) = self.record_due_at(self.log.record(handle)) {
                self.wheel.insert(Hint::of(self.hash_of(handle, shared)), deadline, now);
            }
        }
        self.rebuilt_len = self.wheel.len() as u64;
    }
}
