//! HyperLogLog: counting distinct elements in 12 KiB with an error of 0.81 %. A key's value is a string
//! whose bytes are those of Redis, so that `GET`, `SET`, `DUMP` and `RESTORE` carry it to Redis and back.
//! `PFDEBUG` is missing on purpose: it shows what a client has no business with.

mod estimate;
mod murmur;
mod registers;
mod selftest;
mod sketch;
mod sparse;

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::config::Param;
use crate::store::{Entry, Event, Expiry, Put};
use registers::Registers;
use sketch::{Corrupt, Sketch};

const HYPERLOGLOG: CommandSpec =
    CommandSpec { acl: &["hyperloglog"], group: "hyperloglog", since: "2.8.9", ..CommandSpec::BASE };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "pfadd",
        arity: Arity::AtLeast(2),
        flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        complexity: "O(1) to add every element.",
        summary: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
        run: pfadd,
        ..HYPERLOGLOG
    },
    CommandSpec {
        name: "pfcount",
        arity: Arity::AtLeast(2),
        flags: &[Flag::ReadOnly],
        keys: &[KeySpec::range(1, -1, 1, KeyUse::ReadRewrite)],
        complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N \
            being the number of keys, and much bigger constant times, when called with multiple keys.",
        summary: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
        run: pfcount,
        ..HYPERLOGLOG
    },
    CommandSpec {
        name: "pfmerge",
        arity: Arity::AtLeast(2),
        flags: &[Flag::Write, Flag::DenyOom],
        keys: &[KeySpec::one(1, KeyUse::ReadInsert), KeySpec::range(2, -1, 1, KeyUse::Read)],
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        summary: "Merges one or more HyperLogLog values into a single key.",
        run: pfmerge,
        ..HYPERLOGLOG
    },
    CommandSpec {
        name: "pfselftest",
        arity: Arity::Exactly(1),
        flags: &[Flag::Admin],
        complexity: "N/A",
        summary: "An internal command for testing HyperLogLog values.",
        run: selftest::pfselftest,
        ..HYPERLOGLOG
    },
];

impl From<Corrupt> for CommandError {
    fn from(Corrupt: Corrupt) -> CommandError {
        CommandError::other("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// The bytes of a key's value, which looks like a HyperLogLog; `None` when there is none.
fn bytes<'e>(entry: &'e Entry<'_>) -> Result<Option<&'e [u8]>, CommandError> {
    let Some(item) = entry.item() else { return Ok(None) };
    let bytes = lookup::string(&item)?;
    if !sketch::looks_like_one(bytes) {
        return Err(CommandError::other("WRONGTYPE Key is not a valid HyperLogLog string value."));
    }
    Ok(Some(bytes))
}

/// Writes a sketch over what is there; deadline and memcached's flags stay.
fn write(entry: &mut Entry<'_>, sketch: &Sketch, event: Event) -> Result<(), CommandError> {
    let bytes = sketch.as_bytes();
    let (old, flags) =
        entry.item().map_or((0, 0), |item| (item.string().map_or(0, <[u8]>::len), item.flags()));
    if old == bytes.len() {
        entry.edit(bytes.len(), event, |old| old.copy_from_slice(bytes))?;
    } else {
        entry.put(bytes, Put::new(flags, Expiry::Keep, event))?;
    }
    Ok(())
}

fn sparse_max(ctx: &Ctx<'_>) -> usize {
    usize::try_from(ctx.daemon.config.number(Param::HllSparseMaxBytes)).unwrap_or(usize::MAX)
}

/// `PFADD key [element …]`
///
/// Differs: of a corrupt value nothing is changed; Redis leaves the elements that it added before it noticed.
fn pfadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, sparse_max) = (args.key()?, sparse_max(ctx));
    let mut entry = ctx.db.entry(key);
    let (mut sketch, mut changed) = match bytes(&entry)? {
        None => (Sketch::default(), true),
        Some(bytes) => (Sketch::of(bytes), false),
    };
    while !args.is_empty() {
        changed |= sketch.add(args.bytes()?, sparse_max)?;
    }
    if changed {
        sketch.forget_count();
        write(&mut entry, &sketch, Event::PfAdd)?;
    }
    ctx.reply.int(u8::from(changed));
    Ok(Done)
}

/// `PFCOUNT key [key …]`. What was counted for a single key is kept in its value until it changes.
fn pfcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.len() > 1 {
        let mut union = Registers::default();
        while !args.is_empty() {
            let mut entry = ctx.db.entry(args.key()?);
            lookup::read(ctx.counters, &mut entry);
            if let Some(bytes) = bytes(&entry)? {
                sketch::merge(bytes, &mut union)?;
            }
        }
        ctx.reply.int(estimate::cardinality(&union.histogram()));
        return Ok(Done);
    }
    let mut entry = ctx.db.entry(args.key()?);
    lookup::read(ctx.counters, &mut entry);
    let count = match bytes(&entry)? {
        None => 0,
        Some(bytes) => match sketch::kept_count(bytes) {
            Some(count) => count,
            None => {
                let mut registers = Registers::default();
                sketch::merge(bytes, &mut registers)?;
                let count = estimate::cardinality(&registers.histogram());
                let len = bytes.len();
                // Without room to note it down it is right all the same.
                let _ = entry.edit(len, Event::Rewritten, |bytes| sketch::keep_count(bytes, count));
                count
            }
        },
    };
    ctx.reply.int(count);
    Ok(Done)
}

/// `PFMERGE destkey [sourcekey …]`. What `destkey` has observed belongs to the union.
fn pfmerge(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (target, sparse_max) = (args.rest().get(0).unwrap_or_default(), sparse_max(ctx));
    let (mut union, mut is_dense) = (Registers::default(), false);
    while !args.is_empty() {
        let mut entry = ctx.db.entry(args.key()?);
        lookup::read(ctx.counters, &mut entry);
        if let Some(bytes) = bytes(&entry)? {
            is_dense |= sketch::is_dense(bytes);
            sketch::merge(bytes, &mut union)?;
        }
    }
    let mut entry = ctx.db.entry(target);
    let mut sketch = bytes(&entry)?.map_or_else(Sketch::default, Sketch::of);
    if is_dense {
        sketch.make_dense()?;
    }
    for (register, value) in union.iter().filter(|&(_, value)| value > 0) {
        sketch.raise(register, value, sparse_max)?;
    }
    sketch.forget_count();
    write(&mut entry, &sketch, Event::PfAdd)?;
    ctx.reply.ok();
    Ok(Done)
}
