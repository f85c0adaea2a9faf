//! Keyspace notifications: random commands go to magpie and to a real `redis-server`, each with a subscriber to
//! everything, and the events, their order included, must be the same.
//!
//! `MAGPIE_STEPS=100000` makes the walk longer, `MAGPIE_SEED=7` takes another one.

use crate::script::{Player, compare_with};
use crate::support::Dice;
use crate::support::process::Magpie;
use crate::support::real_redis::{RealRedis, connect};
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// Commands by family; `{k}` is a string's key, `{h}` a hash's and so on, `{n}` a number, `{v}` a value, `{m}` a
/// member. A family of commands adds its own here.
const FAMILIES: &[&[&str]] = &[
    // Strings
    &[
        "SET {k} {v}",
        "SET {k} {n}",
        "SET {k} {v} EX 100",
        "SET {k} {v} KEEPTTL",
        "SET {k} {v} NX",
        "SET {k} {v} XX GET",
        "SET {k} {v} PXAT 1000",
        "SETEX {k} 100 {v}",
        "PSETEX {k} 100000 {v}",
        "SETNX {k} {v}",
        "GETSET {k} {v}",
        "GET {k}",
        "GETDEL {k}",
        "GETEX {k}",
        "GETEX {k} EX 100",
        "GETEX {k} PERSIST",
        "GETEX {k} PXAT 1000",
        "APPEND {k} {v}",
        "APPEND {k} ''",
        "SETRANGE {k} {n} {v}",
        "SETRANGE {k} 0 ''",
        "INCR {k}",
        "DECRBY {k} {n}",
        "INCRBYFLOAT {k} 1.5",
        "MSET {k} {v} {k} {v}",
        "MSETNX {k} {v} {k} {v}",
        "MGET {k} {k}",
        "STRLEN {k}",
        "GETRANGE {k} 0 1",
        "LCS {k} {k}",
    ],
    // Keys and their deadlines
    &[
        "DEL {k} {k}",
        "UNLINK {k}",
        "EXISTS {k} {k}",
        "TYPE {k}",
        "TTL {k}",
        "TOUCH {k}",
        "OBJECT FREQ {k}",
        // Longer than the walk takes on a busy machine.
        "EXPIRE {k} {n}000",
        "EXPIRE {k} -1",
        "EXPIRE {k} 1000 NX",
        "PEXPIREAT {k} 4000000000000 GT",
        "PERSIST {k}",
        "RENAME {k} {k}",
        "RENAMENX {k} {k}",
        "COPY {k} {k}",
        "COPY {k} {k} REPLACE",
        "COPY {k} {k} DB 1",
        "MOVE {k} 1",
        "SELECT 0",
        "SELECT 1",
        "SWAPDB 0 1",
        "FLUSHDB",
        "PEXPIRE {k} 1",
    ],
    // Streams; who is a consumer from when on is another matter in 7.2.
    &[
        "XADD {x} {n}-* f {v}",
        "XADD {x} 9-{n} f {v}",
        "XADD {x} NOMKSTREAM {n}-* f {v}",
        "XADD {x} MAXLEN 3 9-* f {v}",
        "XADD {x} MINID 5 9-* f {v}",
        "XTRIM {x} MAXLEN {n}",
        "XTRIM {x} MINID {n}",
        "XDEL {x} {n}-0 {n}-1",
        "XSETID {x} 9-9",
        "XLEN {x}",
        "XRANGE {x} - + COUNT 2",
        "XREAD COUNT 1 STREAMS {x} {x} 0 0",
        "XGROUP CREATE {x} g 0",
        "XGROUP CREATE {x} g $ MKSTREAM",
        "XGROUP SETID {x} g {n}",
        "XGROUP CREATECONSUMER {x} g c",
        "XGROUP DELCONSUMER {x} g c",
        "XGROUP DESTROY {x} g",
        "XREADGROUP GROUP g d COUNT 1 STREAMS {x} 0",
        "XACK {x} g {n}-0",
        "XPENDING {x} g",
        "XINFO STREAM {x}",
    ],
    // Lists
    &[
        "RPUSH {l} {n} {n} {v}",
        "LPUSH {l} {n}",
        "LPUSHX {l} {n}",
        "RPUSHX {l} {v}",
        "LPOP {l}",
        "RPOP {l} 2",
        "LPOP {l} 0",
        "LINSERT {l} BEFORE {n} {v}",
        "LSET {l} 0 {n}",
        "LREM {l} 0 {n}",
        "LTRIM {l} 0 1",
        "LTRIM {l} 5 2",
        "LMOVE {l} {l} LEFT RIGHT",
        "RPOPLPUSH {l} {l}",
        "LMPOP 2 {l} {l} LEFT COUNT 2",
        "BLPOP {l} {l} 0.001",
        "BLMOVE {l} {l} LEFT RIGHT 0.001",
        "BLMPOP 0.001 1 {l} RIGHT",
        "LRANGE {l} 0 -1",
        "LPOS {l} {n}",
        "SORT {l} ALPHA STORE {l}",
    ],
    // Bits and sketches
    &[
        "SETBIT {k} {n} 1",
        "BITFIELD {k} SET u8 0 {n}",
        "BITFIELD {k} GET u8 0",
        "BITFIELD {k} INCRBY u8 0 1 OVERFLOW FAIL INCRBY u2 0 3",
        "BITOP AND {k} {k} {k}",
        "BITOP NOT {k} {k}",
        "BITCOUNT {k}",
        "BITPOS {k} 1",
        "PFADD {p} {v} {n}",
        "PFADD {p}",
        "PFCOUNT {p} {p}",
        "PFMERGE {p} {p} {p}",
    ],
    // Hashes
    &[
        "HSET {h} {m} {n}",
        "HSET {h} {m} 1 {m} 2",
        "HMSET {h} {m} {n}",
        "HSETNX {h} {m} {n}",
        "HINCRBY {h} {m} {n}",
        "HINCRBYFLOAT {h} {m} 1.5",
        "HDEL {h} {m} {m}",
        "HGET {h} {m}",
        "HMGET {h} {m} {m}",
        "HLEN {h}",
        "HEXISTS {h} {m}",
        "HSTRLEN {h} {m}",
    ],
    // Sets. Not SMOVE: lest a member be lost for want of memory, it is added before it is removed, so that `new`
    // comes earlier than in Redis.
    &[
        "SADD {s} {m} {m}",
        "SREM {s} {m} {m}",
        "SPOP {s} 10",
        "SPOP {s} 0",
        "SINTERSTORE {s} {s} {s}",
        "SUNIONSTORE {s} {s} {s}",
        "SDIFFSTORE {s} {s} {s}",
        "SISMEMBER {s} {m}",
        "SCARD {s}",
        "SINTERCARD 2 {s} {s}",
        "SMISMEMBER {s} {m}",
    ],
    // Sorted sets, and what is made of them
    &[
        "ZADD {z} {n} {m}",
        "ZADD {z} {n} {m} {n} {m}",
        "ZADD {z} NX {n} {m}",
        "ZADD {z} XX {n} {m}",
        "ZADD {z} XX CH GT {n} {m}",
        "ZADD {z} INCR {n} {m}",
        "ZINCRBY {z} {n} {m}",
        "ZREM {z} {m} {m}",
        "ZREMRANGEBYSCORE {z} {n} {n}",
        "ZREMRANGEBYRANK {z} 0 1",
        "ZREMRANGEBYLEX {z} [a [b",
        "ZPOPMIN {z}",
        "ZPOPMAX {z} 2",
        "ZPOPMIN {z} 0",
        "ZMPOP 2 {z} {z} MIN",
        "BZPOPMIN {z} {z} 0.001",
        "ZUNIONSTORE {z} 2 {z} {z}",
        "ZINTERSTORE {z} 2 {z} {z}",
        "ZDIFFSTORE {z} 2 {z} {z}",
        "ZRANGESTORE {z} {z} 0 1",
        "GEOADD {z} CH 1 2 {m}",
        "GEOSEARCHSTORE {z} {z} FROMLONLAT 1 2 BYRADIUS 1 km",
        "GEORADIUS {z} 1 2 1 km STORE {z}",
        "GEORADIUSBYMEMBER {z} {m} 5000 km STOREDIST {z}",
        "ZSCORE {z} {m}",
        "ZRANK {z} {m}",
        "ZCARD {z}",
        "ZCOUNT {z} 0 9",
    ],
    // All types alike
    &[
        "DEL {any} {any}",
        "EXPIRE {any} 1000",
        "PERSIST {any}",
        "RENAME {any} {any}",
        "RENAMENX {any} {any}",
        "COPY {any} {any} REPLACE",
        "MOVE {any} 1",
        "SET {any} {v} GET",
        "GET {any}",
        "SORT {any} BY nosort STORE {any}",
        "TYPE {any}",
        "EXPIRE {any} -1",
    ],
];

fn fill(template: &str, dice: &mut Dice) -> String {
    let words = template.split(' ').map(|word| match word {
        "{k}" => dice.pick(&["a", "b", "c", "d"]).to_owned(),
        "{n}" => (1 + dice.roll(9)).to_string(),
        "{n}-{n}" => format!("{}-{}", 1 + dice.roll(99), dice.roll(3)),
        "{v}" => "v".repeat(1 + dice.roll(4)),
        "{m}" => dice.pick(&["a", "b", "c", "1", "2"]).to_owned(),
        // Three keys of each type, which a few commands mix.
        "{any}" => format!("{}{}", dice.pick(&["h", "l", "s", "z", "x", "p"]), dice.roll(3)),
        "{h}" | "{l}" | "{s}" | "{z}" | "{x}" | "{p}" => format!("{}{}", &word[1..2], dice.roll(3)),
        word => word.replace("{n}", &(1 + dice.roll(9)).to_string()),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_commands_announce_the_same_events() {
    let options = [
        "--notify-keyspace-events",
        "KEAmn",
        "--enable-debug-command",
        "yes",
        "--maxmemory-policy",
        "noeviction",
    ];
    let Some(redis) = RealRedis::start("events", &options) else { return };
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "events", &options);
    let (mut ours, mut theirs) = (Player::new(magpie.socket(), false), Player::new(redis.socket(), false));
    let mut dice = Dice(setting("MAGPIE_SEED", 0x9e37_79b9_7f4a_7c15) | 1);
    let mut both = |lines: &[&str]| {
        let [ours, theirs] = [&mut ours, &mut theirs].map(|player| {
            lines.iter().fold(BTreeMap::<String, String>::new(), |mut all, line| {
                player
                    .step(line)
                    .into_iter()
                    .for_each(|(name, read)| all.entry(name).or_default().push_str(&read));
                all
            })
        });
        let mut both = [ours, theirs];
        if lines[0].contains("SPOP") || lines[0].contains("TTL") {
            // A matter of chance, and of the moment.
            both.iter_mut().for_each(|read| drop(read.remove("writer")));
        }
        assert_eq!(both[0], both[1], "ours, then theirs: {lines:?}");
    };
    both(&["listener: PSUBSCRIBE *"]);
    both(&["writer: DEBUG SET-ACTIVE-EXPIRE 0"]);
    for _ in 0..setting("MAGPIE_STEPS", 3000) {
        let family = FAMILIES[dice.roll(FAMILIES.len())];
        let command = fill(dice.pick(family), &mut dice);
        let line = format!("writer: {command}");
        if command.starts_with("PEXPIRE ") || command.contains("PXAT") {
            // It expires for whoever looks next. Redis leaves what was stored as past until then.
            let key = command.split(' ').nth(1).expect("its key");
            both(&[&line, "writer: SLEEP 3", &format!("writer: EXISTS {key}")]);
        } else {
            both(&[&line]);
        }
    }
}

#[test]
fn only_the_chosen_events_are_published() {
    compare_with(
        "chosen-events",
        &["--enable-debug-command", "yes"],
        "
        a: PSUBSCRIBE __key*
        b: SET k v
        b: CONFIG SET notify-keyspace-events Kg
        b: SET k v
        b: DEL k
        b: CONFIG SET notify-keyspace-events E$
        b: SET k v
        b: DEL k
        b: CONFIG SET notify-keyspace-events A
        b: SET k v
        b: CONFIG SET notify-keyspace-events Em
        b: GET k
        b: GET nothing
        b: CONFIG SET notify-keyspace-events En
        b: SET k v
        b: SET new v
        b: CONFIG SET notify-keyspace-events Ex
        b: CONFIG GET notify-keyspace-events
        b: DEBUG SET-ACTIVE-EXPIRE 0
        b: SELECT 3
        b: PSETEX soon 1 v
        b: SLEEP 20
        b: GET soon
        b: CONFIG SET notify-keyspace-events KEA
        b: CONFIG GET notify-keyspace-events
        a: SUBSCRIBE __keyspace@3__:x __keyevent@3__:del
        a: PUNSUBSCRIBE
        b: MSET x 1 y 2
        b: DEL x y
        b: FLUSHALL
        b: CONFIG SET notify-keyspace-events ''
        b: MSET x 1 y 2
        ",
    );
}

/// What memcached's clients write is announced in Redis' words; so is what goes for want of room.
#[test]
fn memcached_writes_and_evictions_are_announced() {
    let options =
        ["--notify-keyspace-events", "EA", "--maxmemory", "4mb", "--maxmemory-policy", "allkeys-s3fifo"];
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "memcached-events", &options);
    let mut player = Player::new(magpie.socket(), true);
    player.step("listener: PSUBSCRIBE __keyevent*");
    let mut memcached = connect(&magpie.memcached_socket());
    for (request, reply, events) in [
        ("set k 0 0 1\r\n1\r\n", "STORED\r\n", "set"),
        ("set k 0 100 1\r\n1\r\n", "STORED\r\n", "set expire"),
        ("incr k 5\r\n", "6\r\n", "incrby"),
        ("append k 0 0 1\r\n0\r\n", "STORED\r\n", "append"),
        ("touch k 200\r\n", "TOUCHED\r\n", "expire"),
        ("touch k 0\r\n", "TOUCHED\r\n", "persist"),
        ("get k\r\n", "VALUE k 0 2\r\n60\r\nEND\r\n", ""),
        ("get nothing\r\n", "END\r\n", ""),
        ("delete k\r\n", "DELETED\r\n", "del"),
        ("delete k\r\n", "NOT_FOUND\r\n", ""),
        ("ms k 1 T100\r\n1\r\n", "HD\r\n", "set expire"),
        ("md k\r\n", "HD\r\n", "del"),
        ("flush_all\r\n", "OK\r\n", ""),
    ] {
        memcached.write_all(request.as_bytes()).expect("magpie reads");
        let mut answer = vec![0; reply.len()];
        memcached.read_exact(&mut answer).expect("magpie answers");
        assert_eq!(String::from_utf8_lossy(&answer), reply);
        let read = player.step("other: ECHO x").remove("listener").unwrap_or_default();
        assert_eq!(events_in(&read), events, "{request}");
    }
    let evicted = (0..6000).any(|number| {
        let read = player.step(&format!("other: SET key:{number} {}", "x".repeat(1000)));
        read.get("listener").is_some_and(|read| events_in(read).contains("evicted"))
    });
    assert!(evicted, "nothing was evicted");
}

/// The names of events in what a listener to `__keyevent*` read.
fn events_in(read: &str) -> String {
    let names = read.split("__keyevent@0__:").skip(1);
    names.map(|rest| rest.split('\\').next().unwrap_or("")).collect::<Vec<_>>().join(" ")
}
