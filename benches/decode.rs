//! How much of a request's time goes into finding it in the input?
//!
//! * RESP: pipelined `GET` and `SET` (100-byte values), as many as a read brings in, then the same input in
//!   pieces of 64 bytes, beside `redis-protocol`. An element is a request.
//! * memcached: the decoder is private, so whole requests through `Session::feed` with an empty store: a get that
//!   misses is decoding, one look-up and five bytes of reply.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use magpie::clients::{Arrival, Wire};
use magpie::clock::Millis;
use magpie::config::Config;
use magpie::daemon::{Context, Daemon};
use magpie::resp::{Ahead, Limits};
use magpie::wire::Out;
use redis_protocol::bytes::Bytes;
use redis_protocol::resp2::decode::decode_bytes;
use std::hint::black_box;

const REQUESTS: usize = 128;
const LIMITS: Limits = Limits { bulk_max: 512 << 20, stranger: false };

fn bulks(args: &[&str]) -> String {
    let bulks = args.iter().map(|arg| format!("${}\r\n{arg}\r\n", arg.len()));
    format!("*{}\r\n{}", args.len(), bulks.collect::<String>())
}

fn key(n: usize) -> String {
    format!(":1:views.page.{n:06}")
}

/// (name, one batch)
fn resp() -> [(&'static str, String); 2] {
    let value = "x".repeat(100);
    [
        ("get", (0..REQUESTS).map(|n| bulks(&["GET", &key(n)])).collect()),
        ("set", (0..REQUESTS).map(|n| bulks(&["SET", &key(n), &value, "EX", "300"])).collect()),
    ]
}

/// Decodes what there is and adds up the arguments' lengths; returns how far it came.
fn decode(requests: &mut Ahead, input: &[u8], sum: &mut usize) -> usize {
    let mut consumed = 0;
    while let Ok(None) = requests.look(input, LIMITS) {
        while let Some(found) = requests.next() {
            *sum += requests.argv(found, input).iter().map(<[u8]>::len).sum::<usize>();
            consumed = found.to;
        }
    }
    requests.settle(consumed);
    consumed
}

fn resp_decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode_resp");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for (name, batch) in resp() {
        let mut requests = Ahead::default();
        group.bench_function(BenchmarkId::new("magpie", name), |b| {
            b.iter(|| {
                let mut sum = 0;
                let consumed = decode(&mut requests, black_box(batch.as_bytes()), &mut sum);
                assert_eq!(consumed, batch.len());
                sum
            });
        });
        group.bench_function(BenchmarkId::new("magpie_in_pieces_of_64", name), |b| {
            b.iter(|| {
                let (mut sum, mut from) = (0, 0);
                for to in (64..batch.len()).step_by(64).chain([batch.len()]) {
                    from += decode(&mut requests, black_box(&batch.as_bytes()[from..to]), &mut sum);
                }
                assert_eq!(from, batch.len());
                sum
            });
        });
        let bytes = Bytes::from(batch.clone());
        group.bench_function(BenchmarkId::new("redis_protocol", name), |b| {
            b.iter(|| {
                let mut rest = black_box(bytes.clone());
                let mut requests = 0;
                while let Ok(Some((frame, len))) = decode_bytes(&rest) {
                    black_box(frame);
                    rest = rest.slice(len..);
                    requests += 1;
                }
                assert_eq!(requests, REQUESTS);
            });
        });
    }
    group.finish();
}

fn memcached_feed(c: &mut Criterion) {
    let value = "x".repeat(100);
    let batches: [(&str, String); 4] = [
        ("get", (0..REQUESTS).map(|n| format!("get {}\r\n", key(n))).collect()),
        ("get_of_64_keys", format!("get {}\r\n", (0..64).map(key).collect::<Vec<_>>().join(" "))),
        ("set", (0..REQUESTS).map(|n| format!("set {} 1 300 100\r\n{value}\r\n", key(n))).collect()),
        ("mg", (0..REQUESTS).map(|n| format!("mg {} v t f\r\n", key(n))).collect()),
    ];
    let mut group = c.benchmark_group("feed_memcached");
    for (name, batch) in batches {
        let keys = if name.ends_with("keys") { 64 } else { REQUESTS };
        group.throughput(Throughput::Elements(keys as u64));
        let daemon = Daemon::new(Config::default(), 1);
        let now = Millis(1_790_000_000_000);
        let (addr, laddr) = (String::new(), String::new());
        let arrival = Arrival { wire: Wire::Memcached, addr, laddr, fd: -1, unix: false, worker: 0, now };
        let mut session = magpie::memcached::Session::new(daemon.clients.register(arrival), &daemon);
        let mut out = Out::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                let context = Context { daemon: &daemon, counters: &daemon.counters[0], now, busy: None };
                let progress = session.feed(context, black_box(batch.as_bytes()), &mut out);
                assert_eq!(progress.consumed, batch.len());
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2));
    targets = resp_decode, memcached_feed
}
criterion_main!(benches);
