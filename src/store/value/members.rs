//! A hash table of named records, for sets, sorted sets and hashes that are too large for a listpack.
//!
//! - Records lie densely, in the order in which they came until one is removed (then the last takes its
//!   place): drawing one at random is drawing a number.
//! - Buckets are chains through the records, by linear hashing (Litwin, 1980): with every record that comes
//!   one bucket is split, with every one that goes two are joined. There is never a rehash, so no insertion
//!   takes long, however many there are.
//! - A bucket holds the records whose hashes share their low bits: an interval of all hashes when they are
//!   read backwards. A scan walks that line, and its cursor is a place on it: what is there from its
//!   beginning to its end is shown exactly once, whatever is added or removed in between.

use super::chunks::Chunks;
use super::text::Text;
use std::sync::LazyLock;

/// What the table finds by its name. The name never changes.
pub trait Record {
    fn name(&self) -> &[u8];
    /// Bytes allocated behind the record itself.
    fn heap_bytes(&self) -> usize;
}

/// A name alone: the member of a set.
impl Record for Text {
    fn name(&self) -> &[u8] {
        self.as_bytes()
    }

    fn heap_bytes(&self) -> usize {
        Text::heap_bytes(self)
    }
}

#[derive(Clone, Debug)]
struct Slot<R> {
    record: R,
    hash: u32,
    /// The next one in the bucket, or `NONE`.
    next: u32,
}

const NONE: u32 = u32::MAX;

/// The table. A place is the number of a record; a removal may move the last one (see [`Removed`]).
#[derive(Clone, Debug)]
pub struct Members<R> {
    slots: Chunks<Slot<R>, 256>,
    /// First record of every bucket; as many buckets as records, but at least one.
    heads: Chunks<u32, 2048>,
    heap_bytes: usize,
}

/// What [`Members::remove`] did.
#[derive(Debug)]
pub struct Removed<R> {
    pub record: R,
    /// The place from which a record came to that of the removed one.
    pub moved: Option<usize>,
}

impl<R> Default for Members<R> {
    fn default() -> Members<R> {
        let mut heads = Chunks::default();
        heads.push(NONE);
        Members { slots: Chunks::default(), heads, heap_bytes: 0 }
    }
}

fn hash(name: &[u8]) -> u32 {
    // One seed for the process: whoever does not know it cannot fill one bucket.
    static SEED: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);
    use std::hash::BuildHasher;
    SEED.hash_one(name) as u32
}

/// The low bits that tell buckets apart, of which there are `count`.
fn mask(count: usize) -> usize {
    count.next_power_of_two() - 1
}

impl<R> Members<R> {
    fn bucket_of(&self, hash: u32) -> usize {
        let mask = mask(self.heads.len());
        let bucket = hash as usize & mask;
        if bucket < self.heads.len() { bucket } else { bucket & (mask >> 1) }
    }

    /// How many low bits of their hashes the records of a bucket share.
    fn depth_of(&self, bucket: usize) -> u32 {
        let mask = mask(self.heads.len());
        let half = mask >> 1;
        let is_split = bucket > half || bucket + half + 1 < self.heads.len();
        if is_split { mask.count_ones() } else { half.count_ones() }
    }
}

impl<R: Record> Members<R> {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes allocated. `O(1)`.
    pub fn bytes(&self) -> usize {
        self.slots.bytes() + self.heads.bytes() + self.heap_bytes
    }

    /// The place of the record of this name. `O(1)`.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let hash = hash(name);
        let mut at = self.heads[self.bucket_of(hash)];
        while at != NONE {
            let slot = &self.slots[at as usize];
            if slot.hash == hash && slot.record.name() == name {
                return Some(at as usize);
            }
            at = slot.next;
        }
        None
    }

    pub fn get(&self, place: usize) -> &R {
        &self.slots[place].record
    }

    /// Changes what a record holds beside its name.
    pub fn change<T>(&mut self, place: usize, change: impl FnOnce(&mut R) -> T) -> T {
        let record = &mut self.slots[place].record;
        self.heap_bytes -= record.heap_bytes();
        let result = change(record);
        self.heap_bytes += record.heap_bytes();
        result
    }

    /// Adds a record whose name is not there yet; its place is the last. `O(1)`.
    pub fn insert(&mut self, record: R) {
        let hash = hash(record.name());
        self.heap_bytes += record.heap_bytes();
        if !self.is_empty() {
            self.add_bucket();
        }
        let bucket = self.bucket_of(hash);
        let next = std::mem::replace(&mut self.heads[bucket], self.slots.len() as u32);
        self.slots.push(Slot { record, hash, next });
    }

    /// Takes a record out. `O(1)`.
    pub fn remove(&mut self, place: usize) -> Option<Removed<R>> {
        let last = self.len().checked_sub(1).filter(|&last| place <= last)?;
        let next = self.slots[place].next;
        *self.link_to(place) = next;
        if place != last {
            *self.link_to(last) = place as u32;
        }
        let record = self.slots.swap_remove(place)?.record;
        self.heap_bytes -= record.heap_bytes();
        if !self.is_empty() {
            self.drop_bucket();
        }
        Some(Removed { record, moved: (place != last).then_some(last) })
    }

    /// What points to a slot: the bucket's head, or the slot before it in the chain.
    fn link_to(&mut self, place: usize) -> &mut u32 {
        let bucket = self.bucket_of(self.slots[place].hash);
        let mut at = self.heads[bucket] as usize;
        if at == place {
            return &mut self.heads[bucket];
        }
        while self.slots[at].next as usize != place {
            at = self.slots[at].next as usize;
        }
        &mut self.slots[at].next
    }

    /// Splits the bucket whose turn it is.
    fn add_bucket(&mut self) {
        let new = self.heads.len();
        self.heads.push(NONE);
        let mask = mask(new + 1);
        let old = new & (mask >> 1);
        let mut at = std::mem::replace(&mut self.heads[old], NONE);
        while at != NONE {
            let slot = &mut self.slots[at as usize];
            let home = if slot.hash as usize & mask == new { new } else { old };
            let next = std::mem::replace(&mut slot.next, self.heads[home]);
            self.heads[home] = at;
            at = next;
        }
    }

    /// Joins the last bucket with the one that it was split from.
    fn drop_bucket(&mut self) {
        let old = (self.heads.len() - 1) & (mask(self.heads.len()) >> 1);
        let Some(mut at) = self.heads.pop() else { return };
        while at != NONE {
            let next = std::mem::replace(&mut self.slots[at as usize].next, self.heads[old]);
            self.heads[old] = at;
            at = next;
        }
    }

    /// In no order that means anything.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &R> {
        self.slots.iter().map(|slot| &slot.record)
    }

    /// All records, in no order that means anything.
    pub fn into_records(self) -> impl Iterator<Item = R> {
        self.slots.into_items().map(|slot| slot.record)
    }

    /// Shows records from the cursor on, whole buckets of them until there are `count` or more; returns the
    /// cursor to go on from, 0 at the end. `O(count)`.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(&R)) -> u64 {
        let mut seen = 0;
        // Where we are on the line of backward hashes. A cursor that we never gave ends the scan.
        let Ok(mut from) = u32::try_from(cursor) else { return 0 };
        // Empty buckets cost time too.
        for _ in 0..count.saturating_mul(10) {
            let bucket = self.bucket_of(from.reverse_bits());
            let mut at = self.heads[bucket];
            while at != NONE {
                let slot = &self.slots[at as usize];
                if slot.hash.reverse_bits() >= from {
                    each(&slot.record);
                    seen += 1;
                }
                at = slot.next;
            }
            let width = 1u64 << (u32::BITS - self.depth_of(bucket));
            let next = (u64::from(from) / width + 1) * width;
            match u32::try_from(next) {
                Ok(next) => from = next,
                Err(_) => return 0,
            }
            if seen >= count {
                break;
            }
        }
        from.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    impl Members<Text> {
        fn validate(&self) {
            assert_eq!(self.heads.len(), self.len().max(1));
            let mut seen = BTreeSet::new();
            for bucket in 0..self.heads.len() {
                let mut at = self.heads[bucket];
                while at != NONE {
                    let slot = &self.slots[at as usize];
                    assert_eq!(self.bucket_of(slot.hash), bucket);
                    assert!(seen.insert(at));
                    at = slot.next;
                }
            }
            assert_eq!(seen.len(), self.len());
            assert_eq!(self.heap_bytes, self.iter().map(Text::heap_bytes).sum::<usize>());
        }
    }

    fn name(number: u16) -> Vec<u8> {
        format!("{number}{}", "x".repeat(usize::from(number) % 40)).into_bytes()
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 0..200u16), 0..600)) {
            let (mut members, mut model) = (Members::default(), BTreeSet::new());
            for (adds, number) in steps {
                let name = name(number);
                let found = members.find(&name);
                prop_assert_eq!(found.is_some(), model.contains(&name));
                match found {
                    None if adds => {
                        members.insert(Text::new(&name));
                        model.insert(name);
                    }
                    Some(place) if !adds => {
                        let last = members.len() - 1;
                        let moved = members.get(last).clone();
                        let removed = members.remove(place).expect("it was found");
                        prop_assert_eq!(removed.record.as_bytes(), &*name);
                        prop_assert_eq!(removed.moved.is_some(), place != last);
                        if place != last {
                            prop_assert_eq!(members.get(place), &moved);
                        }
                        model.remove(&name);
                    }
                    _ => {}
                }
                members.validate();
            }
        }

        #[test]
        fn a_scan_shows_what_stays_exactly_once(
            before in prop::collection::btree_set(0..300u16, 0..200),
            changes in prop::collection::vec((any::<bool>(), 300..900u16), 0..400),
            count in 1..20usize,
        ) {
            let mut members = Members::default();
            for &number in &before {
                members.insert(Text::new(&name(number)));
            }
            let mut seen = BTreeMap::<Vec<u8>, usize>::new();
            let (mut cursor, mut changes) = (0, changes.into_iter());
            loop {
                cursor = members.scan(cursor, count, |text| *seen.entry(text.as_bytes().to_vec()).or_default() += 1);
                if cursor == 0 {
                    break;
                }
                for (adds, number) in changes.by_ref().take(10) {
                    match members.find(&name(number)) {
                        None if adds => members.insert(Text::new(&name(number))),
                        Some(place) if !adds => drop(members.remove(place)),
                        _ => {}
                    }
                }
            }
            for number in before {
                prop_assert_eq!(seen.get(&name(number)), Some(&1), "{}", number);
            }
        }
    }
}
