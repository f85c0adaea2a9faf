//! The same random commands go to magpie, in this process, and to a real `redis-server`; the replies must be
//! the same bytes. Left out of the comparison is only what cannot agree: which key RANDOMKEY draws, the order
//! of KEYS and SCAN, and a moment's difference in what is left of a TTL.
//!
//! `MAGPIE_STEPS=1000000` makes the walk longer, `MAGPIE_SEED=7` takes another one.

mod support;

use magpie::clock::Clock;
use magpie::daemon::Daemon;
use magpie::observe::Counter;
use std::collections::VecDeque;
use std::time::Duration;
use support::real_redis::{Parsed, RealClient, RealRedis};
use support::{Dice, Resp, daemon};

type Command = Vec<Vec<u8>>;

const KEYS: &[&str] = &["a", "b", "c", "{tag}d", "", "key-five"];
const DATABASES: usize = 3;
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "10",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775800",
    "9223372036854775808",
    "1.5",
    "abc",
    "",
    " 1",
    "01",
    "+1",
    "-0",
];
const FLOATS: &[&str] = &[
    "0.1",
    "1.5",
    "-2.25",
    "3",
    "1e3",
    "1e-3",
    "1e18",
    "-1e18",
    "1e-17",
    "123456789.987654321",
    "inf",
    "-inf",
    "nan",
    "abc",
    "",
    "0x1p-3",
    "1e4930",
    "-1e4930",
    "1e-4960",
    "1e5000",
    "2.5e-18",
    "0.30000000000000001",
    ".5",
    "5.",
    " 1",
    "99999999999999999999",
    "-0.0",
    "1e400",
    "4e4931",
];
const TEXTS: &[&str] =
    &["", "x", "hello world", "ohmytext", "mynewtext", "12", "3.25", "aXbXcX", "\r\n", "foo bar"];
/// Moments, in seconds: past, and far ahead.
const DATES: &[&str] = &["1", "1000000000", "4000000000", "4000000001", "5000000000", "-5", "0"];
const PATTERNS: &[&str] = &["*", "?", "[ab]", "key*", "*d", "x*", "{tag}*", ""];

struct Chooser {
    dice: Dice,
    /// What both servers know: HELLO and SELECT come with another family of commands.
    selects: bool,
    /// Some key is about to expire.
    expires_soon: bool,
    /// Milliseconds until it has.
    wait: u64,
    in_multi: bool,
    /// `SCAN … TYPE`: Redis 7.0 counts its look-ups as hits, 7.2 does not any more.
    types: bool,
}

impl Chooser {
    fn key(&mut self) -> Vec<u8> {
        self.dice.pick(KEYS).into()
    }

    fn number(&mut self) -> Vec<u8> {
        match self.dice.roll(3) {
            0 => self.dice.pick(NUMBERS).into(),
            1 => (self.dice.roll(40) as i64 - 20).to_string().into(),
            _ => (self.dice.roll(10)).to_string().into(),
        }
    }

    fn float(&mut self) -> Vec<u8> {
        match self.dice.roll(3) {
            0 => self.dice.pick(FLOATS).into(),
            1 => {
                let (whole, exponent) = (self.dice.roll(1_000_000_000), self.dice.roll(60) as i64 - 30);
                format!("{}{whole}e{exponent}", if self.dice.chance(50) { "-" } else { "" }).into()
            }
            _ => format!("{}.{}", self.dice.roll(100), self.dice.roll(100_000)).into(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.dice.roll(12) {
            0..3 => self.number(),
            3..5 => self.float(),
            5..9 => self.dice.pick(TEXTS).into(),
            9 => (0..self.dice.roll(60)).map(|_| b'a' + self.dice.roll(3) as u8).collect(),
            10 => vec![b'z'; self.dice.roll(200)],
            // Where a value leaves the log for the heap.
            _ => vec![self.dice.roll(256) as u8; 4500 + self.dice.roll(300)],
        }
    }

    fn date(&mut self) -> Vec<u8> {
        self.dice.pick(DATES).into()
    }

    /// Seconds that no other call uses: then which of two is later does not depend on the millisecond.
    fn seconds(&mut self) -> Vec<u8> {
        if self.dice.chance(20) {
            return self
                .dice
                .pick(&["0", "-1", "x", "9223372036854775807", "9223372036854775", "-9223372036854775808"])
                .into();
        }
        (100 + self.dice.roll(1 << 30)).to_string().into()
    }

    fn milliseconds(&mut self) -> Vec<u8> {
        if !self.in_multi && self.dice.chance(5) {
            (self.expires_soon, self.wait) = (true, 30);
            return b"25".into();
        }
        match self.dice.roll(5) {
            0 => self.seconds(),
            _ => (100_000 + self.dice.roll(1 << 30)).to_string().into(),
        }
    }

    /// Upper and lower case, and now and then a mistake.
    fn word(&mut self, word: &str) -> Vec<u8> {
        match self.dice.roll(40) {
            0 => b"NONSENSE".into(),
            n if n % 2 == 0 => word.to_ascii_lowercase().into(),
            _ => word.into(),
        }
    }

    fn expiry(&mut self, to: &mut Command) {
        let word = self.dice.pick(&["EX", "PX", "EXAT", "PXAT"]);
        to.push(self.word(word));
        if self.dice.chance(97) {
            let number = match word {
                "EX" => self.seconds(),
                "PX" => self.milliseconds(),
                "EXAT" => self.date(),
                _ => {
                    let mut date = self.date();
                    date.extend_from_slice(b"000");
                    date
                }
            };
            to.push(number);
            // Redis counts what is stored with a past date until somebody looks.
            self.expires_soon |= word.ends_with("AT");
        }
    }

    fn command(&mut self) -> Command {
        let mut command: Command = Vec::new();
        let name = self.name();
        command.push(self.word(name));
        match name {
            "GET" | "GETDEL" | "STRLEN" | "INCR" | "DECR" | "TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME"
            | "PERSIST" | "TYPE" => command.push(self.key()),
            "SET" => {
                command.extend([self.key(), self.value()]);
                while self.dice.chance(35) {
                    match self.dice.roll(6) {
                        0 => command.push(self.word("NX")),
                        1 => command.push(self.word("XX")),
                        2 => command.push(self.word("GET")),
                        3 => command.push(self.word("KEEPTTL")),
                        _ => self.expiry(&mut command),
                    }
                }
            }
            "GETEX" => {
                command.push(self.key());
                while self.dice.chance(50) {
                    match self.dice.roll(4) {
                        0 => command.push(self.word("PERSIST")),
                        _ => self.expiry(&mut command),
                    }
                }
            }
            "SETEX" => command.extend([self.key(), self.seconds(), self.value()]),
            "PSETEX" => command.extend([self.key(), self.milliseconds(), self.value()]),
            "SETNX" | "GETSET" | "APPEND" => command.extend([self.key(), self.value()]),
            "MGET" | "DEL" | "UNLINK" | "EXISTS" | "TOUCH" | "WATCH" => {
                for _ in 0..=self.dice.roll(3) {
                    command.push(self.key());
                }
            }
            "MSET" | "MSETNX" => {
                for _ in 0..=self.dice.roll(3) {
                    command.extend([self.key(), self.value()]);
                }
            }
            "SETRANGE" => {
                let offset = match self.dice.roll(8) {
                    0 => self.number(),
                    1 => (4000 + self.dice.roll(1000)).to_string().into(),
                    2 => self.dice.pick(&["536870911", "536870912", "9223372036854775807", "-1"]).into(),
                    _ => self.dice.roll(30).to_string().into(),
                };
                let is_far = offset.len() > 6;
                let value = if is_far { b"xyz".to_vec() } else { self.value() };
                command.extend([self.key(), offset, value]);
            }
            "GETRANGE" | "SUBSTR" => command.extend([self.key(), self.number(), self.number()]),
            "INCRBY" | "DECRBY" => command.extend([self.key(), self.number()]),
            "INCRBYFLOAT" => command.extend([self.key(), self.float()]),
            "LCS" => {
                command.extend([self.key(), self.key()]);
                while self.dice.chance(50) {
                    match self.dice.roll(4) {
                        0 => command.push(self.word("LEN")),
                        1 => command.push(self.word("IDX")),
                        2 => command.push(self.word("WITHMATCHLEN")),
                        _ => command.extend([self.word("MINMATCHLEN"), self.number()]),
                    }
                }
            }
            "KEYS" => command.push(self.dice.pick(PATTERNS).into()),
            "SCAN" => {
                command.extend([b"0".to_vec(), b"COUNT".to_vec(), b"1000".to_vec()]);
                while self.dice.chance(40) {
                    match self.dice.roll(if self.types { 3 } else { 2 }) {
                        0 => command.extend([self.word("MATCH"), self.dice.pick(PATTERNS).into()]),
                        1 => command
                            .extend([self.word("COUNT"), self.dice.pick(&["0", "-1", "x", "2000"]).into()]),
                        _ => command.extend([
                            self.word("TYPE"),
                            self.dice.pick(&["string", "STRING", "hash", "x"]).into(),
                        ]),
                    }
                }
            }
            "RENAME" | "RENAMENX" => command.extend([self.key(), self.key()]),
            "COPY" => {
                command.extend([self.key(), self.key()]);
                while self.dice.chance(45) {
                    match self.dice.roll(2) {
                        0 => command.push(self.word("REPLACE")),
                        _ => command.extend([self.word("DB"), self.database()]),
                    }
                }
            }
            "MOVE" => command.extend([self.key(), self.database()]),
            "SELECT" => command.push(self.database()),
            "SWAPDB" => command.extend([self.database(), self.database()]),
            "FLUSHDB" | "FLUSHALL" => {
                while self.dice.chance(30) {
                    let word = self.dice.pick(&["ASYNC", "SYNC"]);
                    command.push(self.word(word));
                }
            }
            "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" => {
                command.push(self.key());
                command.push(match name {
                    "EXPIRE" => self.seconds(),
                    "PEXPIRE" => self.milliseconds(),
                    "EXPIREAT" => self.date(),
                    _ => [self.date(), b"000".to_vec()].concat(),
                });
                while self.dice.chance(40) {
                    let word = self.dice.pick(&["NX", "XX", "GT", "LT"]);
                    command.push(self.word(word));
                }
            }
            "OBJECT" => {
                let word = self.dice.pick(&["FREQ", "HELP", "IDLETIME", "ENCODING"]);
                command.push(self.word(word));
                // What is there is encoded by its history in Redis: only what is absent can be compared.
                command.push(b"never-there".into());
                if word == "HELP" {
                    command.truncate(2);
                }
            }
            _ => {}
        }
        // A few with too many or too few arguments.
        match self.dice.roll(60) {
            // A SCAN without its COUNT may stop early.
            0 if name != "SCAN" => command.truncate(1 + self.dice.roll(command.len())),
            1 => command.push(self.value()),
            _ => {}
        }
        command
    }

    fn database(&mut self) -> Vec<u8> {
        if !self.selects {
            return b"0".into();
        }
        match self.dice.roll(20) {
            0 => self.dice.pick(&["16", "-1", "x", "99999999999", "1.5"]).into(),
            _ => self.dice.roll(DATABASES).to_string().into(),
        }
    }

    fn name(&mut self) -> &'static str {
        const OFTEN: &[&str] = &[
            "GET",
            "SET",
            "SET",
            "SET",
            "GETDEL",
            "STRLEN",
            "INCR",
            "DECR",
            "TTL",
            "PTTL",
            "EXPIRETIME",
            "PEXPIRETIME",
            "PERSIST",
            "TYPE",
            "GETEX",
            "SETEX",
            "PSETEX",
            "SETNX",
            "GETSET",
            "APPEND",
            "APPEND",
            "MGET",
            "DEL",
            "UNLINK",
            "EXISTS",
            "TOUCH",
            "MSET",
            "MSETNX",
            "SETRANGE",
            "SETRANGE",
            "GETRANGE",
            "SUBSTR",
            "INCRBY",
            "DECRBY",
            "INCRBYFLOAT",
            "INCRBYFLOAT",
            "LCS",
            "KEYS",
            "SCAN",
            "RENAME",
            "RENAMENX",
            "COPY",
            "COPY",
            "MOVE",
            "EXPIRE",
            "PEXPIRE",
            "EXPIREAT",
            "PEXPIREAT",
            "OBJECT",
            "RANDOMKEY",
            "DBSIZE",
        ];
        match self.dice.roll(100) {
            0 => self.dice.pick(&["FLUSHDB", "FLUSHALL"]),
            1 if self.selects => "SWAPDB",
            2..5 if self.selects => "SELECT",
            5..8 => "WATCH",
            8 => self.dice.pick(&["UNWATCH", "DISCARD", "EXEC", "NOSUCHCOMMAND"]),
            9..12 if !self.in_multi => "MULTI",
            9..24 if self.in_multi => self.dice.pick(&["EXEC", "EXEC", "EXEC", "DISCARD"]),
            _ => self.dice.pick(OFTEN),
        }
    }
}

/// The name of a command whose reply does not depend on chance or the moment is not looked at.
fn agree(command: &Command, ours: &Parsed, theirs: &Parsed, queued: bool) -> bool {
    let name = command[0].to_ascii_uppercase();
    let near = |most: i64| match (ours.int(), theirs.int()) {
        (Some(a), Some(b)) => a == b || a > 0 && b > 0 && (a - b).abs() <= most,
        _ => ours == theirs,
    };
    match name.as_slice() {
        b"TTL" | b"EXPIRETIME" => near(1),
        b"PTTL" | b"PEXPIRETIME" => near(1000),
        // Of a transaction: outside of one there is nothing due when DBSIZE is asked.
        b"DBSIZE" if queued => true,
        b"KEYS" => ours.clone().sorted() == theirs.clone().sorted(),
        b"SCAN" => match (ours, theirs) {
            (Parsed::Many(b'*', ours), Parsed::Many(b'*', theirs)) => {
                ours.len() == 2
                    && ours[0] == theirs[0]
                    && ours[1].clone().sorted() == theirs[1].clone().sorted()
            }
            _ => ours == theirs,
        },
        b"RANDOMKEY" => match (ours, theirs) {
            (Parsed::Leaf(ours), Parsed::Leaf(theirs)) => {
                ours == theirs
                    || ours.starts_with(b"$") && theirs.starts_with(b"$") && !theirs.starts_with(b"$-")
            }
            _ => false,
        },
        _ => ours == theirs,
    }
}

struct Pair<'d> {
    ours: Resp<'d>,
    theirs: RealClient,
    /// What goes to another client and not to the one that may be in a transaction.
    other: Option<Box<Pair<'d>>>,
    /// What is queued since MULTI.
    queue: Vec<Command>,
    before: VecDeque<String>,
}

fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(300)].escape_ascii().to_string()
}

fn line(command: &Command) -> String {
    let words: Vec<String> = command.iter().map(|word| format!("\"{}\"", show(word))).collect();
    words.join(" ")
}

impl<'d> Pair<'d> {
    fn connect(daemon: &'d Daemon, real: &RealRedis) -> Pair<'d> {
        Pair {
            ours: Resp::connect(daemon),
            theirs: real.connect(),
            other: None,
            queue: Vec::new(),
            before: VecDeque::new(),
        }
    }

    /// Sends a command to both and compares the replies.
    fn call(&mut self, command: &Command) -> Vec<u8> {
        let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let theirs = self.theirs.call(&args);
        self.ours.now = Clock::default().now();
        let ours = self.ours.call(&args);
        self.before.push_back(format!("{}  →  {}", line(command), show(&theirs)));
        if self.before.len() > 60 {
            self.before.pop_front();
        }
        let same = ours == theirs || {
            let (ours, theirs) = (Parsed::whole(&ours), Parsed::whole(&theirs));
            match (&ours, &theirs) {
                (Parsed::Many(b'*', ours), Parsed::Many(b'*', theirs))
                    if command[0].eq_ignore_ascii_case(b"EXEC") && ours.len() == theirs.len() =>
                {
                    self.queue.len() == ours.len()
                        && self
                            .queue
                            .iter()
                            .zip(ours.iter().zip(theirs))
                            .all(|(command, (a, b))| agree(command, a, b, true))
                }
                _ => agree(command, &ours, &theirs, false),
            }
        };
        if !same {
            for before in &self.before {
                eprintln!("{before}");
            }
            panic!("{}\n  ours:   {}\n  theirs: {}", line(command), show(&ours), show(&theirs));
        }
        theirs
    }

    /// Lets the other client do something meanwhile.
    fn interfere(&mut self, chooser: &mut Chooser) {
        let command = chooser.command();
        let name = command[0].to_ascii_uppercase();
        if matches!(name.as_slice(), b"MULTI" | b"EXEC" | b"DISCARD" | b"WATCH") {
            return;
        }
        if let Some(mut other) = self.other.take() {
            std::mem::swap(&mut self.before, &mut other.before);
            let reply = other.call(&command);
            std::mem::swap(&mut self.before, &mut other.before);
            self.before.push_back(format!("   (by the other client; {})", show(&reply)));
            self.other = Some(other);
        }
    }

    fn words(&mut self, words: &str) -> Vec<u8> {
        self.call(&words.split(' ').map(|word| word.as_bytes().to_vec()).collect())
    }

    /// Lets what is due go on both sides, so that it is not counted.
    fn let_expire(&mut self, wait: u64, database: &str, selects: bool) {
        std::thread::sleep(Duration::from_millis(wait));
        let all: Command = std::iter::once("EXISTS").chain(KEYS.iter().copied()).map(Into::into).collect();
        for db in 0..if selects { DATABASES } else { 0 } {
            self.words(&format!("SELECT {db}"));
            self.call(&all);
        }
        if selects {
            self.words(&format!("SELECT {database}"));
        } else {
            self.call(&all);
        }
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn walk(real: &RealRedis, resp3: bool, seed: u64) {
    let daemon = daemon(&[]);
    let mut pair = Pair::connect(&daemon, real);
    let knows = |pair: &mut Pair<'_>, words: &str| !pair.ours.ask(words).starts_with("-ERR unknown command");
    let selects = knows(&mut pair, "SELECT 0");
    if resp3 {
        if !knows(&mut pair, "HELLO 3") {
            eprintln!("NOT COMPARED in RESP3: magpie has no HELLO yet");
            return;
        }
        pair.theirs.call(&[b"HELLO", b"3"]);
    }
    pair.words("FLUSHALL");
    pair.other = Some(Box::new(Pair::connect(&daemon, real)));
    pair.theirs.call(&[b"CONFIG", b"RESETSTAT"]);
    let before = (daemon.count(Counter::KeyspaceHits), daemon.count(Counter::KeyspaceMisses));
    let mut chooser =
        Chooser { dice: Dice(seed), selects, expires_soon: false, wait: 0, in_multi: false, types: resp3 };
    let mut database = "0".to_owned();
    for _ in 0..from_environment("MAGPIE_STEPS", 30_000) {
        if chooser.dice.chance(10) {
            pair.interfere(&mut chooser);
        }
        let command = chooser.command();
        let reply = pair.call(&command);
        match command[0].to_ascii_uppercase().as_slice() {
            b"MULTI" if reply == b"+OK\r\n" => {
                chooser.in_multi = true;
                pair.queue.clear();
            }
            b"EXEC" | b"DISCARD"
                if chooser.in_multi && (reply.starts_with(b"-EXECABORT") || !reply.starts_with(b"-")) =>
            {
                chooser.in_multi = false;
                let selected =
                    pair.queue.iter().rev().filter(|command| command[0].eq_ignore_ascii_case(b"SELECT"));
                let selected: Vec<Vec<u8>> = selected.filter_map(|command| command.get(1).cloned()).collect();
                if reply.starts_with(b"*") && !selected.is_empty() {
                    // Which of them worked, the reply tells; simpler is to choose anew.
                    pair.words("SELECT 1");
                    database = "1".into();
                }
            }
            b"SELECT" if reply == b"+OK\r\n" => database = String::from_utf8_lossy(&command[1]).into_owned(),
            _ if reply == b"+QUEUED\r\n" => pair.queue.push(command),
            _ => {}
        }
        if chooser.expires_soon && !chooser.in_multi {
            pair.let_expire(std::mem::take(&mut chooser.wait), &database, selects);
            chooser.expires_soon = false;
        }
    }
    if chooser.types {
        return;
    }
    let stats = pair.theirs.call(&[b"INFO", b"stats"]);
    let stats = String::from_utf8_lossy(&stats);
    for (name, counter, before) in [
        ("keyspace_hits:", Counter::KeyspaceHits, before.0),
        ("keyspace_misses:", Counter::KeyspaceMisses, before.1),
    ] {
        let theirs =
            stats.lines().find_map(|line| line.strip_prefix(name)).and_then(|n| n.trim().parse().ok());
        assert_eq!(Some(daemon.count(counter) - before), theirs, "{name}");
    }
}

#[test]
fn random_commands_are_answered_as_redis_answers_them() {
    let Some(real) = RealRedis::start("differential", &[]) else { return };
    walk(&real, false, from_environment("MAGPIE_SEED", 0x5eed_0001));
    walk(&real, true, from_environment("MAGPIE_SEED", 0x5eed_0002));
}

/// Digits of any length with a point somewhere, and an exponent or none.
fn decimal(dice: &mut Dice) -> Vec<u8> {
    let mut text = if dice.chance(50) { b"-".to_vec() } else { Vec::new() };
    for _ in 0..=dice.roll(25) {
        text.push(b'0' + dice.roll(10) as u8);
    }
    if dice.chance(70) {
        text.push(b'.');
        for _ in 0..=dice.roll(25) {
            text.push(b'0' + dice.roll(10) as u8);
        }
    }
    if dice.chance(30) {
        let most = dice.pick(&[20, 60, 5000]);
        text.extend(format!("e{}", dice.roll(2 * most) as i64 - most as i64).bytes());
    }
    text
}

fn hexadecimal(dice: &mut Dice) -> Vec<u8> {
    let digits: String = (0..=dice.roll(24)).map(|_| dice.pick(&['0', '7', '8', 'a', 'F'])).collect();
    format!("0x{digits}.{:x}p{}", dice.roll(65536), dice.roll(200) as i64 - 100).into_bytes()
}

#[test]
fn floats_add_up_as_in_redis() {
    let Some(real) = RealRedis::start("floats", &[]) else { return };
    let daemon = daemon(&[]);
    let mut pair = Pair::connect(&daemon, &real);
    let mut dice = Dice(from_environment("MAGPIE_SEED", 0xf10a7));
    for _ in 0..from_environment("MAGPIE_STEPS", 8_000) / 2 {
        let number = |dice: &mut Dice| if dice.chance(10) { hexadecimal(dice) } else { decimal(dice) };
        let start = number(&mut dice);
        pair.call(&vec![b"SET".to_vec(), b"f".to_vec(), start]);
        for _ in 0..3 {
            pair.call(&vec![b"INCRBYFLOAT".to_vec(), b"f".to_vec(), number(&mut dice)]);
        }
    }
}

#[test]
fn subsequences_are_those_that_redis_finds() {
    let Some(real) = RealRedis::start("lcs", &[]) else { return };
    let daemon = daemon(&[]);
    let mut pair = Pair::connect(&daemon, &real);
    let mut dice = Dice(from_environment("MAGPIE_SEED", 0x1c5));
    for _ in 0..from_environment("MAGPIE_STEPS", 2_000) {
        for key in [b"a", b"b"] {
            let letters = 2 + dice.roll(4);
            let text: Vec<u8> = (0..dice.roll(80)).map(|_| b'a' + dice.roll(letters) as u8).collect();
            pair.call(&vec![b"SET".to_vec(), key.to_vec(), text]);
        }
        for options in
            ["", " LEN", " IDX", " IDX WITHMATCHLEN", " IDX MINMATCHLEN 3", " MINMATCHLEN 2 WITHMATCHLEN IDX"]
        {
            pair.words(&format!("LCS a b{options}"));
        }
    }
}

#[test]
fn the_table_tells_of_commands_what_redis_tells() {
    let Some(real) = RealRedis::start("table", &[]) else { return };
    let daemon = daemon(&[]);
    let mut pair = Pair::connect(&daemon, &real);
    let mut failed = false;
    for name in NAMES.split_whitespace() {
        let command = [&b"COMMAND"[..], b"INFO", name.as_bytes()];
        let (ours, theirs) = (pair.ours.call(&command), pair.theirs.call(&command));
        let (ours, theirs) = (deep(Parsed::whole(&ours)), deep(Parsed::whole(&theirs)));
        if ours != theirs {
            failed = true;
            eprintln!("{name}\n   ours:   {ours:?}\n   theirs: {theirs:?}");
        }
    }
    assert!(!failed);
}

/// In any order all the way down: flags are a set. The notes that two key specifications have are left out.
fn deep(parsed: Parsed) -> Parsed {
    let is_note = |item: &Parsed| match item {
        Parsed::Leaf(bytes) => {
            bytes.ends_with(b"\r\nnotes\r\n") || bytes.windows(7).any(|part| part == b"RW and ")
        }
        Parsed::Many(..) => false,
    };
    match parsed {
        Parsed::Many(kind, items) => {
            let items = items.into_iter().filter(|item| !is_note(item)).map(deep).collect();
            Parsed::Many(kind, items).sorted()
        }
        leaf => leaf,
    }
}

const NAMES: &str = "append copy dbsize decr decrby del discard exec exists expire expireat expiretime flushall \
    flushdb get getdel getex getrange getset incr incrby incrbyfloat keys lcs mget move mset msetnx multi object \
    persist pexpire pexpireat pexpiretime psetex pttl randomkey rename renamenx scan set setex setnx setrange \
    strlen substr swapdb touch ttl type unlink unwatch watch";
