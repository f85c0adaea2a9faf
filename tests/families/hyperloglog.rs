//! HyperLogLogs: not only the replies but the bytes of the values must be those of Redis.

use crate::support::Dice;
use crate::walk::{Command, beside_redis, exactly, words};

const KEYS: &[&str] = &["a", "b", "c", "d"];

/// An element; some come again and again.
fn element(dice: &mut Dice) -> Vec<u8> {
    let len = dice.roll(20);
    match dice.roll(3) {
        0 => dice.roll(50).to_string().into(),
        1 => dice.roll(1 << 20).to_string().into(),
        _ => (0..len).map(|_| dice.roll(256) as u8).collect(),
    }
}

/// Bytes that begin as a HyperLogLog does and may go on differently.
fn forgery(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = b"HYLL".to_vec();
    bytes.push(dice.pick(&[1, 1, 1, 0, 2]));
    bytes.extend([0; 10]);
    bytes.push(dice.pick(&[0, 0x80]));
    match dice.roll(4) {
        0 => bytes.extend([0x7f, 0xff]),
        1 => bytes.extend([0x7f, 0xfe, 0x80]),
        2 => bytes.extend([0x7f, 0xfd]),
        _ => bytes.truncate(dice.roll(17)),
    }
    bytes
}

fn next(dice: &mut Dice, many: usize) -> Command {
    let key = dice.pick(KEYS);
    let keys = |dice: &mut Dice| {
        let some = |dice: &mut Dice| dice.pick(&["a", "b", "c", "d", "a", "b", "c", "d", "absent", "forged"]);
        (0..1 + dice.roll(3)).map(|_| some(dice)).collect::<Vec<_>>().join(" ")
    };
    match dice.roll(30) {
        0..10 => {
            let mut command = vec![b"PFADD".to_vec(), key.into()];
            let most = if dice.chance(10) { many } else { 5 };
            command.extend((0..dice.roll(most)).map(|_| element(dice)));
            command
        }
        10..16 => words(&format!("GET {key}")),
        16..20 => words(&format!("PFCOUNT {key}")),
        20..22 => words(&format!("PFCOUNT {}", keys(dice))),
        22..24 => words(&format!("PFMERGE {key} {}", keys(dice))),
        24 => words(&format!("DEL {key}")),
        25 => vec![b"SET".to_vec(), b"forged".to_vec(), forgery(dice)],
        // No more than one at a time: Redis keeps those that it added before it found the value corrupt.
        26 => vec![b"PFADD".to_vec(), b"forged".to_vec(), element(dice)],
        27 => words(&format!("{} forged", dice.pick(&["PFCOUNT", "GET", "PFMERGE"]))),
        28 if dice.chance(30) => words(&format!("SET {key} other")),
        _ => words(&format!("STRLEN {key}")),
    }
}

#[test]
fn small_sketches_are_those_of_redis_byte_for_byte() {
    beside_redis("hll-small", &[], 6_000, |dice| next(dice, 200), exactly);
}

#[test]
fn sketches_become_dense_when_those_of_redis_do() {
    let options = &[("hll-sparse-max-bytes", "300")];
    beside_redis("hll-dense", options, 4_000, |dice| next(dice, 2_000), exactly);
}
