//! Replies of commands, from their bytes to Lua values.
//!
//! RESP2: nil becomes `false`, a status `{ok=…}`, an error `{err=…}`. RESP3 (after `redis.setresp(3)`): nil is nil, and
//! what Lua has no type for is a table with one telling field: `map`, `set`, `double`, `big_number`, `verbatim_string`.

use super::error::out_of_memory;
use memchr::memchr;
use mlua::{Lua, Result, Table, Value};

/// Nothing that our own commands answer is nested as deep; a bound all the same.
const DEPTH_MAX: usize = 64;

/// The value of the reply that `bytes` begin with.
pub(super) fn to_lua(lua: &Lua, bytes: &[u8]) -> Result<Value> {
    Parser { lua, rest: bytes }.value(0)
}

struct Parser<'l, 'b> {
    lua: &'l Lua,
    rest: &'b [u8],
}

impl<'b> Parser<'_, 'b> {
    /// The next line, without its end. Replies are our own: what is missing is read as nothing.
    fn line(&mut self) -> &'b [u8] {
        let end = memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }

    fn number(line: &[u8]) -> i64 {
        std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The bytes behind a length; `None` for a nil.
    fn blob(&mut self, len: &[u8]) -> Option<&'b [u8]> {
        let len = usize::try_from(Self::number(len)).ok()?;
        let blob = self.rest.get(..len).unwrap_or_default();
        self.rest = self.rest.get(len + 2..).unwrap_or_default();
        Some(blob)
    }

    fn string(&self, bytes: &[u8]) -> Result<Value> {
        self.lua.create_string(bytes).map(Value::String)
    }

    /// A table with one field.
    fn wrapped(&self, field: &str, value: Value) -> Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(field, value)?;
        Ok(Value::Table(table))
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err(out_of_memory());
        }
        let line = self.line();
        let Some((&kind, line)) = line.split_first() else { return Ok(Value::Nil) };
        match kind {
            b':' => Ok(Value::Number(Self::number(line) as f64)),
            b'$' => match self.blob(line) {
                Some(blob) => self.string(blob),
                None => Ok(Value::Boolean(false)),
            },
            b'+' => self.wrapped("ok", self.string(line)?),
            b'-' => {
                let error = self.wrapped("err", self.string(line)?)?;
                if let Value::Table(table) = &error {
                    table.raw_set("ignore_error_stats_update", true)?;
                }
                Ok(error)
            }
            b'*' | b'>' if line.starts_with(b"-") => Ok(Value::Boolean(false)),
            b'*' | b'>' => self.array(Self::number(line), depth),
            b'_' => Ok(Value::Nil),
            b'#' => Ok(Value::Boolean(line == b"t")),
            b',' => {
                let number = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
                self.wrapped("double", Value::Number(number.unwrap_or(0.0)))
            }
            b'(' => self.wrapped("big_number", self.string(line)?),
            b'=' => {
                let blob = self.blob(line).unwrap_or_default();
                let verbatim = self.lua.create_table_with_capacity(0, 2)?;
                verbatim.raw_set("format", self.string(blob.get(..3).unwrap_or_default())?)?;
                verbatim.raw_set("string", self.string(blob.get(4..).unwrap_or_default())?)?;
                self.wrapped("verbatim_string", Value::Table(verbatim))
            }
            b'%' => self.map(Self::number(line), depth),
            b'~' => self.set(Self::number(line), depth),
            _ => Ok(Value::Nil),
        }
    }

    fn table(&self, array: i64, fields: i64) -> Result<Table> {
        // Sizes are no promise: a nested nil may leave a hole, and memory is taken as values come.
        let most = |count: i64| count.clamp(0, 1 << 16) as usize;
        self.lua.create_table_with_capacity(most(array), most(fields))
    }

    fn array(&mut self, count: i64, depth: usize) -> Result<Value> {
        let table = self.table(count, 0)?;
        for at in 1..=count {
            let value = self.value(depth + 1)?;
            if !value.is_nil() {
                table.raw_set(at, value)?;
            }
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, count: i64, depth: usize) -> Result<Value> {
        let table = self.table(0, count)?;
        for _ in 0..count {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            if !key.is_nil() {
                table.raw_set(key, value)?;
            }
        }
        self.wrapped("map", Value::Table(table))
    }

    fn set(&mut self, count: i64, depth: usize) -> Result<Value> {
        let table = self.table(0, count)?;
        for _ in 0..count {
            let member = self.value(depth + 1)?;
            if !member.is_nil() {
                table.raw_set(member, true)?;
            }
        }
        self.wrapped("set", Value::Table(table))
    }
}
