//! The shards that a caller holds: which, and their locks, in index order.

use super::shard::Shard;
use parking_lot::MutexGuard;

/// Shards of a store, at most.
pub(super) const SHARDS_MAX: usize = 256;
const WORDS: usize = SHARDS_MAX / 64;

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShardSet([u64; WORDS]);

impl ShardSet {
    #[inline]
    pub(super) fn insert(&mut self, shard: usize) {
        self.0[shard / 64] |= 1 << (shard % 64);
    }

    #[inline]
    pub(super) fn contains(&self, shard: usize) -> bool {
        self.0[shard / 64] >> (shard % 64) & 1 != 0
    }

    /// How many of the set come before this one.
    #[inline]
    fn rank(&self, shard: usize) -> usize {
        let before = (1u64 << (shard % 64)) - 1;
        let words = self.0[..shard / 64].iter().map(|word| word.count_ones()).sum::<u32>();
        (words + (self.0[shard / 64] & before).count_ones()) as usize
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            let rest = std::iter::successors(Some(word), |&word| Some(word & (word.wrapping_sub(1))));
            rest.take_while(|&word| word != 0).map(move |word| at * 64 + word.trailing_zeros() as usize)
        })
    }
}

/// Shards that are held. Taken in ascending order, so that two callers never wait for each other.
#[derive(Default)]
pub(super) struct Held<'s> {
    set: ShardSet,
    guards: Vec<MutexGuard<'s, Shard>>,
}

impl<'s> Held<'s> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.guards.is_empty()
    }

    /// Takes these shards. Nothing is held before.
    pub(super) fn take(&mut self, set: ShardSet, lock: impl Fn(usize) -> MutexGuard<'s, Shard>) {
        debug_assert!(self.is_empty());
        self.set = set;
        self.guards.extend(set.iter().map(lock));
    }

    #[inline]
    pub(super) fn get(&self, shard: usize) -> Option<&Shard> {
        self.set.contains(shard).then(|| &*self.guards[self.set.rank(shard)])
    }

    #[inline]
    pub(super) fn get_mut(&mut self, shard: usize) -> Option<&mut Shard> {
        self.set.contains(shard).then(|| &mut *self.guards[self.set.rank(shard)])
    }

    pub(super) fn release(&mut self) {
        self.set = ShardSet::default();
        self.guards.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_of_shards_is_a_set(shards in prop::collection::btree_set(0..SHARDS_MAX, 0..80), other in 0..SHARDS_MAX) {
            let mut set = ShardSet::default();
            shards.iter().for_each(|&shard| set.insert(shard));
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), shards.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.contains(other), shards.contains(&other));
            let before: BTreeSet<usize> = shards.range(..other).copied().collect();
            prop_assert_eq!(set.rank(other), before.len());
        }
    }
}
