//! A user: how it logs in, and its selectors. Never changed: a change makes another one, which takes its place
//! in [`Acl`](super::Acl).

use super::check::{Denied, Reason, check};
use super::password::PasswordHash;
use super::rule::{RuleError, merge_selectors};
use super::selector::{Access, Selector};
use crate::commands::table::{Command, TABLE};
use crate::config::split_bytes;
use crate::resp::Argv;
use std::fmt;
use std::sync::Arc;

/// See the module.
#[derive(Clone)]
pub struct User {
    pub name: Arc<[u8]>,
    /// Tells it from a user of the same name that was deleted.
    pub(super) id: u64,
    is_on: bool,
    takes_any_password: bool,
    sanitizes: bool,
    passwords: Vec<PasswordHash>,
    root: Selector,
    selectors: Vec<Selector>,
}

impl User {
    /// As a user is created: off, without a password, and allowed nothing.
    pub(super) fn new(name: &[u8], id: u64, all_channels: bool) -> User {
        User {
            name: name.into(),
            id,
            is_on: false,
            takes_any_password: false,
            sanitizes: true,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    /// `default` as it is when nothing is configured: on, without a password, and allowed everything.
    pub(super) fn initial_default(id: u64) -> User {
        User {
            is_on: true,
            takes_any_password: true,
            root: Selector::unrestricted(),
            ..User::new(super::DEFAULT, id, true)
        }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    /// On, and no password is asked for.
    pub fn is_open(&self) -> bool {
        self.is_on && self.takes_any_password
    }

    pub fn is_on(&self) -> bool {
        self.is_on
    }

    pub fn takes_any_password(&self) -> bool {
        self.takes_any_password
    }

    /// May it do everything? Then nothing needs to be checked.
    pub fn is_unrestricted(&self) -> bool {
        self.selectors().any(Selector::is_unrestricted)
    }

    /// The root first.
    pub(super) fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// Those beside the root.
    pub fn further_selectors(&self) -> &[Selector] {
        &self.selectors
    }

    pub fn passwords(&self) -> &[PasswordHash] {
        &self.passwords
    }

    /// May one log in with this password? One hash; every password is compared.
    pub(super) fn accepts(&self, password: &[u8]) -> bool {
        if !self.is_on || self.takes_any_password {
            return self.is_on;
        }
        let given = PasswordHash::of(password);
        self.passwords.iter().fold(false, |found, known| found | (*known == given))
    }

    /// Applies words as `ACL SETUSER` takes them, selectors in pieces included.
    ///
    /// # Errors
    /// A word makes no sense, or a parenthesis is never closed; what came before has been applied.
    pub(super) fn apply_all(&mut self, words: &[&[u8]], all_channels: bool) -> Result<(), SetUserError> {
        let rules = merge_selectors(words).map_err(|at| SetUserError::Unmatched(words[at].to_vec()))?;
        for rule in rules {
            self.apply(&rule, all_channels)
                .map_err(|error| SetUserError::Rule { rule: rule.into_owned(), error })?;
        }
        Ok(())
    }

    /// Applies one rule; `all_channels` as for [`User::new`].
    ///
    /// # Errors
    /// The rule makes no sense; nothing has changed.
    pub(super) fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            [] => {}
            _ if is("on") => self.is_on = true,
            _ if is("off") => self.is_on = false,
            _ if is("skip-sanitize-payload") => self.sanitizes = false,
            _ if is("sanitize-payload") => self.sanitizes = true,
            _ if is("nopass") => {
                self.takes_any_password = true;
                self.passwords.clear();
            }
            _ if is("resetpass") => {
                self.takes_any_password = false;
                self.passwords.clear();
            }
            [b'>', password @ ..] => self.add_password(PasswordHash::of(password)),
            [b'#', hash @ ..] => self.add_password(PasswordHash::from_hex(hash)?),
            [b'<', password @ ..] => self.remove_password(PasswordHash::of(password))?,
            [b'!', hash @ ..] => self.remove_password(PasswordHash::from_hex(hash)?)?,
            [b'(', inner @ .., b')'] => {
                let mut selector = Selector::new(all_channels);
                // As in Redis, rules that cannot be told apart are none.
                for rule in split_bytes(inner).unwrap_or_default() {
                    selector.apply(&rule)?;
                }
                self.selectors.push(selector);
            }
            _ if is("clearselectors") => self.selectors.clear(),
            _ if is("reset") => {
                *self = User { name: self.name.clone(), ..User::new(&[], self.id, all_channels) };
            }
            _ => return self.root.apply(rule),
        }
        Ok(())
    }

    fn add_password(&mut self, hash: PasswordHash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.takes_any_password = false;
    }

    fn remove_password(&mut self, hash: PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// What `ACL GETUSER` shows as flags.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        flags.extend(self.takes_any_password.then_some("nopass"));
        flags.push(if self.sanitizes { "sanitize-payload" } else { "skip-sanitize-payload" });
        flags
    }

    /// The line of `ACL LIST` and of files: applied to a new user it makes this one.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = [b"user ", &*self.name].concat();
        for flag in self.flags() {
            text.extend_from_slice(format!(" {flag}").as_bytes());
        }
        for hash in &self.passwords {
            text.extend_from_slice(format!(" #{hash}").as_bytes());
        }
        text.push(b' ');
        text.extend(self.root.describe());
        for selector in &self.selectors {
            text.extend([b" (", &*selector.describe(), b")"].concat());
        }
        text
    }

    /// May this command be run with these arguments, its name included?
    ///
    /// # Errors
    /// What is not allowed: of several selectors' reasons the one that came furthest.
    pub fn may_run(&self, command: &Command, argv: Argv<'_>) -> Result<(), Denied> {
        check(self, command, argv)
    }

    /// May it be run, and besides all keys be accessed so? For `SORT … BY`, whose keys nobody knows before.
    pub fn may_run_on_every_key(&self, command: &Command, argv: Argv<'_>, wanted: Access) -> bool {
        self.selectors().any(|selector| {
            selector.allows_every_key(wanted) && super::check::check_selector(selector, command, argv).is_ok()
        })
    }

    /// May the command of this full name be run on this key? For what is not a Redis request but counts as one.
    ///
    /// # Errors
    /// `Reason::Key` when it is but the key.
    pub fn may_do(&self, command: &str, key: Option<(&[u8], Access)>) -> Result<(), Reason> {
        let command = TABLE.find_full(command.as_bytes()).ok_or(Reason::Command)?;
        let mut reason = Reason::Command;
        for selector in self.selectors().filter(|selector| selector.allows_command(command, None)) {
            if key.is_none_or(|(key, wanted)| selector.allows_key(key, wanted)) {
                return Ok(());
            }
            reason = Reason::Key;
        }
        Err(reason)
    }

    /// May this key be accessed so?
    pub fn may_access_key(&self, key: &[u8], wanted: Access) -> bool {
        self.selectors().any(|selector| selector.allows_key(key, wanted))
    }

    pub fn may_access_all_channels(&self) -> bool {
        self.selectors().any(|selector| selector.channels().is_none())
    }

    /// May messages of this channel be sent or got? `is_pattern`: it is one itself.
    pub fn may_access_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors().any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// What Redis says of a denial, after `NOPERM `. `object`: the key or channel; left out where a client is
    /// told, who need not learn of other clients' rights.
    pub fn denial(&self, reason: Reason, command: &str, object: Option<&[u8]>) -> Vec<u8> {
        let (what, object) = match (reason, object) {
            (Reason::Key, None) => return b"No permissions to access a key".to_vec(),
            (Reason::Channel, None) => return b"No permissions to access a channel".to_vec(),
            (Reason::Key, Some(key)) => ("access", [b"'", key, b"' key"].concat()),
            (Reason::Channel, Some(channel)) => ("access", [b"'", channel, b"' channel"].concat()),
            (Reason::Command | Reason::Auth, _) => ("run", format!("'{command}' command").into_bytes()),
        };
        [b"User ", &*self.name, b" has no permissions to ", what.as_bytes(), b" the ", &object].concat()
    }
}

/// Why `ACL SETUSER` failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUserError {
    /// The word whose parenthesis is never closed.
    Unmatched(Vec<u8>),
    Rule {
        rule: Vec<u8>,
        error: RuleError,
    },
}

impl SetUserError {
    /// In Redis' words, which may hold any bytes.
    pub fn text(&self) -> Vec<u8> {
        match self {
            SetUserError::Unmatched(word) => {
                [b"Unmatched parenthesis in acl selector starting at '", &**word, b"'."].concat()
            }
            SetUserError::Rule { rule, error } => {
                let error = error.to_string();
                [b"Error in ACL SETUSER modifier '", &**rule, b"': ", error.as_bytes()].concat()
            }
        }
    }
}

/// No passwords go into a log.
impl fmt::Debug for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "User({})", String::from_utf8_lossy(&self.name))
    }
}
