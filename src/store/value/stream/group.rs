//! Consumer groups: who was given which entries and has not yet acknowledged them.

use super::{Entries, StreamId, bytes_in_tree};
use crate::clock::Millis;
use crate::store::memory::allocated;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::mem::size_of;
use std::sync::Arc;

/// A consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerNumber(u64);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    pub consumer: ConsumerNumber,
    /// When it was last delivered.
    pub delivered: Millis,
    /// How often it was delivered.
    pub count: u64,
}

/// One who reads on behalf of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// When it last tried to read or claim.
    pub seen: Millis,
    /// When it last got something.
    pub active: Option<Millis>,
    /// IDs of what is pending for it; the rest of what is known of them is in the group's list.
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}

/// A group's name is its key in the stream.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last entry that was delivered.
    pub last_id: StreamId,
    /// How many entries of all ever added have been read; `None` when that cannot be known.
    pub entries_read: Option<i64>,
    /// The one list of pending entries; those of a consumer are told by their IDs.
    pending: BTreeMap<StreamId, Pending>,
    names: BTreeMap<Arc<[u8]>, ConsumerNumber>,
    consumers: BTreeMap<ConsumerNumber, Consumer>,
    /// Allocated for the consumers' names.
    name_bytes: usize,
}

/// What a pending entry takes in the group's tree and in the consumer's.
pub const PENDING_BYTES: usize =
    bytes_in_tree(size_of::<(StreamId, Pending)>()) + bytes_in_tree(size_of::<StreamId>());
/// What a consumer takes in the group's two trees.
const CONSUMER_BYTES: usize = bytes_in_tree(size_of::<(Arc<[u8]>, ConsumerNumber)>())
    + bytes_in_tree(size_of::<(ConsumerNumber, Consumer)>());

impl Group {
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Group {
        Group { last_id, entries_read, ..Group::default() }
    }

    /// Allocated behind the struct, as good as it can be told from counts. `O(1)`.
    pub(super) fn bytes(&self) -> usize {
        self.pending.len() * PENDING_BYTES + self.consumers.len() * CONSUMER_BYTES + self.name_bytes
    }

    // --- consumers -------------------------------------------------------------------------

    pub fn consumer_number(&self, name: &[u8]) -> Option<ConsumerNumber> {
        self.names.get(name).copied()
    }

    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get(self.names.get(name)?)
    }

    /// The consumer of a pending entry.
    pub fn owner(&self, pending: &Pending) -> &Consumer {
        &self.consumers[&pending.consumer]
    }

    /// In the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.names.values().map(|number| &self.consumers[number])
    }

    /// Creates a consumer, seen now; `false`: there is one of this name.
    pub fn create_consumer(&mut self, name: &[u8], now: Millis) -> bool {
        if self.names.contains_key(name) {
            return false;
        }
        let name: Arc<[u8]> = name.into();
        let last = self.consumers.last_key_value();
        let number = last.map_or(ConsumerNumber(0), |(last, _)| ConsumerNumber(last.0 + 1));
        self.name_bytes += allocated(size_of::<[usize; 2]>() + name.len());
        self.names.insert(name.clone(), number);
        self.consumers.insert(number, Consumer { name, seen: now, active: None, pending: BTreeSet::new() });
        true
    }

    /// Notes that a consumer tries to read or claim; creates it when there is none of this name. Returns
    /// whether it did.
    pub fn see(&mut self, name: &[u8], now: Millis) -> (ConsumerNumber, bool) {
        let created = self.create_consumer(name, now);
        let number = self.names[name];
        if let Some(consumer) = self.consumers.get_mut(&number) {
            consumer.seen = now;
        }
        (number, created)
    }

    /// Deletes a consumer with all that is pending for it; how much that was, or `None` if there is no
    /// consumer of this name. `O(pending)`.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let number = self.names.remove(name)?;
        let consumer = self.consumers.remove(&number)?;
        self.name_bytes -= allocated(size_of::<[usize; 2]>() + consumer.name.len());
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    // --- pending entries -------------------------------------------------------------------

    pub fn pending(&self) -> &BTreeMap<StreamId, Pending> {
        &self.pending
    }

    /// The pending entries from `start` to `end` of all consumers, or of one. `O(log pending)` to the first.
    pub fn pending_range<'a>(
        &'a self,
        start: StreamId,
        end: StreamId,
        of: Option<&'a Consumer>,
    ) -> PendingRange<'a> {
        match of {
            // A BTreeMap does not take a range that runs backwards.
            _ if start > end => PendingRange::None,
            None => PendingRange::All(self.pending.range(start..=end)),
            Some(consumer) => PendingRange::One(consumer.pending.range(start..=end), &self.pending),
        }
    }

    /// Notes that an entry of the stream was delivered.
    pub fn advance(&mut self, entries: &Entries, id: StreamId) {
        if id > self.last_id {
            self.entries_read = entries.entries_read_after(self, id);
            self.last_id = id;
        }
    }

    /// Delivers an entry to a consumer, taking it from the one it is pending for, if any. `O(log pending)`.
    pub fn assign(&mut self, id: StreamId, to: Pending) {
        if let Some(old) = self.pending.insert(id, to)
            && old.consumer != to.consumer
            && let Some(consumer) = self.consumers.get_mut(&old.consumer)
        {
            consumer.pending.remove(&id);
        }
        if let Some(consumer) = self.consumers.get_mut(&to.consumer) {
            consumer.pending.insert(id);
        }
    }

    /// Notes that a consumer got something.
    pub fn set_active(&mut self, number: ConsumerNumber, now: Millis) {
        if let Some(consumer) = self.consumers.get_mut(&number) {
            consumer.active = Some(now);
        }
    }

    /// Delivers a pending entry once more.
    pub fn redeliver(&mut self, id: StreamId, now: Millis) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.delivered = now;
            pending.count = pending.count.saturating_add(1);
        }
    }

    /// Takes an entry off the list; `false` when it was not on it. `O(log pending)`.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(old) = self.pending.remove(&id) else { return false };
        if let Some(consumer) = self.consumers.get_mut(&old.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }

    /// Panics unless both lists of pending entries agree.
    #[cfg(test)]
    pub(super) fn validate(&self) {
        let of_consumers: usize = self.consumers.values().map(|consumer| consumer.pending.len()).sum();
        assert_eq!(of_consumers, self.pending.len());
        assert_eq!(self.names.len(), self.consumers.len());
        for (id, pending) in &self.pending {
            assert!(self.consumers[&pending.consumer].pending.contains(id), "{id}");
        }
        for (name, number) in &self.names {
            assert_eq!(self.consumers[number].name(), &**name);
        }
    }
}

/// Pending entries in the order of their IDs.
pub enum PendingRange<'a> {
    None,
    All(btree_map::Range<'a, StreamId, Pending>),
    One(std::collections::btree_set::Range<'a, StreamId>, &'a BTreeMap<StreamId, Pending>),
}

impl Iterator for PendingRange<'_> {
    type Item = (StreamId, Pending);

    fn next(&mut self) -> Option<(StreamId, Pending)> {
        match self {
            PendingRange::None => None,
            PendingRange::All(range) => range.next().map(|(&id, &pending)| (id, pending)),
            PendingRange::One(range, all) => range.next().map(|id| (*id, all[id])),
        }
    }
}
