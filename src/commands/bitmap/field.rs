//! BITFIELD: a string as an array of integers of any width.

use super::patch::{Overflow, Patch, Width};
use super::{Args, CommandError, CommandResult, Ctx, Done, bit_offset, lookup, old_text};
use crate::store::Event;

/// One operation on the integer at a bit.
#[derive(Clone, Copy, Debug)]
struct Step {
    bit: usize,
    width: Width,
    action: Action,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

impl Step {
    /// What is replied; `None`: it did not fit, and was not done.
    fn apply(self, patch: &mut Patch<'_>) -> Option<i64> {
        let Step { bit, width, action } = self;
        let old = patch.get(bit, width);
        match action {
            Action::Get => Some(old),
            Action::Set(value, overflow) => {
                patch.set(bit, width, width.fit(width.meant(value), overflow)?);
                Some(old)
            }
            Action::Add(by, overflow) => {
                let new = width.fit(i128::from(old) + i128::from(by), overflow)?;
                patch.set(bit, width, new);
                Some(new)
            }
        }
    }

    /// The last byte that it may write.
    fn last_written(&self) -> Option<usize> {
        let writes = !matches!(self.action, Action::Get);
        writes.then(|| (self.bit + self.width.bits as usize - 1) / 8)
    }
}

fn parse(ctx: &Ctx<'_>, args: &mut Args<'_>) -> Result<Vec<Step>, CommandError> {
    let (mut steps, mut overflow) = (Vec::new(), Overflow::default());
    while !args.is_empty() {
        // A word that has too little behind it is no subcommand.
        let has = |more: usize| args.len() > more;
        let (get, set, add, mode) = (has(2), has(3), has(3), has(1));
        let make: fn(i64, Overflow) -> Action = if get && args.accept("GET") {
            |_, _| Action::Get
        } else if set && args.accept("SET") {
            Action::Set
        } else if add && args.accept("INCRBY") {
            Action::Add
        } else if mode && args.accept("OVERFLOW") {
            overflow = overflow_mode(args)?;
            continue;
        } else {
            return Err(CommandError::Syntax);
        };
        let width = Width::parse(args.bytes()?).ok_or_else(|| {
            CommandError::other(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but \
                 i64 is.",
            )
        })?;
        let bit = bit_offset(ctx, args.bytes()?, Some(width.bits))?;
        let action = match make(0, overflow) {
            Action::Get => Action::Get,
            _ => make(args.int()?, overflow),
        };
        steps.push(Step { bit, width, action });
    }
    Ok(steps)
}

fn overflow_mode(args: &mut Args<'_>) -> Result<Overflow, CommandError> {
    for (word, mode) in [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)] {
        if args.accept(word) {
            return Ok(mode);
        }
    }
    Err(CommandError::other("ERR Invalid OVERFLOW type specified"))
}

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP|SAT|FAIL] SET type offset value | INCRBY type offset n …]`
pub(super) fn bitfield(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let steps = parse(ctx, args)?;
    let Some(last) = steps.iter().filter_map(Step::last_written).max() else {
        return read_only(ctx, key, &steps);
    };
    let mut entry = ctx.db.entry(key);
    let old = old_text(&entry)?;
    let grows = last >= old.len();
    let mut patch = Patch::new(old);
    let replies: Vec<Option<i64>> = steps.iter().map(|step| step.apply(&mut patch)).collect();
    let changes = patch.changes();
    // As in Redis the string is lengthened even when every operation fails.
    if grows || !changes.is_empty() {
        entry.edit(last + 1, Event::SetBit, |bytes| {
            for (at, byte) in changes {
                bytes[at] = byte;
            }
        })?;
    }
    drop(entry);
    reply(ctx, &replies)
}

/// `BITFIELD_RO key [GET type offset …]`
pub(super) fn bitfield_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let steps = parse(ctx, args)?;
    if steps.iter().any(|step| step.last_written().is_some()) {
        return Err(CommandError::other("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read_only(ctx, key, &steps)
}

fn read_only(ctx: &mut Ctx<'_>, key: &[u8], steps: &[Step]) -> CommandResult {
    let mut entry = ctx.db.entry(key);
    let item = lookup::read(ctx.counters, &mut entry);
    let text = item.as_ref().map_or(Ok(&[][..]), lookup::string)?;
    let mut patch = Patch::new(text);
    let replies: Vec<Option<i64>> = steps.iter().map(|step| step.apply(&mut patch)).collect();
    drop(entry);
    reply(ctx, &replies)
}

fn reply(ctx: &mut Ctx<'_>, replies: &[Option<i64>]) -> CommandResult {
    ctx.reply.array(replies.len());
    for value in replies {
        match value {
            Some(value) => ctx.reply.int(*value),
            None => ctx.reply.nil(),
        }
    }
    Ok(Done)
}
