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

/// Commands by family; `{k}` is a key, `{n}` a number, `{v}` a value. A family of commands adds its own here.
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
        "EXPIRE {k} {n}",
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
        "XADD {k} {n}-* f {v}",
        "XADD {k} 9-{n} f {v}",
        "XADD {k} NOMKSTREAM {n}-* f {v}",
        "XADD {k} MAXLEN 3 9-* f {v}",
        "XADD {k} MINID 5 9-* f {v}",
        "XTRIM {k} MAXLEN {n}",
        "XTRIM {k} MINID {n}",
        "XDEL {k} {n}-0 {n}-1",
        "XSETID {k} 9-9",
        "XLEN {k}",
        "XRANGE {k} - + COUNT 2",
        "XREAD COUNT 1 STREAMS {k} {k} 0 0",
        "XGROUP CREATE {k} g 0",
        "XGROUP CREATE {k} g $ MKSTREAM",
        "XGROUP SETID {k} g {n}",
        "XGROUP CREATECONSUMER {k} g c",
        "XGROUP DELCONSUMER {k} g c",
        "XGROUP DESTROY {k} g",
        "XREADGROUP GROUP g d COUNT 1 STREAMS {k} 0",
        "XACK {k} g {n}-0",
        "XPENDING {k} g",
        "XINFO STREAM {k}",
    ],
    // Lists
    &[
        "RPUSH {k} {n} {n} {v}",
        "LPUSH {k} {n}",
        "LPUSHX {k} {n}",
        "RPUSHX {k} {v}",
        "LPOP {k}",
        "RPOP {k} 2",
        "LPOP {k} 0",
        "LINSERT {k} BEFORE {n} {v}",
        "LSET {k} 0 {n}",
        "LREM {k} 0 {n}",
        "LTRIM {k} 0 1",
        "LTRIM {k} 5 2",
        "LMOVE {k} {k} LEFT RIGHT",
        "RPOPLPUSH {k} {k}",
        "LMPOP 2 {k} {k} LEFT COUNT 2",
        "BLPOP {k} {k} 0.001",
        "BLMOVE {k} {k} LEFT RIGHT 0.001",
        "BLMPOP 0.001 1 {k} RIGHT",
        "LRANGE {k} 0 -1",
        "LPOS {k} {n}",
    ],
];

fn fill(template: &str, dice: &mut Dice) -> String {
    let words = template.split(' ').map(|word| match word {
        "{k}" => dice.pick(&["a", "b", "c", "d"]).to_owned(),
        "{n}" => (1 + dice.roll(9)).to_string(),
        "{v}" => "v".repeat(1 + dice.roll(4)),
        word => word.to_owned(),
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
        assert_eq!(ours, theirs, "ours, then theirs: {lines:?}");
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
        &[],
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
