//! `struct`: Roberto Ierusalimschy's packing of C structures, as Redis ships it.

use super::error::{bad_arg, number_arg, out_of_memory, raise, string_arg};
use mlua::{Lua, MultiValue, Result, Table, Value};

const INT_MAX_SIZE: usize = 32;
const ALIGN_MAX: usize = 8;

pub(super) fn table(lua: &Lua, limit: usize) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(move |lua, args: MultiValue| pack(lua, &args, limit))?)?;
    table.raw_set("unpack", lua.create_function(|lua, args: MultiValue| unpack(lua, &args))?)?;
    table.raw_set("size", lua.create_function(|lua, args: MultiValue| size(lua, &args))?)?;
    Ok(table)
}

/// Reads a format, option by option.
struct Format<'f> {
    lua: &'f Lua,
    function: &'static str,
    text: &'f [u8],
    is_big: bool,
    align: usize,
}

impl<'f> Format<'f> {
    fn new(lua: &'f Lua, function: &'static str, text: &'f [u8]) -> Format<'f> {
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Format { lua, function, text: &text[..end], is_big: cfg!(target_endian = "big"), align: 1 }
    }

    /// The next option and its size.
    fn next(&mut self) -> Result<Option<(u8, usize)>> {
        let Some((&option, rest)) = self.text.split_first() else { return Ok(None) };
        self.text = rest;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INT_MAX_SIZE {
                    let text = format!("integral size {size} is larger than limit of {INT_MAX_SIZE}");
                    return Err(raise(self.lua, text));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    fn number(&mut self, default: usize) -> Result<usize> {
        let digits = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let (number, rest) = self.text.split_at(digits);
        self.text = rest;
        let number = number
            .iter()
            .try_fold(0i32, |sum, digit| sum.checked_mul(10)?.checked_add(i32::from(digit - b'0')));
        number.map(|number| number as usize).ok_or_else(|| raise(self.lua, "integral size overflow"))
    }

    /// Bytes to skip before something of this size at position `at`.
    fn padding(&self, at: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(at & (size - 1)) & (size - 1)
    }

    /// What neither packs nor unpacks.
    fn control(&mut self, option: u8) -> Result<()> {
        match option {
            b' ' => {}
            b'>' => self.is_big = true,
            b'<' => self.is_big = false,
            b'!' => {
                let align = self.number(ALIGN_MAX)?;
                if !align.is_power_of_two() {
                    return Err(raise(self.lua, format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            _ => {
                let what = format!("invalid format option '{}'", char::from(option));
                return Err(bad_arg(self.lua, 1, self.function, &what));
            }
        }
        Ok(())
    }

    /// Brings bytes from little-endian order to the format's, or back.
    fn ordered<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.is_big {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(lua: &Lua, args: &MultiValue, limit: usize) -> Result<mlua::LuaString> {
    let text = string_arg(lua, args, 0, "pack")?;
    let text = text.as_bytes();
    let mut format = Format::new(lua, "pack", &text);
    let mut out: Vec<u8> = Vec::new();
    let mut arg = 1;
    // The C library leaves a nil behind the arguments.
    let args = &args.iter().cloned().chain([Value::Nil]).collect();
    while let Some((option, size)) = format.next()? {
        out.resize(out.len() + format.padding(out.len(), option, size), 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = number_arg(lua, args, arg, "pack")?;
                let bits = if number < 0.0 { number as i64 as u64 } else { number as u64 };
                let mut bytes = [0; INT_MAX_SIZE];
                bytes[..8].copy_from_slice(&bits.to_le_bytes());
                let bytes = &mut bytes[..size];
                if format.is_big {
                    bytes.reverse();
                }
                out.extend_from_slice(bytes);
                arg += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let number = number_arg(lua, args, arg, "pack")? as f32;
                out.extend_from_slice(&format.ordered(number.to_le_bytes()));
                arg += 1;
            }
            b'd' => {
                let number = number_arg(lua, args, arg, "pack")?;
                out.extend_from_slice(&format.ordered(number.to_le_bytes()));
                arg += 1;
            }
            b'c' | b's' => {
                let string = string_arg(lua, args, arg, "pack")?;
                let string = string.as_bytes();
                arg += 1;
                let size = if size == 0 { string.len() } else { size };
                if string.len() < size {
                    return Err(bad_arg(lua, arg + 1, "pack", "string too short"));
                }
                if size > limit.saturating_sub(out.len()) {
                    return Err(out_of_memory());
                }
                out.extend_from_slice(&string[..size]);
                if option == b's' {
                    out.push(0);
                }
            }
            _ => format.control(option)?,
        }
    }
    lua.create_string(out)
}

fn unpack(lua: &Lua, args: &MultiValue) -> Result<MultiValue> {
    /// What fits on Lua's stack of a C call.
    const RESULTS_MAX: usize = 7000;
    let text = string_arg(lua, args, 0, "unpack")?;
    let text = text.as_bytes();
    let data = string_arg(lua, args, 1, "unpack")?;
    let data = data.as_bytes();
    let at = match args.get(2) {
        None | Some(Value::Nil) => 1,
        Some(_) => number_arg(lua, args, 2, "unpack")? as i64,
    };
    if at == 0 {
        return Err(bad_arg(lua, 3, "unpack", "offset must be 1 or greater"));
    }
    // A negative one is a very large one.
    let mut at = usize::try_from(at - 1).unwrap_or(usize::MAX);
    let mut format = Format::new(lua, "unpack", &text);
    let mut values: Vec<Value> = Vec::new();
    while let Some((option, mut size)) = format.next()? {
        at = at.saturating_add(format.padding(at, option, size));
        let here = |size: usize| {
            let end = at.checked_add(size).filter(|&end| end <= data.len());
            end.map(|end| &data[at..end]).ok_or_else(|| bad_arg(lua, 2, "unpack", "data string too short"))
        };
        let bytes = here(size)?;
        if values.len() >= RESULTS_MAX {
            return Err(raise(lua, "stack overflow (too many results)"));
        }
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                values.push(Value::Number(integer(bytes, format.is_big, option.is_ascii_lowercase())));
            }
            b'x' => {}
            b'f' => {
                let bytes = format.ordered(bytes.try_into().unwrap_or_default());
                values.push(Value::Number(f32::from_le_bytes(bytes).into()));
            }
            b'd' => {
                let bytes = format.ordered(bytes.try_into().unwrap_or_default());
                values.push(Value::Number(f64::from_le_bytes(bytes)));
            }
            b'c' => {
                if size == 0 {
                    let Some(&Value::Number(number)) = values.last() else {
                        return Err(raise(lua, "format 'c0' needs a previous size"));
                    };
                    values.pop();
                    size = number as usize;
                }
                values.push(Value::String(lua.create_string(here(size)?)?));
            }
            b's' => {
                let rest = data.get(at..).unwrap_or_default();
                let end = memchr::memchr(0, rest).ok_or_else(|| raise(lua, "unfinished string in data"))?;
                values.push(Value::String(lua.create_string(&rest[..end])?));
                size = end + 1;
            }
            _ => format.control(option)?,
        }
        at += size;
    }
    values.push(Value::Integer(at as i64 + 1));
    Ok(MultiValue::from_vec(values))
}

/// Of more than 8 bytes the low ones count, as shifting through a `long long` leaves them.
fn integer(bytes: &[u8], is_big: bool, is_signed: bool) -> f64 {
    let push = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
    let bits = if is_big { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) };
    if !is_signed {
        return bits as f64;
    }
    let mask = u64::MAX.wrapping_shl((bytes.len() as u32 * 8).wrapping_sub(1));
    (if bits & mask != 0 { bits | mask } else { bits }) as i64 as f64
}

fn size(lua: &Lua, args: &MultiValue) -> Result<usize> {
    let text = string_arg(lua, args, 0, "size")?;
    let text = text.as_bytes();
    let mut format = Format::new(lua, "size", &text);
    let mut total = 0usize;
    while let Some((option, size)) = format.next()? {
        total = total.saturating_add(format.padding(total, option, size));
        match option {
            b's' => return Err(bad_arg(lua, 1, "size", "option 's' has no fixed size")),
            b'c' if size == 0 => return Err(bad_arg(lua, 1, "size", "option 'c0' has no fixed size")),
            option if !option.is_ascii_alphanumeric() => format.control(option)?,
            _ => {}
        }
        total = total.saturating_add(size);
    }
    Ok(total)
}
