//! `bit`: Mike Pall's BitOp. Numbers become 32-bit integers modulo 2^32; results are signed.

use super::error::{arg_error, number_arg};
use mlua::{Lua, MultiValue, Result, Table, Value};

pub(super) fn table(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    unary(lua, &table, "tobit", |a| a)?;
    unary(lua, &table, "bnot", |a| !a)?;
    unary(lua, &table, "bswap", u32::swap_bytes)?;
    folding(lua, &table, "band", |a, b| a & b)?;
    folding(lua, &table, "bor", |a, b| a | b)?;
    folding(lua, &table, "bxor", |a, b| a ^ b)?;
    shift(lua, &table, "lshift", |a, n| a << n)?;
    shift(lua, &table, "rshift", |a, n| a >> n)?;
    shift(lua, &table, "arshift", |a, n| ((a as i32) >> n) as u32)?;
    shift(lua, &table, "rol", u32::rotate_left)?;
    shift(lua, &table, "ror", u32::rotate_right)?;
    table.raw_set("tohex", lua.create_function(tohex)?)?;
    Ok(table)
}

/// The low 32 bits of a number, rounded to the nearest integer, ties to even; outside ±2^51 what the mantissa
/// holds there, as BitOp's addition of 2^52 + 2^51 leaves it.
fn to_bits(number: f64) -> u32 {
    const BIAS: f64 = 6_755_399_441_055_744.0;
    (number + BIAS).to_bits() as u32
}

fn bits_arg(lua: &Lua, args: &MultiValue, at: usize, name: &str) -> Result<u32> {
    number_arg(lua, args, at, name).map(to_bits)
}

fn unary(lua: &Lua, table: &Table, name: &'static str, op: fn(u32) -> u32) -> Result<()> {
    let function =
        lua.create_function(move |lua, args: MultiValue| Ok(op(bits_arg(lua, &args, 0, name)?) as i32))?;
    table.raw_set(name, function)
}

fn folding(lua: &Lua, table: &Table, name: &'static str, op: fn(u32, u32) -> u32) -> Result<()> {
    let function = lua.create_function(move |lua, args: MultiValue| {
        let first = bits_arg(lua, &args, 0, name)?;
        let all = (1..args.len()).try_fold(first, |sum, at| Ok(op(sum, bits_arg(lua, &args, at, name)?)));
        all.map(|bits: u32| bits as i32)
    })?;
    table.raw_set(name, function)
}

/// Only the low five bits of the count are used.
fn shift(lua: &Lua, table: &Table, name: &'static str, op: fn(u32, u32) -> u32) -> Result<()> {
    let function = lua.create_function(move |lua, args: MultiValue| {
        let bits = bits_arg(lua, &args, 0, name)?;
        let count = bits_arg(lua, &args, 1, name)? & 31;
        Ok(op(bits, count) as i32)
    })?;
    table.raw_set(name, function)
}

/// `bit.tohex(x [, n])`: `n` digits, upper-case when negative.
fn tohex(lua: &Lua, args: MultiValue) -> Result<String> {
    let bits = bits_arg(lua, &args, 0, "tohex")?;
    let digits = match args.get(1) {
        None => 8,
        Some(Value::Nil) => return Err(arg_error(lua, 2, "tohex", "number", &args)),
        Some(_) => bits_arg(lua, &args, 1, "tohex")? as i32,
    };
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 { format!("{bits:08X}") } else { format!("{bits:08x}") };
    Ok(text[8 - count..].to_owned())
}
