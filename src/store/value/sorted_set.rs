//! Sorted sets: small ones a [`Listpack`] of members and scores in order, as Redis keeps and dumps them; large
//! ones a table from member to score beside an order ([`order`]) that counts. A set goes that way in one
//! direction only, as in Redis.
//!
//! Members are ordered by score, those of the same score by their bytes. A score is never NaN.

mod compact;
mod order;

use super::listpack::{Entry, Listpack};
use super::members::{Members, Record};
use super::text::Text;
use super::{Collection, Kind};
use crate::store::memory::allocated;
use order::{Order, Target};
use std::ops::Range;

/// Up to where sorted sets are compact; a set follows when it is changed the next time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members of a listpack.
    pub listpack_entries: usize,
    /// Bytes of a member in a listpack.
    pub listpack_value: usize,
}

impl Default for Limits {
    /// Redis'.
    fn default() -> Limits {
        Limits { listpack_entries: 128, listpack_value: 64 }
    }
}

#[derive(Clone, Debug, Default)]
pub struct SortedSet(Layout);

#[derive(Clone, Debug)]
enum Layout {
    /// Member, score, member, score, in order.
    Listpack(Listpack),
    Table(Box<Table>),
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::Listpack(Listpack::new())
    }
}

/// Members with their scores, from either end.
pub type InOrder<'s> = Box<dyn DoubleEndedIterator<Item = (Entry<'s>, f64)> + 's>;

/// A member in the table.
#[derive(Clone, Debug)]
pub struct Scored {
    pub name: Text,
    pub score: f64,
}

impl Record for Scored {
    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn heap_bytes(&self) -> usize {
        self.name.heap_bytes()
    }
}

#[derive(Clone, Debug, Default)]
struct Table {
    members: Members<Scored>,
    order: Order,
}

impl Table {
    fn insert(&mut self, name: &[u8], score: f64) {
        let place = self.members.len() as u32;
        self.members.insert(Scored { name: Text::new(name), score });
        self.order.insert(&Target { score, name, members: &self.members }, place);
    }

    fn set_score(&mut self, place: usize, score: f64) -> f64 {
        let old = self.members.get(place).score;
        let name = self.members.get(place).name.clone();
        let name = name.as_bytes();
        self.order.remove(&Target { score: old, name, members: &self.members });
        self.members.change(place, |record| record.score = score);
        self.order.insert(&Target { score, name, members: &self.members }, place as u32);
        old
    }

    fn remove(&mut self, place: usize) -> Option<f64> {
        let Scored { name, score } = self.members.get(place);
        self.order.remove(&Target { score: *score, name: name.as_bytes(), members: &self.members });
        let removed = self.members.remove(place)?;
        if let Some(from) = removed.moved {
            let Scored { name, score } = self.members.get(place);
            let target = Target { score: *score, name: name.as_bytes(), members: &self.members };
            self.order.move_record(&target, from, place);
        }
        Some(removed.record.score)
    }
}

impl Collection for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn len(&self) -> usize {
        match &self.0 {
            Layout::Listpack(list) => list.len() / 2,
            Layout::Table(table) => table.members.len(),
        }
    }

    fn bytes(&self) -> usize {
        match &self.0 {
            Layout::Listpack(list) => allocated(list.bytes()),
            Layout::Table(table) => {
                allocated(size_of::<Table>()) + table.members.bytes() + table.order.bytes()
            }
        }
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Layout::Listpack(_) => "listpack",
            Layout::Table(_) => "skiplist",
        }
    }

    fn packed(&self) -> Option<&[u8]> {
        self.as_listpack().map(Listpack::as_bytes)
    }

    fn unpack(bytes: &[u8]) -> SortedSet {
        SortedSet(Layout::Listpack(Listpack::trusted(bytes)))
    }
}

impl SortedSet {
    /// Takes over a listpack that comes from outside. `None`, unless it holds members and scores in order and
    /// no member twice.
    pub fn from_listpack(list: Listpack) -> Option<SortedSet> {
        compact::is_sound(&list).then_some(SortedSet(Layout::Listpack(list)))
    }

    /// The listpack of a small set, to be dumped as it is.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Layout::Listpack(list) => Some(list),
            Layout::Table(_) => None,
        }
    }

    /// Gets ready for `count` members, the longest of `len` bytes: as in Redis, a set that is told to expect
    /// many begins as a table.
    pub fn expect(&mut self, count: usize, len: usize, limits: &Limits) {
        if count > limits.listpack_entries || self.is_empty() && len > limits.listpack_value {
            self.make_table();
        }
    }

    /// `O(1)` in a table.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Layout::Listpack(list) => compact::find(list, member).map(|(_, score)| score),
            Layout::Table(table) => table.members.find(member).map(|place| table.members.get(place).score),
        }
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        self.score(member).is_some()
    }

    /// Adds a member, or gives it another score; returns the old one. `O(log n)` in a table.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> Option<f64> {
        match &mut self.0 {
            Layout::Listpack(list) => {
                if let Some((place, old)) = compact::find(list, member) {
                    list.remove_range(place, 2);
                    compact::insert(list, member, score);
                    return Some(old);
                }
                let fits = list.len() / 2 < limits.listpack_entries
                    && member.len() <= limits.listpack_value
                    && list.has_room_for(member.len() + 64);
                if fits {
                    compact::insert(list, member, score);
                    return None;
                }
                self.make_table();
                self.insert(member, score, limits)
            }
            Layout::Table(table) => match table.members.find(member) {
                Some(place) => Some(table.set_score(place, score)),
                None => {
                    table.insert(member, score);
                    None
                }
            },
        }
    }

    /// Takes a member out; returns its score. `O(log n)` in a table.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Layout::Listpack(list) => {
                let (place, score) = compact::find(list, member)?;
                list.remove_range(place, 2);
                Some(score)
            }
            Layout::Table(table) => {
                let place = table.members.find(member)?;
                table.remove(place)
            }
        }
    }

    /// How many members come before this one, and its score. `O(log n)` in a table.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Layout::Listpack(list) => {
                let at = compact::iter(list).position(|(name, _)| name.is(member))?;
                compact::find(list, member).map(|(_, score)| (at, score))
            }
            Layout::Table(table) => {
                let score = self.score(member)?;
                Some((table.order.rank(&Target { score, name: member, members: &table.members }), score))
            }
        }
    }

    /// How many members come before the first for which `is_before` does not hold; it must hold for all of
    /// those and for none behind. `O(log n)` in a table.
    pub fn partition(&self, mut is_before: impl FnMut(f64, &[u8]) -> bool) -> usize {
        match &self.0 {
            Layout::Listpack(list) => {
                let mut buffer = itoa::Buffer::new();
                compact::iter(list)
                    .take_while(|(name, score)| is_before(*score, name.text(&mut buffer)))
                    .count()
            }
            Layout::Table(table) => table
                .order
                .partition(|(score, place)| is_before(score, table.members.get(place as usize).name())),
        }
    }

    /// The members of these ranks, in order. `O(log n)` to begin with in a table, then `O(1)` each.
    pub fn range(&self, ranks: Range<usize>) -> InOrder<'_> {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        match &self.0 {
            Layout::Listpack(list) => Box::new(
                compact::iter(list).skip(ranks.start).take(ranks.len()).collect::<Vec<_>>().into_iter(),
            ),
            Layout::Table(table) => Box::new(
                table
                    .order
                    .range(ranks)
                    .map(|(score, place)| (Entry::Str(table.members.get(place as usize).name()), score)),
            ),
        }
    }

    /// All members, in order.
    pub fn iter(&self) -> InOrder<'_> {
        self.range(0..self.len())
    }

    /// The member with a number, in an order that lasts until the set is changed: to draw one at random. `O(1)`
    /// in a table.
    pub fn get(&self, index: usize) -> Option<(Entry<'_>, f64)> {
        match &self.0 {
            Layout::Listpack(list) => compact::iter(list).nth(index),
            Layout::Table(table) if index < table.members.len() => {
                let record = table.members.get(index);
                Some((Entry::Str(record.name()), record.score))
            }
            Layout::Table(_) => None,
        }
    }

    /// Takes the members of these ranks out. `O(log n)` each in a table.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        let ranks = ranks.start..ranks.end.min(self.len());
        match &mut self.0 {
            Layout::Listpack(list) => {
                if let (Some(place), false) = (list.seek(2 * ranks.start.cast_signed()), ranks.is_empty()) {
                    list.remove_range(place, 2 * ranks.len());
                }
            }
            Layout::Table(table) => {
                for _ in ranks.clone() {
                    let Some((_, place)) = table.order.range(ranks.clone()).next() else { break };
                    table.remove(place as usize);
                }
            }
        }
    }

    /// Takes out the member with the lowest score, or the highest. `O(log n)` in a table.
    pub fn pop(&mut self, highest: bool) -> Option<(Vec<u8>, f64)> {
        let rank = if highest { self.len().checked_sub(1)? } else { 0 };
        let (name, score) = self.range(rank..rank + 1).next()?;
        let name = name.to_text().into_owned();
        self.remove_range(rank..rank + 1);
        Some((name, score))
    }

    /// Shows some members from a cursor on; returns the next cursor, 0 at the end. Small sets are shown whole.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'_>, f64)) -> u64 {
        match &self.0 {
            Layout::Listpack(list) => {
                compact::iter(list).for_each(|(name, score)| each(name, score));
                0
            }
            Layout::Table(table) => {
                table.members.scan(cursor, count, |record| each(Entry::Str(record.name()), record.score))
            }
        }
    }

    /// As compact as a new set of these members.
    pub fn compacted(self, limits: &Limits) -> SortedSet {
        let Layout::Table(table) = &self.0 else { return self };
        let is_long = |record: &Scored| record.name().len() > limits.listpack_value;
        if table.members.len() > limits.listpack_entries || table.members.iter().any(is_long) {
            return self;
        }
        let mut list = Listpack::new();
        let mut buffer = itoa::Buffer::new();
        self.iter().for_each(|(name, score)| compact::push(&mut list, name.text(&mut buffer), score));
        SortedSet(Layout::Listpack(list))
    }

    fn make_table(&mut self) {
        let Layout::Listpack(list) = &self.0 else { return };
        let (mut table, mut buffer) = (Box::<Table>::default(), itoa::Buffer::new());
        compact::iter(list).for_each(|(name, score)| table.insert(name.text(&mut buffer), score));
        self.0 = Layout::Table(table);
    }
}

#[cfg(test)]
mod tests;
