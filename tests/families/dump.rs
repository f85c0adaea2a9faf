//! DUMP and RESTORE: what either server dumps the other one restores, and dumps again as the same bytes.

use crate::support::real_redis::{Parsed, RealRedis};
use crate::support::{Dice, daemon};
use crate::walk::{Command, Pair, beside_redis, exactly, from_environment, words};

/// The bulk string that a reply is.
fn bulk(reply: &[u8]) -> Vec<u8> {
    let line = reply.iter().position(|&byte| byte == b'\n').expect("a reply has a line");
    assert!(reply[0] == b'$' && line + 3 <= reply.len(), "no string: {}", reply.escape_ascii());
    reply[line + 1..reply.len() - 2].to_vec()
}

/// A text; some are numbers, some compress well.
fn text(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(8) {
        0 => dice
            .pick(&["", "-0", "01", "+1", "2147483647", "2147483648", "-2147483649", "99999999999"])
            .into(),
        1 => (dice.roll(1 << 20) as i64 - (1 << 19)).to_string().into(),
        2 => (dice.roll(600) as i64 - 300).to_string().into(),
        3 => {
            let (len, letters) = (dice.roll(3_000), 1 + dice.roll(6));
            (0..len).map(|_| b'a' + dice.roll(letters) as u8).collect()
        }
        4 => {
            let part: Vec<u8> = (0..1 + dice.roll(40)).map(|_| dice.roll(256) as u8).collect();
            let len = dice.pick(&[18, 19, 20, 21, 22, 23, 24, 25, 30, 60, 300, 9_000, 20_000]);
            part.iter().copied().cycle().take(len).collect()
        }
        5 => (0..dice.roll(90)).map(|_| dice.roll(256) as u8).collect(),
        _ => (0..dice.roll(30)).map(|_| b'a' + dice.roll(26) as u8).collect(),
    }
}

/// Dumps `key` on both, lets each restore what the other dumped, and compares what they say of it then.
/// `are_same`: the payloads must be.
fn exchange(pair: &mut Pair<'_>, key: &[u8], tell: &[Command], are_same: bool) {
    let ours = bulk(&pair.ours.call(&[b"DUMP", key]));
    let theirs = bulk(&pair.theirs.call(&[b"DUMP", key]));
    let shown = |bytes: &[u8]| bytes[..bytes.len().min(400)].escape_ascii().to_string();
    let differ = |ours: &[u8], theirs: &[u8]| {
        panic!("{}\n  ours:   {}\n  theirs: {}", shown(key), shown(ours), shown(theirs));
    };
    if are_same && ours != theirs {
        differ(&ours, &theirs);
    }
    for (payload, name) in [(&ours, b"of-ours"), (&theirs, b"of-them")] {
        let command: [&[u8]; 5] = [b"RESTORE", name, b"0", payload, b"REPLACE"];
        pair.step(&command.iter().map(|arg| arg.to_vec()).collect(), &exactly);
    }
    for name in [&b"of-ours"[..], b"of-them"] {
        for command in tell {
            let mut command: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            let at = command.iter().position(|arg| *arg == b"KEY").expect("a place for the key");
            command[at] = name;
            let told = [pair.ours.call(&command), pair.theirs.call(&command)];
            let sorted = told.each_ref().map(|reply| Parsed::whole(reply).sorted());
            if sorted[0] != sorted[1] {
                differ(&told[0], &told[1]);
            }
        }
    }
}

/// Both servers, with and without compression.
fn with_both(name: &str, options: &[(&str, &str)], mut test: impl FnMut(&mut Pair<'_>, &mut Dice)) {
    for compression in ["yes", "no"] {
        let options = [options, &[("rdbcompression", compression)]].concat();
        let flags: Vec<String> =
            options.iter().flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]).collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let Some(real) = RealRedis::start(name, &flags) else { return };
        let daemon = daemon(&options);
        let mut dice = Dice(from_environment("MAGPIE_SEED", 0xd0_3b));
        test(&mut Pair::connect(&daemon, &real), &mut dice);
    }
}

/// A command on the key `k` with as many arguments as come.
fn call(name: &str, args: impl IntoIterator<Item = Vec<u8>>) -> Command {
    [name.into(), b"k".to_vec()].into_iter().chain(args).collect()
}

#[test]
fn strings_go_both_ways() {
    with_both("dump-strings", &[], |pair, dice| {
        for _ in 0..from_environment("MAGPIE_STEPS", 1_500) {
            pair.step(&call("SET", [text(dice)]), &exactly);
            exchange(pair, b"k", &[words("GET KEY")], true);
        }
    });
}

#[test]
fn sets_go_both_ways() {
    with_both("dump-sets", &[("set-max-intset-entries", "20")], |pair, dice| {
        for _ in 0..from_environment("MAGPIE_STEPS", 20_000) / 100 {
            pair.step(&words("DEL k"), &exactly);
            let (len, numbers) = (1 + dice.roll(40), dice.chance(60));
            let wide = dice.pick(&[100, 1 << 16, 1 << 40]);
            let members: Vec<Vec<u8>> = (0..len)
                .map(|_| match numbers {
                    true => (dice.roll(wide) as i64 - wide as i64 / 2).to_string().into(),
                    false => text(dice),
                })
                .collect();
            pair.step(&call("SADD", members), &exactly);
            // 7.2 makes a table of a set that is told to expect many.
            let encoding: [&[u8]; 3] = [b"OBJECT", b"ENCODING", b"k"];
            let encodings = [pair.theirs.call(&encoding), pair.ours.call(&encoding)];
            let is_intset = encodings.iter().all(|encoding| encoding.ends_with(b"intset\r\n"));
            exchange(pair, b"k", &[words("SMEMBERS KEY"), words("SCARD KEY")], is_intset);
        }
    });
}

#[test]
fn hashes_go_both_ways() {
    with_both("dump-hashes", &[("hash-max-listpack-entries", "20")], |pair, dice| {
        for _ in 0..from_environment("MAGPIE_STEPS", 20_000) / 100 {
            pair.step(&words("DEL k"), &exactly);
            let len = 2 * (1 + dice.roll(40));
            let pairs: Vec<Vec<u8>> = (0..len).map(|_| text(dice)).collect();
            pair.step(&call("HSET", pairs), &exactly);
            let is_listpack = pair.theirs.call(&[b"OBJECT", b"ENCODING", b"k"]).ends_with(b"listpack\r\n");
            exchange(pair, b"k", &[words("HKEYS KEY"), words("HVALS KEY"), words("HLEN KEY")], is_listpack);
        }
    });
}

#[test]
fn lists_go_both_ways() {
    for limit in ["4", "-2"] {
        with_both("dump-lists", &[("list-max-listpack-size", limit)], |pair, dice| {
            for _ in 0..from_environment("MAGPIE_STEPS", 10_000) / 100 {
                pair.step(&words("DEL k"), &exactly);
                let mut bytes = 0;
                for _ in 0..1 + dice.roll(20) {
                    let (element, other) = (text(dice), text(dice));
                    // What is large is a node of its own since 7.4; a listpack alone is filled otherwise since 7.2.
                    bytes += element.len() + other.len();
                    let index = (dice.roll(30) as i64 - 15).to_string().into_bytes();
                    let command = match dice.roll(8) {
                        0 => call("LPUSH", [element]),
                        1 => call("LSET", [index, element]),
                        2 => call("LINSERT", [b"BEFORE".to_vec(), other, element]),
                        3 => call("LREM", [index, element]),
                        4 => call("LTRIM", [b"1".to_vec(), b"-2".to_vec()]),
                        _ => call("RPUSH", [element.clone(), other, element]),
                    };
                    pair.step(&command, &exactly);
                }
                pair.step(&call("RPUSH", [b"last".to_vec()]), &exactly);
                exchange(pair, b"k", &[words("LRANGE KEY 0 -1"), words("LLEN KEY")], bytes < 2_500);
            }
        });
    }
}

#[test]
fn streams_go_both_ways() {
    let options = [("stream-node-max-entries", "5"), ("stream-node-max-bytes", "300")];
    with_both("dump-streams", &options, |pair, dice| {
        for _ in 0..from_environment("MAGPIE_STEPS", 10_000) / 100 {
            pair.step(&words("DEL k"), &exactly);
            for step in 1..2 + dice.roll(40) {
                let id = format!("{}-{}", step * 1_000, dice.roll(5)).into_bytes();
                let fields = 1 + dice.roll(3);
                let pairs = (0..fields).flat_map(|field| [format!("f{field}").into(), text(dice)]);
                let add = call("XADD", [id].into_iter().chain(pairs));
                pair.step(&add, &exactly);
                let group = dice.pick(&["a", "b", "c"]);
                let consumer = dice.pick(&["x", "y", "z"]);
                let command = match dice.roll(8) {
                    0 => format!("XDEL k {}-0 {}-1", dice.roll(40) * 1_000, step * 1_000),
                    1 => "XTRIM k MAXLEN = 15".into(),
                    2 => format!("XGROUP CREATE k {group} 0"),
                    3 => format!("XGROUP CREATE k {group} $ ENTRIESREAD 3"),
                    4 => format!("XGROUP CREATECONSUMER k {group} {consumer}"),
                    5 => format!("XREADGROUP GROUP {group} {consumer} COUNT 3 STREAMS k >"),
                    6 => format!("XACK k {group} {}-0 {}-1", step * 1_000, step * 1_000),
                    _ => "XLEN k".into(),
                };
                pair.step(&words(&command), &exactly);
            }
            // Times of delivery differ, and the lag of groups, which 7.4 counts in another way.
            let tell = ["XINFO STREAM KEY", "XPENDING KEY b", "XRANGE KEY - +", "XPENDING KEY a", "XLEN KEY"];
            let has_groups = pair.theirs.call(&[b"XINFO", b"GROUPS", b"k"]) != b"*0\r\n";
            exchange(pair, b"k", &tell.map(words), !has_groups);
        }
    });
}

/// RESTORE's options and mistakes. The payload is that of the string "ab".
fn next(dice: &mut Dice, payloads: &[Vec<u8>]) -> Command {
    let key = dice.pick(&["a", "b"]);
    match dice.roll(10) {
        0 => words(&format!("DEL {key}")),
        1 => words(&format!("GET {key}")),
        2 => words(&format!("EXPIRETIME {key}")),
        3 => words(&format!("PERSIST {key}")),
        4 => words("DUMP absent"),
        _ => {
            let ttl = dice.pick(&["0", "0", "0", "4000000000000", "-1", "x", "1"]);
            let mut command = words(&format!("RESTORE {key} {ttl}"));
            // Only absolute deadlines can be compared.
            let is_relative = !matches!(ttl, "0" | "-1" | "x");
            command.push(dice.pick(&payloads.iter().collect::<Vec<_>>()).clone());
            if is_relative {
                command.push(b"ABSTTL".to_vec());
            }
            while dice.chance(50) {
                let more = dice.pick(&[
                    "REPLACE",
                    "replace",
                    "ABSTTL",
                    "IDLETIME 5",
                    "IDLETIME -1",
                    "IDLETIME x",
                    "IDLETIME",
                    "FREQ 5",
                    "FREQ 256",
                    "FREQ",
                    "NONSENSE",
                ]);
                command.extend(words(more));
            }
            command
        }
    }
}

#[test]
fn mistakes_are_told_as_redis_tells_them() {
    let daemon = daemon(&[]);
    let mut ours = crate::support::Resp::connect(&daemon);
    ours.call(&[b"SET", b"k", b"ab"]);
    let good = bulk(&ours.call(&[b"DUMP", b"k"]));
    let mut payloads = vec![good.clone(), good.clone(), good.clone(), Vec::new(), good[..9].to_vec()];
    for at in [0, 1, 3, good.len() - 10, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        payloads.push(bad);
    }
    beside_redis("restore", &[], 3_000, |dice| next(dice, &payloads), exactly);
}
