//! The bytes of a listpack are those that Redis dumps.

use crate::support::Dice;
use crate::support::real_redis::{RealClient, RealRedis};
use crate::walk::from_environment;
use magpie::store::value::listpack::Listpack;

/// RDB's types of a hash and of a list of listpacks, and its sign of a list's packed node.
const HASH_LISTPACK: u8 = 16;
const LIST_QUICKLIST_2: u8 = 18;
const PACKED: u8 = 2;

fn element(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(6) {
        0 => {
            vec![b'x'; dice.pick(&[0, 1, 5, 62, 63, 64, 65, 124, 125, 126, 127, 128, 4094, 4095, 4096, 4097])]
        }
        1 => dice.pick(&["-0", "+1", "01", "", "-", "9223372036854775808", "1.5", " 1"]).into(),
        2 => {
            let edge = 1i64 << dice.pick(&[7, 12, 15, 23, 31, 62]);
            let near = edge + dice.roll(5) as i64 - 2;
            (if dice.chance(50) { -near } else { near }).to_string().into()
        }
        3 => (dice.roll(1 << 30) as i64 - (1 << 29)).to_string().into(),
        4 => dice.pick(&[i64::MAX, i64::MIN, 0, -1]).to_string().into(),
        _ => (0..dice.roll(12)).map(|_| b'a' + dice.roll(26) as u8).collect(),
    }
}

/// The string that an uncompressed DUMP holds behind its first `skip` bytes.
fn dumped(real: &mut RealClient, key: &[u8], start: &[u8]) -> Vec<u8> {
    let reply = real.call(&[b"DUMP", key]);
    let line = reply.iter().position(|&byte| byte == b'\n').expect("a reply has a line");
    let payload = &reply[line + 1..reply.len() - 2];
    let body = payload.strip_prefix(start).expect("the value is of the expected type");
    // Lengths: six bits, fourteen, or a byte and thirty-two. Ten bytes of version and checksum follow.
    let (len, body) = match body[0] >> 6 {
        0 => (usize::from(body[0]), &body[1..]),
        1 => (usize::from(body[0] & 0x3F) << 8 | usize::from(body[1]), &body[2..]),
        _ => (u32::from_be_bytes([body[1], body[2], body[3], body[4]]) as usize, &body[5..]),
    };
    assert_eq!(body.len(), len + 10);
    body[..len].to_vec()
}

#[test]
fn listpacks_are_those_of_redis_byte_for_byte() {
    let options =
        ["--rdbcompression", "no", "--list-max-listpack-size", "-5", "--hash-max-listpack-value", "9999"];
    let Some(real) = RealRedis::start("listpack", &options) else { return };
    let mut real = real.connect();
    let mut dice = Dice(from_environment("MAGPIE_SEED", 0x115_7bac));
    for _ in 0..from_environment("MAGPIE_STEPS", 20_000) / 100 {
        real.call(&[b"DEL", b"list", b"hash"]);
        let (mut list, mut hash) = (Listpack::new(), Listpack::new());
        for _ in 0..=dice.roll(12) {
            let (field, value) = (element(&mut dice), element(&mut dice));
            real.call(&[b"HSET", b"hash", &field, &value]);
            match hash.find(hash.first(), &field, 1).and_then(|place| hash.next(place)) {
                Some(place) => hash.replace(place, &value[..]),
                None => {
                    hash.push_back(&field[..]);
                    hash.push_back(&value[..]);
                }
            }
            if dice.chance(70) {
                real.call(&[b"RPUSH", b"list", &value]);
                list.push_back(&value[..]);
            } else {
                real.call(&[b"LPUSH", b"list", &value]);
                list.push_front(&value[..]);
            }
        }
        for (key, start, own) in
            [("hash", &[HASH_LISTPACK][..], hash), ("list", &[LIST_QUICKLIST_2, 1, PACKED], list)]
        {
            let theirs = dumped(&mut real, key.as_bytes(), start);
            assert_eq!(own.as_bytes().escape_ascii().to_string(), theirs.escape_ascii().to_string());
            assert_eq!(Listpack::from_bytes(theirs), Some(own));
        }
    }
}
