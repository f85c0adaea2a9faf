//! The nodes of a stream's entries, in the order of their master IDs.

use super::node::{self, Item, Node, Pair};
use super::{StreamId, tree_bytes};
use crate::store::memory::allocated;
use crate::store::value::listpack::Listpack;
use std::collections::{BTreeMap, btree_map};

/// When a node is full: `stream-node-max-bytes` and `stream-node-max-entries`, 0 for no such limit.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    pub bytes: usize,
    pub entries: u64,
}

/// What may stay when a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The last so many entries.
    Last(u64),
    /// The entries from this ID on.
    From(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub keep: Keep,
    /// Only whole nodes go.
    pub approximately: bool,
    /// At most so many entries go; 0: any number.
    pub limit: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    nodes: BTreeMap<StreamId, Node>,
    len: u64,
    /// Allocated for the nodes' listpacks.
    node_bytes: usize,
}

impl Nodes {
    /// Listpacks from outside; `None` unless they are nodes whose IDs ascend.
    pub(super) fn from_listpacks(packs: impl IntoIterator<Item = (StreamId, Listpack)>) -> Option<Nodes> {
        let mut all = Nodes::default();
        let mut last = None;
        for (master, pack) in packs {
            let node = Node::from_listpack(pack, master)?;
            if last.is_some_and(|last| last >= master) {
                return None;
            }
            last = node.last_id(master);
            all.len += node.counts().0;
            all.node_bytes += allocated(node.bytes());
            all.nodes.insert(master, node);
        }
        Some(all)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn iter(&self) -> btree_map::Iter<'_, StreamId, Node> {
        self.nodes.iter()
    }

    pub(super) fn bytes(&self) -> usize {
        self.node_bytes + tree_bytes::<StreamId, Node>(self.nodes.len())
    }

    /// Adds an entry whose ID is above all others. `O(log nodes + bytes of a node)`.
    pub(super) fn append(&mut self, id: StreamId, pairs: &[Pair<'_>], limits: NodeLimits) {
        let adding: usize = pairs.iter().map(|(field, value)| field.len() + value.len()).sum();
        let max_bytes = match limits.bytes {
            0 => NODE_MAX_BYTES,
            bytes => bytes.min(NODE_MAX_BYTES),
        };
        let is_full = |node: &Node| {
            let (live, deleted) = node.counts();
            node.bytes() + adding >= max_bytes || limits.entries != 0 && live + deleted >= limits.entries
        };
        self.len += 1;
        if let Some(mut last) = self.nodes.last_entry()
            && !is_full(last.get())
        {
            let master = *last.key();
            let node = last.get_mut();
            self.node_bytes -= allocated(node.bytes());
            node.append(master, id, pairs);
            self.node_bytes += allocated(node.bytes());
        } else {
            let mut node = Node::new(pairs.iter().map(|&(field, _)| field));
            node.append(id, id, pairs);
            self.node_bytes += allocated(node.bytes());
            self.nodes.insert(id, node);
        }
    }

    /// The entries from `start` to `end`, both included, in order or in reverse. `O(log nodes + bytes of a
    /// node)` to the first.
    pub(super) fn range(&self, start: StreamId, end: StreamId, reverse: bool) -> Range<'_> {
        let first = self.nodes.range(..=start).next_back().map_or(start, |(&master, _)| master);
        // An empty range must not run backwards, which a BTreeMap does not take.
        let nodes = self.nodes.range(first..=end.max(first));
        Range { nodes, node: None, start, end, reverse }
    }

    /// Deletes an entry; `false` when there is none with this ID. `O(log nodes + bytes of a node)`.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some((&master, node)) = self.nodes.range_mut(..=id).next_back() else { return false };
        let before = allocated(node.bytes());
        if !node.delete(master, id) {
            return false;
        }
        self.len -= 1;
        self.node_bytes = self.node_bytes - before + allocated(node.bytes());
        if node.counts().0 == 0 {
            self.remove_node(master);
        }
        true
    }

    fn remove_node(&mut self, master: StreamId) {
        if let Some(node) = self.nodes.remove(&master) {
            self.len -= node.counts().0;
            self.node_bytes -= allocated(node.bytes());
        }
    }

    /// Deletes entries from the first on; returns how many. `O(deleted + bytes of a node)`.
    pub(super) fn trim(&mut self, trim: Trim) -> u64 {
        let mut trimmed = 0;
        while let Some((&master, node)) = self.nodes.first_key_value() {
            if matches!(trim.keep, Keep::Last(most) if self.len <= most) {
                break;
            }
            let (live, _) = node.counts();
            if trim.limit != 0 && trimmed + live > trim.limit {
                break;
            }
            let whole_node = match trim.keep {
                Keep::Last(most) => self.len - live >= most,
                Keep::From(id) => node.last_id(master).is_some_and(|last| last < id),
            };
            if whole_node {
                self.remove_node(master);
                trimmed += live;
                continue;
            }
            if !trim.approximately {
                trimmed += self.trim_first_node(trim.keep);
            }
            break;
        }
        trimmed
    }

    /// Deletes entries of the first node, which does not go as a whole.
    fn trim_first_node(&mut self, keep: Keep) -> u64 {
        let Some(mut first) = self.nodes.first_entry() else { return 0 };
        let master = *first.key();
        let node = first.get_mut();
        let mut left = self.len;
        let before = allocated(node.bytes());
        let trimmed = node.delete_while(master, |id| match keep {
            Keep::From(from) => id < from,
            Keep::Last(most) => {
                let goes = left > most;
                left -= u64::from(goes);
                goes
            }
        });
        self.len -= trimmed;
        // With all entries deleted the node still stays, as in Redis, until it is trimmed as a whole.
        self.node_bytes = self.node_bytes - before + allocated(node.bytes());
        trimmed
    }
}

/// A larger node would not fit a listpack's header.
pub(super) const NODE_MAX_BYTES: usize = 1 << 30;

/// Entries of a stream.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    nodes: btree_map::Range<'a, StreamId, Node>,
    node: Option<node::Items<'a>>,
    start: StreamId,
    end: StreamId,
    reverse: bool,
}

impl<'a> Iterator for Range<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            let Some(node) = &mut self.node else {
                self.node = Some(if self.reverse {
                    let (&master, node) = self.nodes.next_back()?;
                    node.items_reversed(master)
                } else {
                    let (&master, node) = self.nodes.next()?;
                    node.items(master)
                });
                continue;
            };
            let Some(item) = node.next() else {
                self.node = None;
                continue;
            };
            let (before, behind) = (item.id < self.start, item.id > self.end);
            let (outside, finished) = if self.reverse { (behind, before) } else { (before, behind) };
            if finished {
                self.nodes = btree_map::Range::default();
                self.node = None;
                return None;
            }
            if !outside {
                return Some(item);
            }
        }
    }
}
