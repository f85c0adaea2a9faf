//! `math.random` by the generator of `drand48`, as in Redis: the same numbers on every machine.

use super::error::{number_arg, raise};
use super::shared;
use mlua::{Lua, MultiValue, Result, Table, Value};
use std::cell::Cell;

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;
const START: u64 = 0x1234_ABCD_330E;

/// Replaces `math.random` and `math.randomseed`.
pub(super) fn replace(lua: &Lua, math: &Table) -> Result<()> {
    let state = shared(Cell::new(START));
    let seeded = state.clone();
    math.raw_set(
        "random",
        lua.create_function(move |lua, args: MultiValue| random(lua, &args, &state.lock()))?,
    )?;
    let seed = lua.create_function(move |lua, args: MultiValue| {
        let seed = number_arg(lua, &args, 0, "randomseed")? as i64 as u32;
        seeded.lock().set(u64::from(seed) << 16 | 0x330E);
        Ok(())
    })?;
    math.raw_set("randomseed", seed)
}

/// 31 bits.
fn next(state: &Cell<u64>) -> u32 {
    state.set(state.get().wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK);
    (state.get() >> 17) as u32
}

fn random(lua: &Lua, args: &MultiValue, state: &Cell<u64>) -> Result<Value> {
    const MAX: u32 = i32::MAX as u32;
    let fraction = f64::from(next(state) % MAX) / f64::from(MAX);
    let bound = |at| number_arg(lua, args, at, "random").map(|number| number as i64 as i32);
    let empty = |at| raise(lua, format!("bad argument #{at} to 'random' (interval is empty)"));
    match args.len() {
        0 => Ok(Value::Number(fraction)),
        1 => {
            let upper = bound(0)?;
            if upper < 1 {
                return Err(empty(1));
            }
            Ok(Value::Number((fraction * f64::from(upper)).floor() + 1.0))
        }
        2 => {
            let (lower, upper) = (bound(0)?, bound(1)?);
            if lower > upper {
                return Err(empty(2));
            }
            let width = f64::from(upper.wrapping_sub(lower).wrapping_add(1));
            Ok(Value::Number((fraction * width).floor() + f64::from(lower)))
        }
        _ => Err(raise(lua, "wrong number of arguments")),
    }
}
