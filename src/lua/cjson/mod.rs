//! `cjson`: lua-cjson 2.1.0 as Redis ships it: its settings, limits and error texts.

mod decode;
mod encode;

use super::error::{bad_arg, number_arg, string_arg};
use super::shared;
use mlua::{Lua, MultiValue, Result, Table, Value};
use std::cell::{Cell, RefCell};

/// What the setters set.
struct Settings {
    /// Convert excessively sparse arrays to objects; from which ratio on, above which index.
    sparse_convert: Cell<bool>,
    sparse_ratio: Cell<i32>,
    sparse_safe: Cell<i32>,
    encode_depth: Cell<i32>,
    decode_depth: Cell<i32>,
    precision: Cell<i32>,
    keep_buffer: Cell<bool>,
    encode_invalid: Cell<Invalid>,
    decode_invalid: Cell<Invalid>,
    /// Bytes that encoded text may have.
    limit: usize,
    /// Kept from call to call.
    buffer: RefCell<Vec<u8>>,
}

/// What happens with NaN and infinities.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Invalid {
    Off,
    On,
    Null,
}

pub(super) fn table(lua: &Lua, limit: usize) -> Result<Table> {
    let settings = shared(Settings {
        sparse_convert: Cell::new(false),
        sparse_ratio: Cell::new(2),
        sparse_safe: Cell::new(10),
        encode_depth: Cell::new(1000),
        decode_depth: Cell::new(1000),
        precision: Cell::new(14),
        keep_buffer: Cell::new(true),
        encode_invalid: Cell::new(Invalid::Off),
        decode_invalid: Cell::new(Invalid::On),
        limit,
        buffer: RefCell::default(),
    });
    let table = lua.create_table()?;
    let add = |name: &'static str, run: fn(&Lua, &MultiValue, &Settings) -> Result<MultiValue>| {
        let settings = settings.clone();
        let function = lua.create_function(move |lua, args: MultiValue| run(lua, &args, &settings.lock()))?;
        table.raw_set(name, function)
    };
    add("encode", encode::encode)?;
    add("decode", decode::decode)?;
    add("encode_sparse_array", sparse_array)?;
    add("encode_max_depth", |lua, args, settings| {
        max_depth(lua, args, "encode_max_depth", &settings.encode_depth)
    })?;
    add("decode_max_depth", |lua, args, settings| {
        max_depth(lua, args, "decode_max_depth", &settings.decode_depth)
    })?;
    add("encode_number_precision", |lua, args, settings| {
        let name = "encode_number_precision";
        at_most(lua, args, 1, name)?;
        let precision = integer_option(lua, args, 0, name, &settings.precision, (1, 14))?;
        Ok(MultiValue::from_vec(vec![precision]))
    })?;
    add("encode_keep_buffer", |lua, args, settings| {
        at_most(lua, args, 1, "encode_keep_buffer")?;
        bool_option(lua, args, 0, "encode_keep_buffer", &settings.keep_buffer)
            .map(|value| MultiValue::from_vec(vec![value]))
    })?;
    add("encode_invalid_numbers", |lua, args, settings| {
        invalid_numbers(lua, args, "encode_invalid_numbers", &settings.encode_invalid, true)
    })?;
    add("decode_invalid_numbers", |lua, args, settings| {
        invalid_numbers(lua, args, "decode_invalid_numbers", &settings.decode_invalid, false)
    })?;
    table.raw_set("new", lua.create_function(move |lua, ()| self::table(lua, limit))?)?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}

fn at_most(lua: &Lua, args: &MultiValue, most: usize, name: &str) -> Result<()> {
    if args.len() <= most { Ok(()) } else { Err(bad_arg(lua, most + 1, name, "found too many arguments")) }
}

/// Sets an integer if one is given; the setting that holds then.
fn integer_option(
    lua: &Lua,
    args: &MultiValue,
    at: usize,
    name: &str,
    setting: &Cell<i32>,
    (min, max): (i32, i32),
) -> Result<Value> {
    if args.get(at).is_some_and(|value| !value.is_nil()) {
        let number = number_arg(lua, args, at, name)? as i64;
        if !(i64::from(min)..=i64::from(max)).contains(&number) {
            let what = format!("expected integer between {min} and {max}");
            return Err(bad_arg(lua, at + 1, name, &what));
        }
        setting.set(number as i32);
    }
    Ok(Value::Integer(setting.get().into()))
}

fn bool_option(lua: &Lua, args: &MultiValue, at: usize, name: &str, setting: &Cell<bool>) -> Result<Value> {
    match args.get(at) {
        None | Some(Value::Nil) => {}
        Some(&Value::Boolean(on)) => setting.set(on),
        Some(_) => setting.set(word_option(lua, args, at, name, &["off", "on"])? == 1),
    }
    Ok(Value::Boolean(setting.get()))
}

fn word_option(lua: &Lua, args: &MultiValue, at: usize, name: &str, words: &[&str]) -> Result<usize> {
    let word = string_arg(lua, args, at, name)?;
    words
        .iter()
        .position(|known| word.as_bytes() == known.as_bytes())
        .ok_or_else(|| bad_arg(lua, at + 1, name, &format!("invalid option '{}'", word.to_string_lossy())))
}

fn max_depth(lua: &Lua, args: &MultiValue, name: &str, setting: &Cell<i32>) -> Result<MultiValue> {
    at_most(lua, args, 1, name)?;
    let depth = integer_option(lua, args, 0, name, setting, (1, i32::MAX))?;
    Ok(MultiValue::from_vec(vec![depth]))
}

/// `encode_sparse_array([convert [, ratio [, safe]]])`
fn sparse_array(lua: &Lua, args: &MultiValue, settings: &Settings) -> Result<MultiValue> {
    let name = "encode_sparse_array";
    at_most(lua, args, 3, name)?;
    Ok(MultiValue::from_vec(vec![
        bool_option(lua, args, 0, name, &settings.sparse_convert)?,
        integer_option(lua, args, 1, name, &settings.sparse_ratio, (0, i32::MAX))?,
        integer_option(lua, args, 2, name, &settings.sparse_safe, (0, i32::MAX))?,
    ]))
}

fn invalid_numbers(
    lua: &Lua,
    args: &MultiValue,
    name: &str,
    setting: &Cell<Invalid>,
    knows_null: bool,
) -> Result<MultiValue> {
    const ALL: [Invalid; 3] = [Invalid::Off, Invalid::On, Invalid::Null];
    const WORDS: [&str; 3] = ["off", "on", "null"];
    at_most(lua, args, 1, name)?;
    match args.front() {
        None | Some(Value::Nil) => {}
        Some(&Value::Boolean(on)) => setting.set(ALL[usize::from(on)]),
        Some(_) => {
            let words = if knows_null { &WORDS[..] } else { &WORDS[..2] };
            setting.set(ALL[word_option(lua, args, 0, name, words)?]);
        }
    }
    Ok(MultiValue::from_vec(vec![match setting.get() {
        Invalid::Null => Value::String(lua.create_string("null")?),
        on => Value::Boolean(on == Invalid::On),
    }]))
}
