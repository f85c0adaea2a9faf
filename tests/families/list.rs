//! Lists. Redis 7.0 calls every list a quicklist; which one it is here is asked of nobody. It takes
//! the lowest integer of all as LREM's count and LPOS' rank, which later releases refuse.

use crate::support::Dice;
use crate::walk::{Command, beside_redis, exactly, words};

const KEYS: &[&str] = &["a", "b", "c", "few", "{tag}d", "string"];
const NUMBERS: &[&str] = &["0", "1", "-1", "2", "-3", "1000", "x", "", "9223372036854775807", "1.5", "01"];

fn key(dice: &mut Dice) -> Vec<u8> {
    dice.pick(KEYS).into()
}

fn element(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(20) {
        0..10 => dice.roll(6).to_string().into(),
        10..14 => dice.pick(&["a", "b", "c", "", "01", "-1", " 1", "\r\n", "9223372036854775808"]).into(),
        14 => dice.pick(&["127", "128", "-4097", "70000", "2147483648", "-9223372036854775808"]).into(),
        15..18 => vec![b'x'; dice.roll(200)],
        18 => vec![b'y'; 1500 + dice.roll(3)],
        // As large as a node, and larger.
        _ => vec![b'z'; 8180 + dice.roll(24)],
    }
}

fn number(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(8) {
        0 => dice.pick(NUMBERS).into(),
        _ => (dice.roll(30) as i64 - 12).to_string().into(),
    }
}

fn word(dice: &mut Dice, these: &[&str]) -> Vec<u8> {
    let word = dice.pick(these);
    match dice.roll(30) {
        0 => b"NONSENSE".into(),
        roll if roll % 2 == 0 => word.to_ascii_lowercase().into(),
        _ => word.into(),
    }
}

fn end(dice: &mut Dice) -> Vec<u8> {
    word(dice, &["LEFT", "RIGHT"])
}

/// Long enough to be sure that nothing came, and what no server takes.
fn timeout(dice: &mut Dice) -> Vec<u8> {
    dice.pick(&["0.001", "0.001", "0.001", "x", "-1", "", "1 "]).into()
}

fn counted_keys(dice: &mut Dice, command: &mut Command) {
    let count = 1 + dice.roll(3);
    let told = if dice.chance(10) { number(dice) } else { count.to_string().into() };
    command.push(told);
    (0..count).for_each(|_| command.push(key(dice)));
    command.push(end(dice));
    while dice.chance(40) {
        command.extend([word(dice, &["COUNT"]), number(dice)]);
    }
}

const NAMES: &[&str] = &[
    "LPUSH",
    "LPUSH",
    "RPUSH",
    "RPUSH",
    "RPUSH",
    "LPUSHX",
    "RPUSHX",
    "LPOP",
    "RPOP",
    "LLEN",
    "LRANGE",
    "LRANGE",
    "LINDEX",
    "LINSERT",
    "LINSERT",
    "LINSERT",
    "LSET",
    "LSET",
    "LREM",
    "LTRIM",
    "LPOS",
    "LPOS",
    "LMOVE",
    "RPOPLPUSH",
    "LMPOP",
    "BLPOP",
    "BRPOP",
    "BLMOVE",
    "BRPOPLPUSH",
    "BLMPOP",
    "COPY",
    "RENAME",
    "TYPE",
    "DEL",
    "SET",
    "MOVE",
    "EXPIRE",
    "MULTI",
    "EXEC",
    "EXISTS",
];

fn next(dice: &mut Dice) -> Command {
    let name = dice.pick(NAMES);
    let mut command: Command = vec![word(dice, &[name])];
    match name {
        "MULTI" if dice.chance(70) => return words("EXEC"),
        "MULTI" | "EXEC" => return words(name),
        "MOVE" => return words("MOVE a 0"),
        _ => {}
    }
    // Waiting takes time.
    if name.starts_with('B') && dice.chance(70) {
        return next(dice);
    }
    match name {
        "LMPOP" => counted_keys(dice, &mut command),
        "BLMPOP" => {
            command.push(timeout(dice));
            counted_keys(dice, &mut command);
        }
        "BLPOP" | "BRPOP" => {
            (0..=dice.roll(3)).for_each(|_| command.push(key(dice)));
            command.push(timeout(dice));
        }
        "DEL" if dice.chance(60) => return words("LLEN a"),
        "SET" => command.extend([b"string".to_vec(), element(dice)]),
        _ => command.push(key(dice)),
    }
    match name {
        "LPUSH" | "RPUSH" | "LPUSHX" | "RPUSHX" => {
            let count = if dice.chance(5) { 40 } else { 1 + dice.roll(4) };
            (0..count).for_each(|_| command.push(element(dice)));
        }
        "LPOP" | "RPOP" if dice.chance(40) => command.push(number(dice)),
        "LRANGE" | "LTRIM" => command.extend([number(dice), number(dice)]),
        "LINDEX" => command.push(number(dice)),
        "LINSERT" => command.extend([word(dice, &["BEFORE", "AFTER"]), element(dice), element(dice)]),
        "LSET" | "LREM" => command.extend([number(dice), element(dice)]),
        "LPOS" => {
            command.push(element(dice));
            while dice.chance(50) {
                command.extend([word(dice, &["RANK", "COUNT", "MAXLEN"]), number(dice)]);
            }
        }
        "LMOVE" => command.extend([key(dice), end(dice), end(dice)]),
        "BLMOVE" => command.extend([key(dice), end(dice), end(dice), timeout(dice)]),
        "RPOPLPUSH" | "RENAME" => command.push(key(dice)),
        "COPY" => command.extend([key(dice), b"REPLACE".to_vec()]),
        "BRPOPLPUSH" => command.extend([key(dice), timeout(dice)]),
        "EXPIRE" => command.push(b"1000".into()),
        _ => {}
    }
    // A few with too many or too few arguments.
    match dice.roll(50) {
        0 => command.truncate(1 + dice.roll(command.len())),
        1 => command.push(element(dice)),
        _ => {}
    }
    command
}

fn walk(name: &str, options: &[(&str, &str)], steps: u64) {
    // Without an end a list would grow until every reply is megabytes.
    let mut steps_done = 0;
    let next = |dice: &mut Dice| {
        steps_done += 1;
        if steps_done % 200 == 0 { words("LTRIM a 0 20") } else { next(dice) }
    };
    beside_redis(name, options, steps, next, exactly);
}

#[test]
fn random_commands_are_answered_as_by_redis() {
    walk("list", &[], 6_000);
}

#[test]
fn nodes_of_few_entries_change_nothing() {
    walk("list-entries", &[("list-max-listpack-size", "3")], 3_000);
}

#[test]
fn nodes_of_other_sizes_change_nothing() {
    walk("list-bytes", &[("list-max-listpack-size", "-1"), ("list-compress-depth", "1")], 3_000);
}
