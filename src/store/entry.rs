//! One key's place in the store, with its shard locked: what every command reads and writes through.

use super::change::Event;
use super::eviction::lfu;
use super::heap::{Garbage, HeapIndex, HeapItem};
use super::item::{self, Fields, INLINE_KEY_MAX, INLINE_MAX, Mark, PACKED_MAX, Record};
use super::log::{Handle, Queue};
use super::shard::{Found, Room, Shard, Shared};
use super::value::{Collection, Kind, Object};
use super::{Guard, Store};
use crate::clock::{Deadline, Millis};
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::{Deref, DerefMut};

/// Why a write was refused. Carries meaning and no words: each protocol has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The limit is reached and the policy lets nothing go, or the value alone is too large for it.
    OutOfMemory,
}

/// What becomes of the deadline when a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Keep,
    Never,
    At(Deadline),
}

/// How a string is stored.
#[derive(Clone, Copy, Debug)]
pub struct Put {
    pub flags: u32,
    pub expiry: Expiry,
    pub event: Event,
}

impl Put {
    pub fn new(flags: u32, expiry: Expiry, event: Event) -> Put {
        Put { flags, expiry, event }
    }
}

/// What is known of accesses to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Seconds since the last one.
    Idle(u64),
    /// Redis' logarithmic counter.
    Frequency(u8),
}

/// A value as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A string in the item itself.
    Inline(&'a [u8]),
    /// A large string; a clone of the handle outlives the lock.
    Shared(&'a Bytes),
}

/// A value taken out of the store, or to be put there.
#[derive(Clone, Debug)]
pub struct Owned {
    pub value: OwnedValue,
    pub flags: u32,
    pub deadline: Option<Deadline>,
}

impl Owned {
    /// A collection, without deadline.
    pub fn object(collection: impl Collection) -> Owned {
        Owned { value: OwnedValue::Object(collection.into_object()), flags: 0, deadline: None }
    }

    /// A string, without deadline.
    pub fn string(value: Vec<u8>) -> Owned {
        Owned { value: OwnedValue::Inline(value), flags: 0, deadline: None }
    }
}

#[derive(Clone, Debug)]
pub enum OwnedValue {
    Inline(Vec<u8>),
    Object(Object),
}

/// An item to look at, while its shard is locked.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    record: Record<'a>,
    heap: Option<&'a HeapItem>,
}

impl<'a> Item<'a> {
    #[inline]
    pub(super) fn of(shard: &'a Shard, handle: Handle) -> Item<'a> {
        let record = shard.log.record(handle);
        let heap = record.heap_index().map(|index| shard.heap.get(index));
        Item { record, heap }
    }

    /// The value of a string; `None` when it is of another type.
    #[inline]
    pub fn value(&self) -> Option<Value<'a>> {
        match self.heap {
            None if self.record.is_packed() => None,
            None => Some(Value::Inline(self.record.payload())),
            Some(heap) => match &heap.object {
                Object::String(bytes) => Some(Value::Shared(bytes)),
                #[allow(unreachable_patterns, reason = "only while there is no collection")]
                _ => None,
            },
        }
    }

    /// The bytes of a string; `None` when the value is of another type.
    #[inline]
    pub fn string(&self) -> Option<&'a [u8]> {
        self.value().map(|value| match value {
            Value::Inline(bytes) => bytes,
            Value::Shared(bytes) => bytes,
        })
    }

    /// The value on the heap, or unpacked; `None` for a string that lies in the record.
    pub fn object(&self) -> Option<Cow<'a, Object>> {
        match self.heap {
            Some(heap) => Some(Cow::Borrowed(&heap.object)),
            None => self.unpack().map(Cow::Owned),
        }
    }

    /// The kind and the bytes of a packed collection.
    #[inline]
    fn packed(&self) -> Option<(Kind, &'a [u8])> {
        if !self.record.is_packed() {
            return None;
        }
        let (&kind, bytes) = self.record.payload().split_first()?;
        Some((Kind::from_byte(kind), bytes))
    }

    fn unpack(&self) -> Option<Object> {
        self.packed().map(|(kind, bytes)| Object::unpack(kind, bytes))
    }

    pub fn kind(&self) -> Kind {
        match self.heap {
            Some(heap) => heap.object.kind(),
            None => self.packed().map_or(Kind::String, |(kind, _)| kind),
        }
    }

    /// memcached's client flags.
    pub fn flags(&self) -> u32 {
        self.record.flags()
    }

    pub fn deadline(&self) -> Option<Deadline> {
        self.record.deadline()
    }

    /// `None` when nobody has asked for one since the last write.
    pub fn cas_unique(&self) -> Option<u64> {
        self.record.cas_unique()
    }

    pub fn has(&self, mark: Mark) -> bool {
        self.record.has_mark(mark)
    }

    /// Seconds since the last access. Meaningless under an LFU policy, as in Redis.
    pub fn idle_secs(&self, now: Millis) -> u64 {
        item::idle_secs(self.record.touched(), now)
    }

    /// Redis' logarithmic access counter; only an LFU policy keeps it.
    pub fn frequency(&self, now: Millis, decay_minutes: u32) -> u8 {
        super::eviction::lfu::counter(self.record.touched(), now, decay_minutes)
    }

    /// Memory the item accounts for: record, share of the table, heap value.
    pub fn bytes(&self) -> usize {
        const TABLE_SHARE: usize = 7;
        self.record.header.len() + TABLE_SHARE + self.heap.map_or(0, HeapItem::charged)
    }

    /// What the record alone takes: what must be found room for where the item is moved.
    pub fn record_bytes(&self) -> usize {
        self.record.header.len()
    }

    fn to_owned(self) -> Owned {
        let value = match self.object() {
            None => OwnedValue::Inline(self.record.payload().to_vec()),
            Some(object) => OwnedValue::Object(object.into_owned()),
        };
        Owned { value, flags: self.flags(), deadline: self.deadline() }
    }
}

/// A key looked up in its locked shard. Drop it to unlock; values that the command let go of are dropped
/// after that.
pub struct Entry<'d> {
    // Fields drop in this order: the lock first, then the garbage, then others may be asked for room.
    shard: Guard<'d>,
    garbage: Garbage,
    relief: Relief<'d>,
    key: &'d [u8],
    db: u8,
    hash: u32,
    now: Millis,
    touching: bool,
    found: Option<Found>,
    /// A packed collection that was looked at. Void when the item changes.
    unpacked: OnceCell<Object>,
}

struct Relief<'d> {
    store: &'d Store,
    now: Millis,
}

impl Drop for Relief<'_> {
    #[inline]
    fn drop(&mut self) {
        self.store.relieve(self.now);
    }
}

impl Drop for Entry<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.shard.garbage.is_empty() {
            self.garbage = std::mem::take(&mut self.shard.garbage);
        }
    }
}

impl<'d> Entry<'d> {
    #[inline]
    pub(super) fn new(
        store: &'d Store,
        mut shard: Guard<'d>,
        key: &'d [u8],
        db: u8,
        hash: u32,
        now: Millis,
        touching: bool,
    ) -> Entry<'d> {
        let found = shard.look_up(hash, db, key, now);
        let relief = Relief { store, now };
        Entry {
            shard,
            garbage: Garbage::default(),
            relief,
            key,
            db,
            hash,
            now,
            touching,
            found,
            unpacked: OnceCell::new(),
        }
    }

    fn shared(&self) -> &'d Shared {
        &self.relief.store.shared
    }

    pub fn key(&self) -> &'d [u8] {
        self.key
    }

    #[inline]
    pub fn is_present(&self) -> bool {
        self.found.is_some()
    }

    /// Looks without leaving a trace.
    #[inline]
    pub fn item(&self) -> Option<Item<'_>> {
        let found = self.found?;
        Some(Item::of(&self.shard, found.handle))
    }

    /// Looks, and marks the access, unless the caller's [`Db`](super::Db) does not touch: for eviction, idle
    /// time and the fetched mark.
    #[inline]
    pub fn read(&mut self) -> Option<Item<'_>> {
        if self.touching {
            self.touch();
        }
        self.item()
    }

    /// Marks an access, whatever the caller's `Db` does (`TOUCH`).
    #[inline]
    pub fn touch(&mut self) {
        let Some(found) = self.found else { return };
        let (now, shared) = (self.now, self.shared());
        self.shard.touch(found, now, shared);
    }

    /// Stores a string in the place of whatever was there. Marks and CAS unique go. `O(value)`.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing was changed.
    pub fn put(&mut self, value: &[u8], put: Put) -> Result<(), StoreError> {
        let old = self.item().and_then(|item| item.deadline());
        let deadline = match put.expiry {
            Expiry::Keep => old,
            Expiry::Never => None,
            Expiry::At(deadline) => Some(deadline),
        };
        if !self.put_in_place(value, put.flags, deadline, old) {
            let fields = Fields { flags: put.flags, deadline, ..self.new_fields() };
            if value.len() > INLINE_MAX || self.key.len() > INLINE_KEY_MAX {
                self.store_object(Object::String(Bytes::copy_from_slice(value)), fields)?;
            } else {
                self.store(fields, Payload::Inline(value.into()))?;
            }
        }
        self.shard.stats.stored += 1;
        self.shard.announce(self.db, self.key, put.event);
        if let Expiry::At(_) = put.expiry {
            self.shard.announce(self.db, self.key, Event::Expire);
        }
        Ok(())
    }

    /// Changes a string's bytes, those of a large one where they lie. First it is lengthened by zeros to
    /// `len` bytes, if it has fewer; no item counts as an empty string. Flags and deadline stay, marks and
    /// CAS unique go. `O(change)` amortized, `O(value)` where the value is small, has to grow beyond its
    /// buffer or is being read by somebody. Returns the length.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing was changed.
    pub fn edit(
        &mut self,
        len: usize,
        event: Event,
        change: impl FnOnce(&mut [u8]),
    ) -> Result<usize, StoreError> {
        let item = self.item();
        let old = item.and_then(|item| item.string()).unwrap_or_default();
        let len = len.max(old.len());
        if len <= INLINE_MAX && self.key.len() <= INLINE_KEY_MAX {
            let mut value = Vec::with_capacity(len);
            value.extend_from_slice(old);
            value.resize(len, 0);
            change(&mut value);
            let flags = item.map_or(0, |item| item.flags());
            self.put(&value, Put::new(flags, Expiry::Keep, event))?;
            return Ok(len);
        }
        let mut change = Some(change);
        let mut apply = |bytes: &mut [u8]| {
            if let Some(change) = change.take() {
                change(bytes);
            }
        };
        let heap = self.found.and_then(|found| self.shard.log.record(found.handle).heap_index());
        if let Some(index) = heap
            && self.shard.heap.get_mut(index).edit(len, &mut apply)
        {
            self.renew();
        } else {
            // Before the buffer is there: zeros cost memory too.
            if self.shared().budget.can_never_hold(len) {
                return Err(StoreError::OutOfMemory);
            }
            let old = self.item().and_then(|item| item.string()).unwrap_or_default();
            let mut value = BytesMut::with_capacity(len + spare_room(len, old.len()));
            value.extend_from_slice(old);
            value.resize(len, 0);
            apply(&mut value);
            let fields = match self.item() {
                Some(item) => Fields { flags: item.flags(), deadline: item.deadline(), ..self.new_fields() },
                None => self.new_fields(),
            };
            let heap_key = self.key.len() > INLINE_KEY_MAX;
            let item = HeapItem::roomy(heap_key.then(|| self.key.into()), value);
            self.store(Fields { heap: true, heap_key, ..fields }, Payload::Heap(item))?;
        }
        self.shard.stats.stored += 1;
        self.shard.announce(self.db, self.key, event);
        Ok(len)
    }

    /// The value is new though its record is not: marks and CAS unique go, and it counts as an access.
    fn renew(&mut self) {
        let Some(found) = self.found else { return };
        let hits = self.shard.log.record(found.handle).header.hits();
        let touched = Shard::first_touch(self.now, self.shared());
        let mut record = self.shard.log.record_mut(found.handle);
        record.set_cas_unique(0);
        record.set_access((hits + 1).min(3), touched);
        record.clear_marks();
    }

    /// Says when or how often the item was accessed, when that is known from elsewhere. Does nothing where the
    /// policy goes by the other.
    pub fn set_access(&mut self, access: Access) {
        let Some(found) = self.found else { return };
        let touched = match (access, self.shared().policy().is_lfu()) {
            (Access::Frequency(counter), true) => lfu::clock_of(self.now, counter),
            (Access::Idle(seconds), false) => item::touched_before(self.now, seconds),
            _ => return,
        };
        let hits = self.shard.log.record(found.handle).header.hits();
        self.shard.log.record_mut(found.handle).set_access(hits, touched);
    }

    fn put_in_place(
        &mut self,
        value: &[u8],
        flags: u32,
        deadline: Option<Deadline>,
        old: Option<Deadline>,
    ) -> bool {
        let Some(found) = self.found else { return false };
        let record = self.shard.log.record(found.handle);
        if record.is_packed() || !record.header.takes(deadline, flags) || !self.overwrite(value) {
            return false;
        }
        let record = self.shard.log.record(found.handle);
        let hits = record.header.hits();
        let touched = Shard::first_touch(self.now, self.shared());
        let mut record = self.shard.log.record_mut(found.handle);
        record.set_cas_unique(0);
        record.set_deadline(deadline);
        record.set_flags(flags);
        record.set_access((hits + 1).min(3), touched);
        record.clear_marks();
        self.shard.reschedule(self.hash, self.db, old, deadline, self.now);
        true
    }

    /// Puts a payload in the place of one that lies in the record, if it has the room and not much more.
    fn overwrite(&mut self, payload: &[u8]) -> bool {
        /// More than this is not left behind as padding.
        const PAD_MOST: usize = 64;
        let Some(found) = self.found else { return false };
        let record = self.shard.log.record(found.handle);
        let room = record.payload().len();
        let fits = payload.len() <= room && room - payload.len() <= PAD_MOST;
        if record.header.is_heap() || !fits {
            return false;
        }
        let lost = self.shard.log.record_mut(found.handle).set_payload(payload);
        if lost > 0 {
            self.shard.log.lose(found.handle, lost);
        }
        true
    }

    /// What a new record of this key carries over: database and how often it was hit.
    fn new_fields(&self) -> Fields {
        let hits =
            self.found.map_or(0, |found| (self.shard.log.record(found.handle).header.hits() + 1).min(3));
        let touched = Shard::first_touch(self.now, self.shared());
        Fields { db: self.db, hits, touched, ..Fields::default() }
    }

    fn store_object(&mut self, object: Object, fields: Fields) -> Result<(), StoreError> {
        let (payload, fields) = self.payload_of(object, fields);
        self.store(fields, payload)
    }

    /// How an object is stored: packed in the record if it can be, else on the heap.
    fn payload_of(&self, object: Object, fields: Fields) -> (Payload<'static>, Fields) {
        let heap_key = self.key.len() > INLINE_KEY_MAX;
        if let Some((kind, bytes)) =
            object.packed().filter(|(_, bytes)| !heap_key && bytes.len() < PACKED_MAX)
        {
            let payload = [&[kind as u8], bytes].concat();
            return (
                Payload::Inline(payload.into()),
                Fields { heap: false, heap_key, packed: true, ..fields },
            );
        }
        let item = HeapItem::new(heap_key.then(|| self.key.into()), object);
        (Payload::Heap(item), Fields { heap: true, heap_key, packed: false, ..fields })
    }

    /// Writes a record in the place of the old one, if any.
    fn store(&mut self, fields: Fields, payload: Payload<'_>) -> Result<(), StoreError> {
        let shared = self.shared();
        let (len, heap) = match &payload {
            Payload::Inline(value) => (fields.record_len(self.key, value), 0),
            Payload::Heap(item) => (fields.record_len(self.key, &[0; 4]), item.charged()),
        };
        let queue = match self.found {
            Some(found) => self.shard.log.queue_of(found.handle),
            None => self.shard.admit(self.hash, len + heap),
        };
        let room = self.shard.make_room(queue, len, heap, self.now, shared);
        // Refused or not: whatever was moved or evicted meanwhile, what was found before is void.
        if room != Ok(Room::There) && self.found.is_some() {
            self.found = self.shard.look_up(self.hash, self.db, self.key, self.now);
        }
        room?;
        if self.found.is_none() {
            self.shard.remark(self.db, self.key, Event::New);
        }
        self.write(&fields, payload, queue);
        Ok(())
    }

    /// Writes a record in the place of the old one, or in `queue` when there is none. Room has been made.
    fn write(&mut self, fields: &Fields, payload: Payload<'_>, queue: Queue) {
        self.unpacked.take();
        let shared = self.shared();
        // Making room may have moved the old record on.
        let queue = self.found.map_or(queue, |found| self.shard.log.queue_of(found.handle));
        let payload = match payload {
            Payload::Inline(value) => value,
            Payload::Heap(item) => {
                self.shard.expect_at(self.hash, None, item.object.due_at(), self.now);
                Cow::Owned(self.shard.add_to_heap(item, queue).to_vec())
            }
        };
        match self.found {
            None => {
                self.found =
                    Some(self.shard.add(self.hash, self.key, fields, &payload, queue, shared, self.now));
            }
            Some(found) => {
                let old = self.shard.log.record(found.handle);
                let (deadline, old_heap) = (old.deadline(), old.heap_index());
                self.found = Some(self.shard.rewrite(self.hash, found, self.key, fields, &payload));
                if let Some(index) = old_heap {
                    self.shard.drop_heap(index, queue);
                }
                self.shard.reschedule(self.hash, self.db, deadline, fields.deadline, self.now);
            }
        }
        self.shard.settle(shared);
    }

    /// Writes the record anew with other fields, its payload as it is. An item that has to grow by a
    /// few bytes is not refused for want of memory.
    fn change_fields(&mut self, change: impl FnOnce(&mut Fields)) {
        let Some(found) = self.found else { return };
        let record = self.shard.log.record(found.handle);
        let old = record.deadline();
        let mut fields = Fields::of(record);
        let payload = record.payload().to_vec();
        change(&mut fields);
        self.found = Some(self.shard.rewrite(self.hash, found, self.key, &fields, &payload));
        self.shard.reschedule(self.hash, self.db, old, fields.deadline, self.now);
        let shared = self.shared();
        self.shard.settle(shared);
    }

    /// Deletes the item; `false` when there is none.
    pub fn delete(&mut self, event: Event) -> bool {
        let Some(found) = self.found.take() else { return false };
        self.unpacked.take();
        self.shard.remove(found, self.hash);
        self.shard.announce(self.db, self.key, event);
        let shared = self.shared();
        self.shard.settle(shared);
        true
    }

    /// Gives the item another deadline, or none; `false` when there is no item. A deadline that has
    /// passed makes it absent for the next look-up: delete it instead.
    pub fn set_deadline(&mut self, deadline: Option<Deadline>, event: Event) -> bool {
        let Some(found) = self.found else { return false };
        let old = self.shard.log.record(found.handle).deadline();
        if self.shard.log.record_mut(found.handle).set_deadline(deadline) {
            self.shard.reschedule(self.hash, self.db, old, deadline, self.now);
        } else {
            self.change_fields(|fields| fields.deadline = deadline);
        }
        self.shard.announce(self.db, self.key, event);
        let shared = self.shared();
        self.shard.settle(shared);
        true
    }

    /// The item's CAS unique, which it is given now if it has none. When there is no item: a number that none
    /// will have.
    pub fn cas_unique(&mut self) -> u64 {
        let shared = self.shared();
        let Some(item) = self.item() else { return self.shard.next_unique(shared) };
        if let Some(unique) = item.cas_unique() {
            return unique;
        }
        let unique = self.shard.next_unique(shared);
        self.set_cas_unique(unique);
        unique
    }

    /// Gives the item this CAS unique (the meta protocol's `E`).
    pub fn set_cas_unique(&mut self, unique: u64) {
        let Some(found) = self.found else { return };
        if !self.shard.log.record_mut(found.handle).set_cas_unique(unique) {
            self.change_fields(|fields| fields.cas_unique = unique);
        }
    }

    pub fn mark(&mut self, mark: Mark, on: bool) {
        if let Some(found) = self.found {
            self.shard.log.record_mut(found.handle).set_mark(mark, on);
            // That it was fetched is nobody's business; what a reader is told about it is.
            if mark != Mark::Fetched {
                self.shard.announce(self.db, self.key, Event::Set);
            }
        }
    }

    /// A copy of the item, to be inserted elsewhere. A large value is shared, not copied.
    pub fn copy(&self) -> Option<Owned> {
        self.item().map(Item::to_owned)
    }

    /// Takes the item out, to be put elsewhere. `O(1)` for what lies on the heap. The caller announces the event.
    pub fn take(&mut self) -> Option<Owned> {
        let found = self.found.take()?;
        let item = Item::of(&self.shard, found.handle);
        let (flags, deadline) = (item.flags(), item.deadline());
        let in_record = match item.heap {
            Some(_) => None,
            None => Some(item.to_owned().value),
        };
        self.unpacked.take();
        self.shard.remove(found, self.hash);
        let value = match in_record {
            Some(value) => value,
            None => OwnedValue::Object(self.shard.garbage.pop().expect("`remove` left it there").object),
        };
        let shared = self.shared();
        self.shard.settle(shared);
        Some(Owned { value, flags, deadline })
    }

    /// Stores a value taken from elsewhere, in the place of whatever was there.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing was changed.
    pub fn insert(&mut self, owned: Owned, event: Event) -> Result<(), StoreError> {
        self.replace(owned)?;
        self.announce(event);
        Ok(())
    }

    /// `insert` as if what was there had been deleted: the key counts as new (`RENAME`, `COPY`, `RESTORE`). The
    /// caller announces the event itself.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing was changed.
    pub fn insert_anew(&mut self, owned: Owned) -> Result<(), StoreError> {
        let was_present = self.is_present();
        self.replace(owned)?;
        if was_present {
            self.shard.remark(self.db, self.key, Event::New);
        }
        Ok(())
    }

    /// Makes sure that an item of `record` bytes, but for what it has on the heap, can be moved here.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing was changed.
    pub fn expect_item(&mut self, record: usize) -> Result<(), StoreError> {
        let queue = self.found.map_or(Queue::Small, |found| self.shard.log.queue_of(found.handle));
        let shared = self.shared();
        let room = self.shard.make_room(queue, record + self.key.len(), 0, self.now, shared);
        self.found = self.shard.look_up(self.hash, self.db, self.key, self.now);
        room.map(|_| ())
    }

    /// Puts an item here that was taken from elsewhere, after `expect_item`: `insert_anew` that nothing can
    /// refuse, for the item takes no more memory than it did before.
    pub fn move_in(&mut self, owned: Owned) {
        let (payload, fields) = self.payload_of_owned(owned);
        self.shard.remark(self.db, self.key, Event::New);
        self.write(&fields, payload, Queue::Small);
    }

    fn replace(&mut self, owned: Owned) -> Result<(), StoreError> {
        let (payload, fields) = self.payload_of_owned(owned);
        self.store(fields, payload)
    }

    fn payload_of_owned(&self, owned: Owned) -> (Payload<'static>, Fields) {
        let fields = Fields { flags: owned.flags, deadline: owned.deadline, ..self.new_fields() };
        match owned.value {
            OwnedValue::Inline(value) if value.len() <= INLINE_MAX && self.key.len() <= INLINE_KEY_MAX => {
                (Payload::Inline(value.into()), fields)
            }
            OwnedValue::Inline(value) => self.payload_of(Object::String(value.into()), fields),
            OwnedValue::Object(object) => self.payload_of(object, fields),
        }
    }

    /// Says what has happened to the key.
    pub fn announce(&mut self, event: Event) {
        self.shard.announce(self.db, self.key, event);
    }

    /// Says that somebody wanted to read the key and it is not there.
    #[inline]
    pub fn announce_miss(&self) {
        self.shard.remark(self.db, self.key, Event::KeyMiss);
    }

    /// The value on the heap, or unpacked; `None` when there is no item and for a string in the record.
    pub fn object(&self) -> Option<&Object> {
        let item = self.item()?;
        match item.heap {
            Some(heap) => Some(&heap.object),
            None if !item.record.is_packed() => None,
            None => match self.unpacked.get() {
                Some(object) => Some(object),
                None => item.unpack().map(|object| self.unpacked.get_or_init(|| object)),
            },
        }
    }

    /// The collection, to look at; `None` when there is no item. `O(bytes)` for a small one that is packed.
    ///
    /// # Errors
    /// The value is of another type.
    pub fn collection<C: Collection>(&self) -> Result<Option<&C>, WrongKind> {
        if !self.is_present() {
            return Ok(None);
        }
        self.object().and_then(C::of).map(Some).ok_or(WrongKind)
    }

    /// The collection, to be changed; an empty one is made when there is no item. `adding`: bytes that the
    /// change is going to add, at most; room is made for them first.
    ///
    /// # Errors
    /// The value is of another type; `OutOfMemory`. Nothing was changed.
    pub fn change<C: Collection>(&mut self, adding: usize) -> Result<Change<'_, 'd, C>, ChangeError> {
        self.make_room_in::<C>(adding)?;
        Ok(Change::new(self))
    }

    /// `change` for a collection that is there; `None` when there is no item.
    ///
    /// # Errors
    /// As `change`.
    pub fn change_existing<C: Collection>(
        &mut self,
        adding: usize,
    ) -> Result<Option<Change<'_, 'd, C>>, ChangeError> {
        self.make_room_in::<C>(adding)?;
        Ok(self.is_present().then(|| Change::new(self)))
    }

    fn make_room_in<C: Collection>(&mut self, adding: usize) -> Result<(), ChangeError> {
        /// Header and key of a record, at most.
        const RECORD: usize = 32 + INLINE_KEY_MAX;
        let item = self.item();
        if item.is_some_and(|item| item.kind() != C::KIND) {
            return Err(ChangeError::WrongKind);
        }
        if adding == 0 {
            return Ok(());
        }
        let is_on_heap = item.is_some_and(|item| item.heap.is_some());
        let packed = item.map_or(0, |item| item.record.payload().len());
        // What is packed is written anew, and may become too large for that.
        let (len, heap) = match packed + adding {
            _ if is_on_heap => (0, adding),
            small if small <= PACKED_MAX => (RECORD + small, 0),
            large => (RECORD, large),
        };
        let queue = self.found.map_or(Queue::Small, |found| self.shard.log.queue_of(found.handle));
        let shared = self.shared();
        let room = self.shard.make_room(queue, len, heap, self.now, shared);
        if room != Ok(Room::There) {
            // The collection itself may be what was evicted.
            self.unpacked.take();
            self.found = self.shard.look_up(self.hash, self.db, self.key, self.now);
        }
        room.map(|_| ()).map_err(|StoreError::OutOfMemory| ChangeError::OutOfMemory)
    }

    /// Stores a collection that was changed outside of the heap. Room was made before: what it takes beyond
    /// that is not refused any more.
    fn put_back<C: Collection>(&mut self, collection: C) {
        if let Some((bytes, found)) = collection.packed().zip(self.found)
            && self.shard.log.record(found.handle).is_packed()
            && self.overwrite(&[&[C::KIND as u8], bytes].concat())
        {
            self.unpacked.take();
            return;
        }
        let fields = match self.found {
            Some(found) => Fields::of(self.shard.log.record(found.handle)),
            None => self.new_fields(),
        };
        let (payload, fields) = self.payload_of(collection.into_object(), fields);
        let bytes = match &payload {
            Payload::Inline(value) => fields.record_len(self.key, value),
            Payload::Heap(item) => item.charged(),
        };
        let queue = match self.found {
            Some(found) => self.shard.log.queue_of(found.handle),
            None => self.shard.admit(self.hash, bytes),
        };
        self.write(&fields, payload, queue);
    }

    /// Watches the key, present or not; returns its version.
    pub fn watch(&mut self) -> u64 {
        self.shard.watched.add(self.db, self.key)
    }

    /// The version of a watched key.
    pub fn watched_version(&self) -> Option<u64> {
        self.shard.watched.version(self.db, self.key)
    }

    pub fn unwatch(&mut self) {
        self.shard.watched.release(self.db, self.key);
    }
}

/// The value is of another type than the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongKind;

/// Why a collection cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    WrongKind,
    OutOfMemory,
}

impl From<StoreError> for ChangeError {
    fn from(StoreError::OutOfMemory: StoreError) -> ChangeError {
        ChangeError::OutOfMemory
    }
}

/// A collection that is being changed, with its shard locked. Dropping it stores it or accounts for its new
/// size, and deletes it when it is empty.
pub struct Change<'e, 'd, C: Collection> {
    entry: &'e mut Entry<'d>,
    held: Held<C>,
    /// When something in it was due before the change.
    due_before: Option<Deadline>,
    /// Something was announced: then the deletion of an emptied collection is too.
    is_announced: bool,
}

/// Where a collection is while it is changed.
enum Held<C> {
    /// On the heap, where it stays.
    Heap(HeapIndex, Queue),
    /// New, or unpacked: to be stored.
    Loose(C),
    /// Stored; the change is over.
    Stored,
}

impl<'e, 'd, C: Collection> Change<'e, 'd, C> {
    /// Of an item of this kind, or of none.
    fn new(entry: &'e mut Entry<'d>) -> Change<'e, 'd, C> {
        entry.renew();
        let held = match entry.found {
            None => Held::Loose(C::default()),
            Some(found) => {
                let record = entry.shard.log.record(found.handle);
                match record.heap_index() {
                    Some(index) => Held::Heap(index, entry.shard.log.queue_of(found.handle)),
                    None => Held::Loose(C::unpack(record.payload().get(1..).unwrap_or_default())),
                }
            }
        };
        let mut change = Change { entry, held, due_before: None, is_announced: false };
        change.due_before = change.due_at();
        change
    }

    /// Says what happened, as often as something did.
    pub fn announce(&mut self, event: Event) {
        self.say_if_new();
        self.is_announced = true;
        self.entry.shard.stats.stored += 1;
        self.entry.shard.announce(self.entry.db, self.entry.key, event);
    }

    fn say_if_new(&mut self) {
        if !self.is_announced && !self.entry.is_present() {
            self.entry.shard.remark(self.entry.db, self.entry.key, Event::New);
        }
    }

    /// Says what happened, and ends the change.
    pub fn done(mut self, event: Event) {
        self.announce(event);
    }
}

impl<C: Collection> Deref for Change<'_, '_, C> {
    type Target = C;

    #[inline]
    fn deref(&self) -> &C {
        match &self.held {
            Held::Heap(index, _) => {
                C::of(&self.entry.shard.heap.get(*index).object).expect("the kind was looked at")
            }
            Held::Loose(collection) => collection,
            Held::Stored => unreachable!("a change ends when it is dropped"),
        }
    }
}

impl<C: Collection> DerefMut for Change<'_, '_, C> {
    #[inline]
    fn deref_mut(&mut self) -> &mut C {
        match &mut self.held {
            Held::Heap(index, _) => {
                C::of_mut(self.entry.shard.object_mut(*index)).expect("the kind was looked at")
            }
            Held::Loose(collection) => collection,
            Held::Stored => unreachable!("a change ends when it is dropped"),
        }
    }
}

impl<C: Collection> Drop for Change<'_, '_, C> {
    fn drop(&mut self) {
        let is_over = self.is_empty() && !self.stays_when_empty();
        let due_at = self.due_at();
        if !is_over {
            self.say_if_new();
        }
        let entry = &mut *self.entry;
        match std::mem::replace(&mut self.held, Held::Stored) {
            Held::Heap(index, queue) => {
                entry.shard.expect_at(entry.hash, self.due_before, due_at, entry.now);
                entry.shard.reweigh(index, queue);
            }
            Held::Loose(collection) if !is_over => entry.put_back(collection),
            Held::Loose(_) | Held::Stored => {}
        }
        if is_over && let Some(found) = entry.found.take() {
            entry.shard.remove(found, entry.hash);
            if self.is_announced {
                entry.shard.announce(entry.db, entry.key, Event::Del);
            }
        }
        entry.unpacked.take();
        let shared = entry.shared();
        entry.shard.settle(shared);
    }
}

/// Room to leave behind a string that has been lengthened, for it may well be again: as Redis' SDS, the
/// length once more up to a megabyte; an eighth of it beyond, so that copying stays amortized.
fn spare_room(len: usize, old: usize) -> usize {
    const MIB: usize = 1 << 20;
    if old == 0 || len == old { 0 } else { len.min(MIB.max(len / 8)) }
}

enum Payload<'a> {
    Inline(Cow<'a, [u8]>),
    Heap(HeapItem),
}
