//! The same requests go to magpie and to redis-server: those of `requests.txt`, and random values through the libraries.

use crate::support::Dice;
use crate::support::process::Magpie;
use crate::support::real_redis::{Parsed, RealClient, RealRedis};

/// One request a line, its words with tabs between them; `␤` stands for a line end. What magpie follows 7.2 in and the
/// redis-server of the tests does not is left out: blocking commands in scripts, `os.clock`.
const REQUESTS: &str = include_str!("requests.txt");

struct Pair {
    _servers: (Magpie, RealRedis),
    ours: RealClient,
    theirs: RealClient,
}

impl Pair {
    fn start(name: &str) -> Option<Pair> {
        let real = RealRedis::start(name, &[])?;
        let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), name, &[]);
        let (ours, theirs) = (RealClient::to(&magpie.socket()), real.connect());
        Some(Pair { _servers: (magpie, real), ours, theirs })
    }

    fn both(&mut self, words: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        (self.ours.call(words), self.theirs.call(words))
    }

    fn compare(&mut self, words: &[&[u8]]) {
        let (ours, theirs) = self.both(words);
        // Libraries and flags come in any order.
        let is_list = words[0].eq_ignore_ascii_case(b"function");
        let agree = ours == theirs || is_list && sorted(&ours) == sorted(&theirs);
        assert!(
            agree,
            "{}\nmagpie: {}\nredis:  {}",
            words.join(&b' ').escape_ascii(),
            ours.escape_ascii(),
            theirs.escape_ascii()
        );
    }
}

fn sorted(reply: &[u8]) -> Parsed {
    Parsed::whole(reply).sorted()
}

#[test]
fn requests_agree() {
    let Some(mut pair) = Pair::start("scripts") else { return };
    for version in ["2", "3"] {
        pair.both(&[b"HELLO", version.as_bytes()]);
        for words in [&["FLUSHALL"][..], &["FUNCTION", "FLUSH"], &["SCRIPT", "FLUSH"]] {
            pair.compare(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        }
        for line in REQUESTS.lines() {
            let words: Vec<String> = line.split('\t').map(|word| word.replace('␤', "\n")).collect();
            pair.compare(&words.iter().map(String::as_bytes).collect::<Vec<_>>());
        }
    }
}

/// A Lua expression.
fn value(dice: &mut Dice, depth: usize) -> String {
    let leaves = 9;
    match dice.roll(if depth == 0 { leaves } else { leaves + 4 }) {
        0 => "true".to_owned(),
        1 => "false".to_owned(),
        2 => "cjson.null".to_owned(),
        3 => dice.roll(100_000).to_string(),
        4 => format!("-{}", dice.roll(1 << 30)),
        5 => format!("{}.{}", dice.roll(1000), dice.roll(1000)),
        6 => format!("{}e{}", 1 + dice.roll(9), dice.roll(40) as i32 - 20),
        7 => format!("{}/{}", 1 + dice.roll(9), 1 + dice.roll(9)),
        8 => string(dice),
        9 | 10 => {
            let items: Vec<String> = (0..dice.roll(5)).map(|_| value(dice, depth - 1)).collect();
            format!("{{{}}}", items.join(","))
        }
        11 => format!("{{[{}]={}}}", 1 + dice.roll(14), value(dice, depth - 1)),
        // One field: the order of more depends on addresses and hashes.
        _ => format!("{{[{}]={}}}", string(dice), value(dice, depth - 1)),
    }
}

/// A string of any bytes, as a Lua literal.
fn string(dice: &mut Dice) -> String {
    let bytes: String = (0..dice.roll(12))
        .map(|_| if dice.chance(50) { format!("\\{:03}", dice.roll(256)) } else { "a".to_owned() })
        .collect();
    format!("'{bytes}'")
}

#[test]
fn libraries_agree_on_random_values() {
    const STEPS: usize = 3000;
    let Some(mut pair) = Pair::start("script-values") else { return };
    let mut dice = Dice(0x5eed_1234);
    let formats =
        ["b", "B", "h", "H", "i", "I", "l", "L", "i3", "I5", "f", "d", "<h", ">i", "!4i", "x h", "c0", "s"];
    for _ in 0..STEPS {
        let random = value(&mut dice, 3);
        let text = string(&mut dice);
        let script = match dice.roll(7) {
            0 => format!("return cjson.encode({random})"),
            1 => format!("return cjson.encode(cjson.decode(cjson.encode({random})))"),
            2 => format!("return {{cjson.decode({text})}}"),
            3 => format!("return cmsgpack.pack({random})"),
            4 => format!("return {{cmsgpack.unpack({text})}}"),
            5 => {
                let format = dice.pick(&formats);
                let arg = if matches!(format, "s" | "c0") {
                    text
                } else {
                    format!("({})%65536", dice.roll(1 << 31))
                };
                format!(
                    "local p = struct.pack('{format}', {arg}) return {{p, struct.unpack('{format}', 'x' .. p, 2)}}"
                )
            }
            _ => {
                let name = dice.pick(&["band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror"]);
                format!("return bit.{name}({}, {}.5)", dice.roll(usize::MAX >> 20), dice.roll(100))
            }
        };
        pair.compare(&[b"EVAL", script.as_bytes(), b"0"]);
    }
}

/// `FUNCTION DUMP` of one is `FUNCTION RESTORE` of the other.
#[test]
fn libraries_travel_both_ways() {
    let Some(mut pair) = Pair::start("script-dumps") else { return };
    let padding = "-- a comment that compresses well\n".repeat(50);
    for (name, body) in [("short", ""), ("long", &*padding)] {
        let code = format!(
            "#!lua name={name}\n{body}redis.register_function('{name}', function(k, a) return a end)"
        );
        pair.compare(&[b"FUNCTION", b"LOAD", code.as_bytes()]);
    }
    let dump: [&[u8]; 2] = [b"FUNCTION", b"DUMP"];
    let payload = |reply: Vec<u8>| {
        let start = reply.iter().position(|&byte| byte == b'\n').expect("a length") + 1;
        reply[start..reply.len() - 2].to_vec()
    };
    let (ours, theirs) = pair.both(&dump);
    for payload in [payload(ours), payload(theirs)] {
        // Which of the two is complained of depends on the order of a hash table.
        let (ours, theirs) = pair.both(&[b"FUNCTION", b"RESTORE", &payload]);
        assert!(ours.starts_with(b"-ERR Library ") && theirs.starts_with(b"-ERR Library "));
        pair.compare(&[b"FUNCTION", b"RESTORE", &payload, b"REPLACE"]);
        pair.compare(&[b"FUNCTION", b"FLUSH"]);
        pair.compare(&[b"FUNCTION", b"RESTORE", &payload]);
        pair.compare(&[b"FUNCTION", b"RESTORE", &payload, b"FLUSH"]);
        pair.compare(&[b"FUNCTION", b"RESTORE", &payload, b"OTHER"]);
        pair.compare(&[b"FCALL", b"long", b"0", b"x"]);
        pair.compare(&[b"FUNCTION", b"LIST", b"WITHCODE"]);
        let mut forged = payload.clone();
        forged[3] ^= 1;
        pair.compare(&[b"FUNCTION", b"RESTORE", &forged]);
    }
}
