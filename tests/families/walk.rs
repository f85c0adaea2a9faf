//! A random walk: the same commands go to magpie, in this process, and to a real `redis-server`.
//!
//! A family calls [`beside_redis`] with a closure that makes the next command out of dice, and one that says
//! when two replies that are not the same bytes agree after all (see [`same_set`], [`near`]). Everything is
//! walked in RESP2 and in RESP3.
//!
//! `MAGPIE_STEPS=1000000` makes a walk longer, `MAGPIE_SEED=7` takes another one.

#![allow(dead_code, reason = "each family uses its part")]

use crate::support::real_redis::{Parsed, RealClient, RealRedis};
use crate::support::{Dice, Peer, Resp, daemon};
use magpie::clock::Clock;
use magpie::daemon::Daemon;
use std::collections::VecDeque;

pub type Command = Vec<Vec<u8>>;

/// How many of the last commands are shown when two replies differ.
const REMEMBERED: usize = 40;

pub fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// A command of words with blanks between them.
pub fn words(text: &str) -> Command {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Walks `MAGPIE_STEPS` steps, or `steps`, in either version of the protocol. `options` are set on both
/// servers, as `name value` pairs.
///
/// # Panics
/// Two replies differ and `agrees` says that they may not. The commands before are printed.
pub fn beside_redis(
    name: &str,
    options: &[(&str, &str)],
    steps: u64,
    mut next: impl FnMut(&mut Dice) -> Command,
    agrees: impl Fn(&Command, &Parsed, &Parsed) -> bool,
) {
    let flags: Vec<String> =
        options.iter().flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let steps = from_environment("MAGPIE_STEPS", steps);
    for (version, seed) in [("2", 0x5eed_0001), ("3", 0x5eed_0002)] {
        // A new server each time: a walk may have changed its parameters.
        let Some(real) = RealRedis::start(name, &flags) else { return };
        let daemon = daemon(options);
        let mut pair = Pair::connect(&daemon, &real);
        // Both tell of themselves: not compared.
        pair.theirs.call(&[b"HELLO", version.as_bytes()]);
        pair.ours.call(&[b"HELLO", version.as_bytes()]);
        let mut dice = Dice(from_environment("MAGPIE_SEED", seed));
        for _ in 0..steps {
            pair.step(&next(&mut dice), &agrees);
        }
    }
}

/// For the second closure of [`beside_redis`]: nothing but the same bytes will do.
pub fn exactly(_: &Command, _: &Parsed, _: &Parsed) -> bool {
    false
}

/// Do both hold the same, in whatever order?
pub fn same_set(ours: &Parsed, theirs: &Parsed) -> bool {
    ours.clone().sorted() == theirs.clone().sorted()
}

/// The same of pairs, field and value: in any order, as a flat array, as a map or as an array of pairs.
pub fn same_pairs(ours: &Parsed, theirs: &Parsed) -> bool {
    let pairs = |parsed: &Parsed| match parsed {
        Parsed::Many(kind, items) => {
            let mut pairs: Vec<_> = items.chunks(2).map(<[Parsed]>::to_vec).collect();
            pairs.sort();
            Some((*kind, pairs))
        }
        Parsed::Leaf(_) => None,
    };
    pairs(ours).is_some() && pairs(ours) == pairs(theirs)
}

/// Are both numbers, and no further apart than time may have moved them?
pub fn near(ours: &Parsed, theirs: &Parsed, most: i64) -> bool {
    matches!((ours.int(), theirs.int()), (Some(a), Some(b)) if a > 0 && b > 0 && (a - b).abs() <= most)
}

/// A connection to each of the two.
pub struct Pair<'d> {
    pub ours: Resp<'d>,
    pub theirs: RealClient,
    before: VecDeque<String>,
}

impl<'d> Pair<'d> {
    pub fn connect(daemon: &'d Daemon, real: &RealRedis) -> Pair<'d> {
        Pair { ours: Resp::connect(daemon), theirs: real.connect(), before: VecDeque::new() }
    }

    /// Sends a command to both and compares; the reply, which is that of the real one.
    pub fn step(
        &mut self,
        command: &Command,
        agrees: &impl Fn(&Command, &Parsed, &Parsed) -> bool,
    ) -> Vec<u8> {
        let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let theirs = self.theirs.call(&args);
        self.ours.now = Clock::default().now();
        let mut ours = self.ours.call(&args);
        if ours.is_empty() {
            // It waits, for milliseconds as commands of a walk do: they have passed.
            self.ours.now = self.ours.now.saturating_add(100);
            ours = self.ours.send(b"");
        }
        self.before.push_back(format!("{}  →  {}", line(command), show(&theirs)));
        if self.before.len() > REMEMBERED {
            self.before.pop_front();
        }
        if ours != theirs && !agrees(command, &Parsed::whole(&ours), &Parsed::whole(&theirs)) {
            for before in &self.before {
                eprintln!("{before}");
            }
            panic!("{}\n  ours:   {}\n  theirs: {}", line(command), show(&ours), show(&theirs));
        }
        theirs
    }
}

fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(300)].escape_ascii().to_string()
}

fn line(command: &Command) -> String {
    let words: Vec<String> = command.iter().map(|word| format!("\"{}\"", show(word))).collect();
    words.join(" ")
}
