//! A node of a list, and what fits into one.

use super::super::listpack::{Entry, Listpack, Place};
use super::{Element, End};
use crate::store::memory::allocated;
use bytes::Bytes;

/// What a node that is limited by its entries may hold in bytes all the same: Redis' `SIZE_SAFETY_LIMIT`.
const SAFE_BYTES: usize = 8192;
/// The most that an entry's encoding adds to its text.
const ENTRY_OVERHEAD: usize = 8;
/// Differs: beyond this a list is no single listpack, and a node does not grow by LSET, whatever the limits say.
/// Redis looks at the texts' lengths when a list grows and at nothing when an element is replaced, so that a
/// million empty strings pushed at once are one listpack to it, and every change moves megabytes.
pub(super) const PACKED_BYTES_MAX: usize = 64 * 1024;

/// What a node may hold: `list-max-listpack-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeLimit {
    Entries(usize),
    Bytes(usize),
}

impl From<i64> for NodeLimit {
    /// Of the parameter's value: as many entries; -1 to -5: 4 to 64 KiB.
    fn from(setting: i64) -> NodeLimit {
        match setting {
            0 => NodeLimit::Entries(1),
            1.. => NodeLimit::Entries(usize::try_from(setting).unwrap_or(usize::MAX)),
            _ => NodeLimit::Bytes(4096 << (setting.unsigned_abs() - 1).min(4)),
        }
    }
}

impl NodeLimit {
    /// Would a node of so many bytes and entries be too large?
    pub(super) fn is_exceeded_by(self, bytes: usize, entries: usize) -> bool {
        match self {
            NodeLimit::Entries(most) => bytes > SAFE_BYTES || entries > most,
            NodeLimit::Bytes(most) => bytes > most,
        }
    }

    pub(super) fn has_room(self, pack: &Listpack, value: &[u8]) -> bool {
        !self.is_exceeded_by(pack.bytes() + value.len() + ENTRY_OVERHEAD, pack.len() + 1)
    }

    /// Does the element go into a listpack? A large one is a node of its own, as in Redis 7.4.
    pub(super) fn takes(self, value: &[u8]) -> bool {
        value.len()
            <= match self {
                NodeLimit::Entries(_) => SAFE_BYTES,
                NodeLimit::Bytes(most) => most,
            }
    }

    pub(super) fn half(self) -> NodeLimit {
        match self {
            NodeLimit::Entries(most) => NodeLimit::Entries(most / 2),
            NodeLimit::Bytes(most) => NodeLimit::Bytes(most / 2),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Packed(Listpack),
    /// One large element.
    Plain(Bytes),
}

impl Node {
    pub(super) fn new(value: &[u8], limit: NodeLimit) -> Node {
        if !limit.takes(value) {
            return Node::Plain(Bytes::copy_from_slice(value));
        }
        let mut pack = Listpack::new();
        pack.push_back(value);
        Node::Packed(pack)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.len(),
            Node::Plain(_) => 1,
        }
    }

    pub(super) fn allocated(&self) -> usize {
        match self {
            Node::Packed(pack) => allocated(pack.bytes()),
            Node::Plain(bytes) => allocated(bytes.len()),
        }
    }

    /// Does one more value fit into it?
    pub(super) fn has_room(&self, value: &[u8], limit: NodeLimit) -> bool {
        limit.takes(value) && matches!(self, Node::Packed(pack) if limit.has_room(pack, value))
    }

    /// The offset of the first element that is `wanted`. `O(bytes)`.
    pub(super) fn find(&self, wanted: Entry<'_>) -> Option<usize> {
        match self {
            Node::Packed(pack) => pack.iter().position(|entry| entry == wanted),
            Node::Plain(bytes) => Element::Large(bytes).is(wanted).then_some(0),
        }
    }
}

/// The place of the entry at an index.
pub(super) fn seek(pack: &Listpack, index: usize) -> Option<Place> {
    pack.seek(isize::try_from(index).ok()?)
}

pub(super) fn push(pack: &mut Listpack, end: End, value: &[u8]) {
    match end {
        End::Head => pack.push_front(value),
        End::Tail => pack.push_back(value),
    }
}

/// Puts a value in the place of an entry; `false` when the listpack would become far too large. As in Redis,
/// the limit that holds for additions does not stop it.
pub(super) fn replace(pack: &mut Listpack, index: usize, value: &[u8]) -> bool {
    let Some(place) = seek(pack, index) else { return false };
    let old = match pack.get(place) {
        Entry::Str(text) => text.len(),
        Entry::Int(_) => 0,
    };
    let fits = value.len() <= old || pack.bytes() - old + value.len() <= PACKED_BYTES_MAX;
    if fits {
        pack.replace(place, value);
    }
    fits
}

/// Removes up to `most` entries that are `wanted`, the first ones seen from an end. Neighbours go together, so
/// that a node full of them costs `O(bytes)`. Returns how many there were.
pub(super) fn remove_matching(pack: &mut Listpack, wanted: Entry<'_>, most: usize, from: End) -> usize {
    let there = pack.iter().filter(|entry| *entry == wanted).count();
    let removed = there.min(most);
    let mut spared = match from {
        End::Head => 0,
        End::Tail => there - removed,
    };
    let mut left = removed;
    let mut at = pack.first();
    while left > 0
        && let Some(place) = at
    {
        if pack.get(place) != wanted || spared > 0 {
            spared -= usize::from(pack.get(place) == wanted);
            at = pack.next(place);
            continue;
        }
        let mut others = 0;
        let mut next = pack.next(place);
        while others + 1 < left
            && let Some(neighbour) = next
            && pack.get(neighbour) == wanted
        {
            others += 1;
            next = pack.next(neighbour);
        }
        pack.remove_range(place, others);
        at = pack.remove(place);
        left -= others + 1;
    }
    removed
}
