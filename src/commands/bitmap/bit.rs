//! One bit: SETBIT, GETBIT.

use super::{Args, CommandError, CommandResult, Ctx, Done, bit_offset, lookup, old_text};
use crate::store::Event;

fn mask(bit: usize) -> u8 {
    0x80 >> (bit % 8)
}

/// `SETBIT key offset value`. A bit that is already so changes nothing, and nobody hears of it.
pub(super) fn setbit(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let bit = bit_offset(ctx, args.bytes()?, None)?;
    let on = match args.int() {
        Ok(0) => false,
        Ok(1) => true,
        _ => return Err(CommandError::other("ERR bit is not an integer or out of range")),
    };
    let mut entry = ctx.db.entry(key);
    let byte = old_text(&entry)?.get(bit / 8).copied();
    let was_on = byte.is_some_and(|byte| byte & mask(bit) != 0);
    if byte.is_none() || was_on != on {
        entry.edit(bit / 8 + 1, Event::SetBit, |bytes| {
            let byte = &mut bytes[bit / 8];
            *byte = if on { *byte | mask(bit) } else { *byte & !mask(bit) };
        })?;
    }
    ctx.reply.int(u8::from(was_on));
    Ok(Done)
}

/// `GETBIT key offset`
pub(super) fn getbit(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let bit = bit_offset(ctx, args.bytes()?, None)?;
    let mut entry = ctx.db.entry(key);
    let on = match lookup::read(ctx.counters, &mut entry) {
        None => false,
        Some(item) => lookup::string(&item)?.get(bit / 8).is_some_and(|byte| byte & mask(bit) != 0),
    };
    ctx.reply.int(u8::from(on));
    Ok(Done)
}
