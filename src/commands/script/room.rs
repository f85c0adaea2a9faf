//! What scripts need: the VM, compiled scripts, function libraries. Who has it is the script's thread, or a worker on a
//! visit.

use super::cache::{Cache, Script, Sha};
use super::library::{Libraries, Library, metadata, split_shebang};
use super::run;
use crate::commands::CommandError;
use crate::commands::table::Command;
use crate::config::Param;
use crate::daemon::Daemon;
use crate::lua::{Flags, Function, Vm, VmError, may_soil, sha1_hex};
use crate::resp::Argv;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub struct Room {
    pub(super) vm: Vm,
    pub(super) cache: RefCell<Cache>,
    pub(super) libraries: RefCell<Libraries>,
    limit: usize,
    /// By a worker: only scripts that are known to be short are run.
    pub(super) is_visited: Cell<bool>,
    /// A script has run that may have left something behind.
    pub(super) is_soiled: Cell<bool>,
    /// The body of the last `EVAL`, and its SHA1.
    last: RefCell<(Vec<u8>, Option<Sha>)>,
}

impl Room {
    pub(super) fn new(daemon: &Arc<Daemon>) -> Result<Room, VmError> {
        let limit = daemon.config.size(Param::LuaMemoryLimit);
        let most = u64::try_from(daemon.config.number(Param::ScriptCacheSize)).unwrap_or(0);
        // The daemon owns the room.
        let asked = Arc::downgrade(daemon);
        let interrupt = move || {
            let daemon = asked.upgrade()?;
            if daemon.shutdown.is_asked() {
                daemon.scripts.stop();
            }
            daemon.scripts.why_end(daemon.clock.now())
        };
        let (cache, libraries) = (RefCell::new(Cache::new(most)), RefCell::default());
        let vm = Vm::new(limit, Arc::new(interrupt))?;
        let (is_visited, is_soiled, last) = (Cell::new(false), Cell::new(false), RefCell::default());
        Ok(Room { vm, cache, libraries, limit, is_visited, is_soiled, last })
    }

    /// Compiles a script, or finds it compiled.
    pub(super) fn script(&self, body: &[u8]) -> Result<(Sha, Script), CommandError> {
        let sha = self.sha_of(body);
        if let Some(script) = self.cache.borrow_mut().get(&sha) {
            return Ok((sha, script));
        }
        let (flags, source) = shebang(body)?;
        let function = self.compile(source, "user_script").map_err(|error| {
            CommandError::other(format!("ERR Error compiling script (new function): {error}"))
        })?;
        let script = Script { function, flags, soils: may_soil(source), pace: Arc::default() };
        self.cache.borrow_mut().insert(sha, script.clone());
        Ok((sha, script))
    }

    /// The SHA1 of a script's body; at once of the one that came last, since clients that send bodies send the same
    /// ones.
    pub(super) fn sha_of(&self, body: &[u8]) -> Sha {
        const REMEMBERED: usize = 4096;
        let mut last = self.last.borrow_mut();
        if let (known, Some(sha)) = &*last
            && known == body
        {
            return *sha;
        }
        let sha = sha_of(body);
        if body.len() <= REMEMBERED {
            last.0.clear();
            last.0.extend_from_slice(body);
            last.1 = Some(sha);
        }
        sha
    }

    /// Is this the place to run this request's script?
    #[inline]
    pub(in crate::commands) fn takes(&self, command: &Command, argv: Argv<'_>) -> bool {
        !self.is_visited.get() || run::is_short(self, command, argv)
    }

    /// Runs a library's code.
    pub(super) fn library(&self, code: &[u8]) -> Result<Library, CommandError> {
        let (name, source) = metadata(code).map_err(CommandError::Other)?;
        self.library_of(name, source, code)
    }

    pub(super) fn library_of(
        &self,
        name: String,
        source: &[u8],
        code: &[u8],
    ) -> Result<Library, CommandError> {
        if self.libraries.borrow().bytes() + code.len() > self.limit {
            return Err(CommandError::other("ERR Error compiling function: not enough memory"));
        }
        let chunk = self
            .compile(source, "user_function")
            .map_err(|error| CommandError::other(format!("ERR Error compiling function: {error}")))?;
        let functions =
            self.vm.load_library(&chunk).map_err(|error| CommandError::other(format!("ERR {error}")))?;
        if functions.is_empty() {
            return Err(CommandError::other("ERR No functions registered"));
        }
        Ok(Library { name, code: code.to_vec(), functions })
    }

    /// When the heap is full of scripts that somebody ran once, they go.
    fn compile(&self, source: &[u8], chunk: &str) -> Result<Function, String> {
        if self.vm.used_memory() > self.limit / 2 {
            self.cache.borrow_mut().shed();
            self.vm.collect();
        }
        self.vm.compile(source, chunk)
    }

    /// Cleans up behind a worker's client.
    pub(in crate::commands) fn leave(&self, daemon: &Daemon) {
        if self.is_soiled.take() {
            self.vm.clean();
        } else {
            self.vm.tidy();
        }
        self.publish(daemon);
    }

    /// Tells `INFO` how things are.
    pub(super) fn publish(&self, daemon: &Daemon) {
        let (cache, libraries) = (self.cache.borrow(), self.libraries.borrow());
        let figures = &daemon.scripts.figures;
        for (figure, value) in [
            (&figures.scripts, cache.len() as u64),
            (&figures.evicted, cache.evicted),
            (&figures.functions, libraries.functions() as u64),
            (&figures.libraries, libraries.len() as u64),
            (&figures.vm_bytes, self.vm.used_memory() as u64),
        ] {
            figure.store(value, Ordering::Relaxed);
        }
    }
}

pub(super) fn sha_of(body: &[u8]) -> Sha {
    sha1_hex(body).into_bytes().try_into().expect("SHA1 has 40 digits")
}

/// The flags of a script's shebang, if it has one; and its source.
fn shebang(body: &[u8]) -> Result<(Option<Flags>, &[u8]), CommandError> {
    if !body.starts_with(b"#!") {
        return Ok((None, body));
    }
    let (words, source) =
        split_shebang(body).ok_or_else(|| CommandError::other("ERR Invalid script shebang"))?;
    let quoting = |text: &str, word: &[u8]| CommandError::quoting(text, word, usize::MAX, "");
    let mut words = words.into_iter();
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(quoting("ERR Unexpected engine in script shebang: ", engine));
    }
    let mut flags = Flags::default();
    for word in words {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err(quoting("ERR Unknown lua shebang option: ", word));
        };
        for name in list.split(|&byte| byte == b',').filter(|_| !list.is_empty()) {
            let flag =
                Flags::named(name).ok_or_else(|| quoting("ERR Unexpected flag in script shebang: ", name))?;
            flags.add(flag);
        }
    }
    Ok((Some(flags), source))
}
