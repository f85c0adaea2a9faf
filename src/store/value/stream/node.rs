//! A node of a stream: some entries behind each other in a listpack, byte for byte as Redis keeps and dumps
//! them.
//!
//! ```text
//! node    entries | deleted ones | fields | field ... field | 0 | entry | entry ...
//! entry   flags | ms | seq | fields | field | value ... field | value | elements of the entry
//! entry   flags | ms | seq | value ... value | elements of the entry              (same fields)
//! ```
//!
//! The fields at the front are those of the first entry; an entry that has the same ones does not repeat
//! them. `ms` and `seq` count from the node's master ID, that of the first entry. A deleted entry stays, with
//! a flag; when the last one is deleted by its ID, the node goes. The element count at an entry's end leads
//! back to its beginning; the 0 behind the fields ends the way back.

use super::StreamId;
use crate::store::value::listpack::{Entry, Listpack, Place};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// Which elements of a node count its entries.
const LIVE: isize = 0;
const GONE: isize = 1;

/// Elements of an entry that has the node's fields, beside its values: flags, ms, seq.
const OWN_ELEMENTS: i64 = 3;

/// A field with its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

#[derive(Clone, Debug)]
pub struct Node(Listpack);

/// What stands at a node's front.
#[derive(Clone, Copy, Debug)]
struct Head {
    fields: usize,
    first_field: Option<Place>,
    first_entry: Option<Place>,
}

impl Node {
    /// No entries yet, and the fields that they are expected to have.
    pub(super) fn new<'a>(fields: impl ExactSizeIterator<Item = &'a [u8]>) -> Node {
        let mut pack = Listpack::new();
        pack.push_back(0);
        pack.push_back(0);
        pack.push_back(fields.len() as i64);
        fields.for_each(|field| pack.push_back(field));
        pack.push_back(0);
        Node(pack)
    }

    /// A listpack from outside as a node; `None` unless it is one, with IDs that ascend. `O(bytes)`.
    pub(super) fn from_listpack(pack: Listpack, master: StreamId) -> Option<Node> {
        let mut rest = pack.iter();
        let mut number = || match rest.next()? {
            Entry::Int(number) => u64::try_from(number).ok(),
            Entry::Str(_) => None,
        };
        let (live, deleted, fields) = (number()?, number()?, number()?);
        skip(&mut rest, fields)?;
        (rest.next()? == Entry::Int(0)).then_some(())?;
        let (mut live_seen, mut deleted_seen) = (0, 0);
        let mut last = None;
        while let Some(flags) = rest.next() {
            let Entry::Int(flags) = flags else { return None };
            let (Entry::Int(ms), Entry::Int(seq)) = (rest.next()?, rest.next()?) else { return None };
            let id = StreamId::after(master, (ms, seq));
            if last.replace(id).is_some_and(|last| last >= id) || id < master {
                return None;
            }
            let elements = if flags & SAME_FIELDS != 0 {
                skip(&mut rest, fields)?;
                fields.checked_add(OWN_ELEMENTS as u64)
            } else {
                let Entry::Int(own) = rest.next()? else { return None };
                let pairs = u64::try_from(own).ok()?.checked_mul(2)?;
                skip(&mut rest, pairs)?;
                pairs.checked_add(OWN_ELEMENTS as u64 + 1)
            };
            (rest.next()? == Entry::Int(i64::try_from(elements?).ok()?)).then_some(())?;
            *if flags & DELETED != 0 { &mut deleted_seen } else { &mut live_seen } += 1;
        }
        (last.is_some() && (live, deleted) == (live_seen, deleted_seen)).then_some(Node(pack))
    }

    /// As Redis dumps it.
    pub fn listpack(&self) -> &Listpack {
        &self.0
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Entries, and how many more are marked as deleted.
    pub(super) fn counts(&self) -> (u64, u64) {
        let mut cursor = Cursor { pack: &self.0, at: self.0.first() };
        (cursor.int() as u64, cursor.int() as u64)
    }

    fn set_count(&mut self, index: isize, count: u64) {
        let place = self.0.seek(index).expect("a node has its counts");
        self.0.replace(place, count as i64);
    }

    fn head(&self) -> Head {
        let mut cursor = Cursor { pack: &self.0, at: self.0.seek(2) };
        let fields = cursor.int() as usize;
        let first_field = cursor.at;
        cursor.skip(fields + 1);
        Head { fields, first_field, first_entry: cursor.at }
    }

    /// Adds an entry behind all others.
    pub(super) fn append(&mut self, master: StreamId, id: StreamId, pairs: &[Pair<'_>]) {
        let head = self.head();
        let mut names = Cursor { pack: &self.0, at: head.first_field };
        let same = head.fields == pairs.len() && pairs.iter().all(|(field, _)| names.entry().is(field));
        let (ms, seq) = id.since(master);
        self.set_count(LIVE, self.counts().0 + 1);
        let pack = &mut self.0;
        pack.push_back(if same { SAME_FIELDS } else { 0 });
        pack.push_back(ms);
        pack.push_back(seq);
        let count = pairs.len() as i64;
        if same {
            pairs.iter().for_each(|&(_, value)| pack.push_back(value));
            pack.push_back(count + OWN_ELEMENTS);
        } else {
            pack.push_back(count);
            for &(field, value) in pairs {
                pack.push_back(field);
                pack.push_back(value);
            }
            pack.push_back(2 * count + OWN_ELEMENTS + 1);
        }
    }

    /// The entries that are not deleted, in order.
    pub(super) fn items(&self, master: StreamId) -> Items<'_> {
        let head = self.head();
        Items { node: self, master, head, at: head.first_entry, reverse: false }
    }

    /// The same from the last to the first.
    pub(super) fn items_reversed(&self, master: StreamId) -> Items<'_> {
        Items { node: self, master, head: self.head(), at: self.0.last(), reverse: true }
    }

    /// The last entry's ID, be the entry deleted or not.
    pub(super) fn last_id(&self, master: StreamId) -> Option<StreamId> {
        let end = self.0.last()?;
        let mut cursor = Cursor { pack: &self.0, at: start_of(&self.0, end) };
        cursor.at?;
        cursor.skip(1);
        Some(StreamId::after(master, (cursor.int(), cursor.int())))
    }

    /// Marks an entry as deleted; `false`: there is none with this ID. `O(bytes)`.
    pub(super) fn delete(&mut self, master: StreamId, id: StreamId) -> bool {
        let found = self.items(master).find(|item| item.id >= id).filter(|item| item.id == id);
        let Some(place) = found.map(|item| item.place) else { return false };
        self.mark_deleted(&[place]);
        true
    }

    /// Marks entries from the first on as deleted as long as `goes` says so; returns how many. `O(bytes)`.
    pub(super) fn delete_while(&mut self, master: StreamId, mut goes: impl FnMut(StreamId) -> bool) -> u64 {
        let places: Vec<Place> =
            self.items(master).take_while(|item| goes(item.id)).map(|item| item.place).collect();
        self.mark_deleted(&places);
        places.len() as u64
    }

    fn mark_deleted(&mut self, places: &[Place]) {
        for &place in places {
            let Entry::Int(flags) = self.0.get(place) else { continue };
            // Flags take one byte whatever they are, so no other place moves.
            self.0.replace(place, flags | DELETED);
        }
        let (live, deleted) = self.counts();
        let gone = places.len() as u64;
        self.set_count(LIVE, live - gone);
        self.set_count(GONE, deleted + gone);
    }
}

/// Moves over some elements; `None` where there are fewer.
fn skip<'a>(rest: &mut impl Iterator<Item = Entry<'a>>, count: u64) -> Option<()> {
    (0..count).try_for_each(|_| rest.next().map(drop))
}

/// Where the entry begins that ends at `end`; `None` at the end of the head.
fn start_of(pack: &Listpack, end: Place) -> Option<Place> {
    match pack.get(end) {
        Entry::Int(elements @ 1..) => (0..elements).try_fold(end, |place, _| pack.prev(place)),
        _ => None,
    }
}

/// Reads a node's elements one after the other. A node is built here or was checked, so that they are there
/// and are of the kind that is expected.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    pack: &'a Listpack,
    at: Option<Place>,
}

impl<'a> Cursor<'a> {
    fn entry(&mut self) -> Entry<'a> {
        let place = self.at.expect("a node's counts are right");
        self.at = self.pack.next(place);
        self.pack.get(place)
    }

    fn int(&mut self) -> i64 {
        match self.entry() {
            Entry::Int(number) => number,
            Entry::Str(_) => unreachable!("a node's numbers are numbers"),
        }
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.at = self.at.and_then(|place| self.pack.next(place));
        }
    }
}

/// Entries of a node.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    node: &'a Node,
    master: StreamId,
    head: Head,
    /// The next entry's flags; its last element, in reverse.
    at: Option<Place>,
    reverse: bool,
}

impl<'a> Items<'a> {
    /// The entry whose flags are at `place`, and those flags.
    fn read(&self, place: Place) -> (i64, Item<'a>) {
        let mut values = Cursor { pack: &self.node.0, at: Some(place) };
        let flags = values.int();
        let id = StreamId::after(self.master, (values.int(), values.int()));
        let (len, names) = if flags & SAME_FIELDS != 0 {
            (self.head.fields, Some(Cursor { at: self.head.first_field, ..values }))
        } else {
            (values.int() as usize, None)
        };
        (flags, Item { id, place, len, names, values })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            let at = self.at.take()?;
            let start = if self.reverse { start_of(&self.node.0, at)? } else { at };
            let (flags, item) = self.read(start);
            self.at = if self.reverse { self.node.0.prev(start) } else { item.end() };
            if flags & DELETED == 0 {
                return Some(item);
            }
        }
    }
}

/// An entry of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub id: StreamId,
    /// Of its flags.
    place: Place,
    len: usize,
    /// The node's fields, if they are the entry's.
    names: Option<Cursor<'a>>,
    /// The values; where the entry has fields of its own, these in front of each.
    values: Cursor<'a>,
}

impl<'a> Item<'a> {
    /// Field-value pairs.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fields, each with its value, in the order in which they came.
    pub fn pairs(mut self) -> impl Iterator<Item = (Entry<'a>, Entry<'a>)> {
        (0..self.len).map(move |_| {
            let field = self.names.as_mut().unwrap_or(&mut self.values).entry();
            (field, self.values.entry())
        })
    }

    /// What follows.
    fn end(&self) -> Option<Place> {
        let mut cursor = self.values;
        cursor.skip(if self.names.is_some() { self.len } else { 2 * self.len } + 1);
        cursor.at
    }
}
