//! DUMP and RESTORE: what either server dumps the other one restores, and dumps again as the same bytes.

use crate::support::real_redis::RealRedis;
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
fn exchange(pair: &mut Pair<'_>, key: &[u8], tell: &[&[u8]], are_same: bool) {
    let ours = bulk(&pair.ours.call(&[b"DUMP", key]));
    let theirs = bulk(&pair.theirs.call(&[b"DUMP", key]));
    let shown = |payload: &[u8]| payload[..payload.len().min(200)].escape_ascii().to_string();
    if are_same {
        assert!(ours == theirs, "{}\n  ours:   {}\n  theirs: {}", shown(key), shown(&ours), shown(&theirs));
    }
    for (payload, name) in [(&ours, b"of-ours"), (&theirs, b"of-them")] {
        pair.step(
            &vec![b"RESTORE".to_vec(), name.to_vec(), b"0".to_vec(), payload.clone(), b"REPLACE".to_vec()],
            &exactly,
        );
    }
    for name in [&b"of-ours"[..], b"of-them"] {
        let mut command: Vec<&[u8]> = tell.to_vec();
        command[1] = name;
        let told = [pair.ours.call(&command), pair.theirs.call(&command)];
        assert!(
            told[0] == told[1],
            "{}\n  ours:   {}\n  theirs: {}",
            shown(key),
            shown(&told[0]),
            shown(&told[1])
        );
    }
}

#[test]
fn strings_go_both_ways() {
    for compression in ["yes", "no"] {
        let Some(real) = RealRedis::start("dump-strings", &["--rdbcompression", compression]) else { return };
        let daemon = daemon(&[("rdbcompression", compression)]);
        let mut pair = Pair::connect(&daemon, &real);
        let mut dice = Dice(from_environment("MAGPIE_SEED", 0xd0_3b));
        for _ in 0..from_environment("MAGPIE_STEPS", 1_500) {
            pair.step(&vec![b"SET".to_vec(), b"k".to_vec(), text(&mut dice)], &exactly);
            exchange(&mut pair, b"k", &[b"GET", b""], true);
        }
    }
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
