//! Loading index and items from memory ahead of the requests that need them. At a million items a look-up waits for
//! main memory two or three times, and most of its time is that; asked for ahead, several wait together.
//!
//! Three passes over the same keys, each asking for what the one before has made known: the shard, the bucket of its
//! index, the item that the bucket leads to. All of it is a hint. A shard that is locked is left out, and nothing is
//! wrong when the key has moved meanwhile.

use super::Store;
use super::prefetch::prefetch_at;
use super::shard::{Shard, item_hash};

/// Where a key is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(super) shard: u32,
    pub(super) hash: u32,
}

impl Store {
    #[inline]
    pub(super) fn place_of(&self, id: u8, key: &[u8]) -> Place {
        let hash = self.shared.hash(key);
        Place { shard: self.shard_of(hash) as u32, hash: item_hash(hash, id) }
    }

    /// The first pass: where this key of a database is looked for. Starts loading the shard's lock and what it knows of
    /// the index.
    #[inline]
    pub fn foresee(&self, db: u32, key: &[u8]) -> Place {
        let place = self.place_of(self.id_of(db), key);
        let slot = &self.shards[place.shard as usize];
        prefetch_at(slot);
        prefetch_at(slot.0.data_ptr().cast::<u8>().wrapping_add(Shard::offset_of_table(place.hash)));
        place
    }

    /// The other two passes.
    #[inline]
    pub fn load(&self, places: &[Place]) {
        for place in places {
            if let Some(shard) = self.shards[place.shard as usize].0.try_lock() {
                shard.prefetch_bucket(place.hash);
            }
        }
        for place in places {
            if let Some(shard) = self.shards[place.shard as usize].0.try_lock() {
                shard.prefetch_item(place.hash);
            }
        }
    }
}

/// The places of a batch of keys.
pub struct Places {
    places: [Place; Places::MOST],
    len: usize,
}

impl Places {
    /// Keys that are worth asking for at once: the processor has about so many loads under way.
    pub const MOST: usize = 16;

    #[inline]
    pub fn as_slice(&self) -> &[Place] {
        &self.places[..self.len]
    }
}

impl Default for Places {
    #[inline]
    fn default() -> Places {
        Places { places: [Place { shard: 0, hash: 0 }; Places::MOST], len: 0 }
    }
}

impl Extend<Place> for Places {
    /// What is beyond [`Places::MOST`] is left out, and not even asked for.
    #[inline]
    fn extend<I: IntoIterator<Item = Place>>(&mut self, places: I) {
        for (to, place) in self.places[self.len..].iter_mut().zip(places) {
            *to = place;
            self.len += 1;
        }
    }
}
