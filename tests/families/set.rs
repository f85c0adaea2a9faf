//! Sets. Redis 7.0 knows no listpacks for them; members come in any order, and SPOP takes others there than here:
//! it is asked for all of them, or for the one of a set that has no more.

use crate::support::Dice;
use crate::support::real_redis::Parsed;
use crate::walk::{Command, beside_redis, words};

const KEYS: &[&str] = &["a", "b", "c", "few", "many", "{tag}d", "string", "list"];
const COUNTS: &[&str] =
    &["0", "1", "2", "-1", "-3", "1000", "x", "", "9223372036854775807", "-9223372036854775808"];

fn key(dice: &mut Dice) -> Vec<u8> {
    dice.pick(KEYS).into()
}

fn member(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(10) {
        0..5 => (dice.roll(25) as i64 - 5).to_string().into(),
        5 => dice
            .pick(&["9223372036854775807", "-9223372036854775808", "9223372036854775808", "40000", "-40000"])
            .into(),
        6 => dice.pick(&["01", "+1", "-0", "", " 1", "1.5", "\r\n"]).into(),
        7 => vec![b'm'; 60 + dice.roll(8)],
        _ => format!("member{}", dice.roll(150)).into(),
    }
}

fn next(dice: &mut Dice) -> Command {
    let name = dice.pick(&[
        "SADD",
        "SADD",
        "SADD",
        "SADD",
        "SREM",
        "SREM",
        "SISMEMBER",
        "SMISMEMBER",
        "SCARD",
        "SMEMBERS",
        "SPOP",
        "SRANDMEMBER",
        "SMOVE",
        "SINTER",
        "SINTERSTORE",
        "SINTERCARD",
        "SUNION",
        "SUNIONSTORE",
        "SDIFF",
        "SDIFFSTORE",
        "SSCAN",
        "OBJECT",
        "TYPE",
        "COPY",
        "RENAME",
        "DEL",
        "EXISTS",
        "SET",
        "RPUSH",
    ]);
    let mut command: Command = vec![name.into()];
    let wrong = dice.chance(2);
    match name {
        "SADD" | "SREM" | "SMISMEMBER" => {
            let key = key(dice);
            let most = if key == b"many" { 40 } else { 4 };
            command.push(key);
            (0..dice.roll(most) + 1).for_each(|_| command.push(member(dice)));
        }
        "SISMEMBER" => command.extend([key(dice), member(dice)]),
        "SCARD" | "SMEMBERS" | "TYPE" | "EXISTS" => command.push(key(dice)),
        "DEL" => {
            command.push(if dice.chance(60) { b"string".to_vec() } else { key(dice) });
        }
        "SPOP" => {
            command.extend([
                key(dice),
                dice.pick(&["1000", "0", "-1", "x", "9223372036854775807", "250"]).into(),
            ]);
        }
        "SRANDMEMBER" => {
            command.push(key(dice));
            if dice.chance(80) {
                command.push(dice.pick(&["1000", "0", "1", "2", "-5", "x", "-9223372036854775808"]).into());
            }
        }
        "SMOVE" => command.extend([key(dice), key(dice), member(dice)]),
        "SINTERCARD" => {
            let count = dice.roll(4);
            command.push(if dice.chance(10) { dice.pick(COUNTS).into() } else { count.to_string().into() });
            (0..count).for_each(|_| command.push(key(dice)));
            if dice.chance(30) {
                command.extend([b"LIMIT".to_vec(), dice.pick(COUNTS).into()]);
            }
        }
        "SINTER" | "SUNION" | "SDIFF" | "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" => {
            if name.ends_with("STORE") {
                command.push(key(dice));
            }
            (0..dice.roll(4) + 1).for_each(|_| command.push(key(dice)));
        }
        "SSCAN" => {
            command.extend([key(dice), if dice.chance(95) { b"0".to_vec() } else { b"x".to_vec() }]);
            command.extend(words("COUNT"));
            command.push(if dice.chance(90) {
                b"100000".into()
            } else {
                dice.pick(&["0", "-1", "x"]).into()
            });
            if dice.chance(30) {
                command.extend(words("MATCH member1*"));
            }
        }
        "OBJECT" => command.extend([b"ENCODING".to_vec(), key(dice)]),
        "COPY" => command.extend([key(dice), key(dice), b"REPLACE".to_vec()]),
        "RENAME" => command.extend([key(dice), key(dice)]),
        "SET" => command = words("SET string 1"),
        _ => command = words("SET list 1"),
    }
    if wrong {
        match dice.roll(3) {
            0 if command.len() > 1 => drop(command.pop()),
            1 => command.push(member(dice)),
            _ => command.push(b"LIMIT".to_vec()),
        }
    }
    // With a count left out, SPOP would draw.
    if name == "SPOP" && command.len() == 2 {
        command.pop();
    }
    command
}

fn deep_sorted(parsed: Parsed) -> Parsed {
    match parsed {
        Parsed::Many(kind, items) => {
            Parsed::Many(kind, items.into_iter().map(deep_sorted).collect()).sorted()
        }
        leaf => leaf,
    }
}

fn agrees(command: &Command, ours: &Parsed, theirs: &Parsed) -> bool {
    match command[0].as_slice() {
        b"OBJECT" => matches!(ours, Parsed::Leaf(leaf) if leaf == b"$8\r\nlistpack\r\n"),
        b"SRANDMEMBER" => match (ours, theirs) {
            (Parsed::Many(a, ours), Parsed::Many(b, theirs)) => {
                a == b
                    && ours.len() == theirs.len()
                    && (ours.len() < 6
                        || deep_sorted(Parsed::Many(*a, ours.clone()))
                            == deep_sorted(Parsed::Many(*a, theirs.clone())))
            }
            (Parsed::Leaf(ours), Parsed::Leaf(theirs)) => {
                ours[0] == b'$' && theirs[0] == b'$' && ours[1] != b'-' && theirs[1] != b'-'
            }
            _ => false,
        },
        _ => matches!(ours, Parsed::Many(..)) && deep_sorted(ours.clone()) == deep_sorted(theirs.clone()),
    }
}

#[test]
fn sets_are_as_in_redis() {
    beside_redis("set", &[("set-max-intset-entries", "16")], 40_000, next, agrees);
}
