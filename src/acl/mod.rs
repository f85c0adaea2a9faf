//! Users and what they may do: Redis' access control lists, version 7.2
//! (<https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>). The same users guard both
//! listeners.
//!
//! A [`User`] is never changed: a change puts another in its place and moves the epoch on. A connection's
//! [`Login`] keeps the user it is, and compares epochs before every command.
//!
//! Of `commands` this room reads the table (names, categories, key specifications) and nothing else.

mod auth_file;
mod check;
mod file;
mod log;
mod login;
mod password;
mod rule;
mod selector;
mod user;

pub use check::{Denied, Reason};
pub use log::{Denial, Entry, Log, Origin};
pub use login::{Gone, Login};
pub use rule::{RuleError, has_blanks};
pub use selector::{Access, Selector};
pub use user::{SetUserError, User};

use crate::config::replace_file;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The user that a client is before it logs in as another.
pub const DEFAULT: &[u8] = b"default";

/// All users, and the log of what was denied to them.
pub struct Acl {
    /// By name. There is always a default user.
    users: RwLock<BTreeMap<Arc<[u8]>, Arc<User>>>,
    /// Moves on with every change; written while `users` is locked.
    epoch: AtomicU64,
    /// The default user is on and takes no password.
    is_open: AtomicBool,
    last_id: AtomicU64,
    pub log: Mutex<Log>,
}

impl Acl {
    /// The default user alone, with this password (none: empty), allowed everything.
    pub fn new(password: &str) -> Acl {
        let acl = Acl {
            users: RwLock::default(),
            epoch: AtomicU64::new(0),
            is_open: AtomicBool::new(true),
            last_id: AtomicU64::new(0),
            log: Mutex::default(),
        };
        let mut user = User::initial_default(acl.next_id());
        set_password(&mut user, password);
        acl.replace(&mut acl.users.write(), user);
        acl
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Moves on with every change of a user. One load.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// May a client that has not logged in run commands, as the default user? One load.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub fn get(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).cloned()
    }

    pub fn default_user(&self) -> Arc<User> {
        self.get(DEFAULT).expect("the default user cannot be deleted")
    }

    /// By name.
    pub fn all(&self) -> Vec<Arc<User>> {
        self.users.read().values().cloned().collect()
    }

    /// The user, if it is on and this is a password of its, with the epoch for its [`Login`]. Takes one SHA-256.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<(Arc<User>, u64)> {
        let epoch = self.epoch();
        let user = self.get(name)?;
        user.accepts(password).then_some((user, epoch))
    }

    /// `ACL SETUSER`: changes or creates a user; all the rules or none. Gives the user as it was, if it was.
    ///
    /// # Errors
    /// A rule makes no sense; nothing has changed.
    pub fn set_user(
        &self,
        name: &[u8],
        rules: &[&[u8]],
        all_channels: bool,
    ) -> Result<Option<Arc<User>>, SetUserError> {
        let mut users = self.users.write();
        let old = users.get(name).cloned();
        let mut user = match &old {
            Some(user) => User::clone(user),
            None => User::new(name, self.next_id(), all_channels),
        };
        user.apply_all(rules, all_channels)?;
        self.replace(&mut users, user);
        Ok(old)
    }

    /// The password of the default user, in the place of all it had; none when empty.
    pub fn set_default_password(&self, password: &str) {
        let mut users = self.users.write();
        if let Some(user) = users.get(DEFAULT) {
            let mut user = User::clone(user);
            set_password(&mut user, password);
            self.replace(&mut users, user);
        }
    }

    /// Deletes users, of whom the default one must not be. Gives the ids of those there were: their
    /// connections are the caller's to close.
    pub fn delete<'n>(&self, names: impl Iterator<Item = &'n [u8]>) -> Vec<u64> {
        let mut users = self.users.write();
        let deleted: Vec<u64> = names
            .filter(|&name| name != DEFAULT)
            .filter_map(|name| users.remove(name))
            .map(|user| user.id)
            .collect();
        if !deleted.is_empty() {
            self.move_on(&users);
        }
        deleted
    }

    /// Takes the users of the config file, each a name and its rules.
    ///
    /// # Errors
    /// What is wrong; nothing has changed.
    pub fn configure(&self, lines: &[Vec<String>], all_channels: bool) -> Result<(), String> {
        let mut configured = file::Users::new();
        for words in lines {
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            let [name, rules @ ..] = &words[..] else { return Err("a user has a name".to_owned()) };
            let shown = String::from_utf8_lossy(name);
            if rule::has_blanks(name) {
                return Err(format!("user '{shown}': Spaces not allowed in ACL usernames"));
            }
            let mut user = User::new(name, self.next_id(), all_channels);
            user.apply_all(rules, all_channels)
                .map_err(|error| format!("user '{shown}': {}", String::from_utf8_lossy(&error.text())))?;
            if configured.insert(name.to_vec(), user).is_some() {
                return Err(format!("user '{shown}': {}", RuleError::Duplicate));
            }
        }
        let mut users = self.users.write();
        for (_, user) in configured {
            self.replace(&mut users, user);
        }
        Ok(())
    }

    /// `ACL LOAD`: puts the file's users in the place of all there are. Gives the ids of those that are gone; one
    /// that is there before and after stays the same to its connections, as in Redis 7.4.
    ///
    /// # Errors
    /// What is wrong, in Redis' words; nothing has changed.
    pub fn load(&self, path: &Path, all_channels: bool) -> Result<Vec<u64>, Vec<u8>> {
        let mut loaded = file::read(path, all_channels, || self.next_id())?;
        loaded.entry(DEFAULT.to_vec()).or_insert_with(|| User::initial_default(self.next_id()));
        let mut users = self.users.write();
        let old = std::mem::take(&mut *users);
        for (name, mut user) in loaded {
            if let Some(known) = old.get(&*name) {
                user.id = known.id;
            }
            users.insert(user.name.clone(), Arc::new(user));
        }
        self.move_on(&users);
        Ok(old.values().filter(|user| !users.contains_key(&user.name)).map(|user| user.id).collect())
    }

    /// Takes the users of memcached's file, and closes the door to who is none: unless it has a password, the default
    /// user is off. A user that there is already is given one password more.
    ///
    /// # Errors
    /// What is wrong with the file, as memcached says it; nothing has changed.
    pub fn add_auth_file(&self, path: &Path, all_channels: bool) -> Result<(), String> {
        for (name, password) in auth_file::read(path)? {
            let password = [b">", &password[..]].concat();
            let is_known = self.get(&name).is_some();
            let all: &[&[u8]] = if is_known { &[] } else { &[b"~*", b"&*", b"+@all"] };
            let rules = [&[b"on", &password[..]], all].concat();
            self.set_user(&name, &rules, all_channels)
                .map_err(|_| format!("Authfile [{}]: no such user can be", path.display()))?;
        }
        if self.is_open() {
            self.set_user(DEFAULT, &[b"off", b"resetpass"], all_channels).expect("this rule makes sense");
        }
        Ok(())
    }

    /// `ACL SAVE`: replaces the file in one step.
    ///
    /// # Errors
    /// The file cannot be written; it is as it was.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        replace_file(path, &self.render())
    }

    /// A line for every user, by name, as the ACL file and the config file have them.
    pub fn render(&self) -> Vec<u8> {
        file::render(self.users.read().values().map(Arc::as_ref))
    }

    fn replace(&self, users: &mut BTreeMap<Arc<[u8]>, Arc<User>>, user: User) {
        users.insert(user.name.clone(), Arc::new(user));
        self.move_on(users);
    }

    fn move_on(&self, users: &BTreeMap<Arc<[u8]>, Arc<User>>) {
        self.is_open.store(users.get(DEFAULT).is_some_and(|user| user.is_open()), Ordering::Release);
        self.epoch.fetch_add(1, Ordering::Release);
    }
}

fn set_password(user: &mut User, password: &str) {
    let rules: &[&[u8]] = match password {
        "" => &[b"resetpass", b"nopass"],
        _ => &[b"resetpass", &[b">", password.as_bytes()].concat()],
    };
    user.apply_all(rules, true).expect("these rules make sense");
}

#[cfg(test)]
mod tests;
