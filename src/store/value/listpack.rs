//! Redis' listpack: a sequence of strings and integers in one allocation, byte for byte as Redis keeps and
//! dumps it (<https://github.com/antirez/listpack/blob/master/listpack.md>).
//!
//! ```text
//! <total bytes: u32> <entries: u16> <entry> ... <entry> 0xFF
//! entry: <encoding and length> <data> <length of the two before, to walk backwards>
//! ```
//!
//! A string that is the canonical form of an `i64` is kept as an integer, so an entry is as small as it can
//! be. Every change moves what lies behind it: `O(bytes)`. Collections keep listpacks small.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

mod encoding;
#[cfg(test)]
mod tests;

pub use encoding::Entry;
use encoding::{Encoded, decode, entry_len, entry_len_before};

const HEADER: usize = 6;
const END: u8 = 0xFF;
/// In the header's count: more entries than it can tell.
const UNCOUNTED: u16 = u16::MAX;
/// What Redis lets a listpack grow to.
pub const MAX_BYTES: usize = 1 << 30;

/// A listpack. Its allocation is exactly as long as its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack(Box<[u8]>);

/// Where an entry begins. Valid until the listpack is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(usize);

impl Default for Listpack {
    fn default() -> Listpack {
        Listpack::new()
    }
}

impl Listpack {
    /// What an entry takes beside its data, at most.
    pub const ENTRY_OVERHEAD: usize = 10;

    pub fn new() -> Listpack {
        Listpack(Box::new([HEADER as u8 + 1, 0, 0, 0, 0, 0, END]))
    }

    /// Takes over bytes that come from outside. `None`, unless every byte of them is sound. `O(bytes)`.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Listpack> {
        is_sound(&bytes).then(|| Listpack(bytes.into_boxed_slice()))
    }

    /// Takes over a copy of what `as_bytes` gave.
    pub fn trusted(bytes: &[u8]) -> Listpack {
        debug_assert!(is_sound(bytes));
        Listpack(bytes.into())
    }

    /// Tells what `as_bytes` gave from an intset's bytes: a listpack begins with its length, an intset with the
    /// width of its numbers, which is less.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.first_chunk().is_some_and(|&total| u32::from_le_bytes(total) as usize == bytes.len())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes of the whole, header and end included.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Entries. `O(1)` up to 65,534 of them, `O(bytes)` beyond.
    pub fn len(&self) -> usize {
        match self.counted() {
            UNCOUNTED => self.iter().count(),
            count => count.into(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER + 1
    }

    /// Could `more` bytes of new entries be added?
    pub fn has_room_for(&self, more: usize) -> bool {
        self.0.len().saturating_add(more) <= MAX_BYTES
    }

    // --- places ----------------------------------------------------------------------------

    fn end(&self) -> usize {
        self.0.len() - 1
    }

    fn before_end(&self, at: usize) -> Option<Place> {
        (at < self.end()).then_some(Place(at))
    }

    pub fn first(&self) -> Option<Place> {
        self.before_end(HEADER)
    }

    pub fn last(&self) -> Option<Place> {
        self.back_from(self.end())
    }

    pub fn next(&self, place: Place) -> Option<Place> {
        self.before_end(self.after(place))
    }

    pub fn prev(&self, place: Place) -> Option<Place> {
        self.back_from(place.0)
    }

    fn after(&self, place: Place) -> usize {
        place.0 + entry_len(&self.0[place.0..])
    }

    fn back_from(&self, at: usize) -> Option<Place> {
        (at > HEADER).then(|| Place(at - entry_len_before(&self.0[..at])))
    }

    /// The entry at an index; a negative one counts from the end, -1 is the last. `O(index)` from the
    /// nearer end.
    pub fn seek(&self, index: isize) -> Option<Place> {
        let (count, forward) = match (usize::try_from(index), self.counted()) {
            (Ok(index), UNCOUNTED) => (index, true),
            (Ok(index), count) => {
                let behind = usize::from(count).checked_sub(index + 1)?;
                if behind < index { (behind, false) } else { (index, true) }
            }
            (Err(_), UNCOUNTED) => (index.unsigned_abs() - 1, false),
            (Err(_), count) => {
                let index_from_front = usize::from(count).checked_sub(index.unsigned_abs())?;
                let behind = index.unsigned_abs() - 1;
                if behind < index_from_front { (behind, false) } else { (index_from_front, true) }
            }
        };
        if forward {
            (0..count).try_fold(self.first()?, |place, _| self.next(place))
        } else {
            (0..count).try_fold(self.last()?, |place, _| self.prev(place))
        }
    }

    pub fn get(&self, place: Place) -> Entry<'_> {
        decode(&self.0[place.0..])
    }

    /// The first entry from `from` on that equals `wanted`, passing over `skip` entries after each that is
    /// compared: 1 looks at the fields of field-value pairs. `O(bytes)`.
    pub fn find(&self, from: Option<Place>, wanted: &[u8], skip: usize) -> Option<Place> {
        let wanted = Entry::from(wanted);
        let mut at = from;
        while let Some(place) = at {
            if self.get(place) == wanted {
                return Some(place);
            }
            at = (0..=skip).try_fold(place, |place, _| self.next(place));
        }
        None
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0[HEADER..self.end()] }
    }

    // --- changes ---------------------------------------------------------------------------

    pub fn push_back<'a>(&mut self, entry: impl Into<Entry<'a>>) {
        let end = self.end();
        self.splice(end..end, 0, Some(entry.into()));
    }

    pub fn push_front<'a>(&mut self, entry: impl Into<Entry<'a>>) {
        self.splice(HEADER..HEADER, 0, Some(entry.into()));
    }

    /// Inserts an entry, which then is at `place`.
    pub fn insert_before<'a>(&mut self, place: Place, entry: impl Into<Entry<'a>>) {
        self.splice(place.0..place.0, 0, Some(entry.into()));
    }

    /// Inserts an entry behind the one at `place`; returns where it is.
    pub fn insert_after<'a>(&mut self, place: Place, entry: impl Into<Entry<'a>>) -> Place {
        let at = self.after(place);
        self.splice(at..at, 0, Some(entry.into()));
        Place(at)
    }

    /// Puts another entry in the place of the one at `place`.
    pub fn replace<'a>(&mut self, place: Place, entry: impl Into<Entry<'a>>) {
        self.splice(place.0..self.after(place), 1, Some(entry.into()));
    }

    /// Removes an entry; returns the place of the one that followed it, if any.
    pub fn remove(&mut self, place: Place) -> Option<Place> {
        self.remove_range(place, 1);
        self.before_end(place.0)
    }

    /// Removes up to `count` entries from `place` on. Returns how many were there.
    pub fn remove_range(&mut self, place: Place, count: usize) -> usize {
        let (mut end, mut removed) = (place.0, 0);
        while removed < count && end < self.end() {
            end = self.after(Place(end));
            removed += 1;
        }
        self.splice(place.0..end, removed, None);
        removed
    }

    /// Cuts off everything from `place` on, into a listpack of its own.
    pub fn split_off(&mut self, place: Place) -> Listpack {
        let mut rest = Listpack::new();
        rest.extend_from(&self.0[place.0..self.end()], self.iter_from(place).count());
        self.remove_range(place, usize::MAX);
        rest
    }

    /// Adds the entries of another listpack at the end.
    pub fn append(&mut self, other: &Listpack) {
        self.extend_from(&other.0[HEADER..other.end()], other.len());
    }

    fn iter_from(&self, place: Place) -> Iter<'_> {
        Iter { rest: &self.0[place.0..self.end()] }
    }

    /// Adds `added` whole entries at the end.
    fn extend_from(&mut self, entries: &[u8], added: usize) {
        let count = self.len() + added;
        let mut bytes = std::mem::take(&mut self.0).into_vec();
        bytes.reserve_exact(entries.len());
        bytes.pop();
        bytes.extend_from_slice(entries);
        bytes.push(END);
        self.0 = bytes.into_boxed_slice();
        self.write_header(u16::try_from(count).unwrap_or(UNCOUNTED));
    }

    /// Takes the place of `range`, which holds `removed` whole entries, with one entry or none.
    fn splice(&mut self, range: Range<usize>, removed: usize, entry: Option<Entry<'_>>) {
        let encoded = entry.map(Encoded::of);
        let added = encoded.as_ref().map_or(0, Encoded::len);
        let Range { start, end } = range;
        let mut bytes = std::mem::take(&mut self.0).into_vec();
        let old_len = bytes.len();
        if added > end - start {
            let more = added - (end - start);
            // Nothing to spare: the allocator's size classes leave room enough to grow in place.
            bytes.reserve_exact(more);
            bytes.resize(old_len + more, 0);
        }
        // What takes as much as what it replaces leaves the rest where it is.
        if added != end - start {
            bytes.copy_within(end..old_len, start + added);
        }
        bytes.truncate(old_len - (end - start) + added);
        if let Some(encoded) = &encoded {
            encoded.write(&mut bytes[start..start + added]);
        }
        self.0 = bytes.into_boxed_slice();
        let count = match self.counted() {
            UNCOUNTED => UNCOUNTED,
            count => {
                let count = usize::from(count) - removed + usize::from(encoded.is_some());
                u16::try_from(count).unwrap_or(UNCOUNTED)
            }
        };
        self.write_header(count);
    }

    fn write_header(&mut self, count: u16) {
        let total = u32::try_from(self.0.len()).expect("a listpack stays below its limit");
        self.0[..4].copy_from_slice(&total.to_le_bytes());
        self.0[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }

    fn counted(&self) -> u16 {
        u16::from_le_bytes([self.0[4], self.0[5]])
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

/// Entries in order, from either end.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (head, rest) = self.rest.split_at(entry_len(self.rest));
        self.rest = rest;
        Some(decode(head))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, tail) = self.rest.split_at(self.rest.len() - entry_len_before(self.rest));
        self.rest = rest;
        Some(decode(tail))
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> Entry<'a> {
    /// The entry as text.
    pub fn to_text(self) -> Cow<'a, [u8]> {
        match self {
            Entry::Str(text) => Cow::Borrowed(text),
            Entry::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()),
        }
    }

    /// The entry as text, without an allocation.
    pub fn text<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Entry::Str(text) => text,
            Entry::Int(number) => buffer.format(number).as_bytes(),
        }
    }
}

/// Header, entries, end: everything agrees with everything else.
fn is_sound(bytes: &[u8]) -> bool {
    let Some((header, body)) = bytes.split_at_checked(HEADER) else { return false };
    let total = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let count = u16::from_le_bytes([header[4], header[5]]);
    let Some((&END, mut rest)) = body.split_last() else { return false };
    if total as usize != bytes.len() || bytes.len() > MAX_BYTES {
        return false;
    }
    let mut entries = 0usize;
    while !rest.is_empty() {
        let Some(len) = encoding::sound_entry_len(rest) else { return false };
        rest = &rest[len..];
        entries += 1;
    }
    count == UNCOUNTED || usize::from(count) == entries
}
