//! An item as it is seen while its shard is locked, and a value that is taken along.

use crate::clock::{Deadline, Millis};
use crate::store::eviction::lfu;
use crate::store::heap::HeapItem;
use crate::store::item;
use crate::store::item::{Mark, Record};
use crate::store::log::Handle;
use crate::store::shard::Shard;
use crate::store::value::{Collection, Kind, Object};
use bytes::Bytes;
use std::borrow::Cow;

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
    pub(super) record: Record<'a>,
    pub(super) heap: Option<&'a HeapItem>,
}

impl<'a> Item<'a> {
    #[inline]
    pub(in crate::store) fn of(shard: &'a Shard, handle: Handle) -> Item<'a> {
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

    pub(super) fn unpack(&self) -> Option<Object> {
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
        lfu::counter(self.record.touched(), now, decay_minutes)
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

    pub(super) fn to_owned(self) -> Owned {
        let value = match self.object() {
            None => OwnedValue::Inline(self.record.payload().to_vec()),
            Some(object) => OwnedValue::Object(object.into_owned()),
        };
        Owned { value, flags: self.flags(), deadline: self.deadline() }
    }
}
