//! Payloads as Redis wrote them before 7.0, made by hand: both servers make the same of them.

use crate::support::Dice;
use crate::support::daemon;
use crate::support::real_redis::{Parsed, RealRedis};
use crate::walk::{Pair, exactly, from_environment, words};
use magpie::rdb;

const VERSION: u16 = 9;
const LIST: u8 = 1;
const HASH_ZIPMAP: u8 = 9;
const LIST_ZIPLIST: u8 = 10;
const HASH_ZIPLIST: u8 = 13;
const LIST_QUICKLIST: u8 = 14;

/// An entry of a ziplist behind its first field.
fn entry(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    let Some(number) = number.filter(|number| number.to_string().as_bytes() == text) else {
        let len = text.len();
        let head = match len {
            0..64 if dice.chance(80) => vec![len as u8],
            0..16_384 if dice.chance(80) => vec![0x40 | (len >> 8) as u8, len as u8],
            _ => [&[0x80][..], &(len as u32).to_be_bytes()].concat(),
        };
        return [&head, text].concat();
    };
    let little = number.to_le_bytes();
    match number {
        0..=12 => vec![0xf1 + number as u8],
        -128..=127 => vec![0xfe, little[0]],
        -32_768..=32_767 => [&[0xc0], &little[..2]].concat(),
        -8_388_608..=8_388_607 => [&[0xf0], &little[..3]].concat(),
        -2_147_483_648..=2_147_483_647 => [&[0xd0], &little[..4]].concat(),
        _ => [&[0xe0], &little[..]].concat(),
    }
}

fn ziplist(texts: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let (mut body, mut before, mut last) = (Vec::new(), 0usize, 0);
    for text in texts {
        last = body.len();
        match before {
            0..254 => body.push(before as u8),
            _ => {
                body.push(0xfe);
                body.extend((before as u32).to_le_bytes());
            }
        }
        body.extend(entry(text, dice));
        before = body.len() - last;
    }
    let (len, tail) = ((body.len() + 11) as u32, (last + 10) as u32);
    [&len.to_le_bytes()[..], &tail.to_le_bytes(), &(texts.len() as u16).to_le_bytes(), &body, &[0xff]]
        .concat()
}

fn zipmap(pairs: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let length = |len: usize| match len {
        0..254 => vec![len as u8],
        _ => [&[0xfe][..], &(len as u32).to_le_bytes()].concat(),
    };
    let mut map = vec![(pairs.len() / 2) as u8];
    for pair in pairs.chunks(2) {
        map.extend(length(pair[0].len()));
        map.extend(&pair[0]);
        map.extend(length(pair[1].len()));
        let free = dice.roll(4);
        map.push(free as u8);
        map.extend(&pair[1]);
        map.extend(vec![b'.'; free]);
    }
    map.push(0xff);
    map
}

/// A string of RDB, with thirty-two bits for its length now and then.
fn string(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let head = match text.len() {
        len @ 0..64 if dice.chance(70) => vec![len as u8],
        len @ 0..16_384 if dice.chance(70) => vec![0x40 | (len >> 8) as u8, len as u8],
        len => [&[0x80][..], &(len as u32).to_be_bytes()].concat(),
    };
    [&head, text].concat()
}

fn text(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(5) {
        0 => (dice.roll(30) as i64 - 10).to_string().into(),
        1 => {
            let bits = dice.roll(60);
            ((dice.roll(1 << 30) as i64) << bits >> 20).to_string().into()
        }
        2 => vec![b'x'; dice.roll(300)],
        _ => (0..dice.roll(20)).map(|_| dice.roll(256) as u8).collect(),
    }
}

/// Texts of which no two are the same.
fn distinct(count: usize, dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = (0..count).map(|_| text(dice)).collect();
    texts.sort();
    texts.dedup();
    texts
}

fn payload(kind: u8, dice: &mut Dice) -> Vec<u8> {
    let texts = distinct(1 + dice.roll(20), dice);
    let count = texts.len() as u8;
    let scores = |dice: &mut Dice| match dice.roll(4) {
        0 => "inf".into(),
        1 => (dice.roll(100) as i64 - 50).to_string().into_bytes(),
        _ => format!("{}.5", dice.roll(100)).into_bytes(),
    };
    let mut body = vec![kind];
    match kind {
        LIST => {
            body.push(count);
            texts.iter().for_each(|text| body.extend(string(text, dice)));
        }
        LIST_ZIPLIST => {
            let list = ziplist(&texts, dice);
            body.extend(string(&list, dice));
        }
        LIST_QUICKLIST => {
            body.push(2);
            for texts in [&texts, &texts] {
                let list = ziplist(texts, dice);
                body.extend(string(&list, dice));
            }
        }
        HASH_ZIPLIST | HASH_ZIPMAP => {
            let pairs: Vec<Vec<u8>> = texts.iter().flat_map(|text| [text.clone(), scores(dice)]).collect();
            let packed = if kind == HASH_ZIPMAP { zipmap(&pairs, dice) } else { ziplist(&pairs, dice) };
            body.extend(string(&packed, dice));
        }
        _ => unreachable!("a type that is not made here"),
    }
    rdb::seal(body, VERSION)
}

#[test]
fn old_payloads_are_read_as_redis_reads_them() {
    let Some(real) = RealRedis::start("old-formats", &[]) else { return };
    let daemon = daemon(&[]);
    let mut pair = Pair::connect(&daemon, &real);
    let mut dice = Dice(from_environment("MAGPIE_SEED", 0x01df));
    let kinds: &[(u8, &str)] = &[
        (LIST, "LRANGE k 0 -1"),
        (LIST_ZIPLIST, "LRANGE k 0 -1"),
        (LIST_QUICKLIST, "LRANGE k 0 -1"),
        (HASH_ZIPLIST, "HGETALL k"),
        (HASH_ZIPMAP, "HGETALL k"),
    ];
    for _ in 0..from_environment("MAGPIE_STEPS", 200) {
        for &(kind, tell) in kinds {
            let payload = payload(kind, &mut dice);
            let command: [&[u8]; 5] = [b"RESTORE", b"k", b"0", &payload, b"REPLACE"];
            let reply = pair.step(&command.iter().map(|arg| arg.to_vec()).collect(), &exactly);
            assert_eq!(reply, b"+OK\r\n", "{}", payload.escape_ascii());
            pair.step(&words(tell), &|_, ours: &Parsed, theirs: &Parsed| {
                ours.clone().sorted() == theirs.clone().sorted()
            });
        }
    }
}
