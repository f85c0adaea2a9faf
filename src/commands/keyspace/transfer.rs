//! Values that go elsewhere: RENAME, COPY, MOVE. Deadline and memcached's flags go with them.

use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::store::Event;

const SAME: &str = "ERR source and destination objects are the same";

/// `RENAME key newkey`
pub(super) fn rename(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    rename_unless(ctx, args, false)?;
    ctx.reply.ok();
    Ok(Done)
}

/// `RENAMENX key newkey`
pub(super) fn renamenx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let renamed = rename_unless(ctx, args, true)?;
    ctx.reply.int(u8::from(renamed));
    Ok(Done)
}

/// Renames, `unless_taken` only when the new name is free; `false`: it is not. Room is made before the item is
/// taken out, so that nothing is lost when there is none. `O(1)`, however large the value.
fn rename_unless(ctx: &mut Ctx<'_>, args: &mut Args<'_>, unless_taken: bool) -> Result<bool, CommandError> {
    let (from, to) = (args.key()?, args.key()?);
    let size = ctx.db.entry(from).item().ok_or(CommandError::NoSuchKey)?.record_bytes();
    if from == to {
        return Ok(!unless_taken);
    }
    let mut target = ctx.db.entry(to);
    if unless_taken && target.is_present() {
        return Ok(false);
    }
    target.expect_item(size)?;
    drop(target);
    // Gone only if it had to make room for itself.
    let owned = ctx.db.entry(from).take().ok_or(CommandError::OutOfMemory)?;
    ctx.db.entry(to).move_in(owned);
    ctx.db.entry(from).announce(Event::RenameFrom);
    ctx.db.entry(to).announce(Event::RenameTo);
    Ok(true)
}

/// `COPY source destination [DB destination-db] [REPLACE]`
pub(super) fn copy(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (from, to) = (args.key()?, args.key()?);
    let (mut db, mut replaces) = (ctx.db.index(), false);
    while !args.is_empty() {
        if args.accept("REPLACE") {
            replaces = true;
        } else if args.accept("DB") {
            db = args.database(ctx.daemon.store.databases())?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if db == ctx.db.index() && from == to {
        return Err(CommandError::other(SAME));
    }
    let entry = ctx.db.entry(from);
    let owned = lookup::look(ctx.counters, &entry).and_then(|_| entry.copy());
    drop(entry);
    let mut copied = false;
    if let Some(owned) = owned {
        let mut target = ctx.db.entry_in(db, to);
        if replaces || !target.is_present() {
            target.insert_anew(owned)?;
            target.announce(Event::CopyTo);
            copied = true;
        }
    }
    ctx.reply.int(u8::from(copied));
    Ok(Done)
}

/// `MOVE key db`
pub(super) fn move_key(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, db) = (args.key()?, args.database(ctx.daemon.store.databases())?);
    if db == ctx.db.index() {
        return Err(CommandError::other(SAME));
    }
    // One shard has a key's items of all databases, so holding the key holds both ends.
    let is_mine = !ctx.db.is_holding();
    ctx.db.hold(std::iter::once(key));
    let moved = move_held(ctx, key, db);
    if is_mine {
        ctx.db.release();
    }
    ctx.reply.int(u8::from(moved?));
    Ok(Done)
}

fn move_held(ctx: &mut Ctx<'_>, key: &[u8], db: u32) -> Result<bool, CommandError> {
    let Some(size) = ctx.db.entry(key).item().map(|item| item.record_bytes()) else { return Ok(false) };
    let mut target = ctx.db.entry_in(db, key);
    if target.is_present() {
        return Ok(false);
    }
    target.expect_item(size)?;
    drop(target);
    let owned = ctx.db.entry(key).take().ok_or(CommandError::OutOfMemory)?;
    ctx.db.entry_in(db, key).move_in(owned);
    ctx.db.entry(key).announce(Event::MoveFrom);
    ctx.db.entry_in(db, key).announce(Event::MoveTo);
    Ok(true)
}
