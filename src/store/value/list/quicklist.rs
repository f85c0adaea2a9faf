//! The nodes of a list that is more than one small listpack. No node is empty.

use super::super::listpack::{Entry, Listpack};
use super::node::{self, Node, NodeLimit};
use super::{End, Iter, Part, Side};
use crate::store::memory::allocated;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(super) struct Quicklist {
    nodes: VecDeque<Node>,
    /// Elements of all nodes.
    len: usize,
    /// Bytes allocated behind the nodes.
    bytes: usize,
}

impl Quicklist {
    /// Of what was a listpack alone.
    pub(super) fn of(pack: Listpack) -> Quicklist {
        let mut quick = Quicklist { nodes: VecDeque::new(), len: pack.len(), bytes: 0 };
        if !pack.is_empty() {
            quick.put(0, Node::Packed(pack));
        }
        quick
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        allocated(self.nodes.capacity() * size_of::<Node>()) + self.bytes
    }

    pub(super) fn iter(&self, from: End) -> Iter<'_> {
        Iter::of_nodes(self.nodes.iter(), from)
    }

    pub(super) fn iter_from(&self, index: usize) -> Iter<'_> {
        if index >= self.len {
            return Iter::of_nodes(self.nodes.range(0..0), End::Head);
        }
        let (at, offset) = self.locate(index);
        Iter::of_nodes(self.nodes.range(at..), End::Head).skipping(offset)
    }

    /// The node of the element at `index`, which is there, and its offset in the node. `O(nodes)` from the
    /// nearer end.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let (mut at, mut offset) = (0, index);
            while offset >= self.nodes[at].len() {
                offset -= self.nodes[at].len();
                at += 1;
            }
            (at, offset)
        } else {
            let (mut at, mut before) =
                (self.nodes.len() - 1, self.len - self.nodes[self.nodes.len() - 1].len());
            while index < before {
                at -= 1;
                before -= self.nodes[at].len();
            }
            (at, index - before)
        }
    }

    // --- changes, with the count of bytes ---------------------------------------------------------

    fn put(&mut self, at: usize, node: Node) {
        self.bytes += node.allocated();
        self.nodes.insert(at, node);
    }

    fn take(&mut self, at: usize) -> Option<Node> {
        let node = self.nodes.remove(at)?;
        self.bytes -= node.allocated();
        Some(node)
    }

    /// Changes a node's listpack. Nothing happens to a node of another kind.
    fn change<T: Default>(&mut self, at: usize, change: impl FnOnce(&mut Listpack) -> T) -> T {
        let Some(Node::Packed(pack)) = self.nodes.get_mut(at) else { return T::default() };
        self.bytes -= allocated(pack.bytes());
        let done = change(pack);
        self.bytes += allocated(pack.bytes());
        done
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.nodes.iter().map(|node| match node {
            Node::Packed(pack) => Part::Pack(pack),
            Node::Plain(bytes) => Part::Large(bytes),
        })
    }

    /// Adds a node, which is not empty, at the tail.
    pub(super) fn append(&mut self, pack: Listpack) {
        self.len += pack.len();
        self.put(self.nodes.len(), Node::Packed(pack));
    }

    fn has_room(&self, at: Option<usize>, value: &[u8], limit: NodeLimit) -> bool {
        at.and_then(|at| self.nodes.get(at)).is_some_and(|node| node.has_room(value, limit))
    }

    pub(super) fn push(&mut self, end: End, value: &[u8], limit: NodeLimit) {
        let (last, behind) = match end {
            End::Head => (Some(0), 0),
            End::Tail => (self.nodes.len().checked_sub(1), self.nodes.len()),
        };
        if let Some(at) = last
            && self.has_room(last, value, limit)
        {
            self.change(at, |pack| node::push(pack, end, value));
        } else {
            self.put(behind, Node::new(value, limit));
        }
        self.len += 1;
    }

    pub(super) fn insert(&mut self, side: Side, pivot: &[u8], value: &[u8], limit: NodeLimit) -> bool {
        let pivot = Entry::from(pivot);
        let found = self.nodes.iter().enumerate().find_map(|(at, node)| Some((at, node.find(pivot)?)));
        let Some((at, offset)) = found else { return false };
        self.insert_beside(at, offset, side, value, limit);
        self.len += 1;
        true
    }

    /// Inserts beside an element: into its node, or the neighbour's when it is at that end of a full one, or
    /// between the two, or between the halves of a full node, which then may merge with others.
    fn insert_beside(&mut self, at: usize, offset: usize, side: Side, value: &[u8], limit: NodeLimit) {
        let split = offset + usize::from(side == Side::After);
        let len = self.nodes[at].len();
        if self.has_room(Some(at), value, limit) {
            self.change(at, |pack| match node::seek(pack, split) {
                Some(place) => pack.insert_before(place, value),
                None => pack.push_back(value),
            });
        } else if split == len && side == Side::After {
            if self.has_room(Some(at + 1), value, limit) {
                self.change(at + 1, |pack| pack.push_front(value));
            } else {
                self.put(at + 1, Node::new(value, limit));
            }
        } else if split == 0 && side == Side::Before {
            if let Some(before) = at.checked_sub(1)
                && self.has_room(Some(before), value, limit)
            {
                self.change(before, |pack| pack.push_back(value));
            } else {
                self.put(at, Node::new(value, limit));
            }
        } else {
            let rest = self.change(at, |pack| node::seek(pack, split).map(|place| pack.split_off(place)));
            self.put(at + 1, Node::Packed(rest.unwrap_or_default()));
            let (end, part) = match side {
                Side::After => (End::Head, at + 1),
                Side::Before => (End::Tail, at),
            };
            if self.has_room(Some(part), value, limit) {
                self.change(part, |pack| node::push(pack, end, value));
                self.merge_around(if side == Side::After { at } else { at + 1 }, limit);
            } else {
                self.put(at + 1, Node::new(value, limit));
            }
        }
    }

    /// Merges the nodes about one with their neighbours, as far as they fit together.
    fn merge_around(&mut self, mut at: usize, limit: NodeLimit) {
        if at >= 2 && self.merge(at - 2, limit) {
            at -= 1;
        }
        self.merge(at + 1, limit);
        if at >= 1 && self.merge(at - 1, limit) {
            at -= 1;
        }
        self.merge(at, limit);
    }

    /// Merges a node with the one behind it, if they fit into one.
    fn merge(&mut self, at: usize, limit: NodeLimit) -> bool {
        let (Some(Node::Packed(a)), Some(Node::Packed(b))) = (self.nodes.get(at), self.nodes.get(at + 1))
        else {
            return false;
        };
        if limit.is_exceeded_by(a.bytes() + b.bytes() - Listpack::new().bytes(), a.len() + b.len()) {
            return false;
        }
        if let Some(Node::Packed(b)) = self.take(at + 1) {
            self.change(at, |a| a.append(&b));
        }
        true
    }

    /// Puts a value in the place of the element at `index`, which is there.
    pub(super) fn set(&mut self, index: usize, value: &[u8], limit: NodeLimit) {
        let (at, offset) = self.locate(index);
        if limit.takes(value) && self.change(at, |pack| node::replace(pack, offset, value)) {
            return;
        }
        // Far too full, or one of the two is large: the new element becomes a node between what is left.
        let rest = self.change(at, |pack| {
            let place = node::seek(pack, offset)?;
            let mut rest = pack.split_off(place);
            rest.remove_range(rest.first()?, 1);
            Some(rest)
        });
        if self.nodes[at].len() == 0 || matches!(self.nodes[at], Node::Plain(_)) {
            self.take(at);
            self.put(at, Node::new(value, limit));
            self.put_rest(at + 1, rest);
            self.merge_around(at, limit);
        } else {
            self.put(at + 1, Node::new(value, limit));
            self.put_rest(at + 2, rest);
            self.merge_around(at + 1, limit);
        }
    }

    fn put_rest(&mut self, at: usize, rest: Option<Listpack>) {
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            self.put(at, Node::Packed(rest));
        }
    }

    /// Removes elements that are there.
    pub(super) fn remove_range(&mut self, start: usize, count: usize) {
        let (mut at, mut offset) = self.locate(start);
        let mut left = count;
        let mut whole = at..at;
        while left > 0 {
            let len = self.nodes[at].len();
            let part = left.min(len - offset);
            if part == len {
                whole = if whole.is_empty() { at..at + 1 } else { whole.start..at + 1 };
            } else {
                self.change(at, |pack| node::seek(pack, offset).map(|place| pack.remove_range(place, part)));
            }
            left -= part;
            offset = 0;
            at += 1;
        }
        self.bytes -= self.nodes.drain(whole).map(|node| node.allocated()).sum::<usize>();
        self.len -= count;
        self.shrink();
    }

    pub(super) fn remove_matching(&mut self, wanted: Entry<'_>, most: usize, from: End) -> usize {
        let mut left = most;
        for step in 0..self.nodes.len() {
            if left == 0 {
                break;
            }
            let at = match from {
                End::Head => step,
                End::Tail => self.nodes.len() - 1 - step,
            };
            left -= match &self.nodes[at] {
                // An empty listpack marks what goes below.
                Node::Plain(_) if self.nodes[at].find(wanted).is_some() => {
                    self.bytes -= self.nodes[at].allocated();
                    self.nodes[at] = Node::Packed(Listpack::new());
                    self.bytes += self.nodes[at].allocated();
                    1
                }
                _ => self.change(at, |pack| node::remove_matching(pack, wanted, left, from)),
            };
        }
        let removed = most - left;
        if removed > 0 {
            let bytes = &mut self.bytes;
            self.nodes.retain(|node| {
                let stays = node.len() > 0;
                *bytes -= if stays { 0 } else { node.allocated() };
                stays
            });
            self.len -= removed;
            self.shrink();
        }
        removed
    }

    /// Gives room back that was made for far more nodes.
    fn shrink(&mut self) {
        const LITTLE: usize = 16;
        if self.nodes.capacity() > LITTLE && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// The listpack, if it is the only node and within `limit`; an empty one when there is no node.
    pub(super) fn take_only_pack(&mut self, limit: NodeLimit) -> Option<Listpack> {
        match self.nodes.front() {
            None => Some(Listpack::new()),
            Some(Node::Packed(pack))
                if self.nodes.len() == 1 && !limit.is_exceeded_by(pack.bytes(), pack.len()) =>
            {
                let Node::Packed(pack) = self.take(0)? else { return None };
                Some(pack)
            }
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn validate(&self) {
        assert_eq!(self.len, self.nodes.iter().map(Node::len).sum::<usize>());
        assert_eq!(self.bytes, self.nodes.iter().map(Node::allocated).sum::<usize>());
        assert!(self.nodes.iter().all(|node| node.len() > 0));
    }
}
