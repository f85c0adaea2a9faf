//! Loading index and items from memory ahead of the requests that need them. At a million items a look-up waits for
//! main memory two or three times, and most of its time is that; asked for ahead, several wait together.
//!
//! First every key's bucket is asked for, then, when those have come, the item that each leads to: two passes over
//! the same keys, with other work between them where there is any. All of it is a hint. A shard that is locked is left
//! out, and nothing is wrong when the key has moved meanwhile.

use super::Store;
use super::shard::item_hash;

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

    /// The first pass: starts loading where the index has this key of a database.
    #[inline]
    pub fn load_index(&self, db: u32, key: &[u8]) -> Place {
        let place = self.place_of(self.id_of(db), key);
        if let Some(shard) = self.shards[place.shard as usize].0.try_lock() {
            shard.prefetch_bucket(place.hash);
        }
        place
    }

    /// The second pass: starts loading the item that most likely is the key's.
    #[inline]
    pub fn load_item(&self, place: Place) {
        if let Some(shard) = self.shards[place.shard as usize].0.try_lock() {
            shard.prefetch_item(place.hash);
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

    /// The second pass, for all of them.
    #[inline]
    pub fn load_items(&self, store: &Store) {
        self.places[..self.len].iter().for_each(|&place| store.load_item(place));
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
