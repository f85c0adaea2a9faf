//! Users beside the real server: random rules go to both; errors, what `ACL GETUSER` shows and what `ACL DRYRUN`
//! decides must agree. Then the line that magpie shows is given to Redis, which must make the same user of it.
//!
//! What cannot agree: Redis 7.0 shows commands in rules that it works out, 7.2 and magpie in those that were
//! given; denials have 7.2's words; 7.0 dies of `%~a`, and keeps `%RW~*` in a form that it cannot read back.

use crate::support::real_redis::{Parsed, RealClient, RealRedis};
use crate::support::{Dice, Resp, daemon};
use crate::walk::from_environment;

const COMMANDS: &[&str] = &[
    "get",
    "set",
    "del",
    "mset",
    "mget",
    "copy",
    "rename",
    "config",
    "config|get",
    "config|set",
    "client|list",
    "client",
    "acl",
    "acl|whoami",
    "select",
    "ping",
    "publish",
    "subscribe",
    "psubscribe",
    "flushall",
    "object|freq",
    "memory|usage",
    "GETEX",
    "touch",
    "expire",
    "watch",
    "auth",
    "nope",
    "config|nope",
    "get|x",
    "select|0",
    "config|get|x",
    "keys",
    "debug",
    "multi",
    "bitcount",
    "sadd",
];
const CATEGORIES: &[&str] = &[
    "read",
    "write",
    "admin",
    "slow",
    "fast",
    "connection",
    "string",
    "dangerous",
    "keyspace",
    "all",
    "pubsub",
    "transaction",
    "nope",
    "READ",
    "",
];
const PATTERNS: &[&str] = &["a", "b", "a*", "?", "[a-b]", "", "c\\*", "x y"];
const FLAGS: &[&str] = &[
    "on",
    "off",
    "nopass",
    "resetpass",
    "reset",
    "clearselectors",
    "sanitize-payload",
    "skip-sanitize-payload",
    ">a",
    ">b",
    "<a",
    "<c",
    "#zz",
    "#5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    "!5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    "ON",
    "nonsense",
    "",
    "(",
    ")",
    "()",
    "(+get",
    "~a)",
];
const REQUESTS: &[&str] = &[
    "get a",
    "get b",
    "get c*",
    "get x",
    "set a 1",
    "set b 1",
    "set a 1 get",
    "mget a b",
    "mset a 1 b 1",
    "copy a b",
    "copy b a",
    "rename a b",
    "del a b",
    "getex a",
    "expire a 1",
    "touch a",
    "watch a",
    "config get x",
    "config set x y",
    "client list",
    "client id",
    "acl whoami",
    "select 0",
    "select 1",
    "ping",
    "publish a m",
    "publish b m",
    "subscribe a b",
    "psubscribe a*",
    "psubscribe b",
    "ssubscribe a",
    "spublish b m",
    "flushall",
    "object freq a",
    "memory usage b",
    "auth x",
    "keys *",
    "debug sleep 0",
    "multi",
    "exec",
    "bitcount a",
    "bitfield a get u8 0",
    "bitfield a get u8 0 set u8 0 1",
    "bitfield b overflow sat get u8 0",
    "sadd a 1",
    "smembers b",
    "sinterstore a b x",
    "xadd a * f v",
];

fn selector_rule(dice: &mut Dice) -> String {
    match dice.roll(10) {
        0..=2 => format!("{}{}", dice.pick(&["+", "+", "-"]), dice.pick(COMMANDS)),
        3..=4 => format!("{}@{}", dice.pick(&["+", "-"]), dice.pick(CATEGORIES)),
        5..=6 => format!("{}{}", dice.pick(&["~", "%R~", "%w~", "%rW~", "%RR~", "%X~"]), dice.pick(PATTERNS)),
        7..=8 => format!("&{}", dice.pick(PATTERNS)),
        _ => dice
            .pick(&[
                "allkeys",
                "~*",
                "resetkeys",
                "allchannels",
                "&*",
                "resetchannels",
                "allcommands",
                "nocommands",
            ])
            .to_owned(),
    }
}

fn rule(dice: &mut Dice) -> String {
    match dice.roll(12) {
        0..=2 => dice.pick(FLAGS).to_owned(),
        3 => {
            let rules: Vec<String> = (0..dice.roll(5)).map(|_| selector_rule(dice)).collect();
            format!("({})", rules.join(" "))
        }
        _ => selector_rule(dice),
    }
}

struct Pair<'d> {
    ours: Resp<'d>,
    theirs: RealClient,
}

impl Pair<'_> {
    /// The same request to both; ours has its denials in the words of 7.0.
    fn ask(&mut self, request: &[&str]) -> (Parsed, Parsed) {
        let args: Vec<&[u8]> = request.iter().map(|word| word.as_bytes()).collect();
        let ours = Parsed::whole(&self.ours.call(&args));
        (ours, Parsed::whole(&self.theirs.call(&args)))
    }

    fn dryruns(&mut self, user: &'static str, theirs: &'static str, history: &str) {
        for request in REQUESTS {
            let with = |user: &'static str| -> Vec<&[u8]> {
                ["ACL", "DRYRUN", user].into_iter().chain(request.split(' ')).map(str::as_bytes).collect()
            };
            let (one, other) = (with(user), with(theirs));
            let ours = text(&self.ours.call(&one)).replace(&format!("User {user} has"), "This user has");
            let theirs = text(&self.theirs.call(&other));
            assert_eq!(ours, theirs, "{request}\n{history}");
        }
    }
}

/// A string's or a line's text, without its length.
fn text(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let text = text.trim_end();
    match text.starts_with('$') {
        true => text.split_once("\r\n").map_or("", |(_, text)| text).to_owned(),
        false => text[1..].to_owned(),
    }
}

/// What `ACL GETUSER` shows, but the commands.
fn without_commands(shown: &Parsed) -> Parsed {
    let Parsed::Many(kind, fields) = shown else { return shown.clone() };
    let mut kept = Vec::new();
    let mut fields = fields.iter();
    while let Some(field) = fields.next() {
        match field {
            Parsed::Leaf(name) if name.ends_with(b"commands\r\n") => drop(fields.next()),
            field => kept.push(without_commands(field)),
        }
    }
    Parsed::Many(*kind, kept)
}

#[test]
fn random_users_are_the_same_in_redis() {
    let Some(real) = RealRedis::start("acl", &[]) else { return };
    let daemon = daemon(&[]);
    let mut dice = Dice(from_environment("MAGPIE_SEED", 0x5eed_0acf));
    let mut pair = Pair { ours: Resp::connect(&daemon), theirs: real.connect() };
    for round in 0..from_environment("MAGPIE_STEPS", 400) {
        // 7.0 has no payload flag before `reset`; 7.2 has.
        let _ = pair.ask(&["ACL", "SETUSER", "u", "reset"]);
        let mut history = format!("round {round}");
        for _ in 0..1 + dice.roll(6) {
            let rules: Vec<String> = (0..1 + dice.roll(3)).map(|_| rule(&mut dice)).collect();
            if rules.iter().any(|rule| rule.contains("W~*")) {
                continue;
            }
            let request: Vec<&str> =
                ["ACL", "SETUSER", "u"].into_iter().chain(rules.iter().map(String::as_str)).collect();
            history += &format!("\n{rules:?}");
            let (ours, theirs) = pair.ask(&request);
            let is_unmatched = |reply: &Parsed| format!("{reply:?}").contains("Unmatched parenthesis");
            // 7.0 quotes another argument than the one that it means.
            assert!(
                ours == theirs || is_unmatched(&ours) && is_unmatched(&theirs),
                "{ours:?} {theirs:?}\n{history}"
            );
        }
        let (ours, theirs) = pair.ask(&["ACL", "GETUSER", "u"]);
        assert_eq!(without_commands(&ours), without_commands(&theirs), "{history}");
        pair.dryruns("u", "u", &history);

        let (list, _) = pair.ask(&["ACL", "LIST"]);
        let Parsed::Many(_, lines) = list else { panic!("ACL LIST gives an array") };
        let line = lines.iter().map(|line| match line {
            Parsed::Leaf(bytes) => text(bytes),
            Parsed::Many(..) => String::new(),
        });
        let line = line.into_iter().find(|line| line.starts_with("user u ")).expect("the user is listed");
        let again: Vec<&[u8]> = ["ACL", "SETUSER", "again", "reset"]
            .into_iter()
            .chain(line.split(' ').skip(2))
            .map(str::as_bytes)
            .collect();
        let reply = text(&pair.theirs.call(&again));
        assert_eq!(reply, "OK", "{line}\n{history}");
        pair.dryruns("u", "again", &history);
    }
}

/// In which categories a command is, and which there are.
#[test]
fn categories_hold_the_same_commands() {
    let Some(real) = RealRedis::start("acl-cat", &[]) else { return };
    let daemon = daemon(&[]);
    let mut pair = Pair { ours: Resp::connect(&daemon), theirs: real.connect() };
    let names = |parsed: &Parsed| -> Vec<String> {
        match parsed {
            Parsed::Many(_, items) => items.iter().map(|item| format!("{item:?}")).collect(),
            Parsed::Leaf(_) => Vec::new(),
        }
    };
    let (ours, theirs) = pair.ask(&["ACL", "CAT"]);
    assert_eq!(ours, theirs);
    let (our_commands, their_commands) = pair.ask(&["COMMAND", "LIST", "FILTERBY", "PATTERN", "*"]);
    let (our_commands, their_commands) = (names(&our_commands), names(&their_commands));
    for category in magpie::commands::categories::CATEGORIES {
        let (ours, theirs) = pair.ask(&["ACL", "CAT", category]);
        let known = |names: Vec<String>, others: &[String]| {
            let mut names: Vec<String> = names.into_iter().filter(|name| others.contains(name)).collect();
            names.sort();
            names
        };
        assert_eq!(known(names(&ours), &their_commands), known(names(&theirs), &our_commands), "{category}");
    }
}
