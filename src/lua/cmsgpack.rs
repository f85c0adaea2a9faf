//! `cmsgpack`: lua-cmsgpack 0.4.0 as Redis ships it. Tables nested deeper than 16 are packed as nil.

use super::error::{number_arg, out_of_memory, raise, raise_plain, string_arg};
use mlua::{Lua, MultiValue, Result, Table, Value};

const NESTING_MAX: usize = 16;
/// Unpacking recurses; the C library stops at Lua's stack.
const DEPTH_MAX: usize = 1000;

pub(super) fn table(lua: &Lua, limit: usize) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(move |lua, args: MultiValue| pack(lua, &args, limit))?)?;
    table.raw_set(
        "unpack",
        lua.create_function(|lua, args: MultiValue| {
            unpack(lua, &args, "unpack", usize::MAX as f64, 0.0, true)
        })?,
    )?;
    table.raw_set(
        "unpack_one",
        lua.create_function(|lua, args: MultiValue| {
            let offset = optional(lua, &args, 1, 0.0, "unpack_one")?;
            unpack(lua, &args, "unpack_one", 1.0, offset, false)
        })?,
    )?;
    table.raw_set(
        "unpack_limit",
        lua.create_function(|lua, args: MultiValue| {
            let limit = number_arg(lua, &args, 1, "unpack_limit")?;
            let offset = optional(lua, &args, 2, 0.0, "unpack_limit")?;
            unpack(lua, &args, "unpack_limit", limit, offset, false)
        })?,
    )?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}

fn optional(lua: &Lua, args: &MultiValue, at: usize, default: f64, name: &str) -> Result<f64> {
    match args.get(at) {
        None | Some(Value::Nil) => Ok(default),
        Some(_) => number_arg(lua, args, at, name),
    }
}

fn pack(lua: &Lua, args: &MultiValue, limit: usize) -> Result<mlua::LuaString> {
    if args.is_empty() {
        return Err(raise(lua, "bad argument #0 to 'pack' (MessagePack pack needs input.)"));
    }
    let mut packer = Packer { out: Vec::new(), limit };
    args.iter().try_for_each(|value| packer.value(value, 0))?;
    lua.create_string(packer.out)
}

struct Packer {
    out: Vec<u8>,
    limit: usize,
}

impl Packer {
    fn value(&mut self, value: &Value, level: usize) -> Result<()> {
        match value {
            Value::String(text) => self.string(&text.as_bytes())?,
            Value::Boolean(value) => self.out.push(if *value { 0xC3 } else { 0xC2 }),
            Value::Integer(number) => self.integer(*number),
            Value::Number(number) => self.number(*number),
            Value::Table(table) if level < NESTING_MAX => self.table(table, level)?,
            _ => self.out.push(0xC0),
        }
        if self.out.len() <= self.limit { Ok(()) } else { Err(out_of_memory()) }
    }

    fn string(&mut self, text: &[u8]) -> Result<()> {
        if text.len() > self.limit.saturating_sub(self.out.len()) {
            return Err(out_of_memory());
        }
        match text.len() {
            len @ 0..32 => self.out.push(0xA0 | len as u8),
            len @ 32..=0xFF => self.out.extend_from_slice(&[0xD9, len as u8]),
            len => self.sized(len, 0xDA, 0xDB),
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// A length of 16 or 32 bits behind its type.
    fn sized(&mut self, len: usize, short: u8, long: u8) {
        if let Ok(len) = u16::try_from(len) {
            self.out.push(short);
            self.out.extend_from_slice(&len.to_be_bytes());
        } else {
            self.out.push(long);
            self.out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }

    fn number(&mut self, number: f64) {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        let narrow = number as f32;
        if number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number) {
            self.integer(number as i64);
        } else if f64::from(narrow) == number {
            self.out.push(0xCA);
            self.out.extend_from_slice(&narrow.to_be_bytes());
        } else {
            self.out.push(0xCB);
            self.out.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn integer(&mut self, number: i64) {
        let (kind, bytes) = match number {
            -32..=127 => return self.out.push(number as u8),
            128..=0xFF => (0xCC, 1),
            0x100..=0xFFFF => (0xCD, 2),
            0x1_0000..=0xFFFF_FFFF => (0xCE, 4),
            0x1_0000_0000.. => (0xCF, 8),
            -0x80..=-33 => (0xD0, 1),
            -0x8000..=-0x81 => (0xD1, 2),
            -0x8000_0000..=-0x8001 => (0xD2, 4),
            _ => (0xD3, 8),
        };
        self.out.push(kind);
        self.out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
    }

    fn table(&mut self, table: &Table, level: usize) -> Result<()> {
        let (count, is_array) = shape(table)?;
        if is_array {
            if count < 16 {
                self.out.push(0x90 | count as u8)
            } else {
                self.sized(count, 0xDC, 0xDD)
            }
            return (1..=count).try_for_each(|at| self.value(&table.raw_get(at)?, level + 1));
        }
        if count < 16 {
            self.out.push(0x80 | count as u8)
        } else {
            self.sized(count, 0xDE, 0xDF)
        }
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            self.value(&key, level + 1)?;
            self.value(&value, level + 1)?;
        }
        Ok(())
    }
}

/// How many entries a table has, and whether its keys are 1, 2, … without a hole.
fn shape(table: &Table) -> Result<(usize, bool)> {
    let (mut count, mut max, mut are_indexes) = (0usize, 0i64, true);
    for pair in table.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(key) if (1..=i32::MAX.into()).contains(&key) => max = max.max(key),
            _ => are_indexes = false,
        }
        count += 1;
    }
    Ok((count, are_indexes && max == count as i64))
}

fn unpack(
    lua: &Lua,
    args: &MultiValue,
    name: &str,
    limit: f64,
    offset: f64,
    all: bool,
) -> Result<MultiValue> {
    /// What fits on Lua's stack of a C call.
    const RESULTS_MAX: usize = 7000;
    let text = string_arg(lua, args, 0, name)?;
    let bytes = text.as_bytes();
    let (limit, offset, len) = (limit as i64, offset as i64, bytes.len());
    if limit < 0 || offset < 0 {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {len}.");
        return Err(raise(lua, text));
    }
    if offset as usize > len {
        let text = format!("Start offset {offset} greater than input length {len}.");
        return Err(raise(lua, text));
    }
    // As the C library has it: neither means everything.
    let all = all || limit == 0 && offset == 0;
    let limit = if all { i64::MAX } else { limit };
    let mut unpacker = Unpacker { lua, rest: &bytes[offset as usize..] };
    let mut values = Vec::new();
    while !unpacker.rest.is_empty() && (values.len() as i64) < limit {
        if values.len() == RESULTS_MAX {
            let text =
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
            return Err(raise(lua, text));
        }
        let value = unpacker.value(0).map_err(|error| match error {
            Unpack::Lua(error) => error,
            Unpack::Missing => raise(lua, "Missing bytes in input."),
            Unpack::BadFormat => raise(lua, "Bad data format in input."),
        })?;
        values.push(value);
    }
    if !all {
        let next = if unpacker.rest.is_empty() { -1 } else { (len - unpacker.rest.len()) as i64 };
        values.insert(0, Value::Integer(next));
    }
    Ok(MultiValue::from_vec(values))
}

enum Unpack {
    Missing,
    BadFormat,
    Lua(mlua::Error),
}

impl From<mlua::Error> for Unpack {
    fn from(error: mlua::Error) -> Unpack {
        Unpack::Lua(error)
    }
}

struct Unpacker<'u> {
    lua: &'u Lua,
    rest: &'u [u8],
}

impl<'u> Unpacker<'u> {
    fn take(&mut self, len: usize) -> std::result::Result<&'u [u8], Unpack> {
        if len > self.rest.len() {
            return Err(Unpack::Missing);
        }
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of up to 8 bytes.
    fn unsigned(&mut self, len: usize) -> std::result::Result<u64, Unpack> {
        Ok(self.take(len)?.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn value(&mut self, depth: usize) -> std::result::Result<Value, Unpack> {
        if depth > DEPTH_MAX {
            return Err(Unpack::Lua(raise(self.lua, "stack overflow (in function mp_decode_to_lua_type)")));
        }
        let signed = |bits: u64, len: usize| {
            let shift = 64 - 8 * len as u32;
            Value::Number((((bits << shift) as i64) >> shift) as f64)
        };
        let kind = self.take(1)?[0];
        Ok(match kind {
            0x00..=0x7F => Value::Integer(kind.into()),
            0xE0..=0xFF => Value::Integer((kind as i8).into()),
            0x80..=0x8F => self.map(usize::from(kind & 0xF), depth)?,
            0x90..=0x9F => self.array(usize::from(kind & 0xF), depth)?,
            0xA0..=0xBF => self.string(usize::from(kind & 0x1F))?,
            0xC0 => Value::Nil,
            0xC2 => Value::Boolean(false),
            0xC3 => Value::Boolean(true),
            0xD9 => self.string_of(1)?,
            0xDA => self.string_of(2)?,
            0xDB => self.string_of(4)?,
            0xCA => Value::Number(f32::from_bits(self.unsigned(4)? as u32).into()),
            0xCB => Value::Number(f64::from_bits(self.unsigned(8)?)),
            0xCC => Value::Number(self.unsigned(1)? as f64),
            0xCD => Value::Number(self.unsigned(2)? as f64),
            0xCE => Value::Number(self.unsigned(4)? as f64),
            0xCF => Value::Number(self.unsigned(8)? as f64),
            0xD0 => signed(self.unsigned(1)?, 1),
            0xD1 => signed(self.unsigned(2)?, 2),
            0xD2 => signed(self.unsigned(4)?, 4),
            0xD3 => signed(self.unsigned(8)?, 8),
            0xDC => {
                let len = self.unsigned(2)? as usize;
                self.array(len, depth)?
            }
            0xDD => {
                let len = self.unsigned(4)? as usize;
                self.array(len, depth)?
            }
            0xDE => {
                let len = self.unsigned(2)? as usize;
                self.map(len, depth)?
            }
            0xDF => {
                let len = self.unsigned(4)? as usize;
                self.map(len, depth)?
            }
            _ => return Err(Unpack::BadFormat),
        })
    }

    fn string_of(&mut self, bytes: usize) -> std::result::Result<Value, Unpack> {
        let len = self.unsigned(bytes)? as usize;
        self.string(len)
    }

    fn string(&mut self, len: usize) -> std::result::Result<Value, Unpack> {
        Ok(Value::String(self.lua.create_string(self.take(len)?)?))
    }

    fn array(&mut self, len: usize, depth: usize) -> std::result::Result<Value, Unpack> {
        let table = self.lua.create_table()?;
        for at in 1..=len {
            table.raw_set(at, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> std::result::Result<Value, Unpack> {
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            match key {
                Value::Nil => return Err(Unpack::Lua(raise_plain("table index is nil"))),
                Value::Number(number) if number.is_nan() => {
                    return Err(Unpack::Lua(raise_plain("table index is NaN")));
                }
                key => table.raw_set(key, value)?,
            }
        }
        Ok(Value::Table(table))
    }
}
