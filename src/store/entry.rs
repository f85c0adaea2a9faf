//! One key's place in the store, with its shard locked: what every command reads and writes through.

mod collection;
mod view;

pub use collection::{Change, ChangeError, WrongKind};
pub use view::{Access, Item, Owned, OwnedValue, Value};

use super::change::Event;
use super::eviction::lfu;
use super::heap::{Garbage, HeapItem};
use super::item::{self, Fields, INLINE_KEY_MAX, INLINE_MAX, Mark, PACKED_MAX};
use super::lent;
use super::log::Queue;
use super::shard::{Found, Room, Shard, Shared};
use super::value::Object;
use super::{Guard, Store};
use crate::clock::{Deadline, Millis};
use bytes::BytesMut;
use std::borrow::Cow;
use std::cell::OnceCell;

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
                self.store_object(Object::String(lent::keep(value)), fields)?;
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

    /// The queue for a record that takes so many bytes, those on the heap included: that of the old one. A new
    /// one is the policy's to place, which also says with how many hits it begins.
    fn admit(&mut self, fields: &mut Fields, bytes: usize) -> Queue {
        match self.found {
            Some(found) => self.shard.log.queue_of(found.handle),
            None => {
                let (queue, hits) = self.shard.admit(self.hash, bytes);
                fields.hits = hits;
                queue
            }
        }
    }

    /// Writes a record in the place of the old one, if any.
    fn store(&mut self, mut fields: Fields, payload: Payload<'_>) -> Result<(), StoreError> {
        let shared = self.shared();
        let (len, heap) = match &payload {
            Payload::Inline(value) => (fields.record_len(self.key, value), 0),
            Payload::Heap(item) => (fields.record_len(self.key, &[0; 4]), item.charged()),
        };
        let queue = self.admit(&mut fields, len + heap);
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
