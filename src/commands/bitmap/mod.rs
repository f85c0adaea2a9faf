//! Commands that see a string as an array of bits, the highest bit of the first byte being bit 0. What
//! came with Redis 8.2 (`BITOP DIFF`, `DIFF1`, `ANDOR`, `ONE`) is here too.

mod bit;
mod combine;
mod count;
mod field;
mod patch;

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::commands::args::parse_int;
use crate::config::Param;
use crate::store::{Entry, Value};
use bytes::Bytes;

const BITMAP: CommandSpec = CommandSpec {
    acl: &["bitmap"],
    group: "bitmap",
    keys: &[KeySpec::one(1, KeyUse::Read)],
    ..CommandSpec::BASE
};

const FIELD_COMPLEXITY: &str = "O(1) for each subcommand specified";

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "bitcount",
        arity: Arity::AtLeast(2),
        flags: &[Flag::ReadOnly],
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Counts the number of set bits (population counting) in a string.",
        run: count::bitcount,
        ..BITMAP
    },
    CommandSpec {
        name: "bitfield",
        arity: Arity::AtLeast(2),
        flags: &[Flag::Write, Flag::DenyOom],
        keys: &[KeySpec::one(1, KeyUse::ReadMayUpdate)],
        since: "3.2.0",
        complexity: FIELD_COMPLEXITY,
        summary: "Performs arbitrary bitfield integer operations on strings.",
        run: field::bitfield,
        ..BITMAP
    },
    CommandSpec {
        name: "bitfield_ro",
        arity: Arity::AtLeast(2),
        flags: &[Flag::ReadOnly, Flag::Fast],
        since: "6.0.0",
        complexity: FIELD_COMPLEXITY,
        summary: "Performs arbitrary read-only bitfield integer operations on strings.",
        run: field::bitfield_ro,
        ..BITMAP
    },
    CommandSpec {
        name: "bitop",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::DenyOom],
        keys: &[KeySpec::one(2, KeyUse::Overwrite), KeySpec::range(3, -1, 1, KeyUse::Read)],
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Performs bitwise operations on multiple strings, and stores the result.",
        run: combine::bitop,
        ..BITMAP
    },
    CommandSpec {
        name: "bitpos",
        arity: Arity::AtLeast(3),
        flags: &[Flag::ReadOnly],
        since: "2.8.7",
        complexity: "O(N)",
        summary: "Finds the first set (1) or clear (0) bit in a string.",
        run: count::bitpos,
        ..BITMAP
    },
    CommandSpec {
        name: "getbit",
        arity: Arity::Exactly(3),
        flags: &[Flag::ReadOnly, Flag::Fast],
        since: "2.2.0",
        summary: "Returns a bit value by offset.",
        run: bit::getbit,
        ..BITMAP
    },
    CommandSpec {
        name: "setbit",
        arity: Arity::Exactly(4),
        flags: &[Flag::Write, Flag::DenyOom],
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        since: "2.2.0",
        summary: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
        run: bit::setbit,
        ..BITMAP
    },
];

/// Reads the number of a bit. `width` set: `#n` is allowed and means the n-th integer of so many bits.
///
/// # Errors
/// It is no number, negative, or its byte lies beyond `proto-max-bulk-len`.
fn bit_offset(ctx: &Ctx<'_>, text: &[u8], width: Option<u32>) -> Result<usize, CommandError> {
    let (text, unit) = match (text.strip_prefix(b"#"), width) {
        (Some(text), Some(width)) => (text, i64::from(width)),
        _ => (text, 1),
    };
    parse_int(text)
        .and_then(|number| number.checked_mul(unit))
        .filter(|&bit| bit >> 3 < ctx.daemon.config.number(Param::ProtoMaxBulkLen))
        .and_then(|bit| usize::try_from(bit).ok())
        .ok_or_else(|| CommandError::other("ERR bit offset is not an integer or out of range"))
}

/// The string that is to be changed; empty when there is none.
fn old_text<'e>(entry: &'e Entry<'_>) -> Result<&'e [u8], CommandError> {
    entry.item().map_or(Ok(&[][..]), |item| lookup::string(&item))
}

/// The string to look at when the shard's lock is gone: a large one is shared, not copied.
fn read_apart(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<Bytes>, CommandError> {
    let mut entry = ctx.db.entry(key);
    let Some(item) = lookup::read(ctx.counters, &mut entry) else { return Ok(None) };
    Ok(Some(match item.value().ok_or(CommandError::WrongType)? {
        Value::Shared(bytes) => bytes.clone(),
        Value::Inline(bytes) => Bytes::copy_from_slice(bytes),
    }))
}
