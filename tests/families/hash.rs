//! Hashes. Fields of a table come in any order, and which HRANDFIELD draws is chance: of fewer than all only the
//! number is compared.

use crate::support::real_redis::{Parsed, RealRedis};
use crate::support::{Dice, Resp, daemon};
use crate::walk::{Command, beside_redis, same_pairs, same_set, words};

const KEYS: &[&str] = &["a", "b", "c", "few", "many", "{tag}d", "string"];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "x",
    "",
    "01",
    "1.5",
];
const FLOATS: &[&str] =
    &["0.1", "1e3", "-2.5", "inf", "-inf", "nan", "1e4930", "3", "x", "", " 1", "1e-17", "0x1p-3"];
const COUNTS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "-7",
    "1000",
    "x",
    "",
    "9223372036854775807",
    "-9223372036854775808",
    "5000000000000000000",
];

fn key(dice: &mut Dice) -> Vec<u8> {
    dice.pick(KEYS).into()
}

fn field(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(12) {
        0..4 => dice.roll(12).to_string().into(),
        4 => dice.pick(&["01", "-0", "", " 1", "\r\n", "9223372036854775807", "-129"]).into(),
        5 => vec![b'f'; 62 + dice.roll(4)],
        _ => format!("field{}", dice.roll(30)).into(),
    }
}

fn value(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(12) {
        0..3 => dice.pick(NUMBERS).into(),
        3..5 => dice.pick(FLOATS).into(),
        5..8 => (dice.roll(100_000) as i64 - 50_000).to_string().into(),
        8 => vec![b'v'; dice.pick(&[63, 64, 65, 300])],
        9 => vec![b'w'; if dice.chance(10) { 20_000 } else { 30 }],
        _ => format!("value{}", dice.roll(1000)).into(),
    }
}

fn next(dice: &mut Dice) -> Command {
    let name = dice.pick(&[
        "HSET",
        "HSET",
        "HSET",
        "HSET",
        "HSETNX",
        "HMSET",
        "HGET",
        "HGET",
        "HMGET",
        "HDEL",
        "HDEL",
        "HDEL",
        "HLEN",
        "HSTRLEN",
        "HEXISTS",
        "HKEYS",
        "HVALS",
        "HGETALL",
        "HINCRBY",
        "HINCRBY",
        "HINCRBYFLOAT",
        "HRANDFIELD",
        "HSCAN",
        "OBJECT",
        "TYPE",
        "COPY",
        "RENAME",
        "DEL",
        "EXISTS",
        "SET",
        "MOVE",
        "SCAN",
        "CONFIG",
        "GET",
    ]);
    let mut command: Command = vec![if dice.chance(50) { name.into() } else { name.to_lowercase().into() }];
    match name {
        "HSET" | "HMSET" => {
            let key = key(dice);
            let most = if key == b"many" { 20 } else { 3 };
            command.push(key);
            (0..dice.roll(most) + 1).for_each(|_| command.extend([field(dice), value(dice)]));
        }
        "HSETNX" => command.extend([key(dice), field(dice), value(dice)]),
        "HGET" | "HEXISTS" | "HSTRLEN" => command.extend([key(dice), field(dice)]),
        "HMGET" | "HDEL" => {
            command.push(key(dice));
            (0..dice.roll(5) + 1).for_each(|_| command.push(field(dice)));
        }
        "HLEN" | "HKEYS" | "HVALS" | "HGETALL" | "TYPE" | "EXISTS" | "GET" => command.push(key(dice)),
        "DEL" => command.push(if dice.chance(60) { b"string".to_vec() } else { key(dice) }),
        "HINCRBY" => {
            let by =
                if dice.chance(30) { dice.pick(NUMBERS).into() } else { dice.roll(100).to_string().into() };
            command.extend([key(dice), field(dice), by]);
        }
        "HINCRBYFLOAT" => command.extend([key(dice), field(dice), dice.pick(FLOATS).into()]),
        "HRANDFIELD" => {
            command.push(key(dice));
            if dice.chance(80) {
                command.push(dice.pick(COUNTS).into());
                if dice.chance(50) {
                    command.push(dice.pick(&["WITHVALUES", "withvalues", "NONSENSE"]).into());
                }
            }
        }
        "HSCAN" => {
            command.extend([key(dice), if dice.chance(95) { b"0".to_vec() } else { b"x".to_vec() }]);
            command.extend(words("COUNT"));
            command.push(if dice.chance(90) {
                b"100000".into()
            } else {
                dice.pick(&["0", "-1", "x"]).into()
            });
            if dice.chance(30) {
                command.extend(words(dice.pick(&[
                    "MATCH field1*",
                    "MATCH *",
                    "MATCH",
                    "TYPE hash",
                    "match 1",
                ])));
            }
        }
        "OBJECT" => command.extend([b"ENCODING".to_vec(), key(dice)]),
        "COPY" => command.extend([key(dice), key(dice), b"REPLACE".to_vec()]),
        "RENAME" => command.extend([key(dice), key(dice)]),
        "MOVE" => command.extend([key(dice), b"0".to_vec()]),
        "SCAN" => command.extend(words("0 COUNT 1000 TYPE hash")),
        "SET" => command = words("SET string 1"),
        _ => {
            let parameter = dice.pick(&["hash-max-listpack-entries", "hash-max-ziplist-value"]);
            command = words(&format!("CONFIG SET {parameter} {}", dice.pick(&["3", "16", "64", "64"])));
        }
    }
    match dice.roll(60) {
        // A scan without its COUNT may stop early.
        0 if name != "HSCAN" => command.truncate(1 + dice.roll(command.len())),
        1 => command.push(value(dice)),
        _ => {}
    }
    command
}

fn len(parsed: &Parsed) -> Option<usize> {
    match parsed {
        Parsed::Many(_, items) => Some(items.len()),
        Parsed::Leaf(_) => None,
    }
}

/// A cursor, and what was found, pair by pair.
fn same_scan(ours: &Parsed, theirs: &Parsed) -> bool {
    match (ours, theirs) {
        (Parsed::Many(_, ours), Parsed::Many(_, theirs)) => {
            ours[0] == theirs[0] && same_pairs(&ours[1], &theirs[1])
        }
        _ => false,
    }
}

fn agrees(command: &Command, ours: &Parsed, theirs: &Parsed) -> bool {
    match command[0].to_ascii_uppercase().as_slice() {
        b"HKEYS" | b"HVALS" => same_set(ours, theirs),
        b"HGETALL" => same_pairs(ours, theirs),
        b"HSCAN" => same_scan(ours, theirs),
        b"SCAN" => match (ours, theirs) {
            (Parsed::Many(_, ours), Parsed::Many(_, theirs)) => same_set(&ours[1], &theirs[1]),
            _ => false,
        },
        b"HRANDFIELD" => match (ours, theirs) {
            (Parsed::Leaf(ours), Parsed::Leaf(theirs)) => ours[0] == b'$' && theirs[0] == b'$',
            _ => {
                let whole = command[2] == b"1000";
                len(ours) == len(theirs) && (!whole || same_pairs(ours, theirs) || same_set(ours, theirs))
            }
        },
        _ => false,
    }
}

#[test]
fn hashes_are_those_of_redis() {
    beside_redis("hash", &[("hash-max-listpack-entries", "16")], 30_000, next, agrees);
}

/// What a small hash takes, by the account of either server, in bytes. Redis' own is by its allocator.
#[test]
fn a_small_hash_takes_no_more_memory_than_in_redis() {
    const HASHES: usize = 20_000;
    const FIELDS: &[&str] = &["name", "email", "city", "zip", "phone", "age", "role", "lang", "plan", "seen"];
    let Some(real) = RealRedis::start("hash-memory", &[]) else { return };
    let daemon = daemon(&[]);
    let (mut ours, mut theirs) = (Resp::connect(&daemon), real.connect());
    let mut used = || {
        let info = theirs.call(&[b"INFO", b"memory"]);
        let info = String::from_utf8_lossy(&info).into_owned();
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        let theirs = line.and_then(|bytes| bytes.trim().parse::<usize>().ok()).expect("INFO tells it");
        (daemon.store.used(), theirs)
    };
    let before = used();
    let mut theirs = real.connect();
    for number in 0..HASHES {
        let mut command: Command = words(&format!("HSET user:{number}"));
        for (at, field) in FIELDS.iter().enumerate() {
            let value = if at % 2 == 0 { format!("value {number}") } else { (number * at).to_string() };
            command.extend([field.as_bytes().to_vec(), value.into_bytes()]);
        }
        let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        assert_eq!(ours.call(&args), theirs.call(&args));
    }
    let after = used();
    let (ours, theirs) = ((after.0 - before.0) / HASHES, (after.1 - before.1) / HASHES);
    println!("bytes a hash of ten fields: {ours}, in redis-server {theirs}");
    assert!(ours <= theirs, "{ours} bytes, theirs {theirs}");
}
