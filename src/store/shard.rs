//! One lock's part of the store: index, log, heap values, expiry and counters, kept consistent
//! together. Methods take the shard by `&mut`, so holding its lock is what lets you call them.

use super::change::{Event, Hub, Watched};
use super::entry::StoreError;
use super::eviction::s3fifo::{S3Fifo, Verdict};
use super::eviction::{PolicyKind, lfu};
use super::expiry::Wheel;
use super::heap::{Garbage, Heap, HeapItem};
use super::item::{self, Fields, Record};
use super::log::{Handle, Log, Moved, Queue, SEGMENT_MAX};
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

    /// The queue for an item that is new here.
    pub(super) fn admit(&mut self, hash: u32, bytes: usize) -> Queue {
        self.s3fifo.admit(hash.into(), bytes as u64)
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

    // --- expiry ----------------------------------------------------------------------------

    fn expire(&mut self, found: Found, hash: u32, db: u8, key: &[u8]) {
        self.stats.expired += 1;
        let fetched = self.log.record(found.handle).has_mark(item::Mark::Fetched);
        self.stats.expired_unfetched += u64::from(!fetched);
        self.remove(found, hash);
        self.announce(db, key, Event::Expired);
    }

    /// Removes items whose deadline has passed, and what is due within items, looking at up to `most` wheel
    /// entries. Returns whether there may be more.
    pub(super) fn expire_due(&mut self, now: Millis, most: usize, shared: &Shared) -> bool {
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
    fn first_due(&self, hint: Hint, shared: &Shared) -> Option<(Deadline, Found, u32)> {
        self.first_by(hint, shared, |record| self.record_due_at(record))
    }

    /// The item that is due first.
    fn first_volatile(&self, hint: Hint, shared: &Shared) -> Option<(Deadline, Found, u32)> {
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

    fn rebuild_wheel(&mut self, now: Millis, shared: &Shared) {
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

    // --- room ------------------------------------------------------------------------------

    /// Makes room for a record of `len` bytes and `heap` bytes beside it. Positions and handles found before
    /// are void afterwards, unless there was room already.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing that the policy lets go is left, or the value alone is too large. Items may
    /// have been moved or evicted all the same.
    pub(super) fn make_room(
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
    pub(super) fn give_way(&mut self, now: Millis, shared: &Shared) -> bool {
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
        match self.s3fifo.from_tail(queue, self.log.record(handle).header.hits(), main as u64) {
            Verdict::Evict => {
                self.evict(Found { position, handle }, hash);
                let items = self.tables.iter().map(Table::len).sum();
                self.s3fifo.on_evict(queue, hash.into(), items);
            }
            Verdict::Move(to, hits) => {
                self.stats.promoted += 1;
                if let Some(index) = self.log.record(handle).heap_index() {
                    let bytes = self.heap.get(index).charged();
                    self.heap_bytes[queue as usize] -= bytes;
                    self.heap_bytes[to as usize] += bytes;
                }
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
    pub(super) fn random_of(&mut self, db: u8) -> Option<Handle> {
        (0..16).find_map(|_| {
            let random = self.next_random();
            self.sample_handle(random).filter(|&handle| self.log.record(handle).db() == db)
        })
    }

    /// Compacts when more than a `part`-th of the log is dead (and at least a segment's worth).
    pub(super) fn compact_if(&mut self, part: usize, shared: &Shared) -> bool {
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
    pub(super) fn tidy(&mut self, now: Millis, shared: &Shared) -> bool {
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
        if shared.budget.is_short_of(0) {
            for _ in 0..EVICT_MOST {
                if !self.give_way(now, shared) {
                    break;
                }
                self.settle(shared);
                more = shared.budget.is_short_of(0);
                if !more {
                    break;
                }
            }
        }
        self.settle(shared);
        more
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
