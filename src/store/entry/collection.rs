//! Collections that a key holds: looked at, and changed in place or written anew.

use super::{Entry, Payload, StoreError};
use crate::clock::Deadline;
use crate::store::change::Event;
use crate::store::heap::HeapIndex;
use crate::store::item::{Fields, INLINE_KEY_MAX, PACKED_MAX};
use crate::store::log::Queue;
use crate::store::shard::Room;
use crate::store::value::{Collection, Object};
use std::ops::{Deref, DerefMut};

impl<'d> Entry<'d> {
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
        let (payload, mut fields) = self.payload_of(collection.into_object(), fields);
        let bytes = match &payload {
            Payload::Inline(value) => fields.record_len(self.key, value),
            Payload::Heap(item) => item.charged(),
        };
        let queue = self.admit(&mut fields, bytes);
        self.write(&fields, payload, queue);
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
