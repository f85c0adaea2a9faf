//! The table of commands: the only registration. Look-up, arity, gates, key extraction, `COMMAND` and its
//! subcommands, `ACL CAT` and statistics by command all derive from it.

use super::error::{CommandError, printed};
use super::{Args, CommandResult, Ctx};
use crate::config::Param;
use crate::resp::Argv;
use std::collections::HashMap;
use std::iter::StepBy;
use std::ops::Range;
use std::sync::LazyLock;

/// How many arguments a command takes, its name included (and its container's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    Exactly(u8),
    AtLeast(u8),
}

impl Arity {
    pub fn allows(self, count: usize) -> bool {
        match self {
            Arity::Exactly(n) => count == n as usize,
            Arity::AtLeast(n) => count >= n as usize,
        }
    }

    /// As `COMMAND INFO` shows it: negative for a minimum.
    pub fn number(self) -> i64 {
        match self {
            Arity::Exactly(n) => n.into(),
            Arity::AtLeast(n) => -i64::from(n),
        }
    }
}

macro_rules! flags {
    ($($name:ident $text:literal),* $(,)?) => {
        /// What the gates need to know of a command; names and order as in `COMMAND INFO`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Flag { $($name),* }

        impl Flag {
            pub fn name(self) -> &'static str {
                match self { $(Flag::$name => $text),* }
            }
        }
    };
}

flags! {
    Write "write", ReadOnly "readonly", DenyOom "denyoom", Admin "admin", PubSub "pubsub",
    NoScript "noscript", Blocking "blocking", Loading "loading", Stale "stale",
    SkipMonitor "skip_monitor", SkipSlowlog "skip_slowlog", Asking "asking", Fast "fast",
    NoAuth "no_auth", MayReplicate "may_replicate", NoMandatoryKeys "no_mandatory_keys",
    Protected "protected", NoAsyncLoading "no_async_loading", NoMulti "no_multi",
    MovableKeys "movablekeys", AllowBusy "allow_busy",
}

/// What a command does with a key, as in `COMMAND INFO`'s key specifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// `RO access`
    Read,
    /// `RO`: only metadata is looked at.
    Look,
    /// `RW access`: read, and what is written nobody can tell from what was there.
    ReadRewrite,
    /// `RW access insert`
    ReadInsert,
    /// `RW access update`
    ReadUpdate,
    /// `RW update`
    Update,
    /// `RW insert`
    Insert,
    /// `RW access delete`
    ReadDelete,
    /// `RW delete`
    Delete,
    /// `OW update`: overwritten without being read.
    Overwrite,
    /// `OW insert`
    OverwriteInsert,
    /// `RM delete`
    Remove,
    /// `RM access delete`
    ReadRemove,
    /// `RW access update variable_flags`: whether it is read depends on the arguments.
    MayReadUpdate,
    /// The same of `BITFIELD`, which always reads, and may write.
    ReadMayUpdate,
    /// `RW access delete incomplete`: there may be more keys than the specification finds.
    MayReadDelete,
    /// `not_key`: a cluster routes by it as by a key (shard channels).
    NotKey,
}

impl KeyUse {
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            KeyUse::Read => &["RO", "access"],
            KeyUse::Look => &["RO"],
            KeyUse::ReadRewrite => &["RW", "access"],
            KeyUse::ReadInsert => &["RW", "access", "insert"],
            KeyUse::ReadUpdate => &["RW", "access", "update"],
            KeyUse::Update => &["RW", "update"],
            KeyUse::Insert => &["RW", "insert"],
            KeyUse::ReadDelete => &["RW", "access", "delete"],
            KeyUse::MayReadDelete => &["RW", "access", "delete", "incomplete"],
            KeyUse::Delete => &["RW", "delete"],
            KeyUse::Overwrite => &["OW", "update"],
            KeyUse::OverwriteInsert => &["OW", "insert"],
            KeyUse::Remove => &["RM", "delete"],
            KeyUse::ReadRemove => &["RM", "access", "delete"],
            KeyUse::NotKey => &["not_key"],
            KeyUse::MayReadUpdate | KeyUse::ReadMayUpdate => &["RW", "access", "update", "variable_flags"],
        }
    }

    /// What a call does where that depends on its arguments: `SET` reads when it is to `GET`.
    fn in_call(self, argv: Argv<'_>) -> KeyUse {
        match self {
            KeyUse::MayReadUpdate if argv.skip(3).iter().any(|arg| arg.eq_ignore_ascii_case(b"GET")) => {
                KeyUse::ReadUpdate
            }
            KeyUse::MayReadUpdate => KeyUse::Overwrite,
            KeyUse::ReadMayUpdate => {
                let is_write =
                    |arg: &[u8]| arg.eq_ignore_ascii_case(b"SET") || arg.eq_ignore_ascii_case(b"INCRBY");
                if argv.skip(2).iter().any(is_write) { KeyUse::ReadUpdate } else { KeyUse::Read }
            }
            usage => usage,
        }
    }
}

/// Where keys begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(u8),
    /// Behind `STREAMS` (XREAD, XREADGROUP), which Redis says is to be looked for from this argument on.
    Streams(u8),
    /// Behind `STORE` or `STOREDIST` (GEORADIUS, GEORADIUSBYMEMBER), which are options from this argument on.
    GeoStore(&'static str, u8),
    /// MIGRATE's key, unless there is `KEYS`.
    Migrated,
    /// Behind `KEYS`, where that key is empty.
    MigratedKeys,
    /// Where it takes more than a rule to tell.
    Unknown(Hidden),
}

/// The key among MIGRATE's arguments.
pub const MIGRATED: u8 = 3;

impl Begin {
    /// At which argument Redis says the keys begin, where that is always the same one.
    pub fn index(self) -> Option<u8> {
        match self {
            Begin::Index(index) => Some(index),
            Begin::Migrated => Some(MIGRATED),
            Begin::Streams(_) | Begin::GeoStore(..) | Begin::MigratedKeys | Begin::Unknown(_) => None,
        }
    }
}

/// Keys that Redis' key specifications call unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Not among the arguments: those that the patterns of SORT lead to.
    Patterns,
    /// Behind the last `STORE` of SORT that is no option's argument.
    SortStore,
}

impl Hidden {
    fn positions(self, argv: Argv<'_>) -> Vec<usize> {
        match self {
            Hidden::Patterns => Vec::new(),
            Hidden::SortStore => {
                let (mut at, mut found) = (2, None);
                while let Some(arg) = argv.get(at) {
                    let is = |word: &str| arg.eq_ignore_ascii_case(word.as_bytes());
                    if is("LIMIT") {
                        at += 2;
                    } else if is("GET") || is("BY") {
                        at += 1;
                    } else if is("STORE") && at + 1 < argv.len() {
                        found = Some(at + 1);
                    }
                    at += 1;
                }
                found.into_iter().collect()
            }
        }
    }

    /// May a call reach keys that are no arguments?
    fn reaches_beyond(self, argv: Argv<'_>) -> bool {
        self == Hidden::Patterns && argv.skip(2).iter().any(|arg| arg.contains(&b'*'))
    }
}

/// Which arguments are keys from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Up to `last` (relative to the beginning; negative: counted from the end of the command), every
    /// `step`-th; `limit` 2 means the first half of them, as Redis has it for XREAD.
    Range { last: i16, step: u8, limit: u8 },
    /// As many as the argument `at` says (relative), from `first` on, every `step`-th.
    Count { at: u8, first: u8, step: u8 },
    /// See [`Begin::Unknown`].
    Unknown,
}

/// Some keys of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    pub begin: Begin,
    pub find: Find,
    pub usage: KeyUse,
}

impl KeySpec {
    /// The one argument `index`.
    pub const fn one(index: u8, usage: KeyUse) -> KeySpec {
        KeySpec::range(index, 0, 1, usage)
    }

    pub const fn range(index: u8, last: i16, step: u8, usage: KeyUse) -> KeySpec {
        KeySpec { begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 }, usage }
    }

    /// `numkeys key …` with `numkeys` at argument `index`.
    pub const fn counted(index: u8, usage: KeyUse) -> KeySpec {
        KeySpec { begin: Begin::Index(index), find: Find::Count { at: 0, first: 1, step: 1 }, usage }
    }

    /// Positions of the keys; nothing where the arguments do not add up.
    pub fn positions(&self, argv: Argv<'_>) -> Vec<usize> {
        if let Begin::Unknown(hidden) = self.begin {
            return hidden.positions(argv);
        }
        let Some(begin) = self.begin_in(argv) else { return Vec::new() };
        match self.find {
            Find::Range { last, step, limit } => {
                let mut end = if last >= 0 {
                    begin + last as usize
                } else {
                    argv.len().saturating_sub(last.unsigned_abs() as usize)
                };
                if limit > 1 && end >= begin {
                    end = begin + (end + 1 - begin) / limit as usize;
                    end = end.saturating_sub(1);
                }
                (begin..=end).step_by(step.max(1) as usize).filter(|&at| at < argv.len()).collect()
            }
            Find::Count { at, first, step } => {
                let count = argv.get(begin + at as usize).and_then(super::args::parse_int).unwrap_or(0);
                let count = usize::try_from(count).unwrap_or(0).min(argv.len());
                let from = begin + first as usize;
                (0..count).map(|i| from + i * step.max(1) as usize).filter(|&at| at < argv.len()).collect()
            }
            Find::Unknown => Vec::new(),
        }
    }

    fn begin_in(&self, argv: Argv<'_>) -> Option<usize> {
        match self.begin {
            Begin::Index(index) => Some(index as usize),
            Begin::Streams(_) => behind_streams(argv),
            Begin::GeoStore(word, from) => behind_geo_store(argv, word, from.into()),
            Begin::Migrated => Some(MIGRATED.into()).filter(|_| behind_keys(argv).is_none()),
            Begin::MigratedKeys => behind_keys(argv).filter(|_| argv.get(MIGRATED.into()) == Some(b"")),
            Begin::Unknown(_) => None,
        }
    }
}

/// Where the keys of MIGRATE begin that are no argument of its own.
fn behind_keys(argv: Argv<'_>) -> Option<usize> {
    behind(argv, "KEYS", 6, &[("COPY", 1), ("REPLACE", 1), ("AUTH", 2), ("AUTH2", 3)])
}

/// Where the keys of XREAD and XREADGROUP begin. Differs: Redis looks for the word, though a group or a
/// consumer may be called so too; but whose shards are locked must be the keys that the command then uses.
fn behind_streams(argv: Argv<'_>) -> Option<usize> {
    behind(argv, "STREAMS", 1, &[("NOACK", 1), ("BLOCK", 2), ("COUNT", 2), ("GROUP", 3)])
}

/// Behind a word that options may stand before, each with as many arguments as it takes, itself included.
fn behind(argv: Argv<'_>, word: &str, from: usize, options: &[(&str, usize)]) -> Option<usize> {
    let mut at = from;
    loop {
        let arg = argv.get(at)?;
        let is = |word: &str| arg.eq_ignore_ascii_case(word.as_bytes());
        if is(word) {
            return Some(at + 1);
        }
        at += options.iter().find(|(name, _)| is(name))?.1;
    }
}

/// The key that GEORADIUS stores to, if the word before it is this one: of several the last one counts.
fn behind_geo_store(argv: Argv<'_>, word: &str, from: usize) -> Option<usize> {
    let (mut at, mut last) = (from, None);
    while at + 1 < argv.len() {
        let option = argv.get(at)?;
        let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
        let stores = is("STORE") || is("STOREDIST");
        if stores {
            last = is(word).then_some(at + 1);
        }
        at += if stores || is("COUNT") { 2 } else { 1 };
    }
    last
}

/// One command.
pub struct CommandSpec {
    /// Lower-case; of a subcommand its own word.
    pub name: &'static str,
    pub arity: Arity,
    pub flags: &'static [Flag],
    pub keys: &'static [KeySpec],
    /// ACL categories beyond those that follow from the flags (`@write`, `@read`, `@fast`, `@slow`, …).
    pub acl: &'static [&'static str],
    /// Hints for clients and proxies, as `COMMAND INFO` calls them.
    pub tips: &'static [&'static str],
    /// The version that deprecated it, and what to use in its place.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// The parameter that says who may use it, where that is not everybody (`enable-debug-command`).
    pub guard: Option<Param>,
    /// Which arguments are secrets, kept from MONITOR and SLOWLOG; by position, the name being 0.
    pub hides: fn(Argv<'_>, usize) -> bool,
    /// Runs where the Lua VM is: on the script's thread, or on a worker that has it for a moment.
    pub needs_vm: bool,
    pub since: &'static str,
    pub group: &'static str,
    pub complexity: &'static str,
    pub summary: &'static str,
    pub subcommands: &'static [CommandSpec],
    pub run: fn(&mut Ctx<'_>, &mut Args<'_>) -> CommandResult,
}

impl CommandSpec {
    /// What most commands are; a spec names what it has beyond that, and `name`, `arity`, `run`.
    pub const BASE: CommandSpec = CommandSpec {
        name: "",
        arity: Arity::AtLeast(1),
        flags: &[],
        keys: &[],
        acl: &[],
        tips: &[],
        deprecated: None,
        guard: None,
        hides: |_, _| false,
        needs_vm: false,
        since: "1.0.0",
        group: "generic",
        complexity: "O(1)",
        summary: "",
        subcommands: &[],
        run: |_, _| Err(CommandError::Syntax),
    };

    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// Where its keys are; what only a cluster takes for one is left out.
    pub fn key_specs(&self) -> impl Iterator<Item = &'static KeySpec> + use<> {
        self.keys.iter().filter(|keys| keys.usage != KeyUse::NotKey)
    }
}

/// A command with what dispatch asks of it on every call, worked out once.
pub struct Command {
    pub spec: &'static CommandSpec,
    /// `container|subcommand`, or the name.
    pub full_name: &'static str,
    /// Set for a subcommand.
    pub container: Option<&'static str>,
    pub is_write: bool,
    pub is_read: bool,
    pub denies_oom: bool,
    pub may_run_unauthenticated: bool,
    pub is_hidden_from_monitor: bool,
    /// What it answers are messages, which `CLIENT REPLY` does not silence.
    pub answers_with_messages: bool,
    /// A subscriber that speaks RESP2 may use it.
    pub is_for_subscribers: bool,
    /// Takes the same short time always, so that its calls are timed by sampling (see `metering`).
    pub is_quick: bool,
    /// Reads or writes keys and does nothing else: no gate looks at more than what [`super::dispatch::is_plain`] asks
    /// for, and it leaves all that as it was.
    pub is_plain: bool,
    /// More than one key, keys in places that vary, or one to wait for: held together while the command runs.
    pub holds_keys: bool,
    /// Index into per-command statistics.
    pub number: usize,
    pub subcommands: Vec<Command>,
}

impl Command {
    fn new(
        spec: &'static CommandSpec,
        container: Option<&'static str>,
        names: &mut Vec<&'static str>,
    ) -> Command {
        let full_name = match container {
            Some(container) => Box::leak(format!("{container}|{}", spec.name).into_boxed_str()),
            None => spec.name,
        };
        let number = names.len();
        names.push(full_name);
        Command {
            spec,
            full_name,
            container,
            is_write: spec.has(Flag::Write),
            is_read: spec.has(Flag::ReadOnly),
            denies_oom: spec.has(Flag::DenyOom),
            may_run_unauthenticated: spec.has(Flag::NoAuth),
            is_hidden_from_monitor: spec.has(Flag::SkipMonitor) || spec.has(Flag::Admin),
            answers_with_messages: subscribes(spec),
            is_for_subscribers: subscribes(spec) || matches!(full_name, "ping" | "quit" | "reset"),
            is_quick: spec.complexity.starts_with("O(1)"),
            holds_keys: spec.has(Flag::Blocking)
                || spec.key_specs().count() > 1
                || spec.key_specs().any(|keys| keys.find != Find::Range { last: 0, step: 1, limit: 0 }),
            is_plain: (spec.has(Flag::Write) || spec.has(Flag::ReadOnly))
                && container.is_none()
                && spec.subcommands.is_empty()
                && spec.guard.is_none()
                && !spec.needs_vm
                && ![Flag::Admin, Flag::PubSub, Flag::Blocking, Flag::NoScript]
                    .iter()
                    .any(|&flag| spec.has(flag)),
            number,
            subcommands: spec
                .subcommands
                .iter()
                .map(|sub| Command::new(sub, Some(spec.name), names))
                .collect(),
        }
    }

    /// May a call reach keys that are not among its arguments? Then it holds the whole store.
    pub fn reaches_beyond_keys(&self, argv: Argv<'_>) -> bool {
        self.spec
            .keys
            .iter()
            .any(|keys| matches!(keys.begin, Begin::Unknown(hidden) if hidden.reaches_beyond(argv)))
    }

    /// Positions of all keys of a call, and what is done with them.
    pub fn keys<'a>(&self, argv: Argv<'a>) -> impl Iterator<Item = (usize, KeyUse)> + use<'a> {
        let of = move |keys: &'static KeySpec| {
            let usage = keys.usage.in_call(argv);
            keys.positions(argv).into_iter().map(move |at| (at, usage))
        };
        self.spec.key_specs().flat_map(of)
    }

    /// Positions of all keys of a call where they are a plain range of the arguments, as in MGET and DEL: no list of
    /// them has to be made.
    #[inline]
    pub fn key_range(&self, argv: Argv<'_>) -> Option<StepBy<Range<usize>>> {
        let [KeySpec { begin: Begin::Index(begin), find: Find::Range { last, step, limit: 0 | 1 }, usage }] =
            self.spec.keys
        else {
            return None;
        };
        let (begin, step) = (usize::from(*begin), usize::from((*step).max(1)));
        let end = if *last < 0 {
            (argv.len() + 1).saturating_sub(usize::from(last.unsigned_abs()))
        } else {
            begin + usize::from(last.unsigned_abs()) + 1
        };
        (*usage != KeyUse::NotKey).then(|| (begin..end.min(argv.len())).step_by(step))
    }

    /// Positions of all keys of a call.
    pub fn key_positions(&self, argv: Argv<'_>) -> Vec<usize> {
        self.spec.key_specs().flat_map(|keys| keys.positions(argv)).collect()
    }
}

/// (P|S)SUBSCRIBE and (P|S)UNSUBSCRIBE: of the commands about channels those that scripts may not use.
fn subscribes(spec: &CommandSpec) -> bool {
    spec.has(Flag::PubSub) && spec.has(Flag::NoScript)
}

/// The whole table, by lower-case name.
pub struct Table {
    commands: HashMap<&'static [u8], &'static Command, foldhash::fast::RandomState>,
    /// Those with short names again, by the name's eight bytes.
    short: Box<[Short; SHORT]>,
    /// Full names by [`Command::number`].
    names: Vec<&'static str>,
}

const NAME_MAX: usize = 32;
/// Slots for short names, a power of two; few names share one.
const SHORT: usize = 1024;

/// A command by the eight bytes of its name, which most requests are found by in a few instructions.
type Short = (u64, Option<&'static Command>);

/// A name of at most eight bytes as a number, and its slot. Letters count as lower case, and nothing else counts as a
/// lower-case letter, so a name that has the number of one in such letters is that name.
#[inline]
fn short_name(name: &[u8]) -> Option<(u64, usize)> {
    if name.is_empty() || name.len() > 8 {
        return None;
    }
    let mut number = 0;
    for (i, &byte) in name.iter().enumerate() {
        number |= u64::from(byte | 0x20) << (8 * i);
    }
    Some((number, (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize))
}

impl Table {
    fn new(
        commands: HashMap<&'static [u8], &'static Command, foldhash::fast::RandomState>,
        names: Vec<&'static str>,
    ) -> Table {
        let mut short = Box::new([(0, None); SHORT]);
        for (name, command) in &commands {
            if name.iter().all(u8::is_ascii_lowercase)
                && let Some((number, slot)) = short_name(name)
            {
                short[slot] = (number, Some(*command));
            }
        }
        Table { commands, short, names }
    }

    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&'static Command> {
        if let Some((number, slot)) = short_name(name)
            && let (known, Some(command)) = self.short[slot]
            && known == number
        {
            return Some(command);
        }
        self.find_any(name)
    }

    fn find_any(&self, name: &[u8]) -> Option<&'static Command> {
        if name.len() > NAME_MAX {
            return None;
        }
        let mut lower = [0; NAME_MAX];
        let lower = &mut lower[..name.len()];
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.commands.get(&*lower).copied()
    }

    /// By name, `|` between container and subcommand.
    pub fn find_full(&self, name: &[u8]) -> Option<&'static Command> {
        let mut parts = name.splitn(2, |&byte| byte == b'|');
        let command = self.find(parts.next()?)?;
        match parts.next() {
            None => Some(command),
            Some(sub) => {
                command.subcommands.iter().find(|known| known.spec.name.as_bytes().eq_ignore_ascii_case(sub))
            }
        }
    }

    /// In alphabetical order.
    pub fn all(&self) -> Vec<&'static Command> {
        let mut all: Vec<_> = self.commands.values().copied().collect();
        all.sort_unstable_by_key(|command| command.spec.name);
        all
    }

    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Commands and subcommands together.
    pub fn numbers(&self) -> usize {
        self.names.len()
    }

    /// The full name of the command with this number.
    pub fn name_of(&self, number: usize) -> Option<&'static str> {
        self.names.get(number).copied()
    }
}

/// Every command magpie knows.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut names = Vec::new();
    let commands = super::FAMILIES
        .iter()
        .flat_map(|family| family.iter())
        .map(|spec| {
            let command: &'static Command = Box::leak(Box::new(Command::new(spec, None, &mut names)));
            (spec.name.as_bytes(), command)
        })
        .collect();
    Table::new(commands, names)
});

/// The words for a name that the table lacks.
pub fn unknown_command(argv: Argv<'_>) -> CommandError {
    const MOST: usize = 128;
    let mut after = b"', with args beginning with: ".to_vec();
    let start = after.len();
    for arg in argv.skip(1).iter() {
        let Some(left) = MOST.checked_sub(after.len() - start).filter(|&left| left > 0) else { break };
        after.push(b'\'');
        after.extend_from_slice(printed(arg, left));
        after.extend_from_slice(b"' ");
    }
    let name = printed(argv.get(0).unwrap_or_default(), MOST);
    CommandError::Quoting([b"ERR unknown command '", name, &after].concat())
}

/// The words for a subcommand that its container lacks.
pub fn unknown_subcommand(container: &str, sub: &[u8]) -> CommandError {
    let after = format!("'. Try {} HELP.", container.to_ascii_uppercase());
    CommandError::quoting("ERR unknown subcommand '", sub, 128, &after)
}

/// The words for a subcommand that got too much.
pub fn wrong_subcommand(argv: Argv<'_>) -> CommandError {
    let text = |at| String::from_utf8_lossy(argv.get(at).unwrap_or_default()).into_owned();
    CommandError::other(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
        text(1),
        text(0).to_ascii_uppercase()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cut within a replacement character once ended the worker (found by `fuzz/`, target `resp`).
    #[test]
    fn an_unknown_command_may_hold_any_bytes() {
        for len in 0..200 {
            let bytes = vec![0x87; len];
            let error = unknown_command(Argv::new(&bytes, &[(0, len as u32), (0, len as u32)])).to_string();
            assert!(error.starts_with("ERR unknown command '"), "{error}");
        }
    }
}
