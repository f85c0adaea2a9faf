//! How much memory does an item take beyond its key and value?
//!
//! Overhead = (growth of the resident set) / items − key − value, over a million items (300,000 of 1 KiB), beside
//! `DashMap` and `moka`. Each figure comes from a process of its own, with the daemon's allocator, so that nobody
//! profits from what another left behind. `moka` takes its TTL by an expiry policy; `DashMap` has none.

use dashmap::DashMap;
use magpie::clock::{Deadline, Millis};
use magpie::store::{Event, Expiry, Put, Store, StoreOptions};
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// (key, value, has a TTL)
const ROWS: [(usize, usize, bool); 7] = [
    (20, 100, false),
    (16, 32, false),
    (16, 32, true),
    (16, 100, false),
    (16, 100, true),
    (16, 1024, false),
    (16, 1024, true),
];
const MAPS: [&str; 3] = ["magpie", "dashmap", "moka"];
type Key = Box<[u8]>;

const NOW: Millis = Millis(1_790_000_000_000);
const TTL: Duration = Duration::from_secs(3600);

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages =
        text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("statm has pages");
    pages * 4096
}

fn items(value: usize) -> usize {
    if value < 1000 { 1_000_000 } else { 300_000 }
}

fn key(n: usize, len: usize) -> Vec<u8> {
    format!("{n:0len$}").into_bytes()
}

struct SameTtl;

impl<K, V> moka::Expiry<K, V> for SameTtl {
    fn expire_after_create(&self, _: &K, _: &V, _: Instant) -> Option<Duration> {
        Some(TTL)
    }
}

/// Fills one map and tells the growth per item.
fn measure(map: &str, key_len: usize, value_len: usize, ttl: bool) -> f64 {
    let (items, value) = (items(value_len), vec![b'x'; value_len]);
    // What the first use of threads, locks and the like costs is not an item's.
    let warm = DashMap::<Key, Box<[u8]>>::new();
    warm.insert(Box::default(), Box::default());
    let before = resident();
    match map {
        "magpie" => {
            let store = Store::new(StoreOptions::default());
            let deadline = Deadline(NOW.saturating_add(TTL.as_millis() as u64));
            let expiry = if ttl { Expiry::At(deadline) } else { Expiry::Never };
            for n in 0..items {
                let key = key(n, key_len);
                store.db(0, NOW).entry(&key).put(&value, Put::new(0, expiry, Event::Set)).expect("no limit");
            }
            report(before, items, black_box(store))
        }
        "dashmap" => {
            let map = DashMap::<Key, Box<[u8]>>::new();
            (0..items).for_each(|n| drop(map.insert(key(n, key_len).into(), value[..].into())));
            report(before, items, black_box(map))
        }
        _ => {
            let weigh = |key: &Key, value: &Arc<[u8]>| (key.len() + value.len()) as u32;
            let builder = moka::sync::Cache::builder().max_capacity(u64::MAX).weigher(weigh);
            let cache = if ttl { builder.expire_after(SameTtl).build() } else { builder.build() };
            (0..items).for_each(|n| cache.insert(key(n, key_len).into(), value[..].into()));
            cache.run_pending_tasks();
            report(before, items, black_box(cache))
        }
    }
}

/// The map is dropped after it was measured.
fn report<M>(before: usize, items: usize, _map: M) -> f64 {
    (resident() - before) as f64 / items as f64
}

fn in_a_child(map: &str, (key, value, ttl): (usize, usize, bool)) -> f64 {
    let this = std::env::current_exe().expect("this program has a path");
    let args = ["measure".to_owned(), map.to_owned(), key.to_string(), value.to_string(), ttl.to_string()];
    let output = Command::new(this).args(args).output().expect("a child starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the child prints a number")
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, measure_this, map, key, value, ttl] = &args[..]
        && measure_this == "measure"
    {
        let number = |text: &str| text.parse().expect("a number");
        println!("{}", measure(map, number(key), number(value), ttl == "true"));
        return;
    }
    println!("Bytes of overhead an item: growth of the resident set, less key and value.");
    println!("{:>4} {:>6} {:>4} | {:>8} {:>8} {:>8}", "key", "value", "TTL", MAPS[0], MAPS[1], MAPS[2]);
    for row in ROWS {
        let (key, value, ttl) = row;
        let overhead = MAPS.map(|map| match (map, ttl) {
            ("dashmap", true) => "-".to_owned(),
            _ => format!("{:.1}", in_a_child(map, row) - (key + value) as f64),
        });
        let ttl = if ttl { "yes" } else { "no" };
        println!("{key:>4} {value:>6} {ttl:>4} | {:>8} {:>8} {:>8}", overhead[0], overhead[1], overhead[2]);
    }
}
