//! Is the store's own index worth having beside `hashbrown::HashTable<u32>`?
//!
//! First a table, not timed: bytes an item at sizes along the way of growth (jemalloc's rounding included, as
//! `store::memory` counts it). Then the time of a look-up that hits and of one that misses, in tables of which some fit
//! the processor's caches and some do not; the handle is compared with one in the hash's place, no item
//! is touched. A shard has sixteen tables, so one of a million is a store of 16 million items a shard.

#[path = "../src/store/prefetch.rs"]
mod prefetch;
#[path = "support/random.rs"]
mod random;
#[path = "../src/simd.rs"]
#[allow(dead_code, unused_imports, reason = "the table needs a part of it, and its tests run elsewhere")]
mod simd;
#[path = "../src/store/table.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "a part of the table is enough here, and its tests run elsewhere"
)]
mod table;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hashbrown::HashTable;
use magpie::store::memory::allocated;
use std::hint::black_box;
use std::time::Duration;
use table::Table;

/// Look-ups an iteration.
const LOOK_UPS: u32 = 1000;

/// The hash of the item behind a handle: spread by a multiplication that is one to one.
fn hash_of(handle: u32) -> u32 {
    handle.wrapping_mul(0x9E37_79B1)
}

/// `hashbrown` takes its tag from the upper bits of 64 and its place from the lower ones.
fn wide(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn ours(items: u32) -> Table {
    let mut table = Table::default();
    for handle in 0..items {
        table.grow_if_full(|_| (), hash_of);
        table.insert(hash_of(handle), handle);
    }
    table
}

fn theirs(items: u32) -> HashTable<u32> {
    let mut table = HashTable::new();
    for handle in 0..items {
        table.insert_unique(wide(hash_of(handle)), handle, |&handle| wide(hash_of(handle)));
    }
    table
}

fn bytes_per_item() {
    println!("{:>10} {:>8} {:>10}   bytes an item", "items", "magpie", "hashbrown");
    let (mut least, mut most) = ([f64::MAX; 2], [0f64; 2]);
    for step in 0..=24 {
        let items = (1000.0 * 1000f64.powf(f64::from(step) / 24.0)) as u32;
        let bytes = [allocated(ours(items).bytes()), allocated(theirs(items).allocation_size())];
        let each = bytes.map(|bytes| bytes as f64 / f64::from(items));
        println!("{items:>10} {:>8.2} {:>10.2}", each[0], each[1]);
        for i in 0..2 {
            least[i] = least[i].min(each[i]);
            most[i] = most[i].max(each[i]);
        }
    }
    println!("{:>10} {:.2}..{:.2} {:.2}..{:.2}", "range", least[0], most[0], least[1], most[1]);
}

fn look_up(c: &mut Criterion) {
    bytes_per_item();
    for (kind, offset) in [("hit", 0), ("miss", 1 << 30)] {
        let mut group = c.benchmark_group(format!("index_{kind}"));
        group.throughput(Throughput::Elements(LOOK_UPS.into()));
        for items in [1000u32, 50_000, 1_000_000] {
            let mut random = random::Random(7);
            let handles: Vec<u32> =
                (0..100 * LOOK_UPS).map(|_| offset + (random.next() % u64::from(items)) as u32).collect();
            let mut turns = handles.chunks_exact(LOOK_UPS as usize).cycle();
            let (ours, theirs) = (ours(items), theirs(items));
            group.bench_function(BenchmarkId::new("magpie", items), |b| {
                b.iter(|| {
                    let part = turns.next().into_iter().flatten();
                    part.filter(|&&handle| ours.find(black_box(hash_of(handle)), |h| h == handle).is_some())
                        .count()
                });
            });
            group.bench_function(BenchmarkId::new("hashbrown", items), |b| {
                b.iter(|| {
                    let part = turns.next().into_iter().flatten();
                    let find = |handle: u32| theirs.find(black_box(wide(hash_of(handle))), |&h| h == handle);
                    part.filter(|&&handle| find(handle).is_some()).count()
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = look_up
}
criterion_main!(benches);
