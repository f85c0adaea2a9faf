//! The Lua VM of scripts and functions: plain Lua 5.1 in Redis' sandbox, with Redis' libraries.
//!
//! It knows no store and no command: whoever runs a script passes a [`Host`] that executes its calls. One thread at a
//! time has a VM. The heap has a limit; beyond it a script gets an error. Text that Rust builds for Lua (`cjson.encode`, a call's
//! arguments, the reply) has the same limit. A hook asks every 100 000 instructions whether to go on.
//!
//! What the hook cannot reach is one call into C: `string.find` with a pattern that backtracks without end, or
//! `table.concat` and `string.rep` up to the heap's limit. Redis has the same gap.

mod answer;
mod api;
mod bit;
mod call;
mod cjson;
mod cmsgpack;
mod error;
mod library;
mod number;
mod packing;
mod random;
mod reply;
mod sandbox;

#[cfg(test)]
mod tests;

pub use api::sha1_hex;
pub use library::{Flags, INVALID_NAME, Registered, is_valid_name};
pub use mlua::{Error as VmError, Function};
pub use sandbox::{Mode, may_soil};

use crate::resp::{Argv, Reply};
use answer::Answer;
use error::{Raised, raise_reply};
use library::Registry;
use mlua::{HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Thread, Value, VmState};
use parking_lot::ReentrantMutex;
use sandbox::Sandbox;
use std::cell::Cell;
use std::sync::Arc;

/// Who executes what scripts call.
pub trait Host {
    /// Executes a command and appends its reply, in RESP3 if so asked.
    fn call(&mut self, argv: Argv<'_>, resp3: bool, reply: &mut Vec<u8>);

    /// May the script's user run this command? `None`: there is no such command.
    fn may_call(&mut self, argv: Argv<'_>) -> Option<bool>;
}

/// Says, from within a running script, why it has to end.
pub type Interrupt = Arc<dyn Fn() -> Option<&'static str> + Send + Sync>;

/// What functions of a VM share. Whoever has the VM is alone with it, as mlua cannot know.
type Shared<T> = Arc<ReentrantMutex<T>>;

fn shared<T>(value: T) -> Shared<T> {
    Arc::new(ReentrantMutex::new(value))
}

/// The VM. One thread at a time has it.
pub struct Vm {
    lua: Lua,
    main: Thread,
    sandbox: Sandbox,
    handler: Function,
    registry: Registry,
    /// What the running script chose with `redis.setresp`.
    resp3: Shared<Cell<bool>>,
    interrupt: Interrupt,
    /// Bytes of heap, and of any text built outside it.
    limit: usize,
}

/// Bytes of text that may become Lua values with the heap's limit lifted: under one, mlua makes each value in a
/// protected call, which costs a small script more than all else.
const FREELY: usize = 64 << 10;

/// Makes values of `bytes` bytes of text. Once the heap is full they are made under its limit, so that it is exceeded
/// by what one such text becomes and no more.
fn freely<T>(lua: &Lua, bytes: usize, make: impl FnOnce() -> mlua::Result<T>) -> mlua::Result<T> {
    if bytes > FREELY {
        return make();
    }
    let limit = lua.set_memory_limit(0)?;
    if lua.used_memory() + bytes > limit {
        lua.set_memory_limit(limit)?;
        return make();
    }
    let made = make();
    lua.set_memory_limit(limit)?;
    made
}

/// Stack of a thread on which scripts run: conversions recurse as deep as tables are nested.
pub const STACK: usize = 64 << 20;

/// How many instructions pass between two questions whether to go on.
const HOOK_EVERY: u32 = 100_000;

/// One run of a script or a function.
pub struct Run<'r> {
    pub function: &'r Function,
    pub mode: Mode,
    /// What an error's text calls it: the script's SHA1 or the function's name.
    pub name: &'r str,
    pub keys: Argv<'r>,
    pub args: Argv<'r>,
}

impl Vm {
    /// A VM whose heap may grow to `limit` bytes.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(limit: usize, interrupt: Interrupt) -> mlua::Result<Vm> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let registry: Registry = shared(Default::default());
        let sandbox = Sandbox::new(&lua, limit, library::register(&lua, registry.clone())?)?;
        let handler = lua.create_function(handle)?;
        let resp3 = shared(Cell::new(false));
        let chosen = resp3.clone();
        let set_resp = lua.create_function(move |lua, args| set_resp(lua, &args, &chosen.lock()))?;
        for api in [&sandbox.eval_api, &sandbox.function_api] {
            call::add(&lua, api, limit, &resp3)?;
            api.raw_set("setresp", &set_resp)?;
        }
        lua.set_memory_limit(limit)?;
        let main = lua.current_thread();
        let vm = Vm { lua, main, sandbox, handler, registry, resp3, interrupt, limit };
        vm.watch()?;
        Ok(vm)
    }

    /// Installs the hook that asks whether to go on.
    fn watch(&self) -> mlua::Result<()> {
        let (interrupt, main) = (self.interrupt.clone(), self.main.clone());
        let often = HookTriggers::new().every_nth_instruction(HOOK_EVERY);
        self.lua.set_global_hook(often, move |_, _| match interrupt() {
            None => Ok(VmState::Continue),
            Some(why) => {
                // From now on every line raises, or `pcall` in a loop would live on.
                let always = HookTriggers::new().every_line().every_nth_instruction(1);
                main.set_hook(always, move |_, _| Err(raise_reply(why)))?;
                Err(raise_reply(why))
            }
        })
    }

    /// Bytes on the heap.
    pub fn used_memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Collects garbage.
    pub fn collect(&self) {
        let _ = self.lua.gc_collect();
    }

    /// Compiles source; `chunk` is what errors call it.
    ///
    /// # Errors
    /// Lua's message.
    pub fn compile(&self, source: &[u8], chunk: &str) -> Result<Function, String> {
        let message = |error: mlua::Error| match error {
            mlua::Error::SyntaxError { message, .. } => message,
            mlua::Error::MemoryError(_) => "not enough memory".to_owned(),
            other => other.to_string(),
        };
        if source.first() == Some(&0x1B) {
            return Err(format!("{chunk}: attempt to load a binary chunk"));
        }
        let loaded = self.lua.load(source).set_name(format!("@{chunk}")).into_function();
        let loaded = loaded.map_err(message);
        self.tidy();
        loaded
    }

    /// Runs a script or a function: the value it returns, for [`Vm::answer`].
    ///
    /// # Errors
    /// The error reply: code first, then where it happened.
    pub fn run(&self, run: &Run<'_>, host: &mut dyn Host) -> Result<Value, Vec<u8>> {
        self.resp3.lock().set(false);
        // Whatever the last run came to.
        let _ = self.lua.set_memory_limit(self.limit);
        let ended = call::with(host, || self.enter(run));
        self.settle();
        match ended {
            Ok((true, value)) => Ok(value),
            Ok((false, error)) => Err(error_reply(&error, run.name)),
            Err(error) => {
                let text = match Raised::value(&self.lua, &error) {
                    Ok(Value::String(text)) => text.to_string_lossy(),
                    _ => "not enough memory".to_owned(),
                };
                Err(format!("ERR Error running script {}, {text}", run.name).into_bytes())
            }
        }
    }

    /// Calls Lua; `true` and the first value it returned, or `false` and what it raised.
    fn enter(&self, run: &Run<'_>) -> mlua::Result<(bool, Value)> {
        self.sandbox.enter(run.mode)?;
        let bytes = run.keys.iter().chain(run.args.iter()).map(|arg| arg.len() + 16).sum();
        let (keys, args) =
            freely(&self.lua, bytes, || Ok((self.strings(run.keys)?, self.strings(run.args)?)))?;
        if run.mode == Mode::Eval {
            freely(&self.lua, 0, || self.sandbox.set_arguments(keys, args))?;
            return self.sandbox.guard.xpcall.call((run.function, &self.handler));
        }
        let bound: Function = self.sandbox.guard.bind.call((run.function, keys, args))?;
        self.sandbox.guard.xpcall.call((bound, &self.handler))
    }

    fn strings(&self, argv: Argv<'_>) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(argv.len(), 0)?;
        for (at, arg) in argv.iter().enumerate() {
            table.raw_set(at + 1, self.lua.create_string(arg)?)?;
        }
        Ok(table)
    }

    /// Writes what a script returned.
    ///
    /// # Errors
    /// The reply would be larger than the heap may be; what is written of it has to be taken back.
    pub fn answer(&self, value: &Value, reply: &mut Reply<'_>) -> Result<(), String> {
        let limit = self.limit.saturating_add(reply.out().len());
        let written = Answer { reply, resp3: self.resp3.lock().get(), limit }.write(value, 0);
        written.map_err(|_| "ERR a script's reply must not be larger than lua-memory-limit".to_owned())
    }

    /// Runs a library's code: the functions it registers.
    ///
    /// # Errors
    /// `Error registering functions: …`
    pub fn load_library(&self, chunk: &Function) -> Result<Vec<Registered>, String> {
        self.registry.lock().borrow_mut().clear();
        let ended: mlua::Result<(bool, Value)> = self
            .sandbox
            .enter(Mode::Load)
            .and_then(|()| self.sandbox.guard.xpcall.call((chunk, &self.handler)));
        self.settle();
        let registered = std::mem::take(&mut *self.registry.lock().borrow_mut());
        let error = match ended {
            Ok((true, _)) => return Ok(registered),
            Ok((false, Value::Table(error))) => error.raw_get::<Value>("err").unwrap_or_default(),
            Ok((false, error)) => error,
            Err(error) => Raised::value(&self.lua, &error).unwrap_or_default(),
        };
        let text = match &error {
            Value::String(text) => text.to_string_lossy(),
            _ => "not enough memory".to_owned(),
        };
        Err(format!("Error registering functions: {text}"))
    }

    /// Between the scripts of different clients: nothing of them stays but garbage, and not much of that.
    pub fn clean(&self) {
        if let Err(error) = self.sandbox.guard.scrub.call::<()>(()) {
            tracing::warn!(%error, "the tables of scripts could not be cleaned");
        }
        self.tidy();
    }

    /// After a run: the hook is as it was.
    fn settle(&self) {
        if (self.interrupt)().is_some() {
            self.main.remove_hook();
            let _ = self.watch();
        }
    }

    /// Keeps garbage within bounds.
    pub fn tidy(&self) {
        if self.used_memory() > self.limit / 2 {
            self.collect();
        }
    }
}

/// `redis.setresp(2 | 3)`
fn set_resp(lua: &Lua, args: &MultiValue, chosen: &Cell<bool>) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(raise_reply("ERR redis.setresp() requires one argument."));
    }
    let version = lua.coerce_number(args[0].clone())?.unwrap_or(0.0) as i64;
    if version != 2 && version != 3 {
        return Err(raise_reply("ERR RESP version must be 2 or 3."));
    }
    chosen.set(version == 3);
    Ok(())
}

/// Makes a table of whatever was raised: its text, and where that happened.
fn handle(lua: &Lua, error: Value) -> mlua::Result<Value> {
    const LEVELS: usize = 8;
    let error = match error {
        Value::Error(error) => Raised::value(lua, &error)?,
        other => other,
    };
    let table = match error {
        Value::Table(table) => table,
        other => {
            let text = match lua.coerce_string(other.clone())? {
                Some(text) => text.as_bytes().to_vec(),
                None => other.to_string().unwrap_or_default().into_bytes(),
            };
            let table = lua.create_table()?;
            table.raw_set("err", lua.create_string([b"ERR ", &text[..]].concat())?)?;
            table
        }
    };
    // The nearest function of the script: what raised may be C or `guard.lua`, and what called it too.
    let place = (1..LEVELS).find_map(|level| {
        let place = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let is_script = source.what != "C" && source.source.as_deref() != Some(sandbox::GUARD);
            is_script.then(|| (source.source.unwrap_or_default().into_owned(), debug.current_line()))
        });
        place.flatten()
    });
    if let Some((source, line)) = place {
        table.set("source", source)?;
        table.set("line", line.map_or(-1, |line| line as i64))?;
    }
    Ok(Value::Table(table))
}

/// The reply to a script that raised `error`.
fn error_reply(error: &Value, name: &str) -> Vec<u8> {
    let Value::Table(table) = error else {
        let text = error.to_string().unwrap_or_else(|_| "execution failure".to_owned());
        return format!("ERR Error running script {name}, {text:.100}").into_bytes();
    };
    let field = |key: &str| match table.raw_get(key) {
        Ok(Value::String(text)) => Some(text.as_bytes().to_vec()),
        Ok(Value::Integer(number)) => Some(number.to_string().into_bytes()),
        _ => None,
    };
    let text = field("err").unwrap_or_else(|| b"ERR unknown error".to_vec());
    match (field("source"), field("line")) {
        (Some(source), Some(line)) => {
            [&text[..], b" script: ", name.as_bytes(), b", on ", &source, b":", &line, b"."].concat()
        }
        _ => text,
    }
}
