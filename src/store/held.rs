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

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            let rest = std::iter::successors(Some(word), |&word| Some(word & (word.wrapping_sub(1))));
            rest.take_while(|&word| word != 0).map(move |word| at * 64 + word.trailing_zeros() as usize)
        })
    }
}

/// Shards that are held. Taken in ascending order, so that two callers never wait for each other.
pub(super) struct Held<'s> {
    set: ShardSet,
    guards: Vec<MutexGuard<'s, Shard>>,
    /// Where in `guards` a shard of the set is.
    index: [u8; SHARDS_MAX],
}

impl Default for Held<'_> {
    #[inline]
    fn default() -> Self {
        Held { set: ShardSet::default(), guards: Vec::new(), index: [0; SHARDS_MAX] }
    }
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
        for (at, shard) in set.iter().enumerate() {
            self.index[shard] = at as u8;
            self.guards.push(lock(shard));
        }
    }

    #[inline]
    pub(super) fn get(&self, shard: usize) -> Option<&Shard> {
        self.set.contains(shard).then(|| &*self.guards[usize::from(self.index[shard])])
    }

    #[inline]
    pub(super) fn get_mut(&mut self, shard: usize) -> Option<&mut Shard> {
        self.set.contains(shard).then(|| &mut *self.guards[usize::from(self.index[shard])])
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

    proptest! {
        #[test]
        fn a_set_of_shards_is_a_set(shards in prop::collection::btree_set(0..SHARDS_MAX, 0..80), other in 0..SHARDS_MAX) {
            let mut set = ShardSet::default();
            shards.iter().for_each(|&shard| set.insert(shard));
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), shards.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.contains(other), shards.contains(&other));
        }
    }
}
