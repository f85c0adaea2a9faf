//! The globals that scripts see.
//!
//! Redis has a Lua of its own whose tables can be marked read-only. With the plain one a protected table is an empty
//! front: reads go to the table behind it, writes raise. `pairs`, `rawget` and `rawset` know the fronts.
//!
//! There is one global table, whose contents depend on who runs: `EVAL`, a function, a library being loaded.
//!
//! Differs: `next` sees a front as empty, and `setmetatable` on one has other words, than in Redis.

use super::error::{Raised, arg_error, raise, raise_plain};
use super::{api, bit, cjson, cmsgpack, packing, random};
use mlua::{Function, Lua, LuaString, MultiValue, Result, Table, Value};
use std::cell::Cell;

/// What `guard.lua` is called on the stack.
pub(super) const GUARD: &str = "=guard";
pub(super) const READ_ONLY: &str = "Attempt to modify a readonly table";

/// The one global table and what may be behind it.
pub(super) struct Sandbox {
    /// The metatable of the global table.
    meta: Table,
    mode: Cell<Mode>,
    /// Of `EVAL`: `KEYS` and `ARGV` are set here.
    eval: Table,
    names: [LuaString; 2],
    function: Table,
    load: Table,
    /// The `redis` tables of the first two.
    pub eval_api: Table,
    pub function_api: Table,
    pub guard: Guard,
}

/// From `guard.lua`.
pub(super) struct Guard {
    pub bind: Function,
    pub scrub: Function,
    pub xpcall: Function,
}

/// May code of this source put something into a protected table's own, empty part? The functions that do so are
/// reached through one of these names only, and a global's name stands in the source as it is.
pub fn may_soil(source: &[u8]) -> bool {
    ["table", "_G", "load"].iter().any(|name| memchr::memmem::find(source, name.as_bytes()).is_some())
}

/// Who runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Eval,
    Function,
    Load,
}

/// Globals of plain Lua that scripts have.
const BUILTINS: &[&str] = &[
    "_VERSION",
    "assert",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "next",
    "rawequal",
    "select",
    "setmetatable",
    "tonumber",
    "tostring",
    "type",
    "unpack",
];
const LIBRARIES: &[&str] = &["coroutine", "math", "string", "table"];

impl Sandbox {
    pub(super) fn new(lua: &Lua, limit: usize, register: Function) -> Result<Sandbox> {
        let real = lua.globals();
        let hidden = lua.create_table()?;
        let shown = lua.create_function(|lua, value: Value| match value {
            Value::Error(error) => Raised::value(lua, &error),
            other => Ok(other),
        })?;
        let wrapped: Table =
            lua.load(include_str!("guard.lua")).set_name(GUARD).call((shown, hidden.clone()))?;
        let front = Front { lua, hidden: &hidden, read_only: lua.create_function(read_only)? };

        let common = lua.create_table()?;
        for &name in BUILTINS {
            common.raw_set(name, real.raw_get::<Value>(name)?)?;
        }
        for name in ["pcall", "xpcall", "rawget", "loadstring", "load", "collectgarbage"] {
            common.raw_set(name, wrapped.raw_get::<Value>(name)?)?;
        }
        common.raw_set("pairs", pairs(lua, hidden.clone(), real.raw_get("next")?)?)?;
        common.raw_set("rawset", rawset(lua, hidden.clone())?)?;
        real.raw_get::<Table>("coroutine")?.raw_set("resume", wrapped.raw_get::<Value>("resume")?)?;
        random::replace(lua, &real.raw_get("math")?)?;
        for &name in LIBRARIES {
            common.raw_set(name, front.of(&real.raw_get(name)?)?)?;
        }
        common.raw_set("bit", front.of(&bit::table(lua)?)?)?;
        common.raw_set("cjson", front.of(&cjson::table(lua, limit)?)?)?;
        common.raw_set("cmsgpack", front.of(&cmsgpack::table(lua, limit)?)?)?;
        common.raw_set("struct", front.of(&packing::table(lua, limit)?)?)?;
        common.raw_set("os", front.of(&clock(lua)?)?)?;

        let function_api = api::common(lua)?;
        let eval_api = api::common(lua)?;
        api::add_eval(lua, &eval_api)?;
        let load_api = api::load(lua, register)?;
        let nonexistent = lua.create_function(nonexistent)?;
        let strict = lua.create_table()?;
        strict.raw_set("__index", nonexistent)?;
        load_api.set_metatable(Some(strict.clone()))?;

        let [eval, function, load] = [lua.create_table()?, lua.create_table()?, lua.create_table()?];
        for pair in common.pairs::<Value, Value>() {
            let (name, value) = pair?;
            eval.raw_set(&name, &value)?;
            function.raw_set(name, value)?;
        }
        let globals = lua.create_table()?;
        let meta = lua.create_table()?;
        hidden.raw_set(&globals, &eval)?;
        for (contents, api) in [(&eval, &eval_api), (&function, &function_api), (&load, &load_api)] {
            contents.raw_set("redis", front.of(api)?)?;
            contents.raw_set("_G", &globals)?;
            contents.set_metatable(Some(strict.clone()))?;
        }
        meta.raw_set("__index", &eval)?;
        meta.raw_set("__newindex", &front.read_only)?;
        meta.raw_set("__metatable", front.of(&lua.create_table()?)?)?;
        globals.set_metatable(Some(meta.clone()))?;
        seal_strings(lua, &front, &common)?;
        lua.set_globals(globals)?;
        let scrubber: Function = wrapped.get("scrubber")?;
        let guard =
            Guard { bind: wrapped.get("bind")?, scrub: scrubber.call(())?, xpcall: real.get("xpcall")? };
        let names = [lua.create_string("KEYS")?, lua.create_string("ARGV")?];
        Ok(Sandbox {
            meta,
            mode: Cell::new(Mode::Eval),
            names,
            eval,
            function,
            load,
            eval_api,
            function_api,
            guard,
        })
    }

    /// Sets `KEYS` and `ARGV` of `EVAL`.
    pub(super) fn set_arguments(&self, keys: Table, args: Table) -> Result<()> {
        let [keys_name, args_name] = &self.names;
        self.eval.raw_set(keys_name, keys)?;
        self.eval.raw_set(args_name, args)
    }

    /// Chooses the contents of the global table.
    pub(super) fn enter(&self, mode: Mode) -> Result<()> {
        if self.mode.get() == mode {
            return Ok(());
        }
        let contents = match mode {
            Mode::Eval => &self.eval,
            Mode::Function => &self.function,
            Mode::Load => &self.load,
        };
        self.meta.raw_set("__index", contents)?;
        self.mode.set(mode);
        Ok(())
    }
}

/// Makes fronts.
struct Front<'l> {
    lua: &'l Lua,
    hidden: &'l Table,
    read_only: Function,
}

impl Front<'_> {
    fn of(&self, real: &Table) -> Result<Table> {
        let meta = self.lua.create_table()?;
        meta.raw_set("__index", real)?;
        meta.raw_set("__newindex", &self.read_only)?;
        meta.raw_set("__metatable", false)?;
        let front = self.lua.create_table()?;
        front.set_metatable(Some(meta))?;
        self.hidden.raw_set(&front, real)?;
        Ok(front)
    }
}

/// The metatable that all strings share leads to the library's front alone.
fn seal_strings(lua: &Lua, front: &Front<'_>, common: &Table) -> Result<()> {
    let meta: Table = lua.load("return getmetatable('')").call(())?;
    let shown = lua.create_table()?;
    shown.raw_set("__index", common.raw_get::<Value>("string")?)?;
    meta.raw_set("__metatable", front.of(&shown)?)
}

fn read_only(lua: &Lua, _: MultiValue) -> Result<()> {
    Err(raise(lua, READ_ONLY))
}

fn nonexistent(lua: &Lua, (_, name): (Value, Value)) -> Result<Value> {
    let name = lua.coerce_string(name)?.map(|name| name.to_string_lossy()).unwrap_or_default();
    Err(raise(lua, format!("Script attempted to access nonexistent global variable '{name}'")))
}

/// Of a front it lists what is behind it, without giving that table away.
fn pairs(lua: &Lua, hidden: Table, next: Function) -> Result<Function> {
    lua.create_function(move |lua, args: MultiValue| {
        let Some(Value::Table(table)) = args.front() else {
            return Err(arg_error(lua, 1, "pairs", "table", &args));
        };
        let Value::Table(real) = hidden.raw_get(table)? else {
            return Ok((next.clone(), Value::Table(table.clone()), Value::Nil));
        };
        let next = next.clone();
        let step = lua
            .create_function(move |_, (_, key): (Value, Value)| next.call::<(Value, Value)>((&real, key)))?;
        Ok((step, Value::Nil, Value::Nil))
    })
}

fn rawset(lua: &Lua, hidden: Table) -> Result<Function> {
    lua.create_function(move |lua, args: MultiValue| {
        let Some(Value::Table(table)) = args.front() else {
            return Err(arg_error(lua, 1, "rawset", "table", &args));
        };
        let (Some(key), Some(value)) = (args.get(1), args.get(2)) else {
            return Err(arg_error(lua, args.len() + 1, "rawset", "value", &args));
        };
        if hidden.raw_get::<Value>(table)?.is_table() {
            return Err(raise_plain(READ_ONLY));
        }
        table.raw_set(key, value)?;
        Ok(table.clone())
    })
}

/// `os` has a clock and nothing else.
fn clock(lua: &Lua) -> Result<Table> {
    let started = std::time::Instant::now();
    let os = lua.create_table()?;
    os.raw_set("clock", lua.create_function(move |_, ()| Ok(started.elapsed().as_secs_f64()))?)?;
    Ok(os)
}
