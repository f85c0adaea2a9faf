//! What a script returns, from Lua values to the reply of `EVAL`.

use crate::resp::Reply;
use mlua::{Table, Value};

/// Tables within tables. Redis goes on until Lua's stack of C calls is full, at about 8000.
const DEPTH_MAX: usize = 1000;

/// Writes replies for one script.
pub(super) struct Answer<'r, 'o> {
    pub reply: &'r mut Reply<'o>,
    /// What the script chose with `redis.setresp`; `reply` knows what its client did.
    pub resp3: bool,
    /// Bytes that a reply may have.
    pub limit: usize,
}

/// The reply has grown beyond the limit, or a table could not be read.
pub(super) struct TooLarge;

impl From<mlua::Error> for TooLarge {
    fn from(_: mlua::Error) -> TooLarge {
        TooLarge
    }
}

impl Answer<'_, '_> {
    pub(super) fn write(&mut self, value: &Value, depth: usize) -> Result<(), TooLarge> {
        let out = self.reply.out().len();
        match value {
            Value::String(text) => {
                let text = text.as_bytes();
                if text.len() > self.limit.saturating_sub(out) {
                    return Err(TooLarge);
                }
                self.reply.bulk(&text);
            }
            Value::Integer(number) => self.reply.int(*number),
            Value::Number(number) => self.reply.int(truncated(*number)),
            Value::Boolean(value) if self.resp3 => self.reply.bool(*value),
            Value::Boolean(true) => self.reply.int(1),
            Value::Table(table) => {
                if out > self.limit {
                    return Err(TooLarge);
                }
                if depth > DEPTH_MAX {
                    self.reply.error("ERR reached lua stack limit");
                } else {
                    self.table(table, depth)?;
                }
            }
            _ => self.reply.nil(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<(), TooLarge> {
        if let Value::String(error) = table.raw_get("err")? {
            self.reply.error(error.as_bytes());
        } else if let Value::String(status) = table.raw_get("ok")? {
            self.reply.simple(one_line(&status.as_bytes()));
        } else if let Some(double) = number(&table.raw_get("double")?) {
            self.reply.double(double);
        } else if let Value::Table(map) = table.raw_get("map")? {
            self.reply.map(count(&map)?);
            for pair in map.pairs::<Value, Value>() {
                let (key, value) = pair?;
                self.write(&key, depth + 1)?;
                self.write(&value, depth + 1)?;
            }
        } else if let Value::Table(set) = table.raw_get("set")? {
            self.reply.set(count(&set)?);
            for pair in set.pairs::<Value, Value>() {
                self.write(&pair?.0, depth + 1)?;
            }
        } else if let Value::String(digits) = table.raw_get("big_number")? {
            self.reply.big_number(&one_line(&digits.as_bytes()));
        } else if let Some((format, text)) = verbatim(table)? {
            self.reply.verbatim_as(&format.as_bytes(), &text.as_bytes());
        } else {
            self.array(table, depth)?;
        }
        Ok(())
    }

    /// Up to the first nil.
    fn array(&mut self, table: &Table, depth: usize) -> Result<(), TooLarge> {
        let len = (1..).take_while(|&at: &i64| table.raw_get(at).is_ok_and(|value: Value| !value.is_nil()));
        let len = len.count();
        self.reply.array(len);
        for at in 1..=len {
            self.write(&table.raw_get(at)?, depth + 1)?;
        }
        Ok(())
    }
}

fn count(table: &Table) -> mlua::Result<usize> {
    let mut count = 0;
    for pair in table.pairs::<Value, Value>() {
        pair?;
        count += 1;
    }
    Ok(count)
}

fn number(value: &Value) -> Option<f64> {
    match *value {
        Value::Integer(number) => Some(number as f64),
        Value::Number(number) => Some(number),
        _ => None,
    }
}

fn verbatim(table: &Table) -> mlua::Result<Option<(mlua::LuaString, mlua::LuaString)>> {
    let Value::Table(parts) = table.raw_get("verbatim_string")? else { return Ok(None) };
    match (parts.raw_get("format")?, parts.raw_get("string")?) {
        (Value::String(format), Value::String(text)) => Ok(Some((format, text))),
        _ => Ok(None),
    }
}

/// What C makes of a double that is no `long long`.
fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// Line ends would end the reply.
fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }).collect()
}
