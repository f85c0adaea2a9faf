//! Bits of strings: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP, BITFIELD, BITFIELD_RO.

use crate::support::Dice;
use crate::walk::{Command, beside_redis, exactly, words};

const KEYS: &[&str] = &["a", "b", "c"];
const TYPES: &[&str] =
    &["i1", "i2", "i5", "i8", "i16", "i32", "i63", "i64", "u1", "u3", "u8", "u31", "u63", "u64", "i65", "x"];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "127",
    "128",
    "-128",
    "-129",
    "255",
    "256",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "4611686018427387904",
    "x",
    "",
];

fn offset(dice: &mut Dice) -> String {
    match dice.roll(24) {
        0 => dice.pick(&["-1", "x", "", "4294967296", "9223372036854775807", "#1", "#-1", "#"]).into(),
        // Where a value leaves the log for the heap.
        1 => (36_000 + dice.roll(2_000)).to_string(),
        2..6 => format!("#{}", dice.roll(20)),
        _ => dice.roll(200).to_string(),
    }
}

fn number(dice: &mut Dice) -> String {
    if dice.chance(40) { dice.pick(NUMBERS).into() } else { (dice.roll(600) as i64 - 300).to_string() }
}

fn position(dice: &mut Dice) -> String {
    match dice.roll(20) {
        0 => dice.pick(&["x", "9223372036854775807", "-9223372036854775808"]).into(),
        1 => (4_400 + dice.roll(400)).to_string(),
        _ => (dice.roll(60) as i64 - 30).to_string(),
    }
}

fn range(dice: &mut Dice, command: &mut String) {
    for _ in 0..dice.roll(3) {
        *command += &format!(" {}", position(dice));
    }
    if dice.chance(40) {
        *command += dice.pick(&[" BIT", " byte", " bits"]);
    }
}

fn fields(dice: &mut Dice, command: &mut String) {
    for _ in 0..1 + dice.roll(4) {
        let word = dice.pick(&["GET", "get", "SET", "INCRBY", "incrby", "OVERFLOW", "NONSENSE"]);
        if word == "NONSENSE" && dice.chance(80) {
            continue;
        }
        *command += &format!(" {word}");
        if word == "OVERFLOW" {
            *command += dice.pick(&[" WRAP", " sat", " FAIL", " FAIL", " x"]);
            continue;
        }
        *command += &format!(" {} {}", dice.pick(TYPES), offset(dice));
        if !word.eq_ignore_ascii_case("get") {
            *command += &format!(" {}", number(dice));
        }
    }
}

fn next(dice: &mut Dice) -> Command {
    let key = dice.pick(KEYS);
    let mut command = match dice.roll(20) {
        0..3 => {
            format!("SETBIT {key} {} {}", offset(dice), dice.pick(&["0", "1", "1", "1", "2", "-1", "x"]))
        }
        3 => format!("GETBIT {key} {}", offset(dice)),
        4..6 => {
            let mut command = format!("BITCOUNT {key}");
            range(dice, &mut command);
            command
        }
        6..9 => {
            let mut command = format!("BITPOS {key} {}", dice.pick(&["0", "1", "1", "0", "2", "x"]));
            range(dice, &mut command);
            command
        }
        9..11 => {
            let operation = dice.pick(&["AND", "or", "XOR", "NOT", "NONSENSE"]);
            let mut command = format!("BITOP {operation} {}", dice.pick(&["a", "b", "c", "d"]));
            for _ in 0..1 + dice.roll(3) {
                command += &format!(" {}", dice.pick(&["a", "b", "c", "d", "absent", "a", "b"]));
            }
            command
        }
        11..15 => {
            let mut command = format!("BITFIELD {key}");
            fields(dice, &mut command);
            command
        }
        15 => {
            let mut command = format!("BITFIELD_RO {key}");
            fields(dice, &mut command);
            command
        }
        16 => {
            let text: Vec<u8> = (0..dice.roll(12)).map(|_| dice.pick(&[0, 0xff, 0x5a, 1, 0x80])).collect();
            return vec![b"SET".to_vec(), key.into(), text];
        }
        17 => format!("DEL {key}"),
        18 => format!("STRLEN {key}"),
        _ => format!("GET {key}"),
    };
    if dice.chance(2) {
        command += " more";
    }
    words(&command)
}

#[test]
fn bits_are_those_of_redis() {
    beside_redis("bitmap", &[], 20_000, next, exactly);
}
