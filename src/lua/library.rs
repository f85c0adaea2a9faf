//! Function libraries: what `redis.register_function` collects while a library's code runs.

use super::Shared;
use super::error::raise_reply;
use mlua::{Function, Lua, MultiValue, Result, Table, Value};
use std::cell::RefCell;

/// What a script or a function says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    pub const NO_WRITES: Flags = Flags(1);
    pub const ALLOW_OOM: Flags = Flags(2);
    pub const ALLOW_STALE: Flags = Flags(4);
    pub const NO_CLUSTER: Flags = Flags(8);
    pub const ALLOW_CROSS_SLOT_KEYS: Flags = Flags(16);

    const NAMES: [(&str, Flags); 5] = [
        ("no-writes", Flags::NO_WRITES),
        ("allow-oom", Flags::ALLOW_OOM),
        ("allow-stale", Flags::ALLOW_STALE),
        ("no-cluster", Flags::NO_CLUSTER),
        ("allow-cross-slot-keys", Flags::ALLOW_CROSS_SLOT_KEYS),
    ];

    pub fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    pub fn add(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    pub fn named(name: &[u8]) -> Option<Flags> {
        Flags::NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|&(_, flag)| flag)
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Flags::NAMES.into_iter().filter(move |&(_, flag)| self.has(flag)).map(|(name, _)| name)
    }
}

/// One function of a library.
#[derive(Clone, Debug)]
pub struct Registered {
    pub name: String,
    pub description: Option<String>,
    pub flags: Flags,
    pub callback: Function,
}

pub(super) type Registry = Shared<RefCell<Vec<Registered>>>;

/// May a library or a function have this name?
pub fn is_valid_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

pub const INVALID_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be \
                                at least one character long";

/// `redis.register_function(name, callback)` and `redis.register_function{…}`
pub(super) fn register(lua: &Lua, registry: Registry) -> Result<Function> {
    lua.create_function(move |_, args: MultiValue| {
        let function = match (args.len(), args.front(), args.get(1)) {
            (1, Some(Value::Table(named)), _) => named_arguments(named)?,
            (1, ..) => {
                return Err(refuse(
                    "calling redis.register_function with a single argument is only applicable to Lua table \
                     (representing named arguments).",
                ));
            }
            (2, Some(name), Some(callback)) => positional_arguments(name, callback)?,
            _ => return Err(refuse("wrong number of arguments to redis.register_function")),
        };
        let registry = registry.lock();
        let mut registry = registry.borrow_mut();
        if !is_valid_name(function.name.as_bytes()) {
            return Err(refuse(INVALID_NAME));
        }
        if registry.iter().any(|known| known.name == function.name) {
            return Err(refuse("Function already exists in the library"));
        }
        registry.push(function);
        Ok(())
    })
}

fn refuse(text: &str) -> mlua::Error {
    raise_reply(format!("ERR {text}"))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string_lossy()),
        // To Lua a number is a string.
        Value::Integer(_) | Value::Number(_) => value.to_string().ok(),
        _ => None,
    }
}

fn positional_arguments(name: &Value, callback: &Value) -> Result<Registered> {
    let name =
        text(name).ok_or_else(|| refuse("first argument to redis.register_function must be a string"))?;
    let Value::Function(callback) = callback else {
        return Err(refuse("second argument to redis.register_function must be a function"));
    };
    Ok(Registered { name, description: None, flags: Flags::default(), callback: callback.clone() })
}

fn named_arguments(named: &Table) -> Result<Registered> {
    let (mut name, mut description, mut flags, mut callback) = (None, None, Flags::default(), None);
    for pair in named.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let must_be = |what: &str, kind: &str| {
            refuse(&format!("{what} argument given to redis.register_function must be a {kind}"))
        };
        match text(&key).as_deref() {
            Some("function_name") => {
                name = Some(text(&value).ok_or_else(|| must_be("function_name", "string"))?);
            }
            Some("description") => {
                description = Some(text(&value).ok_or_else(|| must_be("description", "string"))?);
            }
            Some("callback") => match value {
                Value::Function(function) => callback = Some(function),
                _ => return Err(must_be("callback", "function")),
            },
            Some("flags") => {
                let Value::Table(list) = value else {
                    return Err(refuse(
                        "flags argument to redis.register_function must be a table representing function flags",
                    ));
                };
                flags = read_flags(&list)?;
            }
            Some(_) => return Err(refuse("unknown argument given to redis.register_function")),
            None => {
                return Err(refuse("named argument key given to redis.register_function is not a string"));
            }
        }
    }
    let name = name.ok_or_else(|| refuse("redis.register_function must get a function name argument"))?;
    let callback = callback.ok_or_else(|| refuse("redis.register_function must get a callback argument"))?;
    Ok(Registered { name, description, flags, callback })
}

fn read_flags(list: &Table) -> Result<Flags> {
    let mut flags = Flags::default();
    for at in 1.. {
        match list.raw_get(at)? {
            Value::Nil => break,
            Value::String(name) => {
                flags.add(Flags::named(&name.as_bytes()).ok_or_else(|| refuse("unknown flag given"))?);
            }
            _ => return Err(refuse("unknown flag given")),
        }
    }
    Ok(flags)
}
