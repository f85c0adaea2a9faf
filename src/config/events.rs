//! `notify-keyspace-events`: the classes of events, a bit and a letter each.

use super::value::Reason;

pub const KEYSPACE: i64 = 1 << 0; // K
pub const KEYEVENT: i64 = 1 << 1; // E
pub const GENERIC: i64 = 1 << 2; // g
pub const STRING: i64 = 1 << 3; // $
pub const LIST: i64 = 1 << 4; // l
pub const SET: i64 = 1 << 5; // s
pub const HASH: i64 = 1 << 6; // h
pub const ZSET: i64 = 1 << 7; // z
pub const EXPIRED: i64 = 1 << 8; // x
pub const EVICTED: i64 = 1 << 9; // e
pub const STREAM: i64 = 1 << 10; // t
pub const KEY_MISS: i64 = 1 << 11; // m
pub const MODULE: i64 = 1 << 12; // d
pub const NEW: i64 = 1 << 13; // n
/// `A`: all but misses and new keys.
pub const ALL: i64 = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// In the order in which Redis writes them.
const IN_ALL: [(char, i64); 10] = [
    ('g', GENERIC),
    ('$', STRING),
    ('l', LIST),
    ('s', SET),
    ('h', HASH),
    ('z', ZSET),
    ('x', EXPIRED),
    ('e', EVICTED),
    ('t', STREAM),
    ('d', MODULE),
];
const BESIDE_ALL: [(char, i64); 4] = [('K', KEYSPACE), ('E', KEYEVENT), ('m', KEY_MISS), ('n', NEW)];

pub(super) fn parse(text: &str) -> Result<i64, Reason> {
    let mut bits = 0;
    for letter in text.chars() {
        if letter == 'A' {
            bits |= ALL;
            continue;
        }
        let class = IN_ALL.iter().chain(&BESIDE_ALL).find(|(name, _)| *name == letter);
        let (_, bit) = class.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        bits |= bit;
    }
    Ok(bits)
}

pub(super) fn render(bits: i64) -> String {
    let mut letters = String::new();
    let mut add = |classes: &[(char, i64)]| {
        letters.extend(classes.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| name));
    };
    if bits & ALL == ALL {
        add(&[('A', ALL)]);
    } else {
        add(&IN_ALL);
    }
    add(&BESIDE_ALL);
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_back_in_redis_order() {
        for (given, shown) in
            [("", ""), ("KEg", "gKE"), ("KEA", "AKE"), ("KEgxe$lshztdmn", "AKEmn"), ("Kxe", "xeK")]
        {
            assert_eq!(parse(given).map(render), Ok(shown.to_owned()));
        }
        assert!(parse("A q").is_err());
    }
}
