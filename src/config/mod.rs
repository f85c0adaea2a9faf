//! The configuration: one table of parameters ([`table`]) from which flags, the config file and
//! `CONFIG` derive, and [`Config`], which holds the values. Numbers, flags, choices and output
//! limits are atomics, so a hot path reads them with one relaxed load; texts are behind a lock.
//!
//! Meaning and error words follow Redis' `src/config.c`; where we differ on purpose, the row of the
//! table or the function says so. `CONFIG SET` only changes values here: what must follow (a new
//! limit for the store, say) its caller does for the parameters that [`Config::set_many`] returns.

mod cli;
pub mod events;
mod file;
mod machine;
mod table;
mod value;

pub use file::{replace_file, split_bytes};
pub use table::{Change, Effect, Initial, Kind, POLICIES, Param, Spec, TABLE};
pub use value::{BindAddress, ClientClass, OutputLimit, Reason, human_bytes};

use crate::glob;
use parking_lot::{Mutex, RwLock};
use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use value::{CLASS_NAMES, Value};

/// Why `CONFIG SET` or `CONFIG REWRITE` failed, in Redis' words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("ERR Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Refused { name: String, reason: Reason },
    #[error("ERR The server is running without a config file")]
    NoFile,
    #[error("ERR Rewriting config file: {0}")]
    Rewrite(String),
}

/// Who may do something protected: a choice of `no`, `yes`, `local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Nobody,
    Everybody,
    /// Clients on loopback or a Unix socket.
    Local,
}

impl Access {
    pub fn allows(self, client_is_local: bool) -> bool {
        match self {
            Access::Nobody => false,
            Access::Everybody => true,
            Access::Local => client_is_local,
        }
    }
}

#[derive(Default)]
struct LimitCell {
    hard_bytes: AtomicU64,
    soft_bytes: AtomicU64,
    soft_seconds: AtomicU64,
}

impl LimitCell {
    fn load(&self) -> OutputLimit {
        OutputLimit {
            hard_bytes: self.hard_bytes.load(Ordering::Relaxed),
            soft_bytes: self.soft_bytes.load(Ordering::Relaxed),
            soft_seconds: self.soft_seconds.load(Ordering::Relaxed),
        }
    }

    fn store(&self, limit: OutputLimit) {
        self.hard_bytes.store(limit.hard_bytes, Ordering::Relaxed);
        self.soft_bytes.store(limit.soft_bytes, Ordering::Relaxed);
        self.soft_seconds.store(limit.soft_seconds, Ordering::Relaxed);
    }
}

/// The value of every parameter.
pub struct Config {
    numbers: [AtomicI64; Param::COUNT],
    texts: RwLock<Vec<Arc<str>>>,
    limits: [LimitCell; 3],
    /// Held through `set_many` and `rewrite`, so that each sees and makes a whole change.
    writing: Mutex<()>,
    /// The file that we were started with.
    file: Option<PathBuf>,
    /// Its `user` lines: names and ACL rules.
    users: Vec<Vec<String>>,
}

impl Default for Config {
    /// Every parameter at its default, some of which depend on the machine.
    fn default() -> Config {
        let config = Config {
            numbers: std::array::from_fn(|_| AtomicI64::new(0)),
            texts: RwLock::new(vec![Arc::from(""); Param::COUNT]),
            limits: std::array::from_fn(|_| LimitCell::default()),
            writing: Mutex::new(()),
            file: None,
            users: Vec::new(),
        };
        for spec in &TABLE {
            let value = value::parse(spec, &default_text(spec))
                .expect("a test checks that every default is a valid value");
            config.store(spec.param, value);
        }
        config
    }
}

/// Shows only what differs from the defaults, and no secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = TABLE.iter().filter(|spec| !spec.sensitive && self.differs(spec.param));
        f.debug_map().entries(set.map(|spec| (spec.name, self.show(spec.param)))).finish()
    }
}

/// The default of a parameter, in a text that it accepts.
fn default_text(spec: &Spec) -> String {
    match spec.default {
        Initial::Is(text) => text.to_owned(),
        Initial::HalfOfMemory => machine::half_of_memory().to_string(),
        Initial::Cpus => machine::cpus().to_string(),
        Initial::WorkingDirectory => std::env::current_dir()
            .map_or_else(|_| "/".to_owned(), |path| path.to_string_lossy().into_owned()),
    }
}

impl Config {
    /// The defaults with some values set, as a config file would set them; for tests and benches.
    pub fn with(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let config = Config::default();
        for (name, text) in settings {
            let (param, _) =
                Param::find(name.as_bytes()).ok_or_else(|| ConfigError::Unknown((*name).to_owned()))?;
            let value = accept(param, text)
                .map_err(|reason| ConfigError::Refused { name: (*name).to_owned(), reason })?;
            config.store(param, value);
        }
        Ok(config)
    }

    /// A number, a flag as 0 or 1, a choice as its position, events as bits. One relaxed load.
    #[inline]
    pub fn number(&self, param: Param) -> i64 {
        self.numbers[param as usize].load(Ordering::Relaxed)
    }

    /// A number that is never negative, as most are. One relaxed load.
    #[inline]
    pub fn size(&self, param: Param) -> usize {
        usize::try_from(self.number(param)).unwrap_or(0)
    }

    /// One relaxed load.
    #[inline]
    pub fn flag(&self, param: Param) -> bool {
        self.number(param) != 0
    }

    /// The word that was chosen. One relaxed load.
    pub fn choice(&self, param: Param) -> &'static str {
        match param.spec().kind {
            Kind::Choice(choices) => choices.get(self.size(param)).copied().unwrap_or(""),
            _ => "",
        }
    }

    /// Of `EnableDebugCommand`, `EnableProtectedConfigs`, `EnableModuleCommand`.
    pub fn access(&self, param: Param) -> Access {
        match self.choice(param) {
            "yes" => Access::Everybody,
            "local" => Access::Local,
            _ => Access::Nobody,
        }
    }

    /// The value of a text. Takes a lock for a moment.
    pub fn text(&self, param: Param) -> Arc<str> {
        self.texts.read()[param as usize].clone()
    }

    /// What clients of a class may leave unread. Three relaxed loads.
    #[inline]
    pub fn output_limit(&self, class: ClientClass) -> OutputLimit {
        self.limits[class as usize].load()
    }

    /// The addresses to listen on; none: no TCP.
    pub fn bind(&self) -> Vec<BindAddress> {
        BindAddress::list(&self.text(Param::Bind))
    }

    /// The `user` lines of the config file, each a name and ACL rules.
    pub fn users(&self) -> &[Vec<String>] {
        &self.users
    }

    /// Is there nothing that could ask a client for a password?
    pub fn asks_no_password(&self) -> bool {
        let is_empty = |param| self.text(param).is_empty();
        let files = [Param::AclFile, Param::AuthFile];
        is_empty(Param::RequirePass) && files.into_iter().all(is_empty) && self.users.is_empty()
    }

    /// The file that we were started with; empty: none.
    pub fn file_name(&self) -> String {
        self.file.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// Notes what the daemon found out itself: the port that it was given for port 0.
    pub fn note_number(&self, param: Param, number: i64) {
        self.numbers[param as usize].store(number, Ordering::Relaxed);
    }

    /// The value as `CONFIG GET` shows it.
    pub fn show(&self, param: Param) -> String {
        match param.spec().kind {
            Kind::Text(_) | Kind::Words(_) => self.text(param).as_ref().to_owned(),
            Kind::OutputLimits => value::render_limits(&self.all_limits()),
            kind => value::render_number(kind, self.number(param)),
        }
    }

    /// `CONFIG GET`: names and values that the patterns match, each once. A name without `*?[` is
    /// looked up, and given back as it was written.
    pub fn get<'p>(&self, patterns: impl IntoIterator<Item = &'p [u8]>) -> Vec<(String, String)> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"*?[".contains(byte)) {
                if let Some((param, name)) = Param::find(pattern)
                    && seen.insert(name)
                {
                    let as_written = String::from_utf8_lossy(pattern).into_owned();
                    found.push((as_written, self.show(param)));
                }
                continue;
            }
            for spec in TABLE.iter().filter(|spec| !spec.hidden) {
                for name in std::iter::once(spec.name).chain(spec.alias) {
                    if glob::matches(pattern, name.as_bytes(), true) && seen.insert(name) {
                        found.push((name.to_owned(), self.show(spec.param)));
                    }
                }
            }
        }
        found
    }

    /// `CONFIG SET`: all of it or nothing. `client_is_local` decides about protected parameters.
    /// Gives the parameters whose value is another one now.
    pub fn set_many(
        &self,
        settings: &[(&[u8], &[u8])],
        client_is_local: bool,
    ) -> Result<Vec<Param>, ConfigError> {
        let _writing = self.writing.lock();
        let checked = self.check(settings, client_is_local)?;
        let mut changed = Vec::new();
        for (param, value) in checked {
            let before = self.show(param);
            self.store(param, value);
            if self.show(param) != before {
                changed.push(param);
            }
        }
        Ok(changed)
    }

    /// Names first, then values, each in the order given: so does Redis choose what to complain of.
    fn check(
        &self,
        settings: &[(&[u8], &[u8])],
        client_is_local: bool,
    ) -> Result<Vec<(Param, Value)>, ConfigError> {
        let may_protected = self.access(Param::EnableProtectedConfigs).allows(client_is_local);
        let mut names: Vec<(Param, &'static str)> = Vec::new();
        let mut refused = None;
        for (given, _) in settings {
            let Some((param, name)) = Param::find(given) else {
                return Err(ConfigError::Unknown(String::from_utf8_lossy(given).into_owned()));
            };
            let spec = param.spec();
            let reason = if spec.change == Change::Start {
                Some("can't set immutable config")
            } else if spec.protected && !may_protected {
                Some("can't set protected config")
            } else if names.contains(&(param, name)) {
                Some("duplicate parameter")
            } else {
                None
            };
            names.push((param, name));
            if let (Some(reason), None) = (reason, &refused) {
                let name = String::from_utf8_lossy(given).into_owned();
                refused = Some(ConfigError::Refused { name, reason: reason.into() });
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        let mut values = Vec::with_capacity(names.len());
        for ((param, name), (_, text)) in names.into_iter().zip(settings) {
            // Differs: Redis takes any bytes; here a value is text.
            let value = std::str::from_utf8(text)
                .map_err(|_| Reason::from("argument must be valid UTF-8"))
                .and_then(|text| accept(param, text))
                .map_err(|reason| ConfigError::Refused { name: name.to_owned(), reason })?;
            values.push((param, value));
        }
        Ok(values)
    }

    /// Sets a value at start: from the command line or the file. Whether we can honour it is asked
    /// when all is read, since a flag may take back what the file says.
    fn assign(&self, param: Param, text: &str) -> Result<(), Reason> {
        self.store(param, value::parse(param.spec(), text)?);
        Ok(())
    }

    fn store(&self, param: Param, value: Value) {
        match value {
            Value::Number(number) => self.note_number(param, number),
            Value::Text(text) => self.texts.write()[param as usize] = text.into(),
            Value::Limits(limits) => {
                for (cell, limit) in self.limits.iter().zip(limits) {
                    if let Some(limit) = limit {
                        cell.store(limit);
                    }
                }
            }
        }
    }

    fn all_limits(&self) -> [OutputLimit; CLASS_NAMES.len()] {
        std::array::from_fn(|class| self.limits[class].load())
    }

    /// Is the value another than the default?
    fn differs(&self, param: Param) -> bool {
        let default = default_text(param.spec());
        match value::parse(param.spec(), &default) {
            Ok(Value::Number(number)) => self.number(param) != number,
            Ok(Value::Text(text)) => *self.text(param) != *text,
            Ok(Value::Limits(limits)) => self.all_limits().map(Some) != limits,
            Err(_) => true,
        }
    }
}

/// Checks a value, and that it is one we can honour.
fn accept(param: Param, text: &str) -> Result<Value, Reason> {
    let spec = param.spec();
    let value = value::parse(spec, text)?;
    if let Effect::Fixed(why) = spec.effect
        && value::parse(spec, &default_text(spec)).as_ref() != Ok(&value)
    {
        return Err(why.into());
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
