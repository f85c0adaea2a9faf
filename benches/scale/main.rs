//! What does an operation cost as the store grows from one to fifty million small items, and does it ever pause?
//!
//! ```text
//! cargo bench --bench scale                     all parts, up to 50 million items: some minutes and 5 GiB
//! cargo bench --bench scale -- grow 10          one part, up to so many million items
//! ```
//!
//! * `grow`: puts of new items, 16 + 32 bytes, straight into the store, and gets at random in between;
//! * `evict`: puts at a limit, so that each new item makes an old one go;
//! * `expire`: a million items due in the same second, among ten times as many that are not;
//! * `daemon`: the same growth through the daemon, many requests to a write, while another connection asks one thing
//!   at a time: what that one waits for is what a client would feel.
//!
//! A second thread keeps the house ten times a second, as the daemon's workers do. Each operation is timed by itself;
//! one that was slow while its thread was taken off the processor says nothing of the store and is counted
//! apart (`away`: the thread was switched away, or the machine's host took a processor, since that was last asked).

#[path = "../support/histogram.rs"]
mod histogram;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/requests.rs"]
mod requests;
#[path = "../support/servers.rs"]
mod servers;
mod through;
#[path = "../support/wire.rs"]
mod wire;

use histogram::Histogram;
use magpie::clock::{Deadline, Millis};
use magpie::store::{Event, Expiry, Put, Store, StoreOptions};
use random::Random;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MILLION: u32 = 1_000_000;
const START: u64 = 1_790_000_000_000;
const VALUE: [u8; 32] = [b'x'; 32];

type Key = [u8; 16];

fn key(number: u32) -> Key {
    let mut key = *b"key:100000000000";
    let mut rest = number;
    for digit in key[5..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}

/// How often this thread lost its processor to another, and the machine all of its own to its host.
fn switches() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    let switches: u64 = line.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    // user nice system idle iowait irq softirq steal, behind the word `cpu`.
    let stolen: u64 = text.split_whitespace().nth(8).and_then(|ticks| ticks.parse().ok()).unwrap_or(0);
    switches + stolen
}

/// Times operations one by one.
struct Timer {
    all: Histogram,
    away: u64,
    switches: u64,
    since_asked: u32,
    last: Instant,
}

impl Timer {
    fn new() -> Timer {
        Timer { all: Histogram::new(), away: 0, switches: switches(), since_asked: 0, last: Instant::now() }
    }

    /// What happens between `skip` and `done` is an operation.
    fn skip(&mut self) {
        self.last = Instant::now();
    }

    #[inline]
    fn done(&mut self) {
        const SLOW_NS: u64 = 200_000;
        const ASK_EVERY: u32 = 4096;
        let now = Instant::now();
        let ns = (now - self.last).as_nanos() as u64;
        self.last = now;
        self.since_asked += 1;
        if ns < SLOW_NS && self.since_asked < ASK_EVERY {
            self.all.add(ns);
            return;
        }
        let switches = switches();
        if ns >= SLOW_NS && switches != self.switches {
            self.away += 1;
        } else {
            self.all.add(ns);
        }
        (self.switches, self.since_asked, self.last) = (switches, 0, Instant::now());
    }

    fn report(&self) -> String {
        format!(
            "{:>7.0} {:>9.1} {:>9.1} {:>5}",
            self.all.mean_us() * 1e3,
            self.all.quantile_us(0.9999),
            self.all.max_us(),
            self.away
        )
    }
}

const HEAD: &str = "ns mean  µs99.99%    µs max  away";

/// Runs `work` while another thread keeps the house.
fn with_housekeeping<T>(store: &Store, clock: &AtomicU64, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                store.maintain(0, 1, Millis(clock.load(Ordering::Relaxed)), true);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let result = work();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn put(store: &Store, now: Millis, number: u32, expiry: Expiry) {
    let key = key(number);
    store.db(0, now).entry(&key).put(&VALUE, Put::new(0, expiry, Event::Set)).expect("there is room");
}

fn grow(millions: u32) {
    let store = Store::new(StoreOptions::default());
    let (clock, before) = (AtomicU64::new(START), resident());
    println!("grow: puts of new items, then gets at random");
    println!("{:>9} | put {HEAD} | get {HEAD} | bytes an item beside key and value", "million");
    with_housekeeping(&store, &clock, || {
        let mut random = Random(3);
        for million in 0..millions {
            let mut puts = Timer::new();
            for number in million * MILLION..(million + 1) * MILLION {
                put(&store, Millis(START), number, Expiry::Never);
                puts.done();
            }
            let held = (million + 1) * MILLION;
            let mut gets = Timer::new();
            let mut found = 0;
            for _ in 0..MILLION / 4 {
                let key = key((random.next() % u64::from(held)) as u32);
                gets.skip();
                found += u32::from(black_box(store.db(0, Millis(START)).entry(&key).read()).is_some());
                gets.done();
            }
            assert_eq!(found, MILLION / 4);
            if [1, 2, 5].contains(&(million + 1)) || (million + 1) % 10 == 0 {
                let overhead = (resident() - before) / f64::from(held) - 48.0;
                println!(
                    "{:>9} | {:>35} | {:>35} | {overhead:.1}",
                    million + 1,
                    puts.report(),
                    gets.report()
                );
            }
        }
    });
}

fn evict(millions: u32) {
    let limit = (millions as usize * MILLION as usize / 2) * 70;
    let store = Store::new(StoreOptions { limit, ..StoreOptions::default() });
    let clock = AtomicU64::new(START);
    println!("\nevict: puts of new items at a limit of {} MiB", limit >> 20);
    println!("{:>9} | put {HEAD} | million evicted", "million");
    with_housekeeping(&store, &clock, || {
        for million in 0..millions {
            let mut puts = Timer::new();
            for number in million * MILLION..(million + 1) * MILLION {
                put(&store, Millis(START), number, Expiry::Never);
                puts.done();
            }
            if (million + 1) % (millions / 5).max(1) == 0 {
                let evicted = store.stats().events.evicted as f64 / 1e6;
                println!("{:>9} | {:>35} | {evicted:.1}", million + 1, puts.report());
            }
        }
    });
}

fn expire(millions: u32) {
    let store = Store::new(StoreOptions::default());
    let clock = AtomicU64::new(START);
    let due = Expiry::At(Deadline(Millis(START + 30_500)));
    let later = Expiry::At(Deadline(Millis(START + 86_400_000)));
    for number in 0..millions * MILLION {
        put(&store, Millis(START), number, if number % millions == 0 { due } else { later });
    }
    println!("\nexpire: a million of {millions} million items due in one second; gets of others meanwhile");
    println!("{:>22} | get {HEAD} | items left, million", "");
    with_housekeeping(&store, &clock, || {
        let mut random = Random(5);
        let mut stage = |name: &str, until: &dyn Fn() -> bool| {
            let (mut gets, start) = (Timer::new(), Instant::now());
            while !until() && start.elapsed() < Duration::from_secs(60) {
                let now = Millis(clock.load(Ordering::Relaxed));
                for _ in 0..1000 {
                    let number = (random.next() % u64::from(millions * MILLION)) as u32;
                    let key = key(number - number % millions + 1 % millions);
                    gets.skip();
                    black_box(store.db(0, now).entry(&key).read());
                    gets.done();
                }
            }
            let left = store.count_of(0).items as f64 / 1e6;
            let name = format!("{name} ({:.2} s)", start.elapsed().as_secs_f64());
            println!("{name:>22} | {:>35} | {left:.2}", gets.report());
        };
        let start = Instant::now();
        stage("before", &|| start.elapsed() > Duration::from_secs(2));
        clock.store(START + 32_000, Ordering::Relaxed);
        let left = u64::from((millions - 1) * MILLION);
        stage("until all are gone", &|| store.count_of(0).items <= left);
        let start = Instant::now();
        stage("after", &|| start.elapsed() > Duration::from_secs(2));
    });
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let part = args.first().map_or("all", |part| &part[..]);
    let most: u32 = args.get(1).map_or(Ok(50), |number| number.parse())?;
    anyhow::ensure!(
        ["all", "grow", "evict", "expire", "daemon"].contains(&part),
        "there is no part {part:?}"
    );
    anyhow::ensure!((2..=50).contains(&most), "from 2 to 50 million items");
    let wanted = |name: &str| part == "all" || part == name;
    if wanted("grow") {
        grow(most);
    }
    if wanted("evict") {
        evict(most.min(20));
    }
    if wanted("expire") {
        expire(most.min(10));
    }
    if wanted("daemon") {
        through::daemon(most)?;
    }
    Ok(())
}
