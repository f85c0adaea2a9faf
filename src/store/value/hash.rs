//! Hashes: fields and values in turn in a [`Listpack`] while they are few and short, in a table beyond. A hash
//! becomes a table and never a listpack again, as in Redis.
//!
//! Fields may have deadlines (Redis 7.4). They are kept beside the fields ([`FieldDeadlines`]), so a hash
//! without them pays one word for it. A field that is due is absent to every method that is told the time;
//! `purge` takes such fields away.

mod deadlines;
mod field;
#[cfg(test)]
mod tests;

use super::listpack::{Entry, Listpack, Place};
use super::members::Members;
use super::{Collection, Kind};
use crate::clock::{Deadline, Millis};
use crate::store::memory::allocated;
use deadlines::FieldDeadlines;
use field::Field;

/// Up to where hashes are compact; a hash follows when it is changed the next time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Fields of a listpack.
    pub listpack_entries: usize,
    /// Bytes of a field or value in a listpack.
    pub listpack_value: usize,
}

/// What becomes of a field's deadline when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldTtl {
    Clear,
    Keep,
}

/// A hash. Field and value are pairs of [`Entry`]: the text of either may be kept as a number.
#[derive(Clone, Debug, Default)]
pub struct Hash {
    layout: Layout,
    /// Only while some field has one.
    deadlines: Option<Box<FieldDeadlines>>,
}

/// What lies behind a hash, for those who dump it.
#[derive(Clone, Debug)]
pub enum Layout {
    Listpack(Listpack),
    Table(Box<Members<Field>>),
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::Listpack(Listpack::new())
    }
}

impl Collection for Hash {
    const KIND: Kind = Kind::Hash;

    /// Fields, those that are due and not yet purged included.
    fn len(&self) -> usize {
        match &self.layout {
            Layout::Listpack(list) => list.len() / 2,
            Layout::Table(fields) => fields.len(),
        }
    }

    fn bytes(&self) -> usize {
        let fields = match &self.layout {
            Layout::Listpack(list) => allocated(list.bytes()),
            Layout::Table(fields) => allocated(size_of_val(&**fields)) + fields.bytes(),
        };
        let deadlines = self.deadlines.as_ref().map_or(0, |all| allocated(size_of_val(&**all)) + all.bytes());
        fields + deadlines
    }

    /// Differs: a small hash whose last deadline is gone is a plain listpack again.
    fn encoding(&self) -> &'static str {
        match (&self.layout, &self.deadlines) {
            (Layout::Listpack(_), None) => "listpack",
            (Layout::Listpack(_), Some(_)) => "listpackex",
            (Layout::Table(_), _) => "hashtable",
        }
    }

    fn packed(&self) -> Option<&[u8]> {
        match (&self.layout, &self.deadlines) {
            (Layout::Listpack(list), None) => Some(list.as_bytes()),
            _ => None,
        }
    }

    fn unpack(bytes: &[u8]) -> Hash {
        Hash { layout: Layout::Listpack(Listpack::trusted(bytes)), deadlines: None }
    }

    fn due_at(&self) -> Option<Deadline> {
        self.deadlines.as_ref().map(|all| all.earliest())
    }

    /// `O(log fields)` for each that is removed.
    fn purge(&mut self, now: Millis, most: usize) -> usize {
        let mut purged = 0;
        while purged < most
            && let Some(all) = &self.deadlines
            && all.earliest().is_due(now)
        {
            let field = all.soonest().to_vec();
            self.remove_present(&field);
            purged += 1;
        }
        purged
    }
}

/// The value behind a field in a listpack.
fn value_of(list: &Listpack, field: Place) -> Place {
    list.next(field).expect("every field has a value")
}

impl Hash {
    /// A hash of these pairs, which have different fields. `None`: the listpack holds no pairs, or a field twice.
    pub fn from_listpack(list: Listpack, limits: Limits) -> Option<Hash> {
        if !list.len().is_multiple_of(2) {
            return None;
        }
        let mut fields: Vec<_> = list.iter().step_by(2).map(Entry::to_text).collect();
        fields.sort_unstable();
        if fields.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let mut hash = Hash { layout: Layout::Listpack(list), deadlines: None };
        let too_long =
            |entry: Entry<'_>| matches!(entry, Entry::Str(text) if text.len() > limits.listpack_value);
        if hash.len() > limits.listpack_entries || hash.pairs().any(|(f, v)| too_long(f) || too_long(v)) {
            hash.make_table();
        }
        Some(hash)
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The value of a field. `O(1)`; in a listpack `O(bytes)`, as everything.
    pub fn get(&self, field: &[u8], now: Millis) -> Option<Entry<'_>> {
        if self.is_due(field, now) {
            return None;
        }
        match &self.layout {
            Layout::Listpack(list) => {
                list.find(list.first(), field, 1).map(|place| list.get(value_of(list, place)))
            }
            Layout::Table(fields) => fields.find(field).map(|place| Entry::Str(fields.get(place).value())),
        }
    }

    pub fn contains(&self, field: &[u8], now: Millis) -> bool {
        self.get(field, now).is_some()
    }

    /// Sets a field. Returns whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], ttl: FieldTtl, limits: Limits, now: Millis) -> bool {
        if self.is_due(field, now) {
            self.remove_present(field);
        }
        let is_long = field.len().max(value.len()) > limits.listpack_value;
        if let Layout::Listpack(list) = &self.layout
            && (is_long || !list.has_room_for(field.len() + value.len() + 2 * Listpack::ENTRY_OVERHEAD))
        {
            self.make_table();
        }
        let is_new = match &mut self.layout {
            Layout::Listpack(list) => match list.find(list.first(), field, 1) {
                Some(place) => {
                    list.replace(value_of(list, place), value);
                    false
                }
                None => {
                    list.push_back(field);
                    list.push_back(value);
                    true
                }
            },
            Layout::Table(fields) => match fields.find(field) {
                Some(place) => {
                    fields.change(place, |field| field.set_value(value));
                    false
                }
                None => {
                    fields.insert(Field::new(field, value));
                    true
                }
            },
        };
        if matches!(self.layout, Layout::Listpack(_)) && self.len() > limits.listpack_entries {
            self.make_table();
        }
        if ttl == FieldTtl::Clear && !is_new {
            self.clear_deadline(field);
        }
        is_new
    }

    /// Removes a field. Returns whether it was there.
    pub fn remove(&mut self, field: &[u8], now: Millis) -> bool {
        let is_due = self.is_due(field, now);
        self.remove_present(field) && !is_due
    }

    /// Removes a field, due or not.
    fn remove_present(&mut self, field: &[u8]) -> bool {
        self.clear_deadline(field);
        match &mut self.layout {
            Layout::Listpack(list) => match list.find(list.first(), field, 1) {
                Some(place) => list.remove_range(place, 2) == 2,
                None => false,
            },
            Layout::Table(fields) => fields.find(field).and_then(|place| fields.remove(place)).is_some(),
        }
    }

    fn make_table(&mut self) {
        let mut fields = Box::<Members<Field>>::default();
        let (mut name, mut value) = (itoa::Buffer::new(), itoa::Buffer::new());
        for (field, own) in self.pairs() {
            fields.insert(Field::new(field.text(&mut name), own.text(&mut value)));
        }
        self.layout = Layout::Table(fields);
    }

    /// All pairs, those that are due included; in a listpack in the order in which the fields came.
    fn pairs(&self) -> impl Iterator<Item = (Entry<'_>, Entry<'_>)> {
        let (list, table) = match &self.layout {
            Layout::Listpack(list) => (Some(list), None),
            Layout::Table(fields) => (None, Some(fields)),
        };
        let listed = list.into_iter().flat_map(|list| {
            let mut entries = list.iter();
            std::iter::from_fn(move || Some((entries.next()?, entries.next()?)))
        });
        listed.chain(table.into_iter().flat_map(|fields| fields.iter().map(Field::pair)))
    }

    /// The pairs, in the order of the fields' arrival in a listpack, in none in a table.
    pub fn iter(&self, now: Millis) -> impl Iterator<Item = (Entry<'_>, Entry<'_>)> {
        let mut buffer = itoa::Buffer::new();
        let some_due = self.has_due(now);
        self.pairs().filter(move |(field, _)| !some_due || !self.is_due(field.text(&mut buffer), now))
    }

    /// How many pairs `iter` shows. `O(1)`, or `O(fields)` while some are due and not yet purged.
    pub fn count(&self, now: Millis) -> usize {
        if self.has_due(now) { self.iter(now).count() } else { self.len() }
    }

    /// The pair at an index below `len`, to draw one at random; also one that is due. `O(1)` in a table.
    pub fn nth(&self, index: usize) -> Option<(Entry<'_>, Entry<'_>)> {
        match &self.layout {
            Layout::Listpack(list) => {
                let place = list.seek(isize::try_from(index.checked_mul(2)?).ok()?)?;
                Some((list.get(place), list.get(value_of(list, place))))
            }
            Layout::Table(fields) => (index < fields.len()).then(|| fields.get(index).pair()),
        }
    }

    /// Shows pairs from the cursor on, about `count` of them; returns the cursor to go on from, 0 at the end.
    /// What is there from the scan's beginning to its end is shown; a listpack is shown whole.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        now: Millis,
        mut each: impl FnMut(Entry<'_>, Entry<'_>),
    ) -> u64 {
        match &self.layout {
            Layout::Listpack(_) => {
                self.iter(now).for_each(|(field, value)| each(field, value));
                0
            }
            Layout::Table(fields) => fields.scan(cursor, count, |record| {
                let (field, value) = record.pair();
                if !self.is_due(record.name_and_value().0, now) {
                    each(field, value);
                }
            }),
        }
    }

    // --- deadlines of fields ---------------------------------------------------------------

    /// Is some field due, and not yet purged?
    pub fn has_due(&self, now: Millis) -> bool {
        self.deadlines.as_ref().is_some_and(|all| all.earliest().is_due(now))
    }

    /// Is this field? Then it is absent.
    pub fn is_due(&self, field: &[u8], now: Millis) -> bool {
        self.has_due(now) && self.deadline(field).is_some_and(|deadline| deadline.is_due(now))
    }

    /// When a field goes.
    pub fn deadline(&self, field: &[u8]) -> Option<Deadline> {
        self.deadlines.as_ref()?.get(field)
    }

    /// Gives a field that is there a deadline. `O(log fields)`.
    pub fn set_deadline(&mut self, field: &[u8], deadline: Deadline) {
        match &mut self.deadlines {
            Some(all) => all.set(field, deadline),
            None => self.deadlines = Some(Box::new(FieldDeadlines::new(field, deadline))),
        }
    }

    /// Takes a field's deadline away. Returns whether it had one. `O(log fields)`.
    pub fn clear_deadline(&mut self, field: &[u8]) -> bool {
        let Some(all) = &mut self.deadlines else { return false };
        let had = all.clear(field);
        if all.is_empty() {
            self.deadlines = None;
        }
        had
    }
}
