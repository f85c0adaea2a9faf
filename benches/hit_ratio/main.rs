//! Which share of the requests of recorded traces does the store answer, beside the textbook policies?
//!
//! Every row replays a trace through the real store: get, and put on a miss. Three comparisons:
//!
//! * **equal objects**: values of 100 bytes; the byte limit is found by bisection such that the store holds as
//!   many items as the row's capacity, on average from the first eviction on. So neither its overhead nor
//!   its segments are for free or counted against it. One shard, and four as a daemon with the smallest limit has.
//! * **equal bytes**: values of the recorded sizes; the store's limit is what the textbook policies have for
//!   values alone, and the store pays for keys, index, segments and rounding out of it;
//! * **equal limits**, end to end (`daemons.rs`): magpie, redis-server and memcached in processes of their own.
//!
//! Redis' policies (`allkeys-lru`, …) know the time of an access in seconds, LFU in minutes, so how fast a trace
//! is replayed matters to them: see `support/traces.rs`.

mod daemons;
#[path = "../support/policies.rs"]
mod policies;
#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/traces.rs"]
mod traces;
#[path = "../support/wire.rs"]
mod wire;

use magpie::store::{Event, Expiry, PolicyKind, Put, Store, StoreOptions};
use policies::Cache;
use traces::{Request, Trace};

const VALUE: usize = 100;

/// What a replay through the store showed.
struct Replay {
    hits: usize,
    /// Items on average, from the first eviction on.
    items: f64,
}

fn replay(
    trace: &Trace,
    policy: PolicyKind,
    limit: usize,
    shards: usize,
    size: impl Fn(&Request) -> usize,
) -> Replay {
    let seed = 1;
    let store = Store::new(StoreOptions { limit, databases: 1, policy, shards, seed });
    let filler = vec![b'x'; trace.requests.iter().map(&size).max().unwrap_or(0)];
    let (mut hits, mut items, mut full, mut samples, mut evicting) = (0, 0i64, 0.0, 0u32, false);
    for (n, request) in trace.requests.iter().enumerate() {
        let key = request.id.to_be_bytes();
        let mut db = store.db(0, request.at);
        let mut entry = db.entry(&key);
        if entry.read().is_some() {
            hits += 1;
        } else if entry.put(&filler[..size(request)], Put::new(0, Expiry::Never, Event::Set)).is_ok() {
            items += 1;
        }
        drop(entry);
        // Counting takes a walk over the shards: look now and then.
        if n % 16 == 0 {
            let counted = store.count_of(0).items as i64;
            evicting |= counted < items;
            if evicting {
                full += counted as f64;
                samples += 1;
            }
        }
    }
    let items = if samples == 0 { items as f64 } else { full / f64::from(samples) };
    Replay { hits, items }
}

/// The smallest limit at which the store holds `capacity` items.
fn limit_for(trace: &Trace, policy: PolicyKind, capacity: u64, shards: usize) -> usize {
    let (mut low, mut high) = (capacity as usize * VALUE / 2, capacity as usize * VALUE * 4 + (64 << 10));
    while high - low > (low / 500).max(64) {
        let middle = low.midpoint(high);
        if replay(trace, policy, middle, shards, |_| VALUE).items < capacity as f64 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

fn percent(hits: usize, trace: &Trace) -> f64 {
    hits as f64 * 100.0 / trace.requests.len() as f64
}

fn simulate(trace: &Trace, mut cache: impl Cache, size: impl Fn(&Request) -> u64) -> f64 {
    let hits = trace.requests.iter().filter(|request| cache.request(request.id, size(request))).count();
    percent(hits, trace)
}

fn moka(trace: &Trace, capacity: u64, size: impl Fn(&Request) -> u32) -> f64 {
    let sizes: Vec<u32> = {
        let mut sizes = vec![0; trace.objects];
        trace.requests.iter().for_each(|request| sizes[request.id as usize] = size(request));
        sizes
    };
    let cache = moka::sync::Cache::<u32, ()>::builder()
        .max_capacity(capacity)
        .weigher(move |&id: &u32, _: &()| sizes[id as usize])
        .build();
    let hits = trace.requests.iter().filter(|request| {
        let hit = cache.get(&request.id).is_some();
        if !hit {
            cache.insert(request.id, ());
        }
        // It works off its read and write logs now and then; here as soon as it can.
        cache.run_pending_tasks();
        hit
    });
    percent(hits.count(), trace)
}

const OURS: [PolicyKind; 4] =
    [PolicyKind::AllkeysS3Fifo, PolicyKind::AllkeysLru, PolicyKind::AllkeysLfu, PolicyKind::AllkeysRandom];

fn print_head() {
    let names = OURS.map(|policy| policy.name().trim_start_matches("allkeys-"));
    println!("{:28} | {:^37} | {:^39} |", "", "magpie's store", "textbook");
    println!(
        "{:20} {:>7} | {:>7} {:>7} {:>6} {:>6} {:>6} | {:>6} {:>6} {:>7} {:>8} {:>8} | best - ours",
        "trace",
        "size",
        names[0],
        "4 shard",
        names[1],
        names[2],
        names[3],
        "LRU",
        "SIEVE",
        "S3-FIFO",
        "TinyLFU",
        "moka",
    );
}

fn print_row(trace: &Trace, share: f64, ours: [f64; 5], textbook: [f64; 4], moka: f64) {
    let best = textbook.into_iter().fold(0.0, f64::max);
    println!(
        "{:20} {:>6}% | {:>7.2} {:>7.2} {:>6.2} {:>6.2} {:>6.2} | {:>6.2} {:>6.2} {:>7.2} {:>8.2} {:>8.2} | {:+.2}",
        trace.name,
        share,
        ours[0],
        ours[1],
        ours[2],
        ours[3],
        ours[4],
        textbook[0],
        textbook[1],
        textbook[2],
        textbook[3],
        moka,
        best - ours[0],
    );
}

fn textbook(trace: &Trace, capacity: u64, objects: u64, size: impl Fn(&Request) -> u64) -> [f64; 4] {
    [
        simulate(trace, policies::Lru::new(capacity), &size),
        simulate(trace, policies::Sieve::new(capacity), &size),
        simulate(trace, policies::S3Fifo::new(capacity), &size),
        simulate(trace, policies::TinyLfu::new(capacity, objects), &size),
    ]
}

fn equal_objects(trace: &Trace, share: f64) {
    let capacity = (trace.objects as f64 * share / 100.0) as u64;
    let ours = |policy, shards| {
        let limit = limit_for(trace, policy, capacity, shards);
        percent(replay(trace, policy, limit, shards, |_| VALUE).hits, trace)
    };
    let [s3fifo, lru, lfu, random] = OURS.map(|policy| ours(policy, 1));
    let ours = [s3fifo, ours(OURS[0], 4), lru, lfu, random];
    print_row(trace, share, ours, textbook(trace, capacity, capacity, |_| 1), moka(trace, capacity, |_| 1));
}

fn equal_bytes(trace: &Trace, share: f64) {
    let capacity = (trace.bytes as f64 * share / 100.0) as u64;
    let objects = (trace.objects as f64 * share / 100.0) as u64;
    let size = |request: &Request| u64::from(request.size);
    let ours = |policy, shards| {
        percent(replay(trace, policy, capacity as usize, shards, |request| request.size as usize).hits, trace)
    };
    let [s3fifo, lru, lfu, random] = OURS.map(|policy| ours(policy, 1));
    let ours = [s3fifo, ours(OURS[0], 0), lru, lfu, random];
    print_row(
        trace,
        share,
        ours,
        textbook(trace, capacity, objects, size),
        moka(trace, capacity, |request| request.size),
    );
}

fn main() {
    let traces = match traces::all() {
        Ok(traces) => traces,
        Err(reason) => {
            println!("hit_ratio: NOT RUN: {reason}");
            println!(
                "The traces (web07, orm-busy, cdn-sizes) come from github.com/ben-manes/caffeine and cache2k;"
            );
            println!("MAGPIE_TRACES=<folder with *.trace.xz> says where they are, and `xz` unpacks them.");
            return;
        }
    };
    let [web, cdn, orm] = &traces[..] else { unreachable!("there are three traces") };
    println!("Hit ratio in percent. Equal objects: capacity as a share of the distinct objects.");
    print_head();
    for (trace, share) in [(web, 1.0), (web, 10.0), (cdn, 5.0), (cdn, 10.0), (orm, 1.0), (orm, 10.0)] {
        equal_objects(trace, share);
    }
    println!(
        "\nEqual bytes: limit as a share of the bytes of the distinct objects; \"4 shard\": as many as the daemon takes."
    );
    print_head();
    for share in [1.0, 5.0, 10.0, 25.0] {
        equal_bytes(cdn, share);
    }
    daemons::compare(web, orm, cdn);
}
