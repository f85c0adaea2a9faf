//! `cjson.encode`.

use super::super::error::{bad_arg, out_of_memory, raise, type_name};
use super::super::number::format_g;
use super::{Invalid, Settings};
use mlua::{Lua, MultiValue, Result, Table, Value};

/// Recursion has a bound of its own, whatever `encode_max_depth` says: the thread's stack is finite.
const DEPTH_MAX: i32 = 10_000;
const KEEP_MAX: usize = 64 * 1024;

pub(super) fn encode(lua: &Lua, args: &MultiValue, settings: &Settings) -> Result<MultiValue> {
    if args.len() != 1 {
        return Err(bad_arg(lua, 1, "encode", "expected 1 argument"));
    }
    let mut buffer = std::mem::take(&mut *settings.buffer.borrow_mut());
    buffer.clear();
    let mut encoder = Encoder { lua, settings, out: buffer };
    encoder.value(&args[0], 0)?;
    let text = lua.create_string(&encoder.out)?;
    if settings.keep_buffer.get() && encoder.out.capacity() <= KEEP_MAX {
        *settings.buffer.borrow_mut() = encoder.out;
    }
    Ok(MultiValue::from_vec(vec![Value::String(text)]))
}

struct Encoder<'e> {
    lua: &'e Lua,
    settings: &'e Settings,
    out: Vec<u8>,
}

/// How a table is written.
enum Shape {
    Array(i64),
    Object,
}

impl Encoder<'_> {
    fn refuse(&self, value: &Value, why: &str) -> mlua::Error {
        let name = match value {
            Value::LightUserData(_) => "userdata",
            other => type_name(other),
        };
        raise(self.lua, format!("Cannot serialise {name}: {why}"))
    }

    fn value(&mut self, value: &Value, depth: i32) -> Result<()> {
        match value {
            Value::String(text) => self.string(&text.as_bytes())?,
            Value::Integer(number) => self.number(*number as f64, value)?,
            Value::Number(number) => self.number(*number, value)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.out.extend_from_slice(b"null"),
            Value::Table(table) => self.table(table, value, depth + 1)?,
            other => return Err(self.refuse(other, "type not supported")),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, value: &Value, depth: i32) -> Result<()> {
        if depth > self.settings.encode_depth.get().min(DEPTH_MAX) {
            return Err(raise(self.lua, format!("Cannot serialise, excessive nesting ({depth})")));
        }
        match self.shape(table, value)? {
            Shape::Array(len) => {
                self.out.push(b'[');
                for at in 1..=len {
                    if at > 1 {
                        self.out.push(b',');
                    }
                    self.value(&table.raw_get(at)?, depth)?;
                    self.bound()?;
                }
                self.out.push(b']');
            }
            Shape::Object => {
                self.out.push(b'{');
                let mut is_first = true;
                for pair in table.pairs::<Value, Value>() {
                    let (key, value) = pair?;
                    if !std::mem::take(&mut is_first) {
                        self.out.push(b',');
                    }
                    self.key(&key)?;
                    self.out.push(b':');
                    self.value(&value, depth)?;
                    self.bound()?;
                }
                self.out.push(b'}');
            }
        }
        Ok(())
    }

    fn key(&mut self, key: &Value) -> Result<()> {
        match key {
            Value::String(text) => self.string(&text.as_bytes()),
            &Value::Integer(number) => self.quoted_number(number as f64, key),
            &Value::Number(number) => self.quoted_number(number, key),
            other => Err(self.refuse(other, "table key must be a number or string")),
        }
    }

    fn quoted_number(&mut self, number: f64, key: &Value) -> Result<()> {
        self.out.push(b'"');
        self.number(number, key)?;
        self.out.push(b'"');
        Ok(())
    }

    /// An array has positive integers for keys, and not too many holes.
    fn shape(&self, table: &Table, value: &Value) -> Result<Shape> {
        let (mut max, mut items) = (0i64, 0i64);
        for pair in table.pairs::<Value, Value>() {
            match pair?.0 {
                Value::Integer(key) if key > 0 => {
                    max = max.max(key);
                    items += 1;
                }
                _ => return Ok(Shape::Object),
            }
        }
        let ratio = i64::from(self.settings.sparse_ratio.get());
        let is_sparse =
            ratio > 0 && max > items.saturating_mul(ratio) && max > self.settings.sparse_safe.get().into();
        if is_sparse && !self.settings.sparse_convert.get() {
            return Err(self.refuse(value, "excessively sparse array"));
        }
        Ok(if is_sparse || max == 0 { Shape::Object } else { Shape::Array(max) })
    }

    fn number(&mut self, number: f64, value: &Value) -> Result<()> {
        if !number.is_finite() {
            match self.settings.encode_invalid.get() {
                Invalid::Off => return Err(self.refuse(value, "must not be NaN or Inf")),
                Invalid::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::On if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                Invalid::On => {}
            }
        }
        if number.fract() == 0.0 && number.abs() < 1e14 && (number != 0.0 || number.is_sign_positive()) {
            self.out.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
        } else {
            let precision = self.settings.precision.get() as usize;
            self.out.extend_from_slice(format_g(number, precision).as_bytes());
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) -> Result<()> {
        // At worst every byte becomes six.
        if text.len() > self.settings.limit.saturating_sub(self.out.len()) {
            return Err(out_of_memory());
        }
        self.out.push(b'"');
        for &byte in text {
            let short = match byte {
                b'"' | b'\\' | b'/' => byte,
                8 => b'b',
                9 => b't',
                10 => b'n',
                12 => b'f',
                13 => b'r',
                0..32 | 127 => {
                    self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    continue;
                }
                _ => {
                    self.out.push(byte);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', short]);
        }
        self.out.push(b'"');
        self.bound()
    }

    fn bound(&self) -> Result<()> {
        if self.out.len() <= self.settings.limit { Ok(()) } else { Err(out_of_memory()) }
    }
}
