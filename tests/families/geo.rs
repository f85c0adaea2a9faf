//! Geo commands. What is found without an order comes in that of Redis.

use crate::support::Dice;
use crate::support::real_redis::Parsed;
use crate::walk::{Command, beside_redis, words};
use magpie::double;

const KEYS: &[&str] = &["a", "b", "many", "{tag}d", "string"];
const UNITS: &[&str] = &["m", "KM", "ft", "mi", "km", "km", "km"];

fn key(dice: &mut Dice) -> Vec<u8> {
    dice.pick(KEYS).into()
}

fn member(dice: &mut Dice) -> Vec<u8> {
    if dice.chance(3) { vec![b'm'; 60 + dice.roll(8)] } else { format!("m{}", dice.roll(200)).into() }
}

/// Where nobody else is, mostly.
fn degrees(dice: &mut Dice, most: usize) -> Vec<u8> {
    if dice.chance(2) {
        return dice
            .pick(&["180", "-180", "85.05112878", "-85.05112878", "181", "86", "x", "nan", "inf", "0"])
            .into();
    }
    let millionths = dice.roll(2 * most * 1_000_000) as f64 - most as f64 * 1e6;
    format!("{}", millionths / 1e6).into()
}

fn place(dice: &mut Dice, command: &mut Command) {
    // Some near each other, some anywhere, some at the edges of the map.
    let (east, north) = dice.pick(&[(1, 1), (10, 10), (180, 85), (180, 85), (180, 80)]);
    let (longitude, latitude) = (degrees(dice, east), degrees(dice, north));
    command.extend([longitude, latitude]);
}

fn length(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(20) {
        0 => dice.pick(&["0", "-1", "x", "", "1e300", "inf", "0.001"]).into(),
        1..8 => dice.roll(1000).to_string().into(),
        8..14 => dice.roll(25_000).to_string().into(),
        _ => format!("{}", dice.roll(1_000_000) as f64 / 100.0).into(),
    }
}

fn unit(dice: &mut Dice) -> Vec<u8> {
    if dice.chance(2) { b"parsec".into() } else { dice.pick(UNITS).into() }
}

fn options(dice: &mut Dice, command: &mut Command, stores: bool) {
    for option in ["WITHDIST", "withhash", "WITHCOORD"] {
        if dice.chance(if stores { 1 } else { 30 }) {
            command.push(option.into());
        }
    }
    if dice.chance(40) {
        command.push(dice.pick(&["ASC", "desc"]).into());
    }
    if dice.chance(30) {
        command.extend([b"COUNT".to_vec(), dice.pick(&["1", "2", "5", "50", "0", "-1", "x"]).into()]);
        if dice.chance(30) {
            command.push(b"ANY".into());
        }
    } else if dice.chance(2) {
        command.push(b"ANY".into());
    }
}

const NAMES: &[&str] = &[
    "GEOADD",
    "GEOADD",
    "GEOADD",
    "GEOADD",
    "GEODIST",
    "GEODIST",
    "GEOHASH",
    "GEOPOS",
    "GEOSEARCH",
    "GEOSEARCH",
    "GEOSEARCH",
    "GEOSEARCHSTORE",
    "GEOSEARCHSTORE",
    "GEORADIUS",
    "GEORADIUS",
    "GEORADIUS_RO",
    "GEORADIUSBYMEMBER",
    "GEORADIUSBYMEMBER_RO",
    "ZADD",
    "ZREM",
    "ZRANGE",
    "DEL",
    "SET",
];

fn next(dice: &mut Dice) -> Command {
    let name = dice.pick(NAMES);
    let mut command: Command = vec![name.into()];
    match name {
        "GEOADD" => {
            let key = key(dice);
            let most = if key == b"many" { 40 } else { 3 };
            command.push(key);
            while dice.chance(20) {
                command.push(dice.pick(&["nx", "XX", "CH"]).into());
            }
            for _ in 0..=dice.roll(most) {
                place(dice, &mut command);
                command.push(member(dice));
            }
        }
        "GEODIST" => {
            command.extend([key(dice), member(dice), member(dice)]);
            if dice.chance(60) {
                command.push(unit(dice));
            }
        }
        "GEOHASH" | "GEOPOS" => {
            command.push(key(dice));
            (0..dice.roll(5)).for_each(|_| command.push(member(dice)));
        }
        "GEOSEARCH" | "GEOSEARCHSTORE" => {
            if name == "GEOSEARCHSTORE" {
                command.push(dice.pick(&["d", "{tag}d", "a"]).into());
            }
            command.push(key(dice));
            if dice.chance(30) {
                command.extend([b"FROMMEMBER".to_vec(), member(dice)]);
            } else {
                command.push(b"fromlonlat".into());
                place(dice, &mut command);
            }
            if dice.chance(50) {
                command.extend([b"BYRADIUS".to_vec(), length(dice), unit(dice)]);
            } else {
                command.extend([b"bybox".to_vec(), length(dice), length(dice), unit(dice)]);
            }
            options(dice, &mut command, name == "GEOSEARCHSTORE");
            if name == "GEOSEARCHSTORE" && dice.chance(40) {
                command.push(b"STOREDIST".into());
            }
        }
        "ZADD" => {
            let score = dice.pick(&["-1", "inf", "-inf", "5", "1e17", "4503599627370495", "1e19", "2.5"]);
            command.extend([key(dice), score.into(), b"odd".to_vec()]);
        }
        "ZREM" => command.extend([key(dice), b"odd".to_vec(), member(dice)]),
        "ZRANGE" => command.extend([
            dice.pick(&["d", "{tag}d", "a"]).into(),
            b"0".to_vec(),
            b"-1".to_vec(),
            b"WITHSCORES".to_vec(),
        ]),
        "DEL" => command.push(if dice.chance(30) { b"string".to_vec() } else { key(dice) }),
        "SET" => command = words("SET string 1"),
        _ => {
            command.push(key(dice));
            if name.contains("MEMBER") {
                command.push(member(dice));
            } else {
                place(dice, &mut command);
            }
            command.extend([length(dice), unit(dice)]);
            let stores = dice.chance(30);
            options(dice, &mut command, stores);
            while stores && dice.chance(70) {
                command
                    .extend([dice.pick(&["STORE", "storedist"]).into(), dice.pick(&["d", "{tag}d"]).into()]);
            }
        }
    }
    if dice.chance(3) {
        match dice.roll(3) {
            0 => drop(command.pop()),
            1 => command.push(b"BYRADIUS".into()),
            _ => command.push(dice.pick(&["COUNT", "STORE", "ASC", "FROMMEMBER", "x"]).into()),
        }
    }
    command
}

/// Stored distances, of which Redis 7.0 prints seventeen digits.
fn same_numbers(ours: &Parsed, theirs: &Parsed) -> bool {
    let number = |leaf: &[u8]| {
        let text = leaf.strip_suffix(b"\r\n")?;
        double::parse(&text[text.iter().rposition(|byte| b",\n".contains(byte))? + 1..])
    };
    match (ours, theirs) {
        (Parsed::Many(a, ours), Parsed::Many(b, theirs)) => {
            a == b && ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same_numbers(a, b))
        }
        (Parsed::Leaf(a), Parsed::Leaf(b)) => a == b || number(a).is_some() && number(a) == number(b),
        _ => false,
    }
}

fn agrees(command: &Command, ours: &Parsed, theirs: &Parsed) -> bool {
    command[0] == b"ZRANGE" && same_numbers(ours, theirs)
}

#[test]
fn places_are_as_in_redis() {
    beside_redis("geo", &[], 20_000, next, agrees);
}
