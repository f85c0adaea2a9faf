//! SORT and SORT_RO.

use crate::support::Dice;
use crate::support::real_redis::Parsed;
use crate::walk::{Command, beside_redis, same_set, words};

const KEYS: &[&str] = &["list", "set", "numbers"];
const PATTERNS: &[&str] =
    &["w_*", "w_*", "h_*->f", "h_*->g", "absent_*", "#", "nosort", "w_*->", "h_*->", "*"];

fn element(dice: &mut Dice) -> String {
    match dice.roll(12) {
        0 => dice.pick(&["1.5", "-3", "1e2", "inf", "-inf", "+7", "00", "1.0"]).into(),
        1 => dice.pick(&["a", "b", "aa", "B"]).into(),
        _ => dice.roll(20).to_string(),
    }
}

fn limit(dice: &mut Dice) -> String {
    match dice.roll(12) {
        0 => dice.pick(&["x", "-1", "-5", "1000", "9223372036854775807", "-9223372036854775808"]).into(),
        _ => dice.roll(8).to_string(),
    }
}

fn next(dice: &mut Dice) -> Command {
    let command = match dice.roll(24) {
        0 => format!("RPUSH list {} {}", element(dice), element(dice)),
        1 => format!("SADD set {} {}", element(dice), element(dice)),
        2 | 3 => format!("RPUSH numbers {} {}", dice.roll(30), dice.roll(30)),
        4 | 5 => format!("SET w_{} {}", element(dice), element(dice)),
        6 | 7 => format!("HSET h_{} {} {}", element(dice), dice.pick(&["f", "g"]), element(dice)),
        8 => format!("DEL {} w_{} h_{}", dice.pick(KEYS), element(dice), element(dice)),
        9 => format!("SET {} string", dice.pick(&["w_3", "h_3", "string"])),
        10 => "TYPE stored".into(),
        11 => "LRANGE stored 0 -1".into(),
        _ => {
            let key = if dice.chance(4) { dice.pick(&["string", "h_1", "absent"]) } else { dice.pick(KEYS) };
            let mut command = format!("{} {key}", dice.pick(&["SORT", "sort", "SORT_RO"]));
            while dice.chance(65) {
                match dice.roll(8) {
                    0 => command += dice.pick(&[" ASC", " DESC", " desc"]),
                    1 | 2 => command += " ALPHA",
                    3 => command += &format!(" LIMIT {} {}", limit(dice), limit(dice)),
                    4 => command += &format!(" BY {}", dice.pick(PATTERNS)),
                    5 => command += &format!(" GET {}", dice.pick(PATTERNS)),
                    6 => command += " STORE stored",
                    _ if dice.chance(10) => {
                        command += dice.pick(&[" NONSENSE", " LIMIT 1", " BY", " GET", " STORE"])
                    }
                    _ => {}
                }
            }
            // In what order Redis stores those that weigh the same is not said.
            if command.contains("STORE") && command.contains("BY") {
                command = command.replace(" ALPHA", "");
            }
            command
        }
    };
    words(&command)
}

/// A set that is not sorted comes in the order in which it lies; so do those elements that weigh the same by
/// their text, when LIMIT makes Redis sort a part only.
fn agrees(command: &Command, ours: &Parsed, theirs: &Parsed) -> bool {
    let text = command.concat().to_ascii_uppercase();
    let has = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
    let is_unsorted = (has("SORTSET") || has("SORT_ROSET")) && (has("NOSORT") || has("BY#"));
    let is_tied = has("ALPHA") && has("BY");
    let lens = [ours, theirs].map(|reply| match reply {
        Parsed::Many(_, items) => Some(items.len()),
        Parsed::Leaf(_) => None,
    });
    (is_unsorted || is_tied)
        && (same_set(ours, theirs) || has("LIMIT") && lens[0].is_some() && lens[0] == lens[1])
}

#[test]
fn elements_come_in_the_order_of_redis() {
    beside_redis("sort", &[], 20_000, next, agrees);
}
