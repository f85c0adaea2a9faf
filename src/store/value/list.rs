//! A list: Redis' quicklist (<https://github.com/redis/redis/blob/7.2/src/quicklist.c>), a deque of listpacks
//! of some kilobytes each, in which an element too large for one lies by itself. A small list is one listpack
//! and nothing else.
//!
//! What fits into a node is the caller's to say at every change ([`NodeLimit`], `list-max-listpack-size`), so
//! that a new setting holds for the lists that there are. Nodes are filled, split and merged as in Redis, so
//! that `OBJECT ENCODING` agrees.
//!
//! Differs: no node is compressed (`list-compress-depth`). LZF saves little of a cache's short values and costs
//! every reader.
//!
//! With `n` elements in `m` nodes: both ends in `O(node)`, an index in `O(m + node)` from the nearer end, as
//! are changes in the middle; a search reads what it passes over.

mod iter;
mod node;
mod quicklist;
#[cfg(test)]
mod tests;

use super::listpack::{self, Listpack};
use super::{Collection, Kind};
use crate::store::memory::allocated;
use bytes::Bytes;
pub use iter::Iter;
pub use node::NodeLimit;
use node::PACKED_BYTES_MAX;
use quicklist::Quicklist;

/// An end of a list; of a walk, the one it starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Head,
    Tail,
}

/// Where an element goes, beside another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// An element to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// Was pushed as the decimal text of this number.
    Int(i64),
    Text(&'a [u8]),
    /// A large one; a clone shares it.
    Large(&'a Bytes),
}

impl<'a> From<listpack::Entry<'a>> for Element<'a> {
    fn from(entry: listpack::Entry<'a>) -> Element<'a> {
        match entry {
            listpack::Entry::Int(number) => Element::Int(number),
            listpack::Entry::Str(text) => Element::Text(text),
        }
    }
}

impl Element<'_> {
    /// Is this the element that was pushed as `wanted`?
    fn is(self, wanted: listpack::Entry<'_>) -> bool {
        match (self, wanted) {
            (Element::Int(own), listpack::Entry::Int(wanted)) => own == wanted,
            (Element::Text(own), listpack::Entry::Str(wanted)) => own == wanted,
            (Element::Large(own), listpack::Entry::Str(wanted)) => own == wanted,
            _ => false,
        }
    }

    /// A copy that outlives the list; of a large one a handle.
    pub fn to_bytes(self) -> Bytes {
        match self {
            Element::Int(number) => Bytes::copy_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            Element::Text(text) => Bytes::copy_from_slice(text),
            Element::Large(bytes) => bytes.clone(),
        }
    }
}

/// What a list is made of, for writing it down.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Pack(&'a Listpack),
    /// One element.
    Large(&'a Bytes),
}

#[derive(Clone, Debug)]
pub struct List(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Packed(Listpack),
    Quick(Box<Quicklist>),
}

impl Default for List {
    fn default() -> List {
        List(Repr::Packed(Listpack::new()))
    }
}

impl Collection for List {
    const KIND: Kind = Kind::List;

    fn len(&self) -> usize {
        match &self.0 {
            Repr::Packed(pack) => pack.len(),
            Repr::Quick(quick) => quick.len(),
        }
    }

    fn bytes(&self) -> usize {
        match &self.0 {
            Repr::Packed(pack) => allocated(pack.bytes()),
            Repr::Quick(quick) => allocated(size_of::<Quicklist>()) + quick.bytes(),
        }
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::Quick(_) => "quicklist",
        }
    }

    fn packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Packed(pack) => Some(pack.as_bytes()),
            Repr::Quick(_) => None,
        }
    }

    fn unpack(bytes: &[u8]) -> List {
        List(Repr::Packed(Listpack::trusted(bytes)))
    }
}

impl List {
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        self.iter_from(index).next()
    }

    /// The element at an end.
    pub fn end(&self, end: End) -> Option<Element<'_>> {
        self.iter(end).next()
    }

    /// All elements, from an end to the other.
    pub fn iter(&self, from: End) -> Iter<'_> {
        match &self.0 {
            Repr::Packed(pack) => Iter::of_pack(pack, from),
            Repr::Quick(quick) => quick.iter(from),
        }
    }

    /// The elements from an index on to the tail.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        match &self.0 {
            Repr::Packed(pack) => Iter::of_pack(pack, End::Head).skipping(index),
            Repr::Quick(quick) => quick.iter_from(index),
        }
    }

    /// The same as `iter`, with a word for those that equal `wanted`.
    pub fn matches<'a>(&'a self, wanted: &'a [u8], from: End) -> impl Iterator<Item = bool> + 'a {
        let wanted = listpack::Entry::from(wanted);
        self.iter(from).map(move |element| element.is(wanted))
    }

    /// Its nodes, from the head on.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let (pack, quick) = match &self.0 {
            Repr::Packed(pack) => (Some(Part::Pack(pack)), None),
            Repr::Quick(quick) => (None, Some(quick.parts())),
        };
        pack.into_iter().chain(quick.into_iter().flatten())
    }

    /// Adds a listpack's elements at the tail. It becomes a node as it is, unless it is far too large for one.
    pub fn append(&mut self, pack: Listpack, limit: NodeLimit) {
        if pack.bytes() > PACKED_BYTES_MAX {
            let mut buffer = itoa::Buffer::new();
            pack.iter().for_each(|entry| {
                self.push(End::Tail, std::iter::once(entry.text(&mut buffer)), limit);
            });
        } else if self.is_empty() {
            self.0 = Repr::Packed(pack);
            self.make_room(0, 0, limit);
        } else if !pack.is_empty() {
            self.unpack();
            if let Repr::Quick(quick) = &mut self.0 {
                quick.append(pack);
            }
        }
    }

    /// Pushes values one after the other.
    pub fn push<'v>(&mut self, end: End, values: impl Iterator<Item = &'v [u8]> + Clone, limit: NodeLimit) {
        let (bytes, count) =
            values.clone().fold((0, 0), |(bytes, count), value| (bytes + value.len(), count + 1));
        self.make_room(bytes, count, limit);
        for value in values {
            if let Repr::Packed(pack) = &self.0
                && pack.bytes() > PACKED_BYTES_MAX
            {
                self.unpack();
            }
            match &mut self.0 {
                Repr::Packed(pack) => node::push(pack, end, value),
                Repr::Quick(quick) => quick.push(end, value, limit),
            }
        }
    }

    /// Inserts a value beside the first element that equals `pivot`; `false` when there is none.
    pub fn insert(&mut self, side: Side, pivot: &[u8], value: &[u8], limit: NodeLimit) -> bool {
        self.make_room(value.len(), 1, limit);
        match &mut self.0 {
            Repr::Packed(pack) => {
                let place = pack.find(pack.first(), pivot, 0);
                match (place, side) {
                    (None, _) => return false,
                    (Some(place), Side::Before) => pack.insert_before(place, value),
                    (Some(place), Side::After) => {
                        pack.insert_after(place, value);
                    }
                }
                true
            }
            Repr::Quick(quick) => quick.insert(side, pivot, value, limit),
        }
    }

    /// Puts a value in the place of the element at `index`; `false` when there is none.
    pub fn set(&mut self, index: usize, value: &[u8], limit: NodeLimit) -> bool {
        self.make_room(value.len(), 1, limit);
        if index >= self.len() {
            return false;
        }
        match &mut self.0 {
            Repr::Packed(pack) => {
                if let Some(place) = node::seek(pack, index) {
                    pack.replace(place, value);
                }
            }
            Repr::Quick(quick) => quick.set(index, value, limit),
        }
        self.pack(limit);
        true
    }

    /// Removes the elements from `start` on, at most `count` of them.
    pub fn remove_range(&mut self, start: usize, count: usize, limit: NodeLimit) {
        let count = count.min(self.len().saturating_sub(start));
        if count == 0 {
            return;
        }
        match &mut self.0 {
            Repr::Packed(pack) => {
                if let Some(place) = node::seek(pack, start) {
                    pack.remove_range(place, count);
                }
            }
            Repr::Quick(quick) => quick.remove_range(start, count),
        }
        self.pack(limit);
    }

    /// Removes up to `count` elements from an end on.
    pub fn remove_end(&mut self, end: End, count: usize, limit: NodeLimit) {
        let start = match end {
            End::Head => 0,
            End::Tail => self.len().saturating_sub(count),
        };
        self.remove_range(start, count, limit);
    }

    /// Removes the first elements, seen from an end, that equal `wanted`, at most `most` of them. Returns how
    /// many there were.
    pub fn remove_matching(&mut self, wanted: &[u8], most: usize, from: End, limit: NodeLimit) -> usize {
        let wanted = listpack::Entry::from(wanted);
        let removed = match &mut self.0 {
            Repr::Packed(pack) => node::remove_matching(pack, wanted, most, from),
            Repr::Quick(quick) => quick.remove_matching(wanted, most, from),
        };
        if removed > 0 {
            self.pack(limit);
        }
        removed
    }

    /// One listpack no more, if so much would make it too large. As in Redis, the bytes of the values count,
    /// not what encoding them adds.
    fn make_room(&mut self, bytes: usize, count: usize, limit: NodeLimit) {
        if let Repr::Packed(pack) = &self.0
            && limit.is_exceeded_by(pack.bytes().saturating_add(bytes), pack.len().saturating_add(count))
        {
            self.unpack();
        }
    }

    fn unpack(&mut self) {
        if let Repr::Packed(pack) = &mut self.0 {
            let quick = Quicklist::of(std::mem::take(pack));
            self.0 = Repr::Quick(Box::new(quick));
        }
    }

    /// One listpack again, if that is all there is and it fills half a node at most: a list at the limit
    /// does not change to and fro.
    fn pack(&mut self, limit: NodeLimit) {
        if let Repr::Quick(quick) = &mut self.0
            && let Some(pack) = quick.take_only_pack(limit.half())
        {
            self.0 = Repr::Packed(pack);
        }
    }

    #[cfg(test)]
    fn validate(&self) {
        if let Repr::Quick(quick) = &self.0 {
            quick.validate();
        }
    }
}
