//! Finding keys: KEYS, SCAN, RANDOMKEY.

use super::{Args, CommandResult, Ctx, Done};
use crate::commands::scan;
use crate::glob;

/// Items looked at under one lock.
const AT_ONCE: usize = 256;

/// `KEYS pattern`
pub(super) fn keys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let pattern = args.bytes()?;
    let db = &mut ctx.db;
    ctx.reply.array_of(|reply| {
        let mut count = 0;
        db.for_each(&mut |key, _| {
            if pattern == b"*" || glob::matches(pattern, key, false) {
                reply.bulk(key);
                count += 1;
            }
            true
        });
        count
    });
    Ok(Done)
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut cursor = scan::cursor(args.bytes()?)?;
    let mut kind = None;
    let options = scan::Options::parse(args, |args| {
        let is_type = args.accept("TYPE");
        if is_type {
            kind = Some(args.bytes()?);
        }
        Ok(is_type)
    })?;
    let (mut found, mut left) = (Vec::new(), options.count);
    while left > 0 {
        let some = left.min(AT_ONCE);
        cursor = ctx.db.scan(cursor, some, &mut |key, item| {
            let fits = kind.is_none_or(|kind| item.kind().name().as_bytes().eq_ignore_ascii_case(kind))
                && options.shows(key);
            if fits {
                found.push(key.to_vec());
            }
        });
        left -= some;
        if cursor == 0 {
            break;
        }
    }
    scan::reply(&mut ctx.reply, cursor, &found);
    Ok(Done)
}

/// `RANDOMKEY`
pub(super) fn randomkey(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let random = getrandom::u64().unwrap_or(ctx.now.0);
    match ctx.db.random_key(random) {
        Some(key) => ctx.reply.bulk(&key),
        None => ctx.reply.nil(),
    }
    Ok(Done)
}
