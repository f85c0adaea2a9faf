//! Errors that Lua code meets: as strings that begin with a position, or as tables with an `err`.
//!
//! A Rust function cannot raise a Lua value: it returns a [`Raised`], which travels as an opaque object and becomes
//! its value where Lua code can look at it, in `pcall` and its kin (see `guard.rs`) and at a script's end.

use mlua::{Error, Lua, MultiValue, Value};
use std::fmt;

/// What a Rust function raises.
#[derive(Clone, Debug)]
pub(super) enum Raised {
    /// A string, position included.
    Text(Vec<u8>),
    /// A table `{err = …}`; `counted`: the error statistics have it already.
    Reply { text: Vec<u8>, counted: bool },
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Raised::Text(text) | Raised::Reply { text, .. }) = self;
        f.write_str(&String::from_utf8_lossy(text))
    }
}

impl std::error::Error for Raised {}

impl Raised {
    /// What is inside an error that went through Lua.
    pub(super) fn of(error: &Error) -> Option<&Raised> {
        match error {
            Error::CallbackError { cause, .. } => Raised::of(cause),
            Error::WithContext { cause, .. } => Raised::of(cause),
            other => other.downcast_ref::<Raised>(),
        }
    }

    /// The value that Lua code sees of an error.
    pub(super) fn value(lua: &Lua, error: &Error) -> mlua::Result<Value> {
        match Raised::of(error) {
            Some(Raised::Text(text)) => lua.create_string(text).map(Value::String),
            Some(Raised::Reply { text, counted }) => {
                let table = lua.create_table()?;
                table.raw_set("err", lua.create_string(text)?)?;
                if *counted {
                    table.raw_set("ignore_error_stats_update", true)?;
                }
                Ok(Value::Table(table))
            }
            None => lua.create_string(plain_text(error)).map(Value::String),
        }
    }
}

/// The message of an error that Lua itself or mlua raised.
fn plain_text(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => plain_text(cause),
        Error::MemoryError(_) => "not enough memory".to_owned(),
        Error::RuntimeError(text) | Error::SafetyError(text) => text.clone(),
        Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// Raises a string, the caller's position before it, as `luaL_error` does.
#[cold]
pub(super) fn raise(lua: &Lua, text: impl AsRef<[u8]>) -> Error {
    let position = lua.inspect_stack(1, |debug| {
        let line = debug.current_line()?;
        Some(format!("{}:{line}: ", debug.source().short_src?))
    });
    let mut message = position.flatten().unwrap_or_default().into_bytes();
    message.extend_from_slice(text.as_ref());
    Error::external(Raised::Text(message))
}

/// Raises a string as it is.
#[cold]
pub(super) fn raise_plain(text: impl Into<Vec<u8>>) -> Error {
    Error::external(Raised::Text(text.into()))
}

/// Raises a table with an error reply: `text` begins with its code.
#[cold]
pub(super) fn raise_reply(text: impl Into<Vec<u8>>) -> Error {
    Error::external(Raised::Reply { text: text.into(), counted: false })
}

#[cold]
pub(super) fn out_of_memory() -> Error {
    raise_plain("not enough memory")
}

/// `bad argument #n to 'f' (x expected, got y)`; `at` counts from 1.
#[cold]
pub(super) fn arg_error(lua: &Lua, at: usize, function: &str, expected: &str, args: &MultiValue) -> Error {
    let got = args.get(at - 1).map_or("no value", type_name);
    bad_arg(lua, at, function, &format!("{expected} expected, got {got}"))
}

#[cold]
pub(super) fn bad_arg(lua: &Lua, at: usize, function: &str, what: &str) -> Error {
    raise(lua, format!("bad argument #{at} to '{function}' ({what})"))
}

/// A type's name as Lua says it.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::LightUserData(_) => "light userdata",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

/// An argument that is a number or a string that reads as one; `at` counts from 0.
pub(super) fn number_arg(lua: &Lua, args: &MultiValue, at: usize, function: &str) -> mlua::Result<f64> {
    let number = match args.get(at) {
        Some(&Value::Integer(number)) => Some(number as f64),
        Some(&Value::Number(number)) => Some(number),
        Some(value @ Value::String(_)) => lua.coerce_number(value.clone())?,
        _ => None,
    };
    number.ok_or_else(|| arg_error(lua, at + 1, function, "number", args))
}

/// An argument that is a string or a number, as a string; `at` counts from 0.
pub(super) fn string_arg(
    lua: &Lua,
    args: &MultiValue,
    at: usize,
    function: &str,
) -> mlua::Result<mlua::LuaString> {
    let string = match args.get(at) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(value @ (Value::Integer(_) | Value::Number(_))) => lua.coerce_string(value.clone())?,
        _ => None,
    };
    string.ok_or_else(|| arg_error(lua, at + 1, function, "string", args))
}
