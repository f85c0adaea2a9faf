//! Whole databases: their size, emptying them, exchanging two.

use super::{Args, CommandError, CommandResult, Ctx, Done};
use crate::commands::args::parse_int;

/// `DBSIZE`. Keys that are due but not yet gone count, as in Redis.
pub(super) fn dbsize(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.int(ctx.db.len());
    Ok(Done)
}

/// `ASYNC` and `SYNC` are the same here: memory is given back after the locks.
fn accept_mode(args: &mut Args<'_>) -> Result<(), CommandError> {
    if !args.accept("ASYNC") {
        args.accept("SYNC");
    }
    args.finish()
}

/// `FLUSHDB [ASYNC|SYNC]`
pub(super) fn flushdb(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    accept_mode(args)?;
    ctx.db.flush();
    ctx.reply.ok();
    Ok(Done)
}

/// `FLUSHALL [ASYNC|SYNC]`
pub(super) fn flushall(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    accept_mode(args)?;
    ctx.db.flush_all();
    ctx.reply.ok();
    Ok(Done)
}

/// `SWAPDB index1 index2`
pub(super) fn swapdb(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let index = |text: &[u8], which: &str| {
        parse_int(text)
            .and_then(|number| i32::try_from(number).ok())
            .ok_or_else(|| CommandError::other(format!("ERR invalid {which} DB index")))
    };
    let (first, second) = (args.bytes()?, args.bytes()?);
    let (first, second) = (index(first, "first")?, index(second, "second")?);
    let databases = ctx.daemon.store.databases();
    let known =
        |number: i32| u32::try_from(number).ok().filter(|&n| n < databases).ok_or(CommandError::DbOutOfRange);
    ctx.db.swap(known(first)?, known(second)?);
    ctx.reply.ok();
    Ok(Done)
}
