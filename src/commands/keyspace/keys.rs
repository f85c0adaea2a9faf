//! Questions about single keys, and deleting them.

use super::{Args, CommandResult, Ctx, Done, lookup};
use crate::store::Event;

/// `DEL key [key …]` and `UNLINK`: the memory of a large value is given back when the locks are gone, so
/// there is no difference.
pub(super) fn del(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut deleted = 0;
    while !args.is_empty() {
        deleted += usize::from(ctx.db.entry(args.key()?).delete(Event::Del));
    }
    ctx.reply.int(deleted);
    Ok(Done)
}

/// `EXISTS key [key …]`. A key that is named twice counts twice.
pub(super) fn exists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut found = 0;
    while !args.is_empty() {
        found += usize::from(lookup::look(ctx.counters, &ctx.db.entry(args.key()?)).is_some());
    }
    ctx.reply.int(found);
    Ok(Done)
}

/// `TOUCH key [key …]`. Marks the access even for a client that asked for no marks: that is its purpose.
pub(super) fn touch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut found = 0;
    while !args.is_empty() {
        let mut entry = ctx.db.entry(args.key()?);
        lookup::look(ctx.counters, &entry);
        entry.touch();
        found += usize::from(entry.is_present());
    }
    ctx.reply.int(found);
    Ok(Done)
}

/// `TYPE key`
pub(super) fn type_of(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let entry = ctx.db.entry(args.key()?);
    let item = lookup::look(ctx.counters, &entry);
    ctx.reply.simple(item.map_or("none", |item| item.kind().name()));
    Ok(Done)
}
