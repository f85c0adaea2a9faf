//! Streams. What cannot agree: times and idle times beyond a moment's difference, what 7.2 tells of consumers
//! besides (`inactive`, `active-time`), and, once entries have been deleted, `lag` and `entries-read`, which
//! Redis 7.0 told wrongly then.

use crate::support::Dice;
use crate::support::real_redis::Parsed;
use crate::walk::{Command, beside_redis, near, words};
use std::collections::VecDeque;

const KEYS: &[&str] = &["s", "t", "u"];
const GROUPS: &[&str] = &["g", "streams", ""];
const CONSUMERS: &[&str] = &["alice", "STREAMS", "", "12"];
const FIELDS: &[&str] = &["a", "b", "field", "12", "-7"];
const ODD_IDS: &[&str] = &[
    "-",
    "+",
    "$",
    ">",
    "*",
    "0",
    "0-0",
    "0-*",
    "5-",
    "abc",
    "",
    "(",
    "(5",
    "(0-0",
    "5-*",
    "-5",
    "5--07",
    " 3-1",
    "18446744073709551615",
    "18446744073709551615-18446744073709551615",
    "(18446744073709551615",
    "18446744073709551616",
    "(-",
    "(+",
    "007-1",
    "99999999999999-0",
    "99999999999999-18446744073709551615",
];
const ODD_NUMBERS: &[&str] =
    &["0", "-1", "abc", "", "9223372036854775807", "-9223372036854775808", "1.5", "01"];

struct Chooser<'d> {
    dice: &'d mut Dice,
    walk: &'d mut Walk,
}

#[derive(Default)]
struct Walk {
    /// About where the streams' last IDs are.
    ms: usize,
    queued: VecDeque<Command>,
    /// Entries may be deleted, counts may be set.
    deletes: bool,
}

impl Chooser<'_> {
    fn pick(&mut self, from: &[&str]) -> String {
        self.dice.pick(from).to_owned()
    }

    fn key(&mut self) -> String {
        match self.dice.roll(60) {
            0 => "string".into(),
            1 => "missing".into(),
            _ => self.pick(KEYS),
        }
    }

    fn group(&mut self) -> String {
        let known = if self.dice.chance(90) { &GROUPS[..2] } else { GROUPS };
        self.pick(known)
    }

    fn consumer(&mut self) -> String {
        self.pick(CONSUMERS)
    }

    fn number(&mut self) -> String {
        match self.dice.chance(6) {
            true => self.pick(ODD_NUMBERS),
            false => self.dice.roll(12).to_string(),
        }
    }

    /// The ID of an entry that there may be.
    fn id(&mut self) -> String {
        if self.dice.chance(4) {
            return self.pick(ODD_IDS);
        }
        let ms = (self.walk.ms + 2).saturating_sub(self.dice.roll(30)).max(1);
        match self.dice.roll(10) {
            0 => ms.to_string(),
            _ => format!("{ms}-{}", self.dice.roll(3)),
        }
    }

    fn bound(&mut self) -> String {
        match self.dice.roll(6) {
            0 => "-".into(),
            1 => "+".into(),
            2 => format!("({}", self.id()),
            _ => self.id(),
        }
    }

    fn new_id(&mut self) -> String {
        self.walk.ms += usize::from(self.dice.chance(30));
        let ms = self.walk.ms;
        match self.dice.roll(25) {
            // Whose clock is it?
            0 => Some(self.id()).filter(|id| id != "*").unwrap_or_else(|| "0-*".into()),
            1..5 => format!("{ms}-*"),
            _ => format!("{}-{}", ms + self.dice.roll(2), self.dice.roll(4)),
        }
    }

    fn value(&mut self) -> String {
        match self.dice.roll(12) {
            0 => "v".repeat(self.dice.roll(300)),
            1..6 => (self.dice.roll(100_000) as i64 - 50_000).to_string(),
            _ => self.pick(&["", "x", "some text", "4294967296", "-9223372036854775808"]),
        }
    }

    fn trimming(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        if self.dice.chance(50) {
            words.push("MAXLEN".into());
            words.extend(self.sign());
            words.push(self.number());
        } else {
            words.push("MINID".into());
            words.extend(self.sign());
            words.push(self.id());
        }
        if self.dice.chance(20) {
            words.push("LIMIT".into());
            words.push(self.number());
        }
        words
    }

    fn sign(&mut self) -> Option<String> {
        [None, Some("~".to_owned()), Some("=".to_owned())][self.dice.roll(3)].clone()
    }

    fn add(&mut self) -> Vec<String> {
        let mut words = vec!["XADD".to_owned(), self.key()];
        if self.dice.chance(8) {
            words.push("NOMKSTREAM".into());
        }
        if self.walk.deletes && self.dice.chance(12) {
            words.extend(self.trimming());
        }
        words.push(self.new_id());
        let same = self.dice.chance(60);
        let pairs = if same { 2 } else { 1 + self.dice.roll(3) };
        for &field in FIELDS.iter().take(pairs) {
            words.push(if same { field.into() } else { self.pick(FIELDS) });
            words.push(self.value());
        }
        if self.dice.chance(1) {
            words.pop();
        }
        words
    }

    fn read(&mut self) -> Vec<String> {
        let grouped = self.dice.chance(75);
        let mut words: Vec<String> = vec![if grouped { "XREADGROUP" } else { "XREAD" }.into()];
        let counted = self.dice.roll(3);
        if counted == 0 {
            words.extend(["COUNT".into(), self.number()]);
        }
        if grouped != self.dice.chance(1) {
            words.extend(["GROUP".into(), self.group(), self.consumer()]);
        }
        if counted == 1 {
            words.extend(["count".into(), self.number()]);
        }
        if grouped && self.dice.chance(15) {
            words.push("NOACK".into());
        }
        words.push("STREAMS".into());
        let count = 1 + self.dice.roll(2) * self.dice.roll(3);
        words.extend((0..count).map(|_| self.key()));
        for _ in 0..count {
            let id = match self.dice.roll(10) {
                0..6 if grouped => ">".into(),
                6 => "$".into(),
                7 => "0".into(),
                _ => self.id(),
            };
            // Redis 7.4's.
            words.push(if id == "+" { "0".into() } else { id });
        }
        words
    }

    fn pending(&mut self) -> Vec<String> {
        let mut words = vec!["XPENDING".to_owned(), self.key(), self.group()];
        if self.dice.chance(60) {
            if self.dice.chance(30) {
                words.extend(["IDLE".into(), self.pick(&["0", "1000000000", "x", "-5"])]);
            }
            words.extend([self.bound(), self.bound(), self.number()]);
            if self.dice.chance(30) {
                words.push(self.consumer());
            }
        }
        words
    }

    fn claim(&mut self) -> Vec<String> {
        let idle = self.pick(&["0", "0", "0", "1000000", "-1", "x"]);
        let mut words = vec!["XCLAIM".to_owned(), self.key(), self.group(), self.consumer(), idle];
        words.extend((0..=self.dice.roll(4)).map(|_| self.id()));
        if self.dice.chance(30) {
            words.extend([
                "TIME".into(),
                self.pick(&["1", "1000000000000", "-1", "9223372036854775807", "x"]),
            ]);
        }
        if self.dice.chance(15) {
            words.extend(["IDLE".into(), self.pick(&["2000000", "-1", "9223372036854775807", "x"])]);
        }
        if self.dice.chance(20) {
            words.extend(["RETRYCOUNT".into(), self.number()]);
        }
        if self.dice.chance(30) {
            words.push("FORCE".into());
        }
        if self.dice.chance(30) {
            words.push("JUSTID".into());
        }
        if self.dice.chance(10) {
            words.extend(["LASTID".into(), self.id()]);
        }
        if self.dice.chance(1) {
            words.push("NONSENSE".into());
        }
        words
    }

    fn auto_claim(&mut self) -> Vec<String> {
        let idle = self.pick(&["0", "0", "1000000", "-1", "x"]);
        let mut words =
            vec!["XAUTOCLAIM".to_owned(), self.key(), self.group(), self.consumer(), idle, self.bound()];
        if self.dice.chance(70) {
            words.extend(["COUNT".into(), self.pick(&["1", "2", "3", "10", "0", "-1", "x"])]);
        }
        if self.dice.chance(30) {
            words.push("JUSTID".into());
        }
        words
    }

    /// Redis 7.0 creates a consumer when it first gets something, 7.2 when it first asks.
    fn create_consumers(&mut self, key: &str, group: &str, consumers: &[&str]) {
        for consumer in consumers {
            let words = ["XGROUP", "CREATECONSUMER", key, group, consumer];
            self.walk.queued.push_back(words.map(|word| word.as_bytes().to_vec()).into());
        }
    }

    fn group_command(&mut self) -> Vec<String> {
        let (key, group) = (self.key(), self.group());
        let mut words: Vec<String> = vec!["XGROUP".into()];
        match self.dice.roll(20) {
            0..8 => {
                let id = if self.dice.chance(60) { "0".into() } else { self.id() };
                let id = if self.dice.chance(20) { "$".into() } else { id };
                self.create_consumers(&key, &group, CONSUMERS);
                words.extend(["CREATE".into(), key, group, id]);
                if self.dice.chance(60) {
                    words.push("MKSTREAM".into());
                }
                if self.walk.deletes && self.dice.chance(20) {
                    words.extend(["ENTRIESREAD".into(), self.number()]);
                }
            }
            8..12 => {
                words.extend(["SETID".into(), key, group, self.id()]);
                if self.walk.deletes && self.dice.chance(30) {
                    words.extend(["ENTRIESREAD".into(), self.number()]);
                }
            }
            12 => words.extend(["DESTROY".into(), key, group]),
            13..17 => words.extend(["CREATECONSUMER".into(), key, group, self.consumer()]),
            17..19 => {
                let consumer = self.consumer();
                self.create_consumers(&key, &group, &[&consumer]);
                words.extend(["DELCONSUMER".into(), key, group, consumer]);
            }
            _ => words.push("HELP".into()),
        }
        words
    }

    fn info(&mut self) -> Vec<String> {
        let key = self.key();
        let words: &[&str] = match self.dice.roll(8) {
            0..2 => &["XINFO", "STREAM", &key],
            2 => &["XINFO", "STREAM", &key, "FULL"],
            3 => &["XINFO", "STREAM", &key, "FULL", "COUNT", &self.number()],
            4..6 => &["XINFO", "GROUPS", &key],
            6 => &["XINFO", "CONSUMERS", &key, &self.group()],
            _ => self.dice.pick(&[&["XINFO", "HELP"][..], &["XINFO", "STREAM", "s", "FULL", "COUNT"][..]]),
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn deletion(&mut self) -> Vec<String> {
        match self.dice.roll(6) {
            0..3 => {
                let mut words = vec!["XDEL".to_owned(), self.key()];
                words.extend((0..=self.dice.roll(3)).map(|_| self.id()));
                words
            }
            3..5 => {
                let mut words = vec!["XTRIM".to_owned(), self.key()];
                words.extend(self.trimming());
                words
            }
            _ => {
                // Below what was deleted, 7.2 has an error of its own.
                let id = format!("{}-1", self.walk.ms + 3);
                let id = if self.dice.chance(50) { id } else { self.pick(&["x", "$", "+"]) };
                let mut words = vec!["XSETID".to_owned(), self.key(), id];
                if self.dice.chance(40) {
                    words.extend(["ENTRIESADDED".into(), self.number()]);
                }
                if self.dice.chance(40) {
                    words.extend(["MAXDELETEDID".into(), self.id()]);
                }
                words
            }
        }
    }

    /// Where waiting is not allowed, there is nil at once.
    fn blocked_transaction(&mut self) -> Command {
        let key = self.pick(KEYS);
        let inside = [
            format!("XREAD BLOCK {} STREAMS {key} $", self.pick(&["0", "10", "-1", "x"])),
            format!("XREADGROUP GROUP g alice BLOCK 0 STREAMS {key} >"),
        ];
        self.walk.queued.extend(inside.iter().map(|line| words(line)));
        self.walk.queued.push_back(words("EXEC"));
        words("MULTI")
    }

    fn command(&mut self) -> Command {
        if let Some(next) = self.walk.queued.pop_front() {
            return next;
        }
        let words = match self.dice.roll(100) {
            0..30 => self.add(),
            30..35 => {
                let (first, second) = (self.bound(), self.bound());
                let mut words = vec![self.pick(&["XRANGE", "XREVRANGE"]), self.key(), first, second];
                if self.dice.chance(40) {
                    words.extend(["COUNT".into(), self.number()]);
                }
                words
            }
            35..50 => self.read(),
            50..56 => {
                let mut words = vec!["XACK".to_owned(), self.key(), self.group()];
                words.extend((0..=self.dice.roll(3)).map(|_| self.id()));
                words
            }
            56..62 => self.pending(),
            62..68 => self.claim(),
            68..72 => self.auto_claim(),
            72..78 => self.group_command(),
            78..86 => self.info(),
            86..93 if self.walk.deletes => self.deletion(),
            93 => return self.blocked_transaction(),
            94 => vec!["XLEN".into(), self.key()],
            95 => {
                // Not stream-node-max-bytes: Redis 7.0 loses nodes when it is made smaller.
                let count = self.pick(&["0", "1", "2", "5", "100"]);
                vec!["CONFIG".into(), "SET".into(), "stream-node-max-entries".into(), count]
            }
            96 => match self.dice.roll(6) {
                0 => vec!["DEL".into(), self.key()],
                1 => vec!["SET".into(), "string".into(), "x".into()],
                2 => vec!["COPY".into(), self.pick(KEYS), self.pick(KEYS), "REPLACE".into()],
                3 => vec!["RENAME".into(), self.pick(KEYS), self.pick(KEYS)],
                4 => vec!["OBJECT".into(), "ENCODING".into(), self.key()],
                _ => vec!["TYPE".into(), self.key()],
            },
            _ => vec!["XRANGE".into(), self.key(), "-".into(), "+".into()],
        };
        words.into_iter().map(String::into_bytes).collect()
    }
}

fn text(parsed: &Parsed) -> &[u8] {
    let Parsed::Leaf(bytes) = parsed else { return b"" };
    let bytes = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
    bytes.splitn(2, |&byte| byte == b'\n').nth(1).unwrap_or_default()
}

fn is_error(reply: &Parsed) -> bool {
    matches!(reply, Parsed::Leaf(bytes) if bytes.starts_with(b"-"))
}

/// Milliseconds that a whole walk takes for sure, and fewer than the idle times that its commands set: when a consumer
/// was seen last 7.0 and 7.2 do not agree on.
const MOMENT: i64 = 600_000;

/// Compares what XINFO tells, `ours` with more to tell.
fn same_info(ours: &Parsed, theirs: &Parsed, deletes: bool) -> bool {
    let (Parsed::Many(kind, ours), Parsed::Many(their_kind, theirs)) = (ours, theirs) else {
        return ours == theirs || near(ours, theirs, MOMENT) && ours.int() > Some(1_000_000_000_000);
    };
    let (mut ours, mut theirs) = (ours.iter(), theirs.iter());
    let mut same = kind == their_kind;
    while let Some(mine) = ours.next() {
        match text(mine) {
            b"inactive" | b"active-time" => {
                ours.next();
                continue;
            }
            b"idle" | b"seen-time" => {
                let (name, mine, yours) = (theirs.next() == Some(mine), ours.next(), theirs.next());
                let numbers = mine.and_then(Parsed::int).zip(yours.and_then(Parsed::int));
                same &= name && numbers.is_some_and(|(mine, yours)| (mine - yours).abs() < MOMENT);
            }
            b"lag" | b"entries-read" if deletes => {
                same &= theirs.next() == Some(mine);
                ours.next();
                theirs.next();
            }
            _ => same &= theirs.next().is_some_and(|yours| same_info(mine, yours, deletes)),
        }
    }
    same && theirs.next().is_none()
}

/// Compares XPENDING's entries: ID, consumer, idle time, deliveries.
fn same_pending(ours: &Parsed, theirs: &Parsed) -> bool {
    let (Parsed::Many(_, ours), Parsed::Many(_, theirs)) = (ours, theirs) else { return false };
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(mine, yours)| match (mine, yours) {
            (Parsed::Many(_, mine), Parsed::Many(_, yours)) if mine.len() == 4 && yours.len() == 4 => {
                let idle = mine[2].int().zip(yours[2].int());
                [0, 1, 3].iter().all(|&at| mine[at] == yours[at])
                    && idle.is_some_and(|(mine, yours)| (mine - yours).abs() < MOMENT)
            }
            _ => mine == yours,
        })
}

fn walk(name: &str, deletes: bool) {
    let mut walk = Walk { ms: 1, deletes, ..Walk::default() };
    let next = |dice: &mut Dice| Chooser { dice, walk: &mut walk }.command();
    let options = [("stream-node-max-entries", "5")];
    beside_redis(name, &options, 30_000, next, |command, ours, theirs| match &command[0][..] {
        b"XPENDING" => same_pending(ours, theirs),
        b"XINFO" => same_info(ours, theirs, deletes),
        b"XSETID" => is_error(ours) && is_error(theirs),
        _ => false,
    });
}

#[test]
fn streams_that_grow_are_those_of_redis() {
    walk("stream-growing", false);
}

#[test]
fn streams_that_lose_entries_are_those_of_redis() {
    walk("stream-losing", true);
}
