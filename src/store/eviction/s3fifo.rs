//! The default eviction policy: S3-FIFO with an adaptive small queue.
//!
//! Items of a shard live in two FIFO logs. New ones enter the *small* log; those that prove
//! themselves there move on to the *main* log, whose tail gives used items another round. A hit
//! only counts up two bits in the item's header: nothing moves until it reaches a tail.
//!
//! What comes from where:
//!
//! * two FIFO queues, two bits of frequency and a ghost of evicted keys: S3-FIFO (Yang et al.,
//!   *FIFO queues are all you need for cache eviction*, SOSP 2023);
//! * re-insertion at the tail instead of moves on hits: CLOCK, and SIEVE (Zhang et al., NSDI 2024);
//! * the share of the small log follows the ghost hits, with the step of ARC (Megiddo and Modha,
//!   *ARC: a self-tuning, low overhead replacement cache*, FAST 2003);
//! * a guard against thrashing, since a FIFO of items that all come back just too late (a loop
//!   larger than the cache) keeps none of them: most are then refused entry to the main log, as
//!   bimodal insertion does (Qureshi et al., ISCA 2007);
//! * hits for each byte are what counts, as in GreedyDual-Size-Frequency (Cherkasova, HP Labs 1998):
//!   an item much lighter than the mean has a hit to its credit, a much heavier one needs more of them.
//!   Where all items weigh about the same this changes nothing.
//!
//! This module decides and holds no items. One [`S3Fifo`] serves one shard, and the shard drives it:
//!
//! ```text
//! hit:     item.access = on_hit(item.access)
//! insert:  log = policy.admit(hash, bytes)
//!          access = policy.credit(bytes)
//!          while over the limit {
//!              tail = policy.which_tail(small_bytes, main_bytes)
//!              item = tail item of that log
//!              match policy.from_tail(tail, item.access, item.bytes, main_bytes) {
//!                  Evict             => { remove it; policy.on_evict(tail, item.hash, items) }
//!                  Move(log, access) => append it to log with that access field
//!              }
//!          }
//!          append the new item to log with that access field
//! ```
//!
//! Tail items that are deleted, expired or overwritten are dropped without asking.

use crate::store::log::Queue;

/// The bits of the access field that hold the frequency; the others are left as they are.
const FREQUENCY: u8 = 0b11;

/// The bounds of the small log's target, in percent of the limit, and where it starts.
const SHARE_MIN: u64 = 1;
const SHARE_MAX: u64 = 90;
const SHARE_START: u64 = 10;

/// While thrashing, hits on the small log's ghosts raise its target up to this percentage only.
const SHARE_MAX_THRASHING: u64 = 75;

/// The main log has room as long as it is below this percentage of its target.
const ROOM: u64 = 95;

/// Bounds of the thrash counter, and what a survivor of the main log takes off it.
const THRASH_BOUND: i8 = 32;
const THRASH_SURVIVOR: i8 = 2;

/// While thrashing, one ghost hit in this many still enters the main log.
const THRASH_ADMIT: u8 = 8;

/// How many times lighter than the mean an item is that begins with a hit to its credit, and how many
/// times heavier one that needs a hit more than others, and once more that heavy: two more.
const LIGHT: u64 = 4;
const HEAVY: u64 = 4;

/// What to do with the item at the tail of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Evict it.
    Evict,
    /// Append it to the head of this log, with this access field.
    Move(Queue, u8),
}

/// The access field after a hit.
///
/// It comes back unchanged once the frequency is at its maximum, so that a caller can skip the
/// write and leave the cache line clean.
#[inline]
pub fn on_hit(access: u8) -> u8 {
    access + u8::from(access & FREQUENCY < FREQUENCY)
}

/// The eviction policy's state of one shard.
#[derive(Debug)]
pub struct S3Fifo {
    /// Bytes the two logs may hold together.
    limit: u64,
    /// Bytes the small log should hold.
    target: u64,
    /// Bytes of an item on average, when one was evicted last; 0 before.
    mean: u64,
    ghosts: Ghosts,
    /// Above zero when items evicted from the main log come back more often than half as often as
    /// its tail items prove used.
    thrash: i8,
    /// Counts the ghost hits while thrashing, modulo [`THRASH_ADMIT`].
    refused: u8,
}

impl S3Fifo {
    /// The policy of a shard that may hold `limit` bytes.
    pub fn new(limit: u64) -> Self {
        let (target, ghosts) = (percent(limit, SHARE_START), Ghosts::default());
        Self { limit, target, mean: 0, ghosts, thrash: 0, refused: 0 }
    }

    /// Changes the limit; the small log keeps its share of it.
    pub fn set_limit(&mut self, limit: u64) {
        // A limit that follows the shard's size moves a little all the time: ignore that.
        if limit.abs_diff(self.limit) <= self.limit / 64 {
            return;
        }
        let scaled = u128::from(self.target) * u128::from(limit) / u128::from(self.limit.max(1));
        self.limit = limit;
        self.target = u64::try_from(scaled).unwrap_or(u64::MAX);
        self.clamp_target();
    }

    /// The bytes the small log should hold at present.
    pub fn small_target(&self) -> u64 {
        self.target
    }

    /// The heap memory of the ghosts, in bytes: two for each remembered key.
    pub fn bytes(&self) -> usize {
        self.ghosts.bytes()
    }

    /// The log that a new item of `bytes` bytes enters, whose key was not in the shard.
    ///
    /// A key that was evicted not long ago goes to the main log, and tells which of the logs was
    /// too small: the small log's target moves by the size of the item, times the ratio of the
    /// ghosts' numbers where the other log's ghosts are the more numerous (ARC).
    #[inline]
    pub fn admit(&mut self, hash: u64, bytes: u64) -> Queue {
        match self.ghosts.take(hash) {
            None => Queue::Small,
            Some(from) => self.admit_ghost(from, bytes),
        }
    }

    fn admit_ghost(&mut self, from: Queue, bytes: u64) -> Queue {
        let [small, main] = self.ghosts.live.map(|live| u64::from(live).max(1));
        if from == Queue::Main {
            self.thrash = (self.thrash + 1).min(THRASH_BOUND);
        }
        let thrashing = self.thrash > 0;
        match from {
            Queue::Small => {
                if !thrashing || self.target <= percent(self.limit, SHARE_MAX_THRASHING) {
                    let step = (bytes.saturating_mul(main) / small).max(bytes);
                    self.target = self.target.saturating_add(step);
                }
            }
            Queue::Main => {
                let step = (bytes.saturating_mul(small) / main).max(bytes);
                self.target = self.target.saturating_sub(step);
            }
        }
        self.clamp_target();
        if !thrashing {
            return Queue::Main;
        }
        self.refused = (self.refused + 1) % THRASH_ADMIT;
        if self.refused == 0 { Queue::Main } else { Queue::Small }
    }

    /// The access field of an item of `bytes` bytes that is new in a log.
    #[inline]
    pub fn credit(&self, bytes: u64) -> u8 {
        u8::from(bytes <= self.mean / LIGHT)
    }

    /// The hits that an item of `bytes` bytes has to have more than others.
    #[inline]
    fn handicap(&self, bytes: u64) -> u8 {
        let heavy = self.mean.saturating_mul(HEAVY);
        if heavy == 0 || bytes < heavy { 0 } else { 1 + u8::from(bytes >= heavy.saturating_mul(HEAVY)) }
    }

    /// The log whose tail has to give next, with these bytes in the two logs.
    ///
    /// Never names an empty log unless both are.
    #[inline]
    pub fn which_tail(&self, small_bytes: u64, main_bytes: u64) -> Queue {
        if small_bytes > self.target || main_bytes == 0 { Queue::Small } else { Queue::Main }
    }

    /// What becomes of the item of `bytes` bytes at the tail of `log` with this access field, while the
    /// main log holds `main_bytes`.
    ///
    /// An item of the small log goes to the main log if it was hit twice. If it was hit once it
    /// goes there only while there is room, and else has another round in the small log. An item
    /// of the main log has as many more rounds as it was hit, at most three. The hits that a heavy
    /// item has to have more than others are taken off first.
    ///
    /// The frequency falls with every move within a log, so a tail gives an item after at most
    /// five rounds: eviction always ends.
    #[inline]
    pub fn from_tail(&mut self, log: Queue, access: u8, bytes: u64, main_bytes: u64) -> Verdict {
        let frequency = (access & FREQUENCY).saturating_sub(self.handicap(bytes));
        let rest = access & !FREQUENCY;
        if frequency == 0 {
            return Verdict::Evict;
        }
        match log {
            Queue::Small if frequency > 1 || self.main_has_room(main_bytes) => {
                Verdict::Move(Queue::Main, rest | self.credit(bytes))
            }
            Queue::Small => Verdict::Move(Queue::Small, rest),
            Queue::Main => {
                self.thrash = (self.thrash - THRASH_SURVIVOR).max(-THRASH_BOUND);
                Verdict::Move(Queue::Main, rest | (frequency - 1))
            }
        }
    }

    /// Remembers the key of an item that was evicted from the tail of `log`, with `items` items
    /// left in the shard.
    #[inline]
    pub fn on_evict(&mut self, log: Queue, hash: u64, items: usize) {
        self.mean = self.limit / items.max(1) as u64;
        self.ghosts.fit(items);
        self.ghosts.remember(log, hash);
    }

    /// Forgets all evicted keys and gives their memory back, as after removing all items.
    pub fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    #[inline]
    fn main_has_room(&self, main_bytes: u64) -> bool {
        main_bytes < percent(self.limit.saturating_sub(self.target), ROOM)
    }

    fn clamp_target(&mut self) {
        let (min, max) = (percent(self.limit, SHARE_MIN), percent(self.limit, SHARE_MAX));
        self.target = self.target.clamp(min, max);
    }
}

/// `percent` percent of `bytes`.
#[inline]
fn percent(bytes: u64, percent: u64) -> u64 {
    bytes / 100 * percent + bytes % 100 * percent / 100
}

/// Keys remembered in one bucket.
const WAYS: usize = 8;

/// The most buckets: enough for half a billion items in a shard.
const BUCKETS_MAX: usize = 1 << 26;

/// Entries from the latest to the oldest, then zeros. An entry is a 15-bit fingerprint that is not
/// zero, above one bit that tells the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(16))]
struct Bucket([u16; WAYS]);

/// The keys evicted last, about as many as the shard has items: a set-associative table of
/// fingerprints, each bucket a FIFO.
///
/// Nothing is allocated before the first eviction. A lookup reads 16 bytes, and takes a key for
/// another one that was evicted in one of some 4,000 cases at most.
#[derive(Debug, Default)]
struct Ghosts {
    buckets: Box<[Bucket]>,
    /// The number of entries of the small and of the main log.
    live: [u32; 2],
}

impl Ghosts {
    fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    /// Grows or shrinks to remember about `items` keys, unless it nearly does already.
    #[inline]
    fn fit(&mut self, items: usize) {
        let ways = self.buckets.len() * WAYS;
        // The first bucket is always there once something was evicted.
        let enough = items <= ways + ways / 8 && ways > 0;
        let spare = items < ways / 2 && ways > WAYS;
        if !enough || spare {
            self.resize(items.div_ceil(WAYS).clamp(1, BUCKETS_MAX));
        }
    }

    /// Keeps the entries, by and large: a bucket of the new table starts with those of the bucket
    /// that covered the middle of its range of hashes. Copies that are in the wrong place age
    /// away.
    #[cold]
    fn resize(&mut self, len: usize) {
        let old = self.buckets.len();
        if len == old {
            return;
        }
        let from = |new: usize| (2 * new as u64 + 1) * old as u64 / (2 * len as u64);
        self.buckets = if old == 0 {
            vec![Bucket::default(); len].into()
        } else {
            (0..len).map(|new| self.buckets[from(new) as usize]).collect()
        };
        self.live = [0; 2];
        for entry in self.buckets.iter().flat_map(|bucket| bucket.0).filter(|&entry| entry != 0) {
            self.live[usize::from(entry & 1)] += 1;
        }
    }

    /// Adds a key as the latest of its bucket; the oldest makes room.
    #[inline]
    fn remember(&mut self, log: Queue, hash: u64) {
        let (index, fingerprint) = self.place(hash);
        let Some(Bucket(bucket)) = self.buckets.get_mut(index) else {
            return;
        };
        let oldest = bucket[WAYS - 1];
        if oldest != 0 {
            self.live[usize::from(oldest & 1)] -= 1;
        }
        let from = u16::from(log == Queue::Main);
        bucket.copy_within(..WAYS - 1, 1);
        bucket[0] = fingerprint | from;
        self.live[usize::from(from)] += 1;
    }

    /// Forgets a key; tells from which log it was evicted if it was remembered.
    #[inline]
    fn take(&mut self, hash: u64) -> Option<Queue> {
        let (index, fingerprint) = self.place(hash);
        let Bucket(bucket) = self.buckets.get_mut(index)?;
        let way = bucket.iter().position(|entry| entry & !1 == fingerprint)?;
        let from = bucket[way] & 1;
        bucket.copy_within(way + 1.., way);
        bucket[WAYS - 1] = 0;
        self.live[usize::from(from)] -= 1;
        Some(if from == 0 { Queue::Small } else { Queue::Main })
    }

    /// The bucket and the fingerprint of a key, the latter shifted up by one bit.
    ///
    /// The hash is mixed, as all keys of a shard may share some of its bits.
    #[inline]
    fn place(&self, hash: u64) -> (usize, u16) {
        let mixed = (hash ^ hash >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let index = ((mixed >> 32) * self.buckets.len() as u64) >> 32;
        let fingerprint = ((mixed >> 16) as u16 & !1).max(2);
        (index as usize, fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, VecDeque};

    /// A well mixed number for each `n`.
    fn hash(n: u64) -> u64 {
        let n = (n.wrapping_add(1)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (n ^ n >> 29).wrapping_mul(0x94D0_49BB_1331_11EB) ^ n >> 32
    }

    /// A shard as simple as can be, to drive the policy.
    struct Shard {
        policy: S3Fifo,
        limit: u64,
        logs: [VecDeque<u64>; 2],
        bytes: [u64; 2],
        items: HashMap<u64, (u64, u8)>,
    }

    impl Shard {
        fn new(limit: u64) -> Self {
            let policy = S3Fifo::new(limit);
            Self { policy, limit, logs: Default::default(), bytes: [0; 2], items: HashMap::new() }
        }

        /// Reads a key, and inserts it if it is not there; tells whether it was.
        fn get(&mut self, key: u64, size: u64) -> bool {
            if let Some((_, access)) = self.items.get_mut(&key) {
                *access = on_hit(*access);
                return true;
            }
            let log = self.policy.admit(hash(key), size);
            while self.bytes[0] + self.bytes[1] + size > self.limit {
                self.evict();
            }
            self.append(log, key, size, self.policy.credit(size));
            false
        }

        fn append(&mut self, log: Queue, key: u64, size: u64, access: u8) {
            self.logs[log as usize].push_back(key);
            self.bytes[log as usize] += size;
            self.items.insert(key, (size, access));
        }

        fn evict(&mut self) {
            let tail = self.policy.which_tail(self.bytes[0], self.bytes[1]);
            let key = self.logs[tail as usize].pop_front().expect("the named log has a tail");
            let (size, access) = self.items[&key];
            let verdict = self.policy.from_tail(tail, access, size, self.bytes[1]);
            self.bytes[tail as usize] -= size;
            match verdict {
                Verdict::Move(log, access) => self.append(log, key, size, access),
                Verdict::Evict => {
                    self.items.remove(&key);
                    self.policy.on_evict(tail, hash(key), self.items.len());
                }
            }
        }

        fn hits(&mut self, keys: impl Iterator<Item = u64>) -> usize {
            keys.filter(|&key| self.get(key, 1)).count()
        }
    }

    #[test]
    fn hits_count_to_three_and_spare_other_bits() {
        let mut access = 0xC0;
        for expected in [0xC1, 0xC2, 0xC3, 0xC3] {
            access = on_hit(access);
            assert_eq!(access, expected);
        }
        assert_eq!(on_hit(u8::MAX), u8::MAX);
    }

    #[test]
    fn tails_give_unused_items_and_keep_used_ones() {
        let mut policy = S3Fifo::new(1000);
        let (room, full) = (0, 900);
        for log in [Queue::Small, Queue::Main] {
            assert_eq!(policy.from_tail(log, 0x40, 10, full), Verdict::Evict);
        }
        assert_eq!(policy.from_tail(Queue::Small, 0x41, 10, room), Verdict::Move(Queue::Main, 0x40));
        assert_eq!(policy.from_tail(Queue::Small, 0x41, 10, full), Verdict::Move(Queue::Small, 0x40));
        assert_eq!(policy.from_tail(Queue::Small, 0x42, 10, full), Verdict::Move(Queue::Main, 0x40));
        assert_eq!(policy.from_tail(Queue::Main, 0x43, 10, full), Verdict::Move(Queue::Main, 0x42));
    }

    #[test]
    fn hits_weigh_by_the_byte() {
        let mut policy = S3Fifo::new(100_000);
        assert_eq!(policy.credit(1), 0, "nothing is light before the mean is known");
        assert_eq!(policy.from_tail(Queue::Main, 1, u64::MAX, 0), Verdict::Move(Queue::Main, 0));
        policy.on_evict(Queue::Small, hash(1), 1000);
        for (bytes, credit) in [(1, 1), (25, 1), (26, 0), (100, 0), (10_000, 0)] {
            assert_eq!(policy.credit(bytes), credit, "{bytes}");
        }
        for (bytes, needed) in [(1, 1), (399, 1), (400, 2), (1599, 2), (1600, 3), (u64::MAX, 3)] {
            for log in [Queue::Small, Queue::Main] {
                assert_eq!(policy.from_tail(log, 0x40 | (needed - 1), bytes, 0), Verdict::Evict, "{bytes}");
                assert_ne!(policy.from_tail(log, 0x40 | needed, bytes, 0), Verdict::Evict, "{bytes}");
            }
        }
        assert_eq!(policy.from_tail(Queue::Small, 0x41, 25, 0), Verdict::Move(Queue::Main, 0x41));
        assert_eq!(policy.from_tail(Queue::Main, 0x43, 400, 0), Verdict::Move(Queue::Main, 0x41));
    }

    #[test]
    fn the_log_above_its_target_gives() {
        let policy = S3Fifo::new(1000);
        assert_eq!(policy.small_target(), 100);
        assert_eq!(policy.which_tail(101, 899), Queue::Small);
        assert_eq!(policy.which_tail(100, 900), Queue::Main);
        assert_eq!(policy.which_tail(10, 0), Queue::Small);
        assert_eq!(policy.which_tail(0, 10), Queue::Main);
    }

    #[test]
    fn ghost_hits_enter_main_and_move_the_target() {
        let mut policy = S3Fifo::new(1000);
        policy.on_evict(Queue::Small, hash(1), 100);
        policy.on_evict(Queue::Main, hash(2), 100);
        assert_eq!(policy.admit(hash(3), 10), Queue::Small);
        assert_eq!(policy.small_target(), 100);
        assert_eq!(policy.admit(hash(1), 10), Queue::Main);
        assert_eq!(policy.small_target(), 110);
        policy.from_tail(Queue::Main, 1, 10, 0);
        assert_eq!(policy.admit(hash(2), 20), Queue::Main);
        assert_eq!(policy.small_target(), 90);
        assert_eq!(policy.admit(hash(1), 10), Queue::Small, "a ghost counts once");
    }

    #[test]
    fn steps_grow_with_the_number_of_the_other_ghosts() {
        let mut policy = S3Fifo::new(1_000_000);
        policy.on_evict(Queue::Small, hash(0), 1000);
        policy.on_evict(Queue::Small, hash(1), 1000);
        (2..10).for_each(|n| policy.on_evict(Queue::Main, hash(n), 1000));
        policy.admit(hash(0), 10);
        assert_eq!(policy.small_target(), 100_000 + 8 * 10);
    }

    #[test]
    fn the_target_keeps_its_bounds() {
        let mut policy = S3Fifo::new(1000);
        for (log, bound) in [(Queue::Small, 900), (Queue::Main, 10), (Queue::Small, 750)] {
            for n in 0..2000 {
                policy.on_evict(log, hash(n), 1000);
                policy.admit(hash(n), 1);
            }
            // The third round finds the policy thrashing, after so many ghosts of the main log.
            assert!(policy.small_target().abs_diff(bound) <= 1, "{log:?} {}", policy.target);
        }
    }

    #[test]
    fn thrashing_refuses_most_ghosts_until_items_survive() {
        let mut policy = S3Fifo::new(1000);
        let admitted = |policy: &mut S3Fifo| {
            (0..80)
                .filter(|&n| {
                    policy.on_evict(Queue::Main, hash(n), 1000);
                    policy.admit(hash(n), 1) == Queue::Main
                })
                .count()
        };
        assert_eq!(admitted(&mut policy), 10);
        for _ in 0..100 {
            policy.from_tail(Queue::Main, 3, 10, 0);
        }
        assert_eq!(policy.thrash, -THRASH_BOUND);
        assert!(admitted(&mut policy) >= 32);
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        for limit in [0, 1, 99, u64::MAX] {
            let mut policy = S3Fifo::new(limit);
            for n in 0..100 {
                let log = if n % 3 == 0 { Queue::Main } else { Queue::Small };
                policy.on_evict(log, hash(n), 50);
                policy.admit(hash(n), u64::MAX);
                policy.admit(hash(n / 2), u64::MAX);
                policy.from_tail(log, u8::MAX, u64::MAX, u64::MAX);
                policy.which_tail(u64::MAX, u64::MAX);
                policy.set_limit(if n % 2 == 0 { u64::MAX } else { limit });
                assert!(policy.target <= policy.limit);
            }
        }
    }

    #[test]
    fn the_share_follows_the_limit() {
        let mut policy = S3Fifo::new(1000);
        policy.set_limit(50_000);
        assert_eq!(policy.small_target(), 5000);
        policy.set_limit(100);
        assert_eq!(policy.small_target(), 10);
    }

    #[test]
    fn ghosts_are_lazy_bounded_and_fit_the_items() {
        let mut policy = S3Fifo::new(1000);
        assert_eq!(policy.bytes(), 0);
        policy.admit(hash(1), 1);
        assert_eq!(policy.bytes(), 0);
        for items in [1, 10, 1000, 100_000, 500, 0] {
            (0..5000).for_each(|n| policy.on_evict(Queue::Small, hash(n), items));
            let keys = policy.bytes() / 2;
            assert!(keys + keys / 8 >= items && keys <= 2 * items.max(WAYS) + WAYS, "{items}: {keys}");
        }
        policy.clear();
        assert_eq!(policy.bytes(), 0);
    }

    #[test]
    fn ghosts_forget_the_oldest_first() {
        let mut ghosts = Ghosts::default();
        ghosts.fit(1);
        let keys = 2 * WAYS as u64;
        (0..keys).for_each(|n| ghosts.remember(Queue::Main, hash(n)));
        assert_eq!(ghosts.live, [0, WAYS as u32]);
        let found: Vec<u64> = (0..keys).filter(|&n| ghosts.take(hash(n)).is_some()).collect();
        assert_eq!(found, (keys / 2..keys).collect::<Vec<_>>());
        assert_eq!(ghosts.live, [0, 0]);
    }

    #[test]
    fn ghosts_survive_growing() {
        let mut ghosts = Ghosts::default();
        ghosts.fit(4096);
        (0..1000).for_each(|n| ghosts.remember(Queue::Small, hash(n)));
        ghosts.fit(8192);
        assert!((0..1000).all(|n| ghosts.take(hash(n)) == Some(Queue::Small)));
        ghosts.fit(4096 + 4096 / 3);
        let live = ghosts.buckets.iter().flat_map(|bucket| bucket.0).filter(|&e| e != 0).count();
        assert_eq!(live, ghosts.live[0] as usize);
    }

    #[test]
    fn ghosts_seldom_take_a_key_for_another() {
        let mut ghosts = Ghosts::default();
        // Keys of one shard of 64, by the upper bits.
        let keys = |from: u64| (from..from + 100_000).map(|n| hash(n) >> 6);
        ghosts.fit(100_000);
        keys(0).for_each(|key| ghosts.remember(Queue::Small, key));
        let wrong = keys(1 << 32).filter(|&key| ghosts.take(key).is_some()).count();
        assert!(wrong < 100, "{wrong}");
    }

    #[test]
    fn a_scan_leaves_the_working_set() {
        let mut shard = Shard::new(100);
        for _ in 0..20 {
            shard.hits(0..80);
        }
        shard.hits(1000..6000);
        let left = shard.hits(0..80);
        assert!(left >= 75, "{left}");
    }

    #[test]
    fn a_loop_larger_than_the_cache_still_hits() {
        let mut shard = Shard::new(1000);
        let rounds = 200;
        let hits: usize = (0..rounds).map(|_| shard.hits(0..1100)).sum();
        assert!(hits > rounds * 500, "{hits}");
    }

    #[test]
    fn light_items_stay_longer_than_heavy_ones() {
        // All are asked for as often; a hit on a light one costs a fiftieth of the bytes.
        let (mut shard, mut hits, mut asked) = (Shard::new(200_000), [0, 0], [0, 0]);
        for n in 0..100_000 {
            let key = hash(n) % 1800;
            let heavy = key >= 1500;
            hits[usize::from(heavy)] += usize::from(shard.get(key, if heavy { 5000 } else { 100 }));
            asked[usize::from(heavy)] += 1;
        }
        let [light, heavy] = [0, 1].map(|i| hits[i] * 100 / asked[i]);
        assert!(light > heavy + heavy / 2, "{light} % and {heavy} % hits");
    }

    #[test]
    fn an_item_heavier_than_all_others_is_there_once_stored() {
        let mut shard = Shard::new(100_000);
        assert_eq!(shard.hits(0..200_000), 0);
        shard.get(1 << 40, 50_000);
        assert!(shard.get(1 << 40, 50_000));
    }

    #[test]
    fn items_of_all_sizes_keep_within_the_limit() {
        let mut shard = Shard::new(100_000);
        for n in 0..50_000 {
            let key = hash(n) % 3000;
            shard.get(key, 1 + hash(key) % 5000);
            assert!(shard.bytes[0] + shard.bytes[1] <= shard.limit);
            assert!(shard.policy.bytes() <= 4 * shard.items.len() + 64);
        }
        let bytes: u64 = shard.items.values().map(|(size, _)| size).sum();
        assert_eq!(bytes, shard.bytes[0] + shard.bytes[1]);
    }
}
