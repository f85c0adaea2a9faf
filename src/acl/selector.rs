//! A selector: which commands may be run on which keys and channels. A user has one at its root and may have
//! more; what any of them allows is allowed. Rules as in Redis' `ACLSetSelector`.

use super::rule::{RuleError, has_blanks};
use crate::commands::categories::{CATEGORIES, categories};
use crate::commands::table::{Command, TABLE};
use crate::glob;
use crate::observe::commands::MOST;
use std::collections::BTreeMap;

/// A bit for every command and subcommand, by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CommandSet([u64; MOST.div_ceil(64)]);

impl CommandSet {
    const ALL: CommandSet = CommandSet([u64::MAX; MOST.div_ceil(64)]);
    const NONE: CommandSet = CommandSet([0; MOST.div_ceil(64)]);

    fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn set(&mut self, number: usize, value: bool) {
        if let Some(word) = self.0.get_mut(number / 64) {
            let bit = 1 << (number % 64);
            *word = if value { *word | bit } else { *word & !bit };
        }
    }
}

/// What may be done with the keys that a pattern fits. One of the two at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub read: bool,
    pub write: bool,
}

impl Access {
    pub const BOTH: Access = Access { read: true, write: true };
    pub const READ: Access = Access { read: true, write: false };
    pub const WRITE: Access = Access { read: false, write: true };

    /// Does it hold all of `wanted`?
    fn covers(self, wanted: Access) -> bool {
        (self.read || !wanted.read) && (self.write || !wanted.write)
    }
}

#[derive(Clone, PartialEq, Eq)]
struct KeyPattern {
    pattern: Box<[u8]>,
    access: Access,
}

/// `+name` or `-name`, as it is shown; a category's name begins with `@`.
#[derive(Clone, PartialEq, Eq)]
struct CommandRule {
    allows: bool,
    name: Box<[u8]>,
}

/// Keys or channels: patterns, or everything.
#[derive(Clone, PartialEq, Eq)]
enum Reach<P> {
    All,
    Only(Vec<P>),
}

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Selector {
    /// `+@all` came, and nothing was taken away since. A command's bit need not be looked at.
    allows_all_commands: bool,
    /// Begins with `+@all` rather than `-@all`.
    starts_with_all: bool,
    commands: CommandSet,
    /// `+select|0`: commands that are allowed with such a first argument only, by number.
    first_args: BTreeMap<usize, Vec<Box<[u8]>>>,
    /// What led from `±@all` to `commands`, in order. Redis 7.2 shows the rules that were given; 7.0 works
    /// out rules that lead to the same.
    rules: Vec<CommandRule>,
    keys: Reach<KeyPattern>,
    channels: Reach<Box<[u8]>>,
}

impl Selector {
    /// Allows nothing, but all channels when `all_channels` (`acl-pubsub-default`).
    pub(super) fn new(all_channels: bool) -> Selector {
        Selector {
            allows_all_commands: false,
            starts_with_all: false,
            commands: CommandSet::NONE,
            first_args: BTreeMap::new(),
            rules: Vec::new(),
            keys: Reach::Only(Vec::new()),
            channels: if all_channels { Reach::All } else { Reach::Only(Vec::new()) },
        }
    }

    /// Everything.
    pub(super) fn unrestricted() -> Selector {
        let mut selector = Selector { keys: Reach::All, ..Selector::new(true) };
        selector.allow_all(true);
        selector
    }

    /// May everything be done? Then nothing needs to be looked up.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.allows_all_commands && self.keys == Reach::All && self.channels == Reach::All
    }

    /// # Errors
    /// The rule makes no sense; nothing has changed.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("allkeys") || is("~*") => self.keys = Reach::All,
            _ if is("resetkeys") => self.keys = Reach::Only(Vec::new()),
            _ if is("allchannels") || is("&*") => self.channels = Reach::All,
            _ if is("resetchannels") => self.channels = Reach::Only(Vec::new()),
            _ if is("allcommands") || is("+@all") => self.allow_all(true),
            _ if is("nocommands") || is("-@all") => self.allow_all(false),
            [b'~', pattern @ ..] => return self.add_keys(pattern, Access::BOTH),
            [b'%', rest @ ..] => {
                // A pattern after the whole is a mistake whatever it looks like.
                if self.keys == Reach::All {
                    return Err(RuleError::AfterAllKeys);
                }
                let (access, pattern) = split_access(rest)?;
                return self.add_keys(pattern, access);
            }
            [b'&', pattern @ ..] => return self.add_channels(pattern),
            [sign @ (b'+' | b'-'), b'@', category @ ..] => return self.set_category(category, *sign == b'+'),
            [b'+', name @ ..] => return self.allow_command(name),
            [b'-', name @ ..] => {
                let command = TABLE.find_full(name).ok_or(RuleError::Unknown)?;
                self.set_command(command, false);
                self.remember(command.full_name.as_bytes(), false);
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn allow_all(&mut self, allows: bool) {
        self.commands = if allows { CommandSet::ALL } else { CommandSet::NONE };
        (self.allows_all_commands, self.starts_with_all) = (allows, allows);
        self.first_args.clear();
        self.rules.clear();
    }

    fn add_keys(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleError> {
        let Reach::Only(patterns) = &mut self.keys else { return Err(RuleError::AfterAllKeys) };
        if has_blanks(pattern) {
            return Err(RuleError::Syntax);
        }
        match patterns.iter_mut().find(|known| *known.pattern == *pattern) {
            Some(known) => {
                known.access.read |= access.read;
                known.access.write |= access.write;
            }
            None => patterns.push(KeyPattern { pattern: pattern.into(), access }),
        }
        // Differs: Redis keeps `%RW~*` as a pattern, and then shows a line that it cannot read back.
        if patterns.iter().any(|known| *known.pattern == *b"*" && known.access == Access::BOTH) {
            self.keys = Reach::All;
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        let Reach::Only(patterns) = &mut self.channels else { return Err(RuleError::AfterAllChannels) };
        if has_blanks(pattern) {
            return Err(RuleError::Syntax);
        }
        if !patterns.iter().any(|known| **known == *pattern) {
            patterns.push(pattern.into());
        }
        Ok(())
    }

    /// `+name`, `+container|subcommand`, `+name|first-arg`.
    fn allow_command(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(bar) = name.iter().rposition(|&byte| byte == b'|') else {
            let command = TABLE.find_full(name).ok_or(RuleError::Unknown)?;
            self.set_command(command, true);
            self.remember(command.full_name.as_bytes(), true);
            return Ok(());
        };
        let (before, after) = (&name[..bar], &name[bar + 1..]);
        let command = TABLE.find_full(before).ok_or(RuleError::Unknown)?;
        if command.container.is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        // Differs: Redis takes blanks in a first argument, and cannot read back the file that it writes then.
        if after.is_empty() || has_blanks(after) {
            return Err(RuleError::Syntax);
        }
        if command.subcommands.is_empty() {
            tracing::warn!(
                "an ACL rule allows a command with one first argument: Redis may take that back some day"
            );
            let known = self.first_args.entry(command.number).or_default();
            if !known.iter().any(|arg| arg.eq_ignore_ascii_case(after)) {
                known.push(after.into());
            }
            self.remember(name, true);
        } else {
            let subcommand = TABLE.find_full(name).ok_or(RuleError::Unknown)?;
            self.set_command(subcommand, true);
            self.remember(subcommand.full_name.as_bytes(), true);
        }
        Ok(())
    }

    /// A container takes its subcommands along.
    fn set_command(&mut self, command: &Command, allows: bool) {
        self.allows_all_commands &= allows;
        self.commands.set(command.number, allows);
        self.first_args.remove(&command.number);
        for subcommand in &command.subcommands {
            self.commands.set(subcommand.number, allows);
        }
    }

    fn set_category(&mut self, category: &[u8], allows: bool) -> Result<(), RuleError> {
        let name = CATEGORIES.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(category));
        let name = *name.ok_or(RuleError::Unknown)?;
        for command in TABLE.all() {
            for command in std::iter::once(command).chain(&command.subcommands) {
                if categories(command.spec).contains(&name) {
                    self.set_command(command, allows);
                }
            }
        }
        self.remember(format!("@{name}").as_bytes(), allows);
        Ok(())
    }

    /// The rule takes the place of those about the same name, or about a part of what it names.
    fn remember(&mut self, name: &[u8], allows: bool) {
        let name = name.to_ascii_lowercase();
        self.rules.retain(|rule| {
            let rest = rule.name.strip_prefix(&*name);
            !rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'|')
        });
        self.rules.push(CommandRule { allows, name: name.into() });
    }

    /// May this command be run, whatever it touches? `first_arg` is the argument behind its name.
    pub(super) fn allows_command(&self, command: &Command, first_arg: Option<&[u8]>) -> bool {
        let with_first_arg = || {
            let known = self.first_args.get(&command.number);
            first_arg.is_some_and(|given| {
                known.is_some_and(|known| known.iter().any(|arg| arg.eq_ignore_ascii_case(given)))
            })
        };
        self.allows_all_commands
            || command.may_run_unauthenticated
            || self.commands.has(command.number)
            || with_first_arg()
    }

    pub(super) fn allows_all_keys(&self) -> bool {
        self.keys == Reach::All
    }

    /// `O(patterns)`, each as glob matching costs.
    pub(super) fn allows_key(&self, key: &[u8], wanted: Access) -> bool {
        match &self.keys {
            Reach::All => true,
            Reach::Only(patterns) => patterns
                .iter()
                .any(|known| known.access.covers(wanted) && glob::matches(&known.pattern, key, false)),
        }
    }

    /// May any key at all be accessed so?
    pub(super) fn allows_every_key(&self, wanted: Access) -> bool {
        match &self.keys {
            Reach::All => true,
            Reach::Only(patterns) => {
                patterns.iter().any(|known| known.access.covers(wanted) && *known.pattern == *b"*")
            }
        }
    }

    /// `is_pattern`: the channel is itself a pattern (PSUBSCRIBE) and must be among the rules as it is.
    pub(super) fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        match &self.channels {
            Reach::All => true,
            Reach::Only(patterns) => patterns.iter().any(|known| {
                if is_pattern { **known == *channel } else { glob::matches(known, channel, false) }
            }),
        }
    }

    /// `None`: all.
    pub(super) fn channels(&self) -> Option<&[Box<[u8]>]> {
        match &self.channels {
            Reach::All => None,
            Reach::Only(patterns) => Some(patterns),
        }
    }

    /// As `ACL GETUSER` shows it: `-@all +get`.
    pub fn show_commands(&self) -> Vec<u8> {
        let mut text = if self.starts_with_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for rule in &self.rules {
            text.extend_from_slice(if rule.allows { b" +" } else { b" -" });
            text.extend_from_slice(&rule.name);
        }
        text
    }

    /// `~* %R~…`
    pub fn show_keys(&self) -> Vec<u8> {
        let Reach::Only(patterns) = &self.keys else { return b"~*".to_vec() };
        join(patterns.iter().map(|known| {
            let sign: &[u8] = match known.access {
                Access { read: true, write: false } => b"%R~",
                Access { read: false, write: true } => b"%W~",
                _ => b"~",
            };
            [sign, &known.pattern].concat()
        }))
    }

    /// `&*`
    pub fn show_channels(&self) -> Vec<u8> {
        let Reach::Only(patterns) = &self.channels else { return b"&*".to_vec() };
        join(patterns.iter().map(|pattern| [b"&", &**pattern].concat()))
    }

    /// The rules that lead here from a new selector, as `ACL LIST` shows them.
    pub(super) fn describe(&self) -> Vec<u8> {
        let (keys, mut channels) = (self.show_keys(), self.show_channels());
        if let Reach::Only(patterns) = &self.channels {
            let rest = if patterns.is_empty() { Vec::new() } else { [b" ", &*channels].concat() };
            channels = [b"resetchannels", &*rest].concat();
        }
        join([keys, channels, self.show_commands()].into_iter().filter(|part| !part.is_empty()))
    }
}

fn join(parts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    parts.collect::<Vec<_>>().join(&b' ')
}

/// `R`, `W` or both, in any order and case, then `~` and the pattern. A later Redis refuses what names neither
/// (CVE-2024-51741).
fn split_access(rule: &[u8]) -> Result<(Access, &[u8]), RuleError> {
    let mut access = Access::default();
    let mut rest = rule;
    loop {
        match rest {
            [b'R' | b'r', tail @ ..] if !access.read => (access.read, rest) = (true, tail),
            [b'W' | b'w', tail @ ..] if !access.write => (access.write, rest) = (true, tail),
            [b'~', pattern @ ..] if access != Access::default() => return Ok((access, pattern)),
            [] if access != Access::default() => return Ok((access, rest)),
            _ => return Err(RuleError::Syntax),
        }
    }
}

#[cfg(test)]
impl Selector {
    /// Does it allow just what `other` does? How it is shown counts for nothing.
    pub(super) fn allows_as(&self, other: &Selector) -> bool {
        let known = |set: &Selector| -> Vec<bool> {
            (0..TABLE.numbers()).map(|number| set.commands.has(number)).collect()
        };
        known(self) == known(other)
            && self.first_args == other.first_args
            && self.show_keys() == other.show_keys()
            && self.show_channels() == other.show_channels()
    }
}
