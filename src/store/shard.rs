//! One lock's part of the store: index, log, heap values, expiry and counters, kept consistent
//! together. Methods take the shard by `&mut`, so holding its lock is what lets you call them.

mod expiry;
mod room;

use super::change::{Event, Hub, Watched};
use super::eviction::s3fifo::S3Fifo;
use super::eviction::{PolicyKind, lfu};
use super::expiry::Wheel;
use super::heap::{Garbage, Heap, HeapItem};
use super::item::{self, Fields, Record};
use super::log::{Handle, Log, Queue};
use super::memory::Budget;
use super::table::{Hint, Position, SPENT, Table};
use super::value::Object;
use crate::clock::{Deadline, Millis};
use foldhash::quality::FixedState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

/// Tables a shard: small ones, so that growing one pauses nobody for long (0.8 ms at fifty million items). More of them
/// would be smaller than the allocator keeps apart well: tables of one size leave holes when they grow to the next.
const TABLES: usize = 1 << SPENT;
/// Records that one insert may evict, and one turn of maintenance under one lock.
const EVICT_MOST: usize = 1024;

/// What all shards share.
pub(super) struct Shared {
    pub budget: Budget,
    pub policy: AtomicU8,
    pub shards: usize,
    pub samples: AtomicU32,
    pub lfu_factor: AtomicU32,
    pub lfu_decay: AtomicU32,
    /// Some shard could not make the room it took: others are asked to.
    pub owing: AtomicBool,
    hasher: FixedState,
}

impl Shared {
    pub(super) fn new(limit: usize, policy: PolicyKind, shards: usize, seed: u64) -> Shared {
        Shared {
            budget: Budget::new(limit),
            policy: AtomicU8::new(policy.to_byte()),
            shards,
            samples: AtomicU32::new(5),
            lfu_factor: AtomicU32::new(10),
            lfu_decay: AtomicU32::new(1),
            owing: AtomicBool::new(false),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(super) fn policy(&self) -> PolicyKind {
        PolicyKind::from_byte(self.policy.load(Ordering::Relaxed))
    }

    /// The keyed hash of a key: its high bits choose the shard, the low 32 place it there.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

/// The hash of an item within its shard. All databases of a key share a shard.
#[inline]
pub(super) fn item_hash(key_hash: u64, db: u8) -> u32 {
    (key_hash as u32) ^ u32::from(db).wrapping_mul(0x9E37_79B1)
}

/// Events of a shard, since start or reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardStats {
    pub evicted: u64,
    /// Evicted though never read since they were written.
    pub evicted_unfetched: u64,
    pub expired: u64,
    pub expired_unfetched: u64,
    /// Items stored since start, replacements included.
    pub stored: u64,
    pub promoted: u64,
    pub compacted: u64,
}

/// Items of one database within a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbCount {
    pub items: u64,
    /// Those with a deadline.
    pub volatile: u64,
}

/// Whether `make_room` had anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    There,
    Made,
}

/// An item found: where its handle stands, and the handle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    position: Position,
    pub handle: Handle,
}

pub(super) struct Shard {
    tables: [Table; TABLES],
    pub log: Log,
    pub heap: Heap,
    wheel: Wheel,
    /// Of items in which more is due than was removed at once.
    unfinished: Vec<Hint>,
    /// Entries of the wheel when it was built anew.
    rebuilt_len: u64,
    s3fifo: S3Fifo,
    pub watched: Watched,
    hub: Arc<Hub>,
    pub counts: Vec<DbCount>,
    pub stats: ShardStats,
    /// Heap values on their way out; dropped when the lock is gone.
    pub garbage: Garbage,
    /// Bytes of heap values, by the queue that their records are in.
    heap_bytes: [usize; 2],
    table_bytes: usize,
    /// What the budget was charged last.
    charged: usize,
    last_unique: u64,
    random: u64,
}

impl Shard {
    pub(super) fn new(hub: Arc<Hub>, number: u64) -> Shard {
        Shard {
            tables: Default::default(),
            log: Log::default(),
            heap: Heap::default(),
            wheel: Wheel::default(),
            unfinished: Vec::new(),
            rebuilt_len: 0,
            s3fifo: S3Fifo::new(0),
            watched: Watched::default(),
            counts: vec![DbCount::default(); hub.databases.len()],
            hub,
            stats: ShardStats::default(),
            garbage: Garbage::default(),
            heap_bytes: [0; 2],
            table_bytes: 0,
            charged: 0,
            last_unique: number,
            random: number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    // --- finding ---------------------------------------------------------------------------

    #[inline]
    fn table(&self, hash: u32) -> &Table {
        &self.tables[(hash >> (32 - SPENT)) as usize]
    }

    #[inline]
    fn table_mut(&mut self, hash: u32) -> &mut Table {
        &mut self.tables[(hash >> (32 - SPENT)) as usize]
    }

    /// Where in a shard the table of a hash lies, in bytes; for loading it before the shard is locked.
    #[inline]
    pub(super) const fn offset_of_table(hash: u32) -> usize {
        std::mem::offset_of!(Shard, tables) + (hash >> (32 - SPENT)) as usize * size_of::<Table>()
    }

    #[inline]
    pub(super) fn prefetch_bucket(&self, hash: u32) {
        self.table(hash).prefetch(hash << SPENT);
    }

    #[inline]
    pub(super) fn prefetch_item(&self, hash: u32) {
        if let Some(handle) = self.table(hash).likely(hash << SPENT) {
            self.log.prefetch(Handle(handle));
        }
    }

    pub(super) fn key_of<'a>(&'a self, record: Record<'a>) -> &'a [u8] {
        match (record.key(), record.heap_index()) {
            (Some(key), _) => key,
            (None, Some(index)) => self.heap.get(index).key.as_deref().unwrap_or_default(),
            (None, None) => unreachable!("a key outside the record is on the heap"),
        }
    }

    /// The one look-up. Finds the item whether or not it is due.
    #[inline]
    fn find(&self, hash: u32, db: u8, key: &[u8]) -> Option<Found> {
        let (position, handle) = self.table(hash).find(hash << SPENT, |handle| {
            let record = self.log.record(Handle(handle));
            self.key_of(record) == key && record.db() == db
        })?;
        Some(Found { position, handle: Handle(handle) })
    }

    /// Finds an item. One that is due is absent, and goes at once.
    #[inline]
    pub(super) fn look_up(&mut self, hash: u32, db: u8, key: &[u8], now: Millis) -> Option<Found> {
        let found = self.find(hash, db, key)?;
        match self.log.record(found.handle).deadline() {
            Some(deadline) if deadline.is_due(now) => {
                self.expire(found, hash, db, key);
                None
            }
            _ => Some(found),
        }
    }

    fn hash_of(&self, handle: Handle, shared: &Shared) -> u32 {
        let record = self.log.record(handle);
        item_hash(shared.hash(self.key_of(record)), record.db())
    }

    /// Finds the place of a handle that is known to be in the table.
    fn place_of(&self, handle: Handle, hash: u32) -> Position {
        self.table(hash)
            .find(hash << SPENT, |other| other == handle.0)
            .expect("a living record is in the table")
            .0
    }

    // --- writing ---------------------------------------------------------------------------

    /// The queue for an item that is new here, and the hits that it begins with.
    pub(super) fn admit(&mut self, hash: u32, bytes: usize) -> (Queue, u8) {
        let bytes = bytes as u64;
        (self.s3fifo.admit(hash.into(), bytes), self.s3fifo.credit(bytes))
    }

    /// Adds an item that is known to be absent. Room has been made with `make_room`.
    pub(super) fn add(
        &mut self,
        hash: u32,
        key: &[u8],
        fields: &Fields,
        payload: &[u8],
        queue: Queue,
        shared: &Shared,
        now: Millis,
    ) -> Found {
        let handle = self.append(fields, key, payload, queue);
        self.grow_table(hash, shared);
        let position = self.table_mut(hash).insert(hash << SPENT, handle.0);
        let count = &mut self.counts[fields.db as usize];
        count.items += 1;
        if let Some(deadline) = fields.deadline {
            count.volatile += 1;
            self.wheel.insert(Hint::of(hash), deadline, now);
        }
        Found { position, handle }
    }

    fn append(&mut self, fields: &Fields, key: &[u8], payload: &[u8], queue: Queue) -> Handle {
        let len = fields.record_len(key, payload);
        self.log.append(queue, len, |data| fields.write(key, payload, data))
    }

    /// Writes a new record for an item that is there, in the same queue, and points the table to it. Heap
    /// value and counts are the caller's; the wheel learns of a new deadline by `reschedule`.
    pub(super) fn rewrite(
        &mut self,
        hash: u32,
        found: Found,
        key: &[u8],
        fields: &Fields,
        payload: &[u8],
    ) -> Found {
        let queue = self.log.queue_of(found.handle);
        let handle = self.append(fields, key, payload, queue);
        self.log.kill(found.handle);
        self.table_mut(hash).replace(found.position, handle.0);
        Found { handle, ..found }
    }

    fn grow_table(&mut self, hash: u32, shared: &Shared) {
        self.resize_table((hash >> (32 - SPENT)) as usize, shared, |table, touch, hash_of| {
            table.grow_if_full(touch, hash_of)
        });
    }

    fn resize_table(
        &mut self,
        number: usize,
        shared: &Shared,
        resize: impl FnOnce(&mut Table, &dyn Fn(u32), &dyn Fn(u32) -> u32) -> bool,
    ) {
        let mut table = std::mem::take(&mut self.tables[number]);
        let before = table.bytes();
        let resized = resize(&mut table, &|handle| self.log.prefetch(Handle(handle)), &|handle| {
            self.hash_of(Handle(handle), shared) << SPENT
        });
        if resized {
            self.table_bytes = self.table_bytes + table.bytes() - before;
        }
        self.tables[number] = table;
    }

    /// Keeps counts and wheel true when an item's deadline changes. `O(1)`.
    pub(super) fn reschedule(
        &mut self,
        hash: u32,
        db: u8,
        old: Option<Deadline>,
        new: Option<Deadline>,
        now: Millis,
    ) {
        let count = &mut self.counts[db as usize];
        match (old, new) {
            (None, Some(_)) => count.volatile += 1,
            (Some(_), None) => count.volatile -= 1,
            _ => {}
        }
        self.expect_at(hash, old, new, now);
    }

    /// Sees to it that an item is looked at when something in it is due, earlier than `old` if that matters.
    pub(super) fn expect_at(&mut self, hash: u32, old: Option<Deadline>, new: Option<Deadline>, now: Millis) {
        // A later deadline needs no entry: the old one comes up, finds the item and is entered again.
        if let Some(deadline) = new
            && old.is_none_or(|old| deadline < old)
        {
            self.wheel.insert(Hint::of(hash), deadline, now);
        }
    }

    /// Takes an item out of everything. Its heap value becomes garbage.
    pub(super) fn remove(&mut self, found: Found, hash: u32) {
        let record = self.log.record(found.handle);
        let (db, volatile, heap) = (record.db(), record.deadline().is_some(), record.heap_index());
        let queue = self.log.queue_of(found.handle);
        self.table_mut(hash).remove(found.position, hash << SPENT);
        self.log.kill(found.handle);
        if let Some(index) = heap {
            let item = self.heap.remove(index);
            self.heap_bytes[queue as usize] -= item.charged();
            self.garbage.push(item);
        }
        let count = &mut self.counts[db as usize];
        count.items -= 1;
        count.volatile -= u64::from(volatile);
    }

    /// `queue`: where the value's record is going to be.
    pub(super) fn add_to_heap(&mut self, item: HeapItem, queue: Queue) -> [u8; 4] {
        self.heap_bytes[queue as usize] += item.charged();
        self.heap.insert(Box::new(item)).0.to_le_bytes()
    }

    /// The heap value of an item, to be changed where it lies; then `reweigh`.
    pub(super) fn object_mut(&mut self, index: super::heap::HeapIndex) -> &mut Object {
        &mut self.heap.get_mut(index).object
    }

    /// Accounts for what a heap value has grown or shrunk by.
    pub(super) fn reweigh(&mut self, index: super::heap::HeapIndex, queue: Queue) {
        let (before, after) = self.heap.get_mut(index).reweigh();
        let bytes = &mut self.heap_bytes[queue as usize];
        *bytes = *bytes + after - before;
    }

    /// Takes a heap value away from a record that lives on without it.
    pub(super) fn drop_heap(&mut self, index: super::heap::HeapIndex, queue: Queue) {
        let item = self.heap.remove(index);
        self.heap_bytes[queue as usize] -= item.charged();
        self.garbage.push(item);
    }

    /// A number that no version of an item of this shard has had: shards count in steps of their number.
    pub(super) fn next_unique(&mut self, shared: &Shared) -> u64 {
        self.last_unique += shared.shards as u64;
        self.last_unique
    }

    /// What every write announces.
    #[inline]
    pub(super) fn announce(&mut self, db: u8, key: &[u8], event: Event) {
        if !self.watched.is_empty() && event.is_change() {
            self.watched.changed(db, key);
        }
        if self.hub.is_listening() {
            self.hub.tell(db, key, event);
        }
    }

    /// Says what is no change to a key that was there: that it is new, or was looked for in vain.
    #[inline]
    pub(super) fn remark(&self, db: u8, key: &[u8], event: Event) {
        if self.hub.is_listening() {
            self.hub.tell(db, key, event);
        }
    }

    /// Charges or refunds what the shard has grown or shrunk by since the last call.
    #[inline]
    pub(super) fn settle(&mut self, shared: &Shared) {
        let bytes = self.log.bytes()
            + self.heap_bytes()
            + self.table_bytes
            + self.wheel.bytes()
            + self.s3fifo.bytes();
        if bytes > self.charged {
            shared.budget.charge(bytes - self.charged);
        } else if bytes < self.charged {
            shared.budget.refund(self.charged - bytes);
        }
        self.charged = bytes;
    }

    // --- access ----------------------------------------------------------------------------

    /// Marks a hit: frequency, idle time, and that it was fetched.
    #[inline]
    pub(super) fn touch(&mut self, found: Found, now: Millis, shared: &Shared) {
        let record = self.log.record(found.handle);
        let (hits, touched) = (record.header.hits(), record.touched());
        let policy = shared.policy();
        let new = if policy.is_lfu() {
            let random = self.next_random() as u32;
            let (factor, decay) = (&shared.lfu_factor, &shared.lfu_decay);
            lfu::hit(touched, now, factor.load(Ordering::Relaxed), decay.load(Ordering::Relaxed), random)
        } else {
            item::touched_at(now)
        };
        self.log.record_mut(found.handle).set_access((hits + 1).min(3), new);
    }

    /// The access clock of a new item.
    pub(super) fn first_touch(now: Millis, shared: &Shared) -> u32 {
        if shared.policy().is_lfu() { lfu::new_clock(now) } else { item::touched_at(now) }
    }

    fn next_random(&mut self) -> u64 {
        // xorshift64*: Marsaglia 2003, Vigna 2016.
        let mut x = self.random;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random = x;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    // --- whole databases -------------------------------------------------------------------

    pub(super) fn handles(&self) -> impl Iterator<Item = u32> + '_ {
        self.tables.iter().flat_map(Table::handles)
    }

    /// Handles of items from hash `from` on, in hash order by bucket, with the hash to go on from.
    pub(super) fn scan(&self, from: u32, count: usize, handles: &mut Vec<u32>) -> Option<u32> {
        let mut number = (from >> (32 - SPENT)) as usize;
        let mut within = from << SPENT;
        loop {
            if let Some(next) = self.tables[number].scan(within, count, handles) {
                return ((number as u32) << (32 - SPENT)).checked_add(next.div_ceil(1 << SPENT));
            }
            number += 1;
            within = 0;
            if number == TABLES {
                return None;
            }
            if handles.len() >= count {
                return Some((number as u32) << (32 - SPENT));
            }
        }
    }

    /// Database and key of an item.
    pub(super) fn name_of(&self, handle: Handle) -> (u8, &[u8]) {
        let record = self.log.record(handle);
        (record.db(), self.key_of(record))
    }

    /// Two databases change places: watched keys that are in either count as changed.
    pub(super) fn swap_watched(&mut self, a: u8, b: u8, shared: &Shared) {
        if self.watched.is_empty() {
            return;
        }
        for db in [a, b] {
            for key in self.watched.keys_of(db) {
                let is_in = |db: u8| self.find(item_hash(shared.hash(&key), db), db, &key).is_some();
                if is_in(a) || is_in(b) {
                    self.watched.changed(db, &key);
                }
            }
        }
        self.watched.swap(a, b);
    }

    pub(super) fn charged(&self) -> usize {
        self.charged
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.heap_bytes.iter().sum()
    }

    pub(super) fn scan_hash(&self, handle: Handle, shared: &Shared) -> u32 {
        self.hash_of(handle, shared)
    }

    /// Empties a database. `O(1)` in items when it is the only one in use.
    pub(super) fn flush(&mut self, db: u8, shared: &Shared) {
        self.announce_flush(db, shared);
        let items: u64 = self.counts.iter().map(|count| count.items).sum();
        if self.counts[db as usize].items == items {
            self.clear();
        } else {
            let all: Vec<u32> = self.handles().collect();
            for handle in all.into_iter().map(Handle) {
                if self.log.record(handle).db() == db {
                    let hash = self.hash_of(handle, shared);
                    let position = self.place_of(handle, hash);
                    self.remove(Found { position, handle }, hash);
                }
            }
        }
        self.settle(shared);
    }

    /// Deletes everything, in all databases.
    pub(super) fn flush_all(&mut self, shared: &Shared) {
        for db in 0..self.counts.len() {
            self.announce_flush(db as u8, shared);
        }
        self.clear();
        self.settle(shared);
    }

    fn announce_flush(&mut self, db: u8, shared: &Shared) {
        for key in self.watched.keys_of(db) {
            let hash = item_hash(shared.hash(&key), db);
            if self.find(hash, db, &key).is_some() {
                self.watched.changed(db, &key);
            }
        }
    }

    fn clear(&mut self) {
        for table in &mut self.tables {
            table.clear();
        }
        self.log.clear();
        let heap = std::mem::take(&mut self.heap);
        self.garbage.extend(heap.into_items());
        self.wheel.clear();
        self.s3fifo.clear();
        (self.heap_bytes, self.table_bytes) = ([0; 2], 0);
        self.counts.fill(DbCount::default());
    }

    #[cfg(test)]
    pub(super) fn validate(&self, shared: &Shared) {
        let living: std::collections::BTreeSet<u32> =
            self.log.validate().iter().map(|handle| handle.0).collect();
        assert_eq!(self.handles().collect::<std::collections::BTreeSet<_>>(), living);
        for table in &self.tables {
            table.validate(|handle| self.hash_of(Handle(handle), shared) << SPENT);
        }
        let mut counts = vec![DbCount::default(); self.counts.len()];
        let (mut heap_bytes, mut heap_items) = ([0; 2], 0);
        for &handle in &living {
            let record = self.log.record(Handle(handle));
            counts[record.db() as usize].items += 1;
            counts[record.db() as usize].volatile += u64::from(record.deadline().is_some());
            if let Some(index) = record.heap_index() {
                heap_bytes[self.log.queue_of(Handle(handle)) as usize] += self.heap.get(index).charged();
                heap_items += 1;
            }
            let found = self.find(self.hash_of(Handle(handle), shared), record.db(), self.key_of(record));
            assert_eq!(found.map(|found| found.handle.0), Some(handle));
        }
        for (counted, kept) in counts.iter().zip(&self.counts) {
            assert_eq!((counted.items, counted.volatile), (kept.items, kept.volatile));
        }
        assert_eq!(heap_bytes, self.heap_bytes);
        assert_eq!(heap_items, self.heap.len());
        assert_eq!(self.table_bytes, self.tables.iter().map(Table::bytes).sum::<usize>());
    }
}
