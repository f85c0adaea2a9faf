//! The data: a sharded map from keys to items under a byte limit, with deadlines and eviction. Knows no
//! protocol, no socket, no async.
//!
//! A key's hash chooses a shard by its high bits; one short lock guards everything the shard has
//! (`shard`). A caller reaches items through a [`Db`] handle, which looks a key up once and hands out an
//! [`Entry`] with the shard locked. Several keys are held together by [`Db::hold`], in index order, so
//! two callers can never wait for each other.
//!
//! ```text
//! Db::entry ─► Shard ─┬─ table    hash → handle            ─► log      header · key · value, in
//!                     ├─ wheel    when items are due                   eviction order
//!                     └─ eviction which queue, who goes    ─► heap     large values, collections
//! ```

mod ahead;
mod change;
mod entry;
pub mod eviction;
mod expiry;
mod heap;
mod held;
mod item;
mod lent;
mod log;
pub mod memory;
mod prefetch;
mod shard;
mod table;
pub mod value;

#[cfg(test)]
mod tests;

pub use ahead::{Place, Places};
pub use change::{Event, EventClass, Interest, Observer};
pub use entry::{
    Access, Change, ChangeError, Entry, Expiry, Item, Owned, OwnedValue, Put, StoreError, Value, WrongKind,
};
pub use eviction::PolicyKind;
pub use item::Mark;
pub use lent::{Lent, lend};
pub use shard::{DbCount, ShardStats};
pub use value::{Collection, Kind, Object};

use crate::clock::Millis;
use change::Hub;
use heap::Garbage;
use held::{Held, SHARDS_MAX, ShardSet};
use log::{Handle, Queue};
use parking_lot::{Mutex, MutexGuard};
use shard::{Shard, Shared, item_hash};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a store is laid out.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Byte limit; 0: none.
    pub limit: usize,
    /// Number of databases, at most 255.
    pub databases: u8,
    pub policy: PolicyKind,
    /// Number of shards, a power of two, 256 at most; 0: chosen from the limit.
    pub shards: usize,
    /// Seed of the key hash; random in the daemon, fixed in tests.
    pub seed: u64,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            limit: 0,
            databases: 16,
            policy: PolicyKind::default(),
            shards: 0,
            seed: 0x6d61_6770_6965,
        }
    }
}

/// A shard's lock in cache lines of its own, so that neighbours do not slow each other.
#[repr(align(128))]
struct Slot(Mutex<Shard>);

/// The store. Cheap to share by reference; every operation locks one shard for a moment.
pub struct Store {
    shared: Shared,
    shards: Box<[Slot]>,
    /// How far to shift a key's hash to get its shard.
    shift: u32,
    hub: Arc<Hub>,
    /// The shard that is asked next when another needs room.
    giver: AtomicUsize,
}

/// Counts over all shards.
#[derive(Clone, Debug, Default)]
pub struct StoreStats {
    pub events: ShardStats,
    /// By logical database.
    pub databases: Vec<DbCount>,
    /// Bytes of living records.
    pub live: usize,
    /// Bytes of values on the heap.
    pub heap: usize,
    /// Bytes that compaction may win back.
    pub dead: usize,
    /// Bytes of living records on probation.
    pub small: usize,
}

impl StoreStats {
    pub fn items(&self) -> u64 {
        self.databases.iter().map(|count| count.items).sum()
    }

    pub fn volatile(&self) -> u64 {
        self.databases.iter().map(|count| count.volatile).sum()
    }
}

/// A small store needs few shards, or each would hold too little for its eviction to be any good: four instead of
/// one cost 1.0 to 1.4 points of hit ratio where the limit is below that of one (`benches/hit_ratio`).
fn shards_for(limit: usize) -> usize {
    const SHARE: usize = 16 << 20;
    match limit {
        0 => SHARDS_MAX,
        _ => limit.div_ceil(SHARE).next_power_of_two().min(SHARDS_MAX),
    }
}

impl Store {
    pub fn new(options: StoreOptions) -> Store {
        let shards = match options.shards {
            0 => shards_for(options.limit),
            shards => shards.next_power_of_two().min(SHARDS_MAX),
        };
        let hub = Arc::new(Hub::new(options.databases.max(1)));
        Store {
            shared: Shared::new(options.limit, options.policy, shards, options.seed),
            shards: (0..shards)
                .map(|number| Slot(Mutex::new(Shard::new(hub.clone(), number as u64))))
                .collect(),
            shift: 64 - shards.ilog2(),
            hub,
            giver: AtomicUsize::new(0),
        }
    }

    /// Names who is told of changes while anybody listens. Once a store.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.hub.observe(observer);
    }

    /// Turns an interest in changes on or off. A key whose shard the caller holds is told from this moment on.
    pub fn listen(&self, interest: Interest, on: bool) {
        self.hub.listen(interest, on);
    }

    /// A handle on a database. `index` is below `databases()`.
    pub fn db(&self, index: u32, now: Millis) -> Db<'_> {
        Db {
            store: self,
            index,
            id: self.id_of(index),
            now,
            touching: true,
            held: Held::default(),
            places: Vec::new(),
            held_for_one: false,
        }
    }

    fn id_of(&self, index: u32) -> u8 {
        self.hub.databases[index as usize].load(Ordering::Relaxed)
    }

    pub fn databases(&self) -> u32 {
        self.hub.databases.len() as u32
    }

    #[inline]
    fn shard_of(&self, hash: u64) -> usize {
        // A shift by 64 would overflow: with one shard the answer is 0 all the same.
        (hash.checked_shr(self.shift).unwrap_or(0)) as usize
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].0.lock()
    }

    /// The byte limit; 0: none.
    pub fn limit(&self) -> usize {
        self.shared.budget.limit()
    }

    /// Takes effect with the next writes; maintenance evicts what is over it.
    pub fn set_limit(&self, bytes: usize) {
        self.shared.budget.set_limit(bytes);
    }

    /// Bytes charged: segments, tables, wheels, heap values.
    pub fn used(&self) -> usize {
        self.shared.budget.used()
    }

    /// Tells the store how much more memory the process holds than is charged (fragmentation).
    pub fn set_excess(&self, bytes: usize) {
        self.shared.budget.set_excess(bytes);
    }

    /// Is the limit reached with a policy that lets nothing go? Then commands that add data are
    /// refused.
    pub fn is_out_of_memory(&self) -> bool {
        self.shared.policy() == PolicyKind::NoEviction && self.shared.budget.is_short_of(0)
    }

    pub fn policy(&self) -> PolicyKind {
        self.shared.policy()
    }

    pub fn set_policy(&self, policy: PolicyKind) {
        self.shared.policy.store(policy.to_byte(), Ordering::Relaxed);
    }

    /// How sampling policies sample and LFU counts: `maxmemory-samples`, `lfu-log-factor`,
    /// `lfu-decay-time` (minutes).
    pub fn set_sampling(&self, samples: u32, lfu_factor: u32, lfu_decay: u32) {
        self.shared.samples.store(samples, Ordering::Relaxed);
        self.shared.lfu_factor.store(lfu_factor, Ordering::Relaxed);
        self.shared.lfu_decay.store(lfu_decay, Ordering::Relaxed);
    }

    /// Items of a database, those that are due but not yet gone included. `O(shards)`.
    pub fn count_of(&self, index: u32) -> DbCount {
        self.db(index, Millis(0)).count()
    }

    /// Counts over all shards, one lock after the other.
    pub fn stats(&self) -> StoreStats {
        self.db(0, Millis(0)).stats()
    }

    /// Back to zero, for `CONFIG RESETSTAT` and `stats reset`.
    pub fn reset_stats(&self) {
        self.db(0, Millis(0)).reset_stats();
    }

    /// Removes what is due and tidies up, in every `parts`-th shard from `part` on: each worker has its own.
    pub fn maintain(&self, part: usize, parts: usize, now: Millis, expire: bool) {
        self.chores(part, parts, now, expire).for_each(drop);
    }

    /// `maintain` piece by piece, for who has other things to do in between. A piece is a few hundred items at
    /// most, and no lock is held from one to the next.
    pub fn chores(
        &self,
        part: usize,
        parts: usize,
        now: Millis,
        expire: bool,
    ) -> impl Iterator<Item = ()> + '_ {
        const AT_ONCE: usize = 256;
        (part..self.shards.len()).step_by(parts.max(1)).flat_map(move |number| {
            let (mut expires, mut tidies) = (expire, true);
            std::iter::from_fn(move || {
                if !expires && !tidies {
                    return None;
                }
                let mut shard = self.lock(number);
                if expires {
                    expires = shard.expire_due(now, AT_ONCE, &self.shared);
                } else {
                    tidies = shard.tidy(now, &self.shared);
                }
                let garbage = std::mem::take(&mut shard.garbage);
                drop(shard);
                drop(garbage);
                Some(())
            })
        })
    }

    /// Makes other shards give room when one that had little could not make its own. Locks are only
    /// tried, since the caller may hold some.
    #[inline]
    fn relieve(&self, now: Millis) {
        if self.shared.owing.load(Ordering::Relaxed) {
            self.relieve_now(now);
        }
    }

    #[cold]
    fn relieve_now(&self, now: Millis) {
        self.shared.owing.store(false, Ordering::Relaxed);
        let fair = self.limit() / self.shards.len();
        // First those that have more than their share; then everybody, as long as anybody gives.
        for floor in [fair / 2, 0] {
            let mut refusals = 0;
            while refusals < self.shards.len() {
                if !self.shared.budget.is_short_of(0) {
                    return;
                }
                let number = self.giver.fetch_add(1, Ordering::Relaxed) % self.shards.len();
                refusals = if self.take_from(number, floor, now) { 0 } else { refusals + 1 };
            }
        }
    }

    /// Makes one shard give, down to `floor` bytes and for a bounded number of steps.
    fn take_from(&self, number: usize, floor: usize, now: Millis) -> bool {
        const STEPS: usize = 256;
        let Some(mut shard) = self.shards[number].0.try_lock() else { return false };
        let mut gave = false;
        for _ in 0..STEPS {
            if shard.charged() <= floor || !shard.give_way(now, &self.shared) {
                break;
            }
            gave = true;
            shard.settle(&self.shared);
            if !self.shared.budget.is_short_of(0) {
                break;
            }
        }
        let garbage = std::mem::take(&mut shard.garbage);
        drop(shard);
        drop(garbage);
        gave
    }
}

/// A shard, locked for this access or held for longer.
enum Guard<'d> {
    Own(MutexGuard<'d, Shard>),
    Held(&'d mut Shard),
}

impl Deref for Guard<'_> {
    type Target = Shard;

    #[inline]
    fn deref(&self) -> &Shard {
        match self {
            Guard::Own(guard) => guard,
            Guard::Held(shard) => shard,
        }
    }
}

impl DerefMut for Guard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Shard {
        match self {
            Guard::Own(guard) => guard,
            Guard::Held(shard) => shard,
        }
    }
}

/// A caller's handle on one database at one moment. Holds no lock, unless asked to by `hold`.
pub struct Db<'s> {
    store: &'s Store,
    index: u32,
    id: u8,
    now: Millis,
    /// Do reads mark the access?
    touching: bool,
    held: Held<'s>,
    /// Room for [`Db::hold`].
    places: Vec<Place>,
    /// They are held for a single command, which may let go of them before it has replied.
    held_for_one: bool,
}

impl<'s> Db<'s> {
    pub fn now(&self) -> Millis {
        self.now
    }

    pub fn index(&self) -> u32 {
        self.index
    }

    /// Goes over to another database. `index` is below `Store::databases`.
    pub fn select(&mut self, index: u32) {
        self.index = index;
        self.id = self.store.id_of(index);
    }

    /// Whether [`Entry::read`] marks the access (`CLIENT NO-TOUCH`); it does to begin with.
    pub fn set_touching(&mut self, touching: bool) {
        self.touching = touching;
    }

    /// Locks the key's shard and looks the key up, once. An item that is due is absent. `O(1)`.
    #[inline]
    pub fn entry<'d>(&'d mut self, key: &'d [u8]) -> Entry<'d> {
        let id = self.id;
        self.entry_of(id, key)
    }

    /// `entry` in another database.
    pub fn entry_in<'d>(&'d mut self, index: u32, key: &'d [u8]) -> Entry<'d> {
        let id = self.store.id_of(index);
        self.entry_of(id, key)
    }

    #[inline]
    fn entry_of<'d>(&'d mut self, id: u8, key: &'d [u8]) -> Entry<'d> {
        let hash = self.store.shared.hash(key);
        let (store, now, touching) = (self.store, self.now, self.touching);
        let shard = self.guard(store.shard_of(hash));
        Entry::new(store, shard, key, id, item_hash(hash, id), now, touching)
    }

    #[inline]
    fn guard(&mut self, shard: usize) -> Guard<'_> {
        // Asked twice, because a borrow that is returned lasts in the other branch too.
        if !self.held.is_empty() && self.held.get(shard).is_some() {
            return Guard::Held(self.held.get_mut(shard).expect("it was there just now"));
        }
        Guard::Own(self.store.lock(shard))
    }

    /// Locks the shards of all these keys, in index order, until `release`: nobody sees what is done to
    /// them meanwhile in parts. Their index and items are loaded ahead. Does nothing when shards are
    /// held already: whoever holds them has taken all that will be needed.
    pub fn hold<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>) {
        if !self.held.is_empty() {
            return;
        }
        let (store, id) = (self.store, self.id);
        self.places.clear();
        self.places.extend(keys.map(|key| store.place_of(id, key)));
        let mut set = ShardSet::default();
        self.places.iter().for_each(|place| set.insert(place.shard as usize));
        self.held.take(set, |shard| store.lock(shard));
        let held =
            |place: &Place| self.held.get(place.shard as usize).expect("the shards of all keys are held");
        self.places.iter().for_each(|place| held(place).prefetch_bucket(place.hash));
        self.places.iter().for_each(|place| held(place).prefetch_item(place.hash));
    }

    /// [`Db::hold`] for a single command.
    pub fn hold_for_one<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>) {
        if self.held.is_empty() {
            self.hold(keys);
            self.held_for_one = !self.held.is_empty();
        }
    }

    /// [`Db::hold_all`] for a single command.
    pub fn hold_all_for_one(&mut self) {
        if self.held.is_empty() {
            self.hold_all();
            self.held_for_one = true;
        }
    }

    /// What is held is held for more than the command that comes now.
    pub fn keep_held(&mut self) {
        self.held_for_one = false;
    }

    /// Locks the whole store until `release`.
    pub fn hold_all(&mut self) {
        if self.held.is_empty() {
            let mut all = ShardSet::default();
            (0..self.store.shards.len()).for_each(|shard| all.insert(shard));
            self.held.take(all, |shard| self.store.lock(shard));
        }
    }

    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Lets go of what is held for a single command, which has seen all it needs and has a long way to its
    /// reply. Within a transaction or a script nothing is let go.
    pub fn release_early(&mut self) {
        if self.held_for_one {
            self.release();
        }
    }

    pub fn release(&mut self) {
        self.held.release();
        self.held_for_one = false;
        self.store.relieve(self.now);
    }

    /// Items of this database, and how many have a deadline; those due but not yet gone included. `O(shards)`.
    pub fn count(&mut self) -> DbCount {
        let id = usize::from(self.id);
        let mut sum = DbCount::default();
        for shard in 0..self.store.shards.len() {
            let count = self.guard(shard).counts[id];
            sum.items += count.items;
            sum.volatile += count.volatile;
        }
        sum
    }

    /// [`Store::stats`] for a caller that may hold shards, and would wait for itself there.
    pub fn stats(&mut self) -> StoreStats {
        let store = self.store;
        let mut sum = StoreStats {
            databases: vec![DbCount::default(); store.hub.databases.len()],
            ..StoreStats::default()
        };
        for shard in 0..store.shards.len() {
            let shard = self.guard(shard);
            let (to, from) = (&mut sum.events, &shard.stats);
            to.evicted += from.evicted;
            to.evicted_unfetched += from.evicted_unfetched;
            to.expired += from.expired;
            to.expired_unfetched += from.expired_unfetched;
            to.stored += from.stored;
            to.promoted += from.promoted;
            to.compacted += from.compacted;
            sum.small += shard.log.live(Queue::Small);
            sum.live += shard.log.live(Queue::Small) + shard.log.live(Queue::Main);
            sum.heap += shard.heap_bytes();
            sum.dead += shard.log.dead();
            for (index, count) in sum.databases.iter_mut().enumerate() {
                let of = shard.counts[usize::from(store.id_of(index as u32))];
                count.items += of.items;
                count.volatile += of.volatile;
            }
        }
        sum
    }

    /// [`Store::reset_stats`] for a caller that may hold shards.
    pub fn reset_stats(&mut self) {
        for shard in 0..self.store.shards.len() {
            self.guard(shard).stats = ShardStats::default();
        }
    }

    /// Items in this database, those due but not yet gone included.
    pub fn len(&mut self) -> u64 {
        self.count().items
    }

    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Deletes everything in this database, at one moment.
    pub fn flush(&mut self) {
        let id = self.id;
        self.flush_by(Some(self.index), &|shard, shared| shard.flush(id, shared));
    }

    /// Deletes everything in all databases, at one moment.
    pub fn flush_all(&mut self) {
        self.flush_by(None, &|shard, shared| shard.flush_all(shared));
    }

    fn flush_by(&mut self, db: Option<u32>, flush: &dyn Fn(&mut Shard, &Shared)) {
        let (store, is_mine) = (self.store, !self.is_holding());
        self.hold_all();
        // Dropped when the locks are gone, unless the caller holds them for longer.
        let mut garbage = Garbage::default();
        for number in 0..store.shards.len() {
            let mut shard = self.guard(number);
            flush(&mut shard, &store.shared);
            garbage.append(&mut shard.garbage);
        }
        if let Some(observer) = store.hub.observer() {
            observer.flushed(db);
        }
        if is_mine {
            self.release();
        }
    }

    /// Exchanges two databases, both below `Store::databases`, at one moment. `O(watched keys)`.
    pub fn swap(&mut self, a: u32, b: u32) {
        let is_mine = !self.is_holding();
        self.hold_all();
        let store = self.store;
        let (id_a, id_b) = (store.id_of(a), store.id_of(b));
        if id_a != id_b {
            for number in 0..store.shards.len() {
                self.guard(number).swap_watched(id_a, id_b, &store.shared);
            }
            store.hub.databases[a as usize].store(id_b, Ordering::Relaxed);
            store.hub.databases[b as usize].store(id_a, Ordering::Relaxed);
            if let Some(observer) = store.hub.observer() {
                observer.swapped(a, b);
            }
        }
        self.id = store.id_of(self.index);
        if is_mine {
            self.release();
        }
    }

    /// Shows items from `cursor` on, about `count` of them, and returns the cursor to go on with; 0: that
    /// was all. An item that is there from the first call to the last is shown at least once,
    /// however the tables grow or shrink meanwhile. `each` gets key and item with the shard locked.
    pub fn scan(&mut self, cursor: u64, count: usize, each: &mut dyn FnMut(&[u8], Item<'_>)) -> u64 {
        let (id, now, store) = (self.id, self.now, self.store);
        let (mut number, mut from) = ((cursor >> 32) as usize, cursor as u32);
        let mut seen = 0;
        while number < store.shards.len() {
            let shard = self.guard(number);
            let mut handles = Vec::new();
            let next = shard.scan(from, count - seen, &mut handles);
            seen += handles.len();
            for handle in handles.into_iter().map(Handle) {
                let item = Item::of(&shard, handle);
                let hash = shard.scan_hash(handle, &store.shared);
                let due = item.deadline().is_some_and(|deadline| deadline.is_due(now));
                let (db, key) = shard.name_of(handle);
                if db == id && !due && hash >= from && next.is_none_or(|next| hash < next) {
                    each(key, item);
                }
            }
            (number, from) = match next {
                Some(next) => (number, next),
                None => (number + 1, 0),
            };
            if seen >= count {
                break;
            }
        }
        if number >= store.shards.len() { 0 } else { (number as u64) << 32 | u64::from(from) }
    }

    /// Shows every item of the database until `each` returns `false`. Each shard is locked in short turns.
    pub fn for_each(&mut self, each: &mut dyn FnMut(&[u8], Item<'_>) -> bool) {
        const AT_ONCE: usize = 256;
        let (mut cursor, mut go_on) = (0, true);
        while go_on {
            cursor = self.scan(cursor, AT_ONCE, &mut |key, item| {
                go_on = go_on && each(key, item);
            });
            if cursor == 0 {
                return;
            }
        }
    }

    /// A key at random, all shards alike; `None` when the database is empty.
    pub fn random_key(&mut self, random: u64) -> Option<Vec<u8>> {
        let (id, now, shards) = (self.id, self.now, self.store.shards.len());
        for step in 0..shards {
            let mut shard = self.guard((random as usize).wrapping_add(step) % shards);
            if shard.counts[usize::from(id)].items == 0 {
                continue;
            }
            if let Some(handle) = shard.random_of(id)
                && !Item::of(&shard, handle).deadline().is_some_and(|deadline| deadline.is_due(now))
            {
                return Some(shard.name_of(handle).1.to_vec());
            }
        }
        // Few items among many of other databases: take the first that comes.
        let mut first = None;
        self.for_each(&mut |key, _| {
            first = Some(key.to_vec());
            false
        });
        first
    }
}
