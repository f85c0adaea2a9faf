//! Sets: numbers only in an [`Intset`], a few short members in a [`Listpack`], all others in a table. A set
//! goes that way in one direction only, as in Redis.

use super::intset::Intset;
use super::listpack::{Entry, Listpack};
use super::members::Members;
use super::text::Text;
use super::{Collection, Kind};
use crate::store::memory::allocated;

/// Up to where sets are compact; a set follows when it is changed the next time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members of an intset.
    pub intset_entries: usize,
    /// Members of a listpack.
    pub listpack_entries: usize,
    /// Bytes of a member in a listpack.
    pub listpack_value: usize,
}

impl Default for Limits {
    /// Redis'.
    fn default() -> Limits {
        Limits { intset_entries: 512, listpack_entries: 128, listpack_value: 64 }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Set(Layout);

/// What lies behind a set, for those who dump it.
#[derive(Clone, Debug)]
pub enum Layout {
    Intset(Intset),
    Listpack(Listpack),
    Table(Members<Text>),
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::Intset(Intset::default())
    }
}

impl Collection for Set {
    const KIND: Kind = Kind::Set;

    fn len(&self) -> usize {
        match &self.0 {
            Layout::Intset(numbers) => numbers.len(),
            Layout::Listpack(list) => list.len(),
            Layout::Table(members) => members.len(),
        }
    }

    fn bytes(&self) -> usize {
        match &self.0 {
            Layout::Intset(numbers) => numbers.bytes(),
            Layout::Listpack(list) => allocated(list.bytes()),
            Layout::Table(members) => members.bytes(),
        }
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Layout::Intset(_) => "intset",
            Layout::Listpack(_) => "listpack",
            Layout::Table(_) => "hashtable",
        }
    }

    fn packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Layout::Intset(numbers) => Some(numbers.as_bytes()),
            Layout::Listpack(list) => Some(list.as_bytes()),
            Layout::Table(_) => None,
        }
    }

    fn unpack(bytes: &[u8]) -> Set {
        Set(if Listpack::is_one(bytes) {
            Layout::Listpack(Listpack::trusted(bytes))
        } else {
            Layout::Intset(Intset::trusted(bytes))
        })
    }
}

impl From<Layout> for Set {
    /// The members of a listpack must be distinct.
    fn from(layout: Layout) -> Set {
        Set(layout)
    }
}

impl Set {
    pub fn layout(&self) -> &Layout {
        &self.0
    }

    /// Gets ready for `count` members, the first of them `first`: as in Redis, a set that is told to expect
    /// many begins as a table, and an empty one follows its first member.
    pub fn expect(&mut self, count: usize, first: &[u8], limits: &Limits) {
        if self.is_empty() && !matches!(Entry::from(first), Entry::Int(_) if count <= limits.intset_entries) {
            self.0 = Layout::Listpack(Listpack::new());
        }
        let most = match &self.0 {
            Layout::Intset(_) => limits.intset_entries,
            Layout::Listpack(_) => limits.listpack_entries,
            Layout::Table(_) => return,
        };
        if count > most {
            self.make_table();
        }
    }

    /// `O(1)` in a table.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Layout::Intset(numbers) => {
                matches!(Entry::from(member), Entry::Int(number) if numbers.contains(number))
            }
            Layout::Listpack(list) => list.find(list.first(), member, 0).is_some(),
            Layout::Table(members) => members.find(member).is_some(),
        }
    }

    /// `false` when it is there already. `O(1)` in a table.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        match &mut self.0 {
            Layout::Intset(numbers) => match Entry::from(member) {
                Entry::Int(number) => {
                    let is_new = numbers.insert(number);
                    // 2^30 numbers of 8 bytes are as much as Redis lets an intset be.
                    if is_new && numbers.len() > limits.intset_entries.min(1 << 30) {
                        self.make_table();
                    }
                    is_new
                }
                Entry::Str(_) => {
                    let fits = numbers.len() < limits.listpack_entries
                        && limits.listpack_value >= longest(numbers).max(member.len());
                    if fits {
                        self.make_listpack()
                    } else {
                        self.make_table()
                    }
                    self.insert(member, limits)
                }
            },
            Layout::Listpack(list) => {
                if list.find(list.first(), member, 0).is_some() {
                    return false;
                }
                let fits = list.len() < limits.listpack_entries
                    && member.len() <= limits.listpack_value
                    && list.has_room_for(member.len() + 16);
                if fits {
                    list.push_back(member);
                    return true;
                }
                self.make_table();
                self.insert(member, limits)
            }
            Layout::Table(members) => {
                let is_new = members.find(member).is_none();
                if is_new {
                    members.insert(Text::new(member));
                }
                is_new
            }
        }
    }

    /// `false` when it is not there. `O(1)` in a table.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Layout::Intset(numbers) => {
                matches!(Entry::from(member), Entry::Int(number) if numbers.remove(number))
            }
            Layout::Listpack(list) => {
                let found = list.find(list.first(), member, 0);
                found.is_some_and(|place| {
                    list.remove(place);
                    true
                })
            }
            Layout::Table(members) => {
                let found = members.find(member);
                found.is_some_and(|place| members.remove(place).is_some())
            }
        }
    }

    /// The member at an index, in an order that lasts until the set is changed: to draw one at random.
    /// `O(1)`, in a listpack `O(index)`.
    pub fn get(&self, index: usize) -> Option<Entry<'_>> {
        if index >= self.len() {
            return None;
        }
        match &self.0 {
            Layout::Intset(numbers) => Some(Entry::Int(numbers.get(index))),
            Layout::Listpack(list) => list.seek(isize::try_from(index).ok()?).map(|place| list.get(place)),
            Layout::Table(members) => Some(Entry::Str(members.get(index).as_bytes())),
        }
    }

    /// The members: numbers in ascending order, those of a listpack as they came.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
        match &self.0 {
            Layout::Intset(numbers) => Box::new(numbers.iter().map(Entry::Int)),
            Layout::Listpack(list) => Box::new(list.iter()),
            Layout::Table(members) => Box::new(members.iter().map(|text| Entry::Str(text.as_bytes()))),
        }
    }

    /// Shows some members from a cursor on; returns the next cursor, 0 at the end. Small sets are shown whole.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'_>)) -> u64 {
        match &self.0 {
            Layout::Table(members) => members.scan(cursor, count, |text| each(Entry::Str(text.as_bytes()))),
            _ => {
                self.iter().for_each(each);
                0
            }
        }
    }

    /// As compact as a new set of these members.
    pub fn compacted(self, limits: &Limits) -> Set {
        if self.len() > limits.listpack_entries.max(limits.intset_entries) {
            return self;
        }
        let (mut set, mut buffer) = (Set::default(), itoa::Buffer::new());
        for member in self.iter() {
            set.insert(member.text(&mut buffer), limits);
        }
        set
    }

    fn make_listpack(&mut self) {
        let mut list = Listpack::new();
        self.iter().for_each(|member| list.push_back(member));
        self.0 = Layout::Listpack(list);
    }

    fn make_table(&mut self) {
        let mut members = Members::default();
        let mut buffer = itoa::Buffer::new();
        self.iter().for_each(|member| members.insert(Text::new(member.text(&mut buffer))));
        self.0 = Layout::Table(members);
    }
}

/// Digits of the longest number.
fn longest(numbers: &Intset) -> usize {
    let len = |index: usize| itoa::Buffer::new().format(numbers.get(index)).len();
    numbers.len().checked_sub(1).map_or(0, |last| len(0).max(len(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const SMALL: Limits = Limits { intset_entries: 6, listpack_entries: 8, listpack_value: 5 };

    fn members(set: &Set) -> BTreeSet<Vec<u8>> {
        set.iter().map(|member| member.to_text().into_owned()).collect()
    }

    fn with(texts: &[&str], limits: &Limits) -> Set {
        let mut set = Set::default();
        for text in texts {
            set.insert(text.as_bytes(), limits);
        }
        set
    }

    #[test]
    fn it_is_as_compact_as_its_members_allow() {
        assert_eq!(with(&["1", "-7"], &SMALL).encoding(), "intset");
        assert_eq!(with(&["1", "01"], &SMALL).encoding(), "listpack");
        assert_eq!(with(&["1", "abcdef"], &SMALL).encoding(), "hashtable");
        assert_eq!(with(&["123456", "a"], &SMALL).encoding(), "hashtable");
        assert_eq!(with(&["1", "2", "3", "4", "5", "6", "7"], &SMALL).encoding(), "hashtable");
        assert_eq!(with(&["a", "b", "c", "d", "e", "f", "g", "h"], &SMALL).encoding(), "listpack");
        assert_eq!(with(&["a", "b", "c", "d", "e", "f", "g", "h", "i"], &SMALL).encoding(), "hashtable");
    }

    #[test]
    fn a_set_that_expects_many_begins_as_a_table() {
        for (count, first, encoding) in
            [(6, "1", "intset"), (7, "1", "listpack"), (9, "1", "hashtable"), (8, "a", "listpack")]
        {
            let mut set = Set::default();
            set.expect(count, first.as_bytes(), &SMALL);
            assert_eq!(set.encoding(), encoding, "{count} {first}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0..4u8, -12..12i32, any::<bool>()), 0..120)) {
            let (mut set, mut model) = (Set::default(), BTreeSet::new());
            for (step, number, is_word) in steps {
                let member = if is_word && number > 0 { format!("w{number}") } else { number.to_string() };
                let member = member.into_bytes();
                prop_assert_eq!(set.contains(&member), model.contains(&member));
                if step > 0 {
                    prop_assert_eq!(set.insert(&member, &SMALL), model.insert(member.clone()));
                } else {
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(&members(&set), &model);
                let all: BTreeSet<_> =
                    (0..set.len()).filter_map(|at| set.get(at)).map(|one| one.to_text().into_owned()).collect();
                prop_assert_eq!(&all, &model);
            }
        }
    }
}
