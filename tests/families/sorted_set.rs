//! Sorted sets. Scores are such as Redis 7.0, which prints seventeen digits, and 7.2, which prints as few as will
//! do, write alike. Ranges by name are asked for where all scores are the same, as Redis demands. What may block
//! is sent in a transaction.

use crate::support::Dice;
use crate::support::real_redis::Parsed;
use crate::walk::{Command, beside_redis, same_pairs, same_set, words};
use magpie::double;
use std::collections::VecDeque;

const KEYS: &[&str] = &["a", "b", "c", "many", "{tag}d", "set", "string"];
const LEX_KEYS: &[&str] = &["lex", "lexmany"];
const SCORES: &[&str] = &[
    "inf",
    "-inf",
    "+inf",
    "0",
    "-0",
    "1e3",
    "0x10",
    "4503599627370495",
    "-4503599627370495",
    ".5",
    "5.",
    "-1.25",
];
const NO_SCORES: &[&str] = &["nan", "x", "", " 1", "1 ", "1e400", "1e-400", "0x"];
const COUNTS: &[&str] =
    &["0", "1", "2", "5", "-1", "1000", "x", "", "9223372036854775807", "-9223372036854775808"];

fn key(dice: &mut Dice) -> Vec<u8> {
    dice.pick(KEYS).into()
}

fn member(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(10) {
        0..3 => (dice.roll(20) as i64 - 5).to_string().into(),
        3 => dice.pick(&["", "01", "\r\n", "9223372036854775808", "9223372036854775807"]).into(),
        4 => vec![b'm'; 60 + dice.roll(8)],
        _ => format!("m{}", dice.roll(250)).into(),
    }
}

fn score(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(20) {
        0..3 => dice.pick(SCORES).into(),
        3 => {
            let some = if dice.chance(10) { NO_SCORES } else { SCORES };
            dice.pick(some).into()
        }
        4..12 => (dice.roll(12) as i64 - 4).to_string().into(),
        _ => ((dice.roll(400) as f64 - 100.0) / 8.0).to_string().into(),
    }
}

fn bound(dice: &mut Dice) -> Vec<u8> {
    let score = if dice.chance(4) {
        dice.pick(&["(", "", " 1", "x", "(x", "nan", "1e400"]).into()
    } else {
        score(dice)
    };
    if dice.chance(30) { [b"(", &score[..]].concat() } else { score }
}

fn lex(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(20) {
        0..3 => b"-".into(),
        3..6 => b"+".into(),
        6 => dice.pick(&["", "a", "+a", "-a", "[", "("]).into(),
        roll => [if roll % 2 == 0 { &b"["[..] } else { b"(" }, &member(dice)].concat(),
    }
}

fn rank(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(12) {
        0 => dice.pick(COUNTS).into(),
        roll => (dice.roll(if roll > 6 { 10 } else { 200 }) as i64 - if roll % 2 == 0 { 5 } else { 100 })
            .to_string()
            .into(),
    }
}

fn limit(dice: &mut Dice, command: &mut Command) {
    if dice.chance(30) {
        command.push(b"limit".into());
        let offset =
            if dice.chance(80) { dice.roll(10).to_string().into() } else { dice.pick(COUNTS).into() };
        command.extend([offset, dice.pick(COUNTS).into()]);
    }
}

fn with_scores(dice: &mut Dice, command: &mut Command) {
    if dice.chance(40) {
        command.push(b"WITHSCORES".into());
    }
}

fn keys(dice: &mut Dice, command: &mut Command) -> usize {
    let count = dice.roll(3) + 1;
    command.push(if dice.chance(4) { dice.pick(COUNTS).into() } else { count.to_string().into() });
    (0..count).for_each(|_| command.push(key(dice)));
    count
}

fn combination(dice: &mut Dice, name: &str, command: &mut Command) {
    if name.ends_with("STORE") {
        command.push(key(dice));
    }
    let count = keys(dice, command);
    if dice.chance(30) && !name.contains("DIFF") || dice.chance(2) {
        command.push(b"WEIGHTS".into());
        (0..count)
            .for_each(|_| command.push(dice.pick(&["1", "2", "-1", "0", "0.5", "inf", "1", "3"]).into()));
    }
    if dice.chance(30) && !name.contains("DIFF") {
        command.extend([b"AGGREGATE".to_vec(), dice.pick(&["sum", "MIN", "MAX", "SUM"]).into()]);
    }
    if dice.chance(40) && (!name.ends_with("STORE") || dice.chance(5)) {
        command.push(b"WITHSCORES".into());
    }
}

fn ranged(dice: &mut Dice, name: &str, command: &mut Command) {
    if name == "ZRANGESTORE" {
        command.push(key(dice));
    }
    let by_name = name.contains("LEX") || dice.chance(15) && (name == "ZRANGE" || name == "ZRANGESTORE");
    command.push(if by_name { dice.pick(LEX_KEYS).into() } else { key(dice) });
    let by_score = name.contains("SCORE")
        || name == "ZCOUNT"
        || !by_name && dice.chance(30) && (name == "ZRANGE" || name == "ZRANGESTORE");
    let end = |dice: &mut Dice| {
        if by_name {
            lex(dice)
        } else if by_score {
            bound(dice)
        } else {
            rank(dice)
        }
    };
    command.extend([end(dice), end(dice)]);
    let is_plain = matches!(name, "ZCOUNT" | "ZLEXCOUNT") || name.starts_with("ZREMRANGE");
    if is_plain {
        return;
    }
    if name == "ZRANGE" || name == "ZRANGESTORE" {
        if by_name || by_score {
            command.push(if by_name { b"BYLEX".into() } else { b"byscore".into() });
        }
        if dice.chance(40) {
            command.push(b"rev".into());
        }
    }
    if by_name || by_score || dice.chance(3) {
        limit(dice, command);
    }
    if !by_name && name != "ZRANGESTORE" || dice.chance(2) {
        with_scores(dice, command);
    }
}

const NAMES: &[&str] = &[
    "ZADD",
    "ZADD",
    "ZADD",
    "ZADD",
    "ZADD",
    "ZADD",
    "lex",
    "lex",
    "ZINCRBY",
    "ZREM",
    "ZCARD",
    "ZSCORE",
    "ZMSCORE",
    "ZRANK",
    "ZREVRANK",
    "ZCOUNT",
    "ZLEXCOUNT",
    "ZRANGE",
    "ZRANGE",
    "ZRANGESTORE",
    "ZRANGEBYSCORE",
    "ZREVRANGEBYSCORE",
    "ZRANGEBYLEX",
    "ZREVRANGEBYLEX",
    "ZREVRANGE",
    "ZREMRANGEBYRANK",
    "ZREMRANGEBYSCORE",
    "ZREMRANGEBYLEX",
    "ZPOPMIN",
    "ZPOPMAX",
    "ZMPOP",
    "ZUNION",
    "ZINTER",
    "ZDIFF",
    "ZUNIONSTORE",
    "ZINTERSTORE",
    "ZDIFFSTORE",
    "ZINTERCARD",
    "ZRANDMEMBER",
    "ZSCAN",
    "BZPOPMIN",
    "BZPOPMAX",
    "BZMPOP",
    "OBJECT",
    "COPY",
    "RENAME",
    "DEL",
    "SADD",
    "TYPE",
    "SET",
    "SRANDMEMBER",
];

fn next(dice: &mut Dice, queue: &mut VecDeque<Command>) -> Command {
    if let Some(command) = queue.pop_front() {
        return command;
    }
    let name = dice.pick(NAMES);
    let mut command: Command = vec![name.into()];
    match name {
        "ZADD" => {
            let key = key(dice);
            let most = if key == b"many" { 40 } else { 4 };
            command.push(key);
            let mut is_incr = false;
            while dice.chance(25) {
                let option = dice.pick(&["nx", "XX", "gt", "LT", "CH", "INCR", "nx"]);
                is_incr |= option == "INCR";
                command.push(option.into());
            }
            let count = if is_incr && dice.chance(90) { 1 } else { dice.roll(most) + 1 };
            (0..count).for_each(|_| command.extend([score(dice), member(dice)]));
        }
        "lex" => {
            let key = dice.pick(LEX_KEYS);
            command = vec![b"ZADD".into(), key.into()];
            (0..dice.roll(if key == "lex" { 4 } else { 60 }) + 1)
                .for_each(|_| command.extend([b"0".to_vec(), member(dice)]));
        }
        "ZINCRBY" => command.extend([key(dice), score(dice), member(dice)]),
        "ZREM" | "ZMSCORE" => {
            command.push(key(dice));
            (0..dice.roll(5) + 1).for_each(|_| command.push(member(dice)));
        }
        "ZSCORE" | "ZRANK" | "ZREVRANK" => command.extend([key(dice), member(dice)]),
        "ZCARD" | "TYPE" => command.push(key(dice)),
        "ZPOPMIN" | "ZPOPMAX" => {
            command.push(key(dice));
            if dice.chance(60) {
                command.push(dice.pick(COUNTS).into());
            }
        }
        "ZMPOP" | "BZMPOP" => {
            if name == "BZMPOP" {
                command.push(dice.pick(&["0", "1", "0.5", "-1", "x"]).into());
            }
            keys(dice, &mut command);
            command.push(dice.pick(&["MIN", "max", "MAX", "x"]).into());
            if dice.chance(40) {
                command.extend([b"COUNT".to_vec(), dice.pick(COUNTS).into()]);
            }
        }
        "BZPOPMIN" | "BZPOPMAX" => {
            (0..dice.roll(3) + 1).for_each(|_| command.push(key(dice)));
            command.push(dice.pick(&["0", "1", "0.5", "-1", "x"]).into());
        }
        "ZUNION" | "ZINTER" | "ZDIFF" | "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE" => {
            combination(dice, name, &mut command);
        }
        "ZINTERCARD" => {
            keys(dice, &mut command);
            if dice.chance(40) {
                command.extend([b"LIMIT".to_vec(), dice.pick(COUNTS).into()]);
            }
        }
        "ZRANDMEMBER" | "SRANDMEMBER" => {
            command = vec![b"ZRANDMEMBER".into(), key(dice)];
            if dice.chance(80) {
                command.push(
                    dice.pick(&["0", "1", "-7", "1000", "x", "-9223372036854775808", "9223372036854775807"])
                        .into(),
                );
                with_scores(dice, &mut command);
            }
        }
        "ZSCAN" => {
            command.extend([key(dice), b"0".to_vec(), b"COUNT".to_vec(), b"100000".to_vec()]);
            if dice.chance(30) {
                command.extend(words("MATCH m1*"));
            }
        }
        "OBJECT" => command.extend([
            b"ENCODING".to_vec(),
            dice.pick(&["a", "b", "c", "many", "{tag}d", "lex", "lexmany"]).into(),
        ]),
        "COPY" => command.extend([key(dice), key(dice), b"REPLACE".to_vec()]),
        "RENAME" => command.extend([key(dice), key(dice)]),
        "DEL" => command.push(if dice.chance(50) { b"string".to_vec() } else { key(dice) }),
        "SADD" => command.extend([b"set".to_vec(), member(dice), member(dice), member(dice)]),
        "SET" => command = words("SET string 1"),
        _ => ranged(dice, name, &mut command),
    }
    // Redis 7.0 knows no fourth argument of these.
    if dice.chance(1) && !name.ends_with("RANK") {
        command.push(b"LIMIT".into());
    }
    if name.starts_with('B') {
        queue.extend([command, words("EXEC")]);
        return words("MULTI");
    }
    command
}

/// With the digits of every number that 7.2 would print: 7.0 has another limit for whole numbers, and prints
/// what is added up here with seventeen digits.
fn as_in_7_2(parsed: &Parsed) -> Parsed {
    match parsed {
        Parsed::Many(kind, items) => Parsed::Many(*kind, items.iter().map(as_in_7_2).collect()),
        Parsed::Leaf(leaf) => {
            let is_double = leaf[0] == b',';
            let text = leaf[1..].strip_suffix(b"\r\n").unwrap_or_default();
            let start = text.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            match double::parse(&text[start..]) {
                Some(value) if leaf[0] == b'$' && start > 0 || is_double => {
                    Parsed::Leaf(double::text(value).into_bytes())
                }
                _ => Parsed::Leaf(leaf.clone()),
            }
        }
    }
}

fn agrees(command: &Command, ours: &Parsed, theirs: &Parsed) -> bool {
    let (ours, theirs) = (&as_in_7_2(ours), &as_in_7_2(theirs));
    if ours == theirs {
        return true;
    }
    let (Parsed::Many(a, ours_in), Parsed::Many(b, theirs_in)) = (ours, theirs) else {
        let is_drawn = command[0] == b"ZRANDMEMBER" && command.len() == 2;
        // COPY of sets: what Redis 7.0 has no listpack for.
        let is_listpack = matches!(ours, Parsed::Leaf(leaf) if leaf == b"$8\r\nlistpack\r\n");
        let is_hashtable = matches!(theirs, Parsed::Leaf(leaf) if leaf == b"$9\r\nhashtable\r\n");
        return is_drawn || is_listpack && is_hashtable;
    };
    match command[0].as_slice() {
        b"ZRANDMEMBER" if a == b && ours_in.len() == theirs_in.len() => {
            ours_in.len() <= 14 || same_pairs(ours, theirs) || same_set(ours, theirs)
        }
        b"ZSCAN" => {
            ours_in.len() == 2 && ours_in[0] == theirs_in[0] && same_pairs(&ours_in[1], &theirs_in[1])
        }
        _ => false,
    }
}

#[test]
fn sorted_sets_are_as_in_redis() {
    let mut queue = VecDeque::new();
    beside_redis("sorted-set", &[], 60_000, |dice| next(dice, &mut queue), agrees);
}
