//! The entries of a stream and what is remembered of those that are gone.

use super::nodes::{NodeLimits, Nodes, Range, Trim};
use super::{Group, Item, Node, Pair, StreamId, radix};
use crate::store::value::listpack::Listpack;

#[derive(Clone, Debug, Default)]
pub struct Entries {
    nodes: Nodes,
    /// Of the first entry, or zero.
    first_id: StreamId,
    /// Of the last entry ever added.
    last_id: StreamId,
    /// The greatest that was ever deleted by its ID, or zero.
    max_deleted_id: StreamId,
    /// Entries ever added.
    added: u64,
}

/// An ID that is not above all that there were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAbove;

/// Under which ID an entry is to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// `*`: this moment, or the next ID when time has not moved on.
    Now(u64),
    /// `ms-*`: the next free sequence number.
    InMs(u64),
    Exactly(StreamId),
}

impl Entries {
    /// From what a dump holds: nodes by their master IDs, of which the last entry's ID is that of the stream.
    /// `None` when they are none, or not in order. `O(bytes)`.
    pub fn from_nodes(nodes: impl IntoIterator<Item = (StreamId, Listpack)>) -> Option<Entries> {
        let nodes = Nodes::from_listpacks(nodes)?;
        let mut entries = Entries { nodes, ..Entries::default() };
        entries.find_first_id();
        entries.last_id = entries.last().map_or(StreamId::MIN, |last| last.id);
        entries.added = entries.len();
        Some(entries)
    }

    pub fn len(&self) -> u64 {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many there ever were.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// Nodes and their master IDs, in order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (&StreamId, &Node)> {
        self.nodes.iter()
    }

    /// Nodes of the radix tree that Redis would file the nodes in. `O(nodes)`.
    pub fn radix_tree_nodes(&self) -> usize {
        radix::tree_nodes(self.nodes.iter().map(|(&master, _)| master))
    }

    /// Allocated behind the struct. `O(1)`.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.bytes()
    }

    /// The ID that a new entry would have.
    ///
    /// # Errors
    /// It is not above all that there were before.
    pub fn new_id(&self, wanted: NewId) -> Result<StreamId, NotAbove> {
        let id = match wanted {
            NewId::Now(ms) if ms > self.last_id.ms => Some(StreamId::new(ms, 0)),
            NewId::Now(_) => self.last_id.next(),
            NewId::InMs(ms) if ms == self.last_id.ms => {
                self.last_id.seq.checked_add(1).map(|seq| StreamId::new(ms, seq))
            }
            NewId::InMs(ms) => Some(StreamId::new(ms, 0)),
            NewId::Exactly(id) => Some(id),
        };
        id.filter(|&id| id > self.last_id).ok_or(NotAbove)
    }

    /// Adds an entry under an ID that [`new_id`](Entries::new_id) gave. `O(log nodes + bytes of a node)`.
    pub fn append(&mut self, id: StreamId, pairs: &[Pair<'_>], limits: NodeLimits) {
        self.nodes.append(id, pairs, limits);
        self.added = self.added.wrapping_add(1);
        self.last_id = id;
        if self.len() == 1 {
            self.first_id = id;
        }
    }

    /// The entries from `start` to `end`, both included. `O(log nodes + bytes of a node)` to the first.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        self.nodes.range(start, end, false)
    }

    /// The same from `end` to `start`.
    pub fn range_reversed(&self, start: StreamId, end: StreamId) -> Range<'_> {
        self.nodes.range(start, end, true)
    }

    pub fn get(&self, id: StreamId) -> Option<Item<'_>> {
        self.range(id, id).next()
    }

    pub fn first(&self) -> Option<Item<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next()
    }

    pub fn last(&self) -> Option<Item<'_>> {
        self.range_reversed(StreamId::MIN, StreamId::MAX).next()
    }

    /// Deletes entries; returns how many there were. `O(log nodes + bytes of a node)` each.
    pub fn delete(&mut self, ids: &[StreamId]) -> u64 {
        let mut deleted = 0;
        for &id in ids {
            if self.nodes.delete(id) {
                deleted += 1;
                self.max_deleted_id = self.max_deleted_id.max(id);
            }
        }
        if deleted > 0 {
            self.find_first_id();
        }
        deleted
    }

    /// Deletes entries from the first on; returns how many. `O(deleted + bytes of a node)`.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let trimmed = self.nodes.trim(trim);
        if trimmed > 0 {
            self.find_first_id();
        }
        trimmed
    }

    fn find_first_id(&mut self) {
        self.first_id = self.first().map_or(StreamId::MIN, |first| first.id);
    }

    /// `XSETID`. The caller has seen that no entry is above `last_id`.
    pub fn set_id(&mut self, last_id: StreamId, added: Option<u64>, max_deleted: Option<StreamId>) {
        self.last_id = last_id;
        self.added = added.unwrap_or(self.added);
        self.max_deleted_id = max_deleted.unwrap_or(self.max_deleted_id);
    }

    // --- how far a group has read ----------------------------------------------------------

    /// How many entries a group has yet to read, or `None` when deletions make that unknowable.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let (last_id, len) = (group.last_id, self.len());
        if self.added == 0 || len == 0 {
            return Some(0);
        }
        // Neither has the group read anything that is still there, nor has a hole been made in it.
        if last_id < self.first_id && self.max_deleted_id < self.first_id {
            return Some(len as i64);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_hole_after(last_id) => Some(read),
            _ => self.count_up_to(last_id),
        };
        read.map(|read| (self.added as i64).wrapping_sub(read))
    }

    /// What a group's count of read entries becomes when it has read on to `id`.
    pub(super) fn entries_read_after(&self, group: &Group, id: StreamId) -> Option<i64> {
        match group.entries_read {
            Some(read) if group.last_id >= self.first_id && !self.has_hole_after(group.last_id) => {
                Some(read.wrapping_add(1))
            }
            read if self.added == 0 => read,
            _ => self.count_up_to(id),
        }
    }

    /// May an entry have been deleted by its ID from `id` on?
    fn has_hole_after(&self, id: StreamId) -> bool {
        !self.is_empty() && self.max_deleted_id != StreamId::MIN && id <= self.max_deleted_id
    }

    /// How many entries were ever added up to this ID, itself included; `None` where that cannot be told
    /// without counting.
    pub fn count_up_to(&self, id: StreamId) -> Option<i64> {
        let (added, len) = (self.added as i64, self.len() as i64);
        if added == 0 {
            return Some(0);
        }
        if len == 0 && id <= self.last_id {
            return Some(added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(added);
        }
        if self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= self.first_id {
            return None;
        }
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(added.wrapping_sub(len)),
            std::cmp::Ordering::Equal => Some(added.wrapping_sub(len).wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }
}
