//! The table `redis`, but for what reaches the host (see [`super::call`]).

use super::error::raise_reply;
use crate::REDIS_VERSION;
use mlua::{Function, Lua, MultiValue, Result, Table, Value};
use sha1::{Digest, Sha1};

const REPLICATION: [(&str, i64); 5] =
    [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)];
const LEVELS: [(&str, i64); 4] =
    [("LOG_DEBUG", 0), ("LOG_VERBOSE", 1), ("LOG_NOTICE", 2), ("LOG_WARNING", 3)];

/// 40 hexadecimal digits.
pub fn sha1_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    Sha1::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What scripts and functions have.
pub(super) fn common(lua: &Lua) -> Result<Table> {
    let redis = base(lua)?;
    redis.raw_set("error_reply", lua.create_function(|lua, args| single_field(lua, &args, "err"))?)?;
    redis.raw_set("status_reply", lua.create_function(|lua, args| single_field(lua, &args, "ok"))?)?;
    redis.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    redis.raw_set("set_repl", lua.create_function(set_repl)?)?;
    for (name, value) in REPLICATION {
        redis.raw_set(name, value)?;
    }
    Ok(redis)
}

/// What only `EVAL` has: leftovers of script replication and the debugger.
pub(super) fn add_eval(lua: &Lua, redis: &Table) -> Result<()> {
    redis.raw_set("replicate_commands", lua.create_function(|_, _: MultiValue| Ok(true))?)?;
    redis.raw_set("breakpoint", lua.create_function(|_, _: MultiValue| Ok(false))?)?;
    redis.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)
}

/// What a library has while it is loaded.
pub(super) fn load(lua: &Lua, register: Function) -> Result<Table> {
    let redis = base(lua)?;
    redis.raw_set("register_function", register)?;
    Ok(redis)
}

fn base(lua: &Lua) -> Result<Table> {
    let redis = lua.create_table()?;
    redis.raw_set("log", lua.create_function(log)?)?;
    for (name, level) in LEVELS {
        redis.raw_set(name, level)?;
    }
    redis.raw_set("REDIS_VERSION", REDIS_VERSION)?;
    redis.raw_set("REDIS_VERSION_NUM", version_number())?;
    Ok(redis)
}

/// One byte each for major, minor and patch.
fn version_number() -> u32 {
    REDIS_VERSION.split('.').fold(0, |sum, part| sum << 8 | part.parse::<u32>().unwrap_or(0))
}

/// An error's text as `redis.error_reply` and `redis.call` have it: a code first, `ERR` when there is none.
pub(super) fn with_code(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let end = text.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    let text = &text[..end];
    if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() }
}

fn single_field(lua: &Lua, args: &MultiValue, field: &str) -> Result<Table> {
    let table = lua.create_table()?;
    match (args.len(), args.front()) {
        (1, Some(Value::String(text))) if field == "err" => {
            table.raw_set(field, lua.create_string(with_code(&text.as_bytes()))?)?;
        }
        (1, Some(Value::String(text))) => table.raw_set(field, text)?,
        _ => table.raw_set("err", "ERR wrong number or type of arguments")?,
    }
    Ok(table)
}

fn sha1hex(lua: &Lua, args: MultiValue) -> Result<String> {
    if args.len() != 1 {
        return Err(raise_reply("ERR wrong number of arguments"));
    }
    let text = lua.coerce_string(args[0].clone())?;
    Ok(sha1_hex(&text.as_ref().map(|text| text.as_bytes().to_vec()).unwrap_or_default()))
}

/// `redis.log(level, text …)`
fn log(lua: &Lua, args: MultiValue) -> Result<()> {
    /// As much of a message as Redis keeps.
    const MOST: usize = 1024;
    if args.len() < 2 {
        return Err(raise_reply("ERR redis.log() requires two arguments or more."));
    }
    let level = match args[0] {
        Value::Integer(level) => level,
        Value::Number(level) => level as i64,
        _ => return Err(raise_reply("ERR First argument must be a number (log level).")),
    };
    if !(0..=3).contains(&level) {
        return Err(raise_reply("ERR Invalid debug level."));
    }
    let mut text = Vec::new();
    for value in args.iter().skip(1) {
        if let Some(part) = lua.coerce_string(value.clone())? {
            if !text.is_empty() {
                text.push(b' ');
            }
            let part = part.as_bytes();
            text.extend_from_slice(&part[..part.len().min(MOST)]);
        }
        if text.len() >= MOST {
            text.truncate(MOST);
            break;
        }
    }
    let text = String::from_utf8_lossy(&text);
    match level {
        0 => tracing::trace!(target: "magpie::script", "{text}"),
        1 => tracing::debug!(target: "magpie::script", "{text}"),
        2 => tracing::info!(target: "magpie::script", "{text}"),
        _ => tracing::warn!(target: "magpie::script", "{text}"),
    }
    Ok(())
}

/// Nothing is replicated; what Redis refuses is refused.
fn set_repl(lua: &Lua, args: MultiValue) -> Result<()> {
    if args.len() != 1 {
        return Err(raise_reply("ERR redis.set_repl() requires two arguments."));
    }
    let flags = lua.coerce_number(args[0].clone())?.unwrap_or(0.0) as i64;
    if flags & !3 != 0 {
        return Err(raise_reply(
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ));
    }
    Ok(())
}
