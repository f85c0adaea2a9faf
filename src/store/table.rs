//! The index of a shard: from a hash to the handles of items, in 64-byte buckets, one cache line each.
//!
//! A bucket holds twelve handles of four bytes, a one-byte tag of each item's hash, and a count of
//! the items that were full up here and went on to a later bucket (linear probing), so a look-up
//! ends at the first bucket that nobody passed. Buckets are addressed in hash order
//! (`bucket = hash * buckets >> 32`), which lets a table have any size: it grows by about a sixth at a
//! time, stays between 70 and 83 % full, and a scan can continue after it grew.
//!
//! Why not `hashbrown::HashTable<u32>`: its power-of-two tables cost 6.9 to 13.3 bytes an item where
//! this one costs 6.4 to 7.8, and it shows no address to prefetch (`benches/index.rs`).

use super::prefetch::prefetch;
use crate::simd;

pub(super) const SLOTS: usize = 12;
/// Low bits of a hash that carry nothing (see `tag_of`).
pub(super) const SPENT: u32 = 2;
/// Items a bucket holds on average when the table grows.
const GROW_AT: usize = 10;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Bucket {
    /// 0: the slot is free.
    tags: [u8; SLOTS],
    /// Items whose probe began here or earlier and which are stored later.
    passed: u32,
    slots: [u32; SLOTS],
}

/// Bit i is set where `tags[i] == tag`.
#[inline]
fn matches(tags: &[u8; SLOTS], tag: u8) -> u32 {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *tags;
    let (low, high) = (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u32::from_le_bytes(rest));
    simd::equal(u128::from(low) | u128::from(high) << 64, tag) & ((1 << SLOTS) - 1)
}

const EMPTY: Bucket = Bucket { tags: [0; SLOTS], passed: 0, slots: [0; SLOTS] };

/// Where an item's handle stands; valid until the table changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    bucket: u32,
    slot: u8,
}

/// Three of the four bytes of a hash: its table, about where it begins there, and its tag. They fit a few items of a
/// shard at most, as long as a table has fewer buckets than they tell apart (4096, for half a million items a shard).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hint(u32);

impl Hint {
    pub(super) const BYTES: usize = 3;
    const LEFT_OUT: u32 = 0xFF00;

    pub(super) fn of(hash: u32) -> Hint {
        Hint(hash & !Hint::LEFT_OUT)
    }

    pub(super) fn to_bytes(self) -> [u8; Hint::BYTES] {
        let [low, _, high, highest] = self.0.to_le_bytes();
        [low, high, highest]
    }

    pub(super) fn from_bytes([low, high, highest]: [u8; Hint::BYTES]) -> Hint {
        Hint(u32::from_le_bytes([low, 0, high, highest]))
    }

    /// The smallest and the largest hash that it fits.
    pub(super) fn hashes(self) -> (u32, u32) {
        (self.0, self.0 | Hint::LEFT_OUT)
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    buckets: Vec<Bucket>,
    len: usize,
}

/// The low bits of a table's hash are zero: the shard spent as many on choosing the table.
fn tag_of(hash: u32) -> u8 {
    ((hash >> SPENT) as u8).max(1)
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.buckets.len() as u64) >> 32) as usize
    }

    fn next(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() { 0 } else { bucket + 1 }
    }

    /// Starts loading the bucket where `hash` begins.
    #[inline]
    pub(super) fn prefetch(&self, hash: u32) {
        if let Some(bucket) = self.buckets.get(self.home(hash)) {
            prefetch(bucket);
        }
    }

    /// The first handle with this hash's tag in its home bucket: most likely the item itself.
    #[inline]
    pub(super) fn likely(&self, hash: u32) -> Option<u32> {
        let bucket = self.buckets.get(self.home(hash))?;
        let found = matches(&bucket.tags, tag_of(hash));
        (found != 0).then(|| bucket.slots[found.trailing_zeros() as usize % SLOTS])
    }

    /// Finds the handle for which `is_it` holds among those whose tag fits. `O(1)`.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<(Position, u32)> {
        if self.buckets.is_empty() {
            return None;
        }
        let tag = tag_of(hash);
        let home = self.home(hash);
        let mut at = home;
        loop {
            let bucket = &self.buckets[at];
            let mut found = matches(&bucket.tags, tag);
            while found != 0 {
                let slot = found.trailing_zeros() as usize;
                let handle = bucket.slots[slot];
                if is_it(handle) {
                    return Some((Position { bucket: at as u32, slot: slot as u8 }, handle));
                }
                found &= found - 1;
            }
            at = self.next(at);
            // In a table of few buckets every one may have been passed: then once round is enough.
            if bucket.passed == 0 || at == home {
                return None;
            }
        }
    }

    /// Shows each handle that has the tag of these hashes and began between them; others, too, and some twice.
    pub(super) fn each_between(&self, (low, high): (u32, u32), mut visit: impl FnMut(Position, u32)) {
        debug_assert_eq!(tag_of(low), tag_of(high));
        if self.buckets.is_empty() {
            return;
        }
        for home in self.home(low)..=self.home(high) {
            let mut at = home;
            loop {
                let bucket = &self.buckets[at];
                let mut found = matches(&bucket.tags, tag_of(low));
                while found != 0 {
                    let slot = found.trailing_zeros() as usize;
                    visit(Position { bucket: at as u32, slot: slot as u8 }, bucket.slots[slot]);
                    found &= found - 1;
                }
                at = self.next(at);
                if bucket.passed == 0 || at == home {
                    break;
                }
            }
        }
    }

    pub(super) fn replace(&mut self, position: Position, handle: u32) {
        self.buckets[position.bucket as usize].slots[position.slot as usize] = handle;
    }

    /// Adds a handle; the caller has made room with `grow_if_full`.
    pub(super) fn insert(&mut self, hash: u32, handle: u32) -> Position {
        let mut at = self.home(hash);
        loop {
            let bucket = &mut self.buckets[at];
            let free = matches(&bucket.tags, 0);
            if free != 0 {
                let slot = free.trailing_zeros() as usize;
                bucket.tags[slot] = tag_of(hash);
                bucket.slots[slot] = handle;
                self.len += 1;
                return Position { bucket: at as u32, slot: slot as u8 };
            }
            bucket.passed += 1;
            at = self.next(at);
        }
    }

    pub(super) fn remove(&mut self, position: Position, hash: u32) {
        let end = position.bucket as usize;
        self.buckets[end].tags[position.slot as usize] = 0;
        let mut at = self.home(hash);
        while at != end {
            self.buckets[at].passed -= 1;
            at = self.next(at);
        }
        self.len -= 1;
    }

    /// Makes sure that one more handle fits. `O(n)` when it grows, which is once in n/6 inserts.
    /// `touch` starts loading the item behind a handle, `hash_of` then hashes it.
    pub(super) fn grow_if_full(&mut self, touch: impl Fn(u32), hash_of: impl Fn(u32) -> u32) -> bool {
        if self.len < self.buckets.len() * GROW_AT {
            return false;
        }
        self.resize(size_above(self.buckets.len()), touch, hash_of);
        true
    }

    /// Gives room back when less than a third is used.
    pub(super) fn shrink_if_sparse(&mut self, touch: impl Fn(u32), hash_of: impl Fn(u32) -> u32) -> bool {
        if self.buckets.len() < 2 || self.len * 3 > self.buckets.len() * SLOTS {
            return false;
        }
        let mut size = 0;
        while size * (GROW_AT - 1) <= self.len && (size > 0 || self.len > 0) {
            size = size_above(size);
        }
        self.resize(size, touch, hash_of);
        true
    }

    fn resize(&mut self, buckets: usize, touch: impl Fn(u32), hash_of: impl Fn(u32) -> u32) {
        let old = std::mem::replace(&mut self.buckets, vec![EMPTY; buckets]);
        self.len = 0;
        // The items lie anywhere in memory: load those of the next buckets while these are hashed.
        const AHEAD: usize = 2;
        let handles = |bucket: &Bucket| {
            let bucket = *bucket;
            (0..SLOTS).filter(move |&i| bucket.tags[i] != 0).map(move |i| bucket.slots[i])
        };
        for (i, bucket) in old.iter().enumerate() {
            if let Some(later) = old.get(i + AHEAD) {
                handles(later).for_each(&touch);
            }
            for handle in handles(bucket) {
                self.insert(hash_of(handle), handle);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Table::default();
    }

    /// Every handle, in no order.
    pub(super) fn handles(&self) -> impl Iterator<Item = u32> + '_ {
        self.buckets
            .iter()
            .flat_map(|bucket| (0..SLOTS).filter(|&i| bucket.tags[i] != 0).map(|i| bucket.slots[i]))
    }

    /// Handles whose hash is at least `from`, bucket by bucket in hash order, until `count` were
    /// seen. Returns them (a few more may be among them: check the hash) with the hash up to which
    /// all were seen, `None` at the end of the table.
    pub(super) fn scan(&self, from: u32, count: usize, seen: &mut Vec<u32>) -> Option<u32> {
        if self.buckets.is_empty() {
            return None;
        }
        let first = self.home(from);
        let mut end = first;
        while end < self.buckets.len() && seen.len() < count {
            self.collect(end, seen);
            end += 1;
        }
        // Items that began before `end` may be stored behind it.
        let mut behind = end - 1;
        while self.buckets[behind].passed > 0 {
            behind = self.next(behind);
            if (first..end).contains(&behind) {
                break;
            }
            self.collect(behind, seen);
        }
        (end < self.buckets.len()).then(|| {
            let buckets = self.buckets.len() as u64;
            ((end as u64) << 32).div_ceil(buckets) as u32
        })
    }

    fn collect(&self, bucket: usize, seen: &mut Vec<u32>) {
        let bucket = &self.buckets[bucket];
        seen.extend((0..SLOTS).filter(|&i| bucket.tags[i] != 0).map(|i| bucket.slots[i]));
    }

    /// A handle near a random place; `None` only when the table is empty.
    pub(super) fn sample(&self, random: u64) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let mut at = self.home((random >> 32) as u32);
        loop {
            let bucket = &self.buckets[at];
            let turn = random as usize % SLOTS;
            let slot = (turn..SLOTS).chain(0..turn).find(|&i| bucket.tags[i] != 0);
            if let Some(slot) = slot {
                return Some(bucket.slots[slot]);
            }
            at = self.next(at);
        }
    }

    #[cfg(test)]
    pub(super) fn validate(&self, hash_of: impl Fn(u32) -> u32) {
        assert_eq!(self.handles().count(), self.len);
        let mut passed = vec![0; self.buckets.len()];
        for (i, bucket) in self.buckets.iter().enumerate() {
            for slot in (0..SLOTS).filter(|&s| bucket.tags[s] != 0) {
                let hash = hash_of(bucket.slots[slot]);
                assert_eq!(bucket.tags[slot], tag_of(hash));
                let mut at = self.home(hash);
                while at != i {
                    passed[at] += 1;
                    at = self.next(at);
                }
            }
        }
        let counted: Vec<u32> = self.buckets.iter().map(|bucket| bucket.passed).collect();
        assert_eq!(counted, passed);
    }
}

/// The next larger number of buckets. Steps follow the allocator's size classes (one eighth to one
/// fourth), so that nothing is lost to rounding.
fn size_above(buckets: usize) -> usize {
    match buckets {
        0..8 => buckets + 1,
        _ => buckets + (1 << (buckets.ilog2() - 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Handles are numbers; a badly spread hash makes buckets overflow.
    fn crowded(handle: u32) -> u32 {
        handle.wrapping_mul(2_654_435_761) & 0xF000_0FF0
    }

    fn spread(handle: u32) -> u32 {
        handle.wrapping_mul(2_654_435_761)
    }

    /// Both buckets full at different times, so that each sent an item on to the other: a look-up of an
    /// absent key once went round for ever (found by `benches/hit_ratio.rs` at 204 items).
    #[test]
    fn a_look_up_ends_when_every_bucket_was_passed() {
        let low = |handle: u32| if handle < 100 { handle << 16 } else { u32::MAX - (handle << 16) };
        let mut table = Table { buckets: vec![EMPTY; 2], len: 0 };
        let remove = |table: &mut Table, handle| {
            let (position, _) = table.find(low(handle), |h| h == handle).expect("it was inserted");
            table.remove(position, low(handle));
        };
        (0..13).for_each(|handle| {
            table.insert(low(handle), handle);
        });
        (1..12).for_each(|handle| remove(&mut table, handle));
        (100..112).for_each(|handle| {
            table.insert(low(handle), handle);
        });
        assert!(table.buckets.iter().all(|bucket| bucket.passed > 0));
        assert_eq!(table.find(low(99), |h| h == 99), None);
        table.validate(low);
    }

    proptest! {
        /// A hint finds the item it was made of, among others and however full the table is.
        #[test]
        fn a_hint_finds_every_item_that_it_fits(count in 1u32..2000, spread_by: u32) {
            // Neighbours in the byte that a hint leaves out are frequent.
            let hash_of = |handle: u32| (handle / 3).wrapping_mul(spread_by | 1) ^ (handle % 3) << 9;
            let mut table = Table::default();
            for handle in 0..count {
                table.grow_if_full(|_| (), |handle| hash_of(handle) << SPENT);
                table.insert(hash_of(handle) << SPENT, handle);
            }
            for handle in 0..count {
                let hint = Hint::of(hash_of(handle));
                prop_assert_eq!(Hint::from_bytes(hint.to_bytes()), hint);
                let (low, high) = hint.hashes();
                prop_assert!((low..=high).contains(&hash_of(handle)));
                let mut seen = false;
                table.each_between((low << SPENT, high << SPENT), |_, other| seen |= other == handle);
                prop_assert!(seen);
            }
        }

        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec((any::<bool>(), 0u32..300), 0..900), crowd: bool) {
            let hash_of = if crowd { crowded } else { spread };
            let (mut table, mut model) = (Table::default(), BTreeSet::new());
            for (add, handle) in steps {
                let found = table.find(hash_of(handle), |h| h == handle);
                prop_assert_eq!(found.is_some(), model.contains(&handle));
                match (add, found) {
                    (true, None) => {
                        table.grow_if_full(|_| (), hash_of);
                        table.insert(hash_of(handle), handle);
                        model.insert(handle);
                    }
                    (false, Some((position, _))) => {
                        table.remove(position, hash_of(handle));
                        model.remove(&handle);
                        table.shrink_if_sparse(|_| (), hash_of);
                    }
                    _ => {}
                }
                table.validate(hash_of);
            }
            prop_assert_eq!(table.handles().collect::<BTreeSet<_>>(), model);
        }

        #[test]
        fn a_scan_sees_everything_even_when_the_table_grows(count in 1u32..400, step in 1usize..50, crowd: bool) {
            let hash_of = if crowd { crowded } else { spread };
            let mut table = Table::default();
            for handle in 0..count {
                table.grow_if_full(|_| (), hash_of);
                table.insert(hash_of(handle), handle);
            }
            let (mut seen, mut from, mut extra) = (BTreeSet::new(), Some(0), count);
            while let Some(at) = from {
                let mut handles = Vec::new();
                from = table.scan(at, step, &mut handles);
                seen.extend(handles.into_iter().filter(|&h| hash_of(h) >= at));
                for _ in 0..5 {
                    table.grow_if_full(|_| (), hash_of);
                    table.insert(hash_of(extra), extra);
                    extra += 1;
                }
                if extra > 5000 { break; }
            }
            prop_assert!((0..count).all(|handle| seen.contains(&handle)) || extra > 5000);
        }
    }
}
