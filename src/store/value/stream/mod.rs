//! A stream: entries under ascending IDs, and groups of consumers who read them
//! (<https://redis.io/docs/latest/develop/data-types/streams/>). Empty, it stays: it has its last ID and its
//! groups to remember.

mod entries;
mod group;
mod id;
mod node;
mod nodes;
mod radix;
#[cfg(test)]
mod tests;

pub use entries::{Entries, NewId, NotAbove};
pub use group::{Consumer, ConsumerNumber, Group, PENDING_BYTES, Pending};
pub use id::StreamId;
pub use node::{Item, Node, Pair};
pub use nodes::{Keep, NodeLimits, Range, Trim};

use super::{Collection, Kind};
use crate::store::memory::allocated;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub entries: Entries,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Allocated for the groups' names and behind the groups.
    group_bytes: usize,
}

impl Stream {
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// In the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// `false`: there is one of this name.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.group_bytes += allocated(name.len()) + group.bytes();
        self.groups.insert(name.into(), group);
        true
    }

    /// Takes a group out, if there is one of this name; dropping it is `O(pending)`.
    pub fn destroy_group(&mut self, name: &[u8]) -> Option<Group> {
        let group = self.groups.remove(name)?;
        self.group_bytes -= allocated(name.len()) + group.bytes();
        Some(group)
    }

    /// Lets `change` have a group, and the entries to look at. `None`: there is no group of this name.
    pub fn change_group<R>(
        &mut self,
        name: &[u8],
        change: impl FnOnce(&mut Group, &Entries) -> R,
    ) -> Option<R> {
        let group = self.groups.get_mut(name)?;
        let before = group.bytes();
        let result = change(group, &self.entries);
        self.group_bytes = self.group_bytes - before + group.bytes();
        Some(result)
    }
}

impl Collection for Stream {
    const KIND: Kind = Kind::Stream;

    fn len(&self) -> usize {
        usize::try_from(self.entries.len()).unwrap_or(usize::MAX)
    }

    fn stays_when_empty(&self) -> bool {
        true
    }

    fn bytes(&self) -> usize {
        self.entries.bytes() + self.group_bytes + tree_bytes::<Box<[u8]>, Group>(self.groups.len())
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }
}

/// Keys in a node of a `BTreeMap`, and as many of them as remain there when keys come in ascending order.
const TREE_NODE: usize = 11;
const TREE_NODE_FILLED: usize = 6;

/// What `len` keys and their values take in a `BTreeMap`: about, for the tree does not tell.
fn tree_bytes<K, V>(len: usize) -> usize {
    len.div_ceil(TREE_NODE_FILLED) * allocated(16 + TREE_NODE * size_of::<(K, V)>())
}

/// What each of many entries of so many bytes takes in a `BTreeMap`.
const fn bytes_in_tree(size: usize) -> usize {
    (16 + TREE_NODE * size) / TREE_NODE_FILLED
}
