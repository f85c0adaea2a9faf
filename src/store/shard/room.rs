//! How a shard makes room: what is due goes first, then holes in the log are closed, then the policy chooses.

use super::{EVICT_MOST, Found, Room, Shard, Shared, TABLES};
use crate::clock::Millis;
use crate::store::change::Event;
use crate::store::entry::StoreError;
use crate::store::eviction::s3fifo::Verdict;
use crate::store::eviction::{PolicyKind, lfu};
use crate::store::item;
use crate::store::log::{Handle, Moved, Queue, SEGMENT_MAX};
use crate::store::table::Table;
use std::sync::atomic::Ordering;

impl Shard {
    /// Makes room for a record of `len` bytes and `heap` bytes beside it. Positions and handles found before
    /// are void afterwards, unless there was room already.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing that the policy lets go is left, or the value alone is too large. Items may
    /// have been moved or evicted all the same.
    pub(in crate::store) fn make_room(
        &mut self,
        queue: Queue,
        len: usize,
        heap: usize,
        now: Millis,
        shared: &Shared,
    ) -> Result<Room, StoreError> {
        let mut wanted = self.log.wanting(queue, len) + heap;
        if wanted == 0 || (!shared.budget.is_short_of(wanted) && !self.log.is_full()) {
            return Ok(Room::There);
        }
        if shared.budget.can_never_hold(heap) {
            return Err(StoreError::OutOfMemory);
        }
        let fair = shared.budget.limit() / shared.shards;
        for _ in 0..EVICT_MOST {
            self.settle(shared);
            // Even when the record fits now: what eviction moved may have opened the segment where it does.
            wanted = self.log.wanting(queue, len) + heap;
            if !shared.budget.is_short_of(wanted) && (wanted == 0 || !self.log.is_full()) {
                return Ok(Room::Made);
            }
            // A shard that has less than its share lets the others give, who can: any item of theirs may go.
            let poor = self.charged < fair / 2 && !self.log.is_full();
            if poor && shared.policy().takes_any() {
                break;
            }
            if !self.give_way(now, shared) {
                // As in Redis, a policy that finds nothing it may take refuses the write.
                if !shared.policy().takes_any() || self.log.is_full() {
                    return Err(StoreError::OutOfMemory);
                }
                break;
            }
        }
        shared.owing.store(true, Ordering::Relaxed);
        Ok(Room::Made)
    }

    /// One step towards less memory: expires, compacts or evicts. `false`: nothing here can go.
    pub(in crate::store) fn give_way(&mut self, now: Millis, shared: &Shared) -> bool {
        if self.compact_if(10, shared) {
            return true;
        }
        let gave = match shared.policy() {
            PolicyKind::NoEviction => false,
            PolicyKind::AllkeysS3Fifo => self.evict_by_queue(shared),
            policy => self.evict_by_sample(policy, now, shared),
        };
        // What is dead but not worth a copy yet is worth it before giving up.
        gave || self.compact_if(usize::MAX, shared)
    }

    fn evict(&mut self, found: Found, hash: u32) {
        self.stats.evicted += 1;
        let record = self.log.record(found.handle);
        self.stats.evicted_unfetched += u64::from(!record.has_mark(item::Mark::Fetched));
        if !self.watched.is_empty() || self.hub.is_listening() {
            let (db, key) = (record.db(), self.key_of(record).to_vec());
            self.announce(db, &key, Event::Evicted);
        }
        self.remove(found, hash);
    }

    fn evict_by_queue(&mut self, shared: &Shared) -> bool {
        let [small, main] =
            [Queue::Small, Queue::Main].map(|queue| self.log.live(queue) + self.heap_bytes[queue as usize]);
        self.s3fifo.set_limit((small + main) as u64);
        let first = self.s3fifo.which_tail(small as u64, main as u64);
        let other = if first == Queue::Small { Queue::Main } else { Queue::Small };
        let Some((queue, handle)) =
            [first, other].into_iter().find_map(|queue| Some((queue, self.log.oldest(queue)?)))
        else {
            return false;
        };
        let hash = self.hash_of(handle, shared);
        let position = self.place_of(handle, hash);
        let record = self.log.record(handle);
        let heap = record.heap_index().map_or(0, |index| self.heap.get(index).charged());
        let (hits, bytes) = (record.header.hits(), record.header.len() + heap);
        match self.s3fifo.from_tail(queue, hits, bytes as u64, main as u64) {
            Verdict::Evict => {
                self.evict(Found { position, handle }, hash);
                let items = self.tables.iter().map(Table::len).sum();
                self.s3fifo.on_evict(queue, hash.into(), items);
            }
            Verdict::Move(to, hits) => {
                self.stats.promoted += 1;
                self.heap_bytes[queue as usize] -= heap;
                self.heap_bytes[to as usize] += heap;
                self.log.record_mut(handle).set_hits(hits);
                let new = self.log.move_to(handle, to);
                self.table_mut(hash).replace(position, new.0);
            }
        }
        true
    }

    /// Redis' way: the best of a few random items. They lie anywhere, so compaction follows.
    fn evict_by_sample(&mut self, policy: PolicyKind, now: Millis, shared: &Shared) -> bool {
        let mut best: Option<(u64, Found, u32)> = None;
        if policy == PolicyKind::VolatileTtl {
            return self.evict_soonest(now, shared);
        }
        let samples = match policy {
            PolicyKind::AllkeysRandom | PolicyKind::VolatileRandom => 1,
            _ => shared.samples.load(Ordering::Relaxed).max(1),
        };
        for _ in 0..samples {
            let random = self.next_random();
            let drawn = if policy.is_volatile() {
                let Some(hint) = self.wheel.sample(random) else { break };
                self.first_volatile(hint, shared).map(|(_, found, hash)| (found, hash))
            } else {
                self.sample_handle(random).map(|handle| {
                    let hash = self.hash_of(handle, shared);
                    (Found { position: self.place_of(handle, hash), handle }, hash)
                })
            };
            let Some((found, hash)) = drawn else { continue };
            let touched = self.log.record(found.handle).touched();
            let score = if policy.is_lfu() {
                255 - u64::from(lfu::counter(touched, now, shared.lfu_decay.load(Ordering::Relaxed)))
            } else {
                item::idle_secs(touched, now)
            };
            if best.is_none_or(|(most, ..)| score > most) {
                best = Some((score, found, hash));
            }
        }
        let Some((_, found, hash)) = best else {
            // Only outdated wheel entries were drawn: clear them out, then there is nothing or something.
            if policy.is_volatile() && self.counts.iter().any(|count| count.volatile > 0) {
                self.rebuild_wheel(now, shared);
                return true;
            }
            return false;
        };
        self.evict(found, hash);
        true
    }

    /// Evicts the item whose deadline is the next, going by the wheel: to the second for what is due
    /// within a minute, coarser beyond. Entries that are out of date are dropped or moved on the way.
    fn evict_soonest(&mut self, now: Millis, shared: &Shared) -> bool {
        let mut kept = Vec::new();
        let mut evicted = false;
        while let Some((hint, until)) = self.wheel.take_soonest() {
            match self.first_volatile(hint, shared) {
                Some((deadline, ..)) if deadline.0.secs() + 1 >= until => {
                    self.wheel.insert(hint, deadline, now);
                    let part = self.first_due(hint, shared).filter(|(due, ..)| *due < deadline);
                    kept.extend(part.map(|(due, ..)| (hint, due)));
                    continue;
                }
                Some((_, found, hash)) => {
                    self.evict(found, hash);
                    evicted = true;
                }
                // Something in an item may have a deadline; no item itself has one.
                None => {}
            }
            kept.extend(self.first_due(hint, shared).map(|(due, ..)| (hint, due)));
            if evicted {
                break;
            }
        }
        for (hint, due) in kept {
            self.wheel.insert(hint, due, now);
        }
        evicted
    }

    /// A random item's handle.
    fn sample_handle(&self, random: u64) -> Option<Handle> {
        let start = random as usize % TABLES;
        let tables = (start..TABLES).chain(0..start);
        tables.map(|i| &self.tables[i]).find_map(|table| table.sample(random.rotate_left(17))).map(Handle)
    }

    /// A random item of a database; `None` when a few draws found none.
    pub(in crate::store) fn random_of(&mut self, db: u8) -> Option<Handle> {
        (0..16).find_map(|_| {
            let random = self.next_random();
            self.sample_handle(random).filter(|&handle| self.log.record(handle).db() == db)
        })
    }

    /// Compacts when more than a `part`-th of the log is dead (and at least a segment's worth).
    pub(in crate::store) fn compact_if(&mut self, part: usize, shared: &Shared) -> bool {
        let dead = self.log.dead();
        if dead < 1024 || dead <= self.log.bytes() / part {
            return false;
        }
        let mut moved = Moved::new();
        let done = self.log.compact(&mut moved);
        for (old, new) in &moved {
            let hash = self.hash_of(*new, shared);
            let position = self.place_of(*old, hash);
            self.table_mut(hash).replace(position, new.0);
        }
        self.stats.compacted += moved.len() as u64;
        done && self.log.dead() < dead
    }

    /// What can wait: called a few times a second, for as long as it returns `true`.
    pub(in crate::store) fn tidy(&mut self, now: Millis, shared: &Shared) -> bool {
        let mut more = false;
        for _ in 0..4 {
            more = self.compact_if(6, shared);
            if !more {
                break;
            }
        }
        let live = self.log.live(Queue::Small) + self.log.live(Queue::Main);
        if live == 0 && self.log.bytes() > 0 {
            self.log.clear();
        } else if !shared.budget.is_short_of(SEGMENT_MAX) {
            // At the limit it is needed again at once.
            self.log.drop_spare();
        }
        for number in 0..TABLES {
            self.resize_table(number, shared, |table, touch, hash_of| table.shrink_if_sparse(touch, hash_of));
        }
        // No shard gives what is another's to give: when each has its share at most, none is short.
        let share = shared.budget.room() / shared.shards;
        let owes = |shard: &Shard| shard.charged > share && shared.budget.is_short_of(0);
        for _ in 0..EVICT_MOST {
            if !owes(self) {
                break;
            }
            if !self.give_way(now, shared) {
                self.settle(shared);
                return false;
            }
            self.settle(shared);
        }
        self.settle(shared);
        more || owes(self)
    }
}
