//! What does one get or put cost in the store, from one thread and from two at once?
//!
//! A million items of 20 + 100 bytes, keys by Zipf's law, nine gets to a put, without a limit; beside `moka` (a
//! cache that evicts, with a weigher) and `DashMap` (a map that does not). A get reads the value's bytes where they
//! lie: `moka` clones an `Arc`, the others hold a lock meanwhile. An element is an operation; with two threads each
//! does half of them. Then the store at its limit, where a put evicts, and looking up 16 keys at once, where
//! what is needed is loaded ahead.

#[path = "support/random.rs"]
mod random;
#[path = "support/zipf.rs"]
mod zipf;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dashmap::DashMap;
use magpie::clock::Millis;
use magpie::store::{Event, Expiry, Put, Store, StoreOptions};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ITEMS: u64 = 1_000_000;
const OPERATIONS: usize = 100_000;
const VALUE: [u8; 100] = [b'x'; 100];
const NOW: Millis = Millis(1_790_000_000_000);
const PUT: Put = Put { flags: 0, expiry: Expiry::Never, event: Event::Set };

type Key = [u8; 20];

fn key(n: u32) -> Key {
    let mut key = *b":1:page:0000000000__";
    let digits = format!("{n:010}");
    key[8..18].copy_from_slice(digits.as_bytes());
    key
}

/// What the contestants can do.
trait Map: Sync {
    /// The sum of the value's first and last byte; `None`: a miss.
    fn get(&self, key: &Key) -> Option<u32>;
    fn put(&self, key: &Key, value: &[u8]);
}

fn ends(value: &[u8]) -> u32 {
    u32::from(value[0]) + u32::from(value[value.len() - 1])
}

impl Map for Store {
    fn get(&self, key: &Key) -> Option<u32> {
        let mut db = self.db(0, NOW);
        db.entry(key).read().and_then(|item| item.string().map(ends))
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.db(0, NOW).entry(key).put(value, PUT).expect("there is room");
    }
}

type OwnedKey = Box<[u8]>;
type Boxed = DashMap<OwnedKey, Box<[u8]>>;

impl Map for Boxed {
    fn get(&self, key: &Key) -> Option<u32> {
        DashMap::get(self, &key[..]).map(|value| ends(&value))
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.insert(key[..].into(), value.into());
    }
}

type Moka = moka::sync::Cache<OwnedKey, Arc<[u8]>>;

impl Map for Moka {
    fn get(&self, key: &Key) -> Option<u32> {
        moka::sync::Cache::get(self, &key[..]).map(|value| ends(&value))
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.insert(key[..].into(), value.into());
    }
}

fn store(limit: usize) -> Store {
    Store::new(StoreOptions { limit, ..StoreOptions::default() })
}

fn moka_of(bytes: u64) -> Moka {
    let weigh = |key: &OwnedKey, value: &Arc<[u8]>| (key.len() + value.len()) as u32;
    Moka::builder().max_capacity(bytes).weigher(weigh).build()
}

fn fill(map: &impl Map) {
    (0..ITEMS as u32).for_each(|n| map.put(&key(n), &VALUE));
}

/// Nine gets to a put; returns something of all values.
fn mix(map: &impl Map, keys: &[Key]) -> u64 {
    let mut sum = 0;
    for (n, key) in keys.iter().enumerate() {
        if n % 10 == 9 {
            map.put(key, &VALUE);
        } else {
            sum += u64::from(map.get(key).unwrap_or(0));
        }
    }
    sum
}

fn bench(c: &mut Criterion, name: &str, map: &impl Map, keys: &[Key]) {
    fill(map);
    let mut group = c.benchmark_group("store_mix");
    group.throughput(Throughput::Elements(OPERATIONS as u64));
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new(name, format!("{threads}_threads")), |b| {
            let mut turn = 0;
            b.iter(|| {
                // Other keys each time, or all would be in the processor's cache.
                turn = (turn + 1) % (keys.len() / OPERATIONS);
                let keys = &keys[turn * OPERATIONS..][..OPERATIONS];
                std::thread::scope(|scope| {
                    let parts = keys.chunks(OPERATIONS / threads);
                    let running: Vec<_> = parts.map(|keys| scope.spawn(move || mix(map, keys))).collect();
                    running.into_iter().map(|thread| thread.join().expect("it ends")).sum::<u64>()
                })
            });
        });
    }
    group.finish();
}

fn contestants(c: &mut Criterion) {
    let keys: Vec<Key> = zipf::draws(ITEMS, 10 * OPERATIONS, 1).into_iter().map(key).collect();
    bench(c, "magpie", &store(0), &keys);
    bench(c, "dashmap", &Boxed::new(), &keys);
    bench(c, "moka", &moka_of(u64::MAX), &keys);
    // A third of the items find room: every put of a new one evicts.
    bench(c, "magpie_at_its_limit", &store(48 << 20), &keys);
    bench(c, "moka_at_its_limit", &moka_of(40_000_000), &keys);
}

/// Does loading ahead pay? Sixteen keys, held together, against sixteen single look-ups.
fn at_once(c: &mut Criterion) {
    let store = store(0);
    fill(&store);
    let mut random = random::Random(2);
    let mut draw = || -> Vec<Key> { (0..16).map(|_| key((random.next() % ITEMS) as u32)).collect() };
    let mut group = c.benchmark_group("store_16_keys");
    group.throughput(Throughput::Elements(16));
    let read = |db: &mut magpie::store::Db<'_>, keys: &[Key]| {
        let reads = keys.iter().map(|key| db.entry(key).read().and_then(|item| item.string().map(ends)));
        black_box(reads.flatten().sum::<u32>());
    };
    group.bench_function("one_by_one", |b| {
        b.iter_batched(&mut draw, |keys| read(&mut store.db(0, NOW), &keys), BatchSize::SmallInput);
    });
    group.bench_function("held_together", |b| {
        let held = |keys: Vec<Key>| {
            let mut db = store.db(0, NOW);
            db.hold(keys.iter().map(|key| &key[..]));
            read(&mut db, &keys);
        };
        b.iter_batched(&mut draw, held, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = contestants, at_once
}
criterion_main!(benches);
