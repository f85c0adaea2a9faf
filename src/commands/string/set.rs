//! Setting strings: SET and its older forms, and several at once.

use super::condition::Condition;
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::clock::Millis;
use crate::commands::expiry::ExpiryOption;
use crate::commands::pick;
use crate::store::{Entry, Event, Expiry, Put, StoreError};

/// What may follow on `SET key value`, and with other keys on `MSETEX`.
#[derive(Default)]
struct Options<'a> {
    condition: Option<Condition<'a>>,
    expiry: Option<ExpiryOption<'a>>,
    /// `GET`: reply with the value that was there.
    wants_previous: bool,
}

impl<'a> Options<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Options<'a>, CommandError> {
        let mut options = Options::default();
        while !args.is_empty() {
            if Condition::accept(args, &mut options.condition)? {
                continue;
            }
            if args.accept("GET") {
                options.wants_previous = true;
            } else if args.accept("KEEPTTL") {
                pick(&mut options.expiry, ExpiryOption::KeepTtl)?;
            } else {
                pick(&mut options.expiry, ExpiryOption::accept(args)?.ok_or(CommandError::Syntax)?)?;
            }
        }
        Ok(options)
    }

    fn expiry(&self, now: Millis, command: &'static str) -> Result<Expiry, CommandError> {
        Ok(match self.expiry {
            None => Expiry::Never,
            Some(ExpiryOption::KeepTtl) => Expiry::Keep,
            Some(option) => option.deadline(now, command)?.map_or(Expiry::Never, Expiry::At),
        })
    }
}

/// Stores a value. One whose deadline has passed is deleted at once, which nobody can tell from the
/// wire but `DBSIZE` is right.
fn store(entry: &mut Entry<'_>, value: &[u8], expiry: Expiry, now: Millis) -> Result<(), StoreError> {
    entry.put(value, Put::new(0, expiry, Event::Set))?;
    if matches!(expiry, Expiry::At(deadline) if deadline.is_due(now)) {
        entry.delete(Event::Expired);
    }
    Ok(())
}

/// `SET key value [NX|XX|IFEQ v|IFNE v|IFDEQ d|IFDNE d] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`
pub(super) fn set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, value) = (args.key()?, args.bytes()?);
    let options = Options::parse(args)?;
    let expiry = options.expiry(ctx.now, "set")?;
    let mut entry = ctx.db.entry(key);
    if options.wants_previous {
        let item = lookup::read(ctx.counters, &mut entry);
        if let Some(item) = &item {
            lookup::string(item)?;
        }
        lookup::reply_string(&mut ctx.reply, item.as_ref())?;
    }
    let stores = options.condition.map_or(Ok(true), |condition| condition.holds(entry.item().as_ref()))?;
    if stores {
        store(&mut entry, value, expiry, ctx.now)?;
    }
    match (options.wants_previous, stores) {
        (true, _) => {}
        (false, true) => ctx.reply.ok(),
        (false, false) => ctx.reply.nil(),
    }
    Ok(Done)
}

/// `SETEX key seconds value`
pub(super) fn setex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    set_expiring(ctx, args, "setex", ExpiryOption::Ex)
}

/// `PSETEX key milliseconds value`
pub(super) fn psetex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    set_expiring(ctx, args, "psetex", ExpiryOption::Px)
}

fn set_expiring<'a>(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'a>,
    name: &'static str,
    option: fn(&'a [u8]) -> ExpiryOption<'a>,
) -> CommandResult {
    let (key, time, value) = (args.key()?, args.bytes()?, args.bytes()?);
    let expiry = option(time).deadline(ctx.now, name)?.map_or(Expiry::Never, Expiry::At);
    store(&mut ctx.db.entry(key), value, expiry, ctx.now)?;
    ctx.reply.ok();
    Ok(Done)
}

/// `SETNX key value`
pub(super) fn setnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, value) = (args.key()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let is_new = !entry.is_present();
    if is_new {
        store(&mut entry, value, Expiry::Never, ctx.now)?;
    }
    ctx.reply.int(u8::from(is_new));
    Ok(Done)
}

/// `GETSET key value`
pub(super) fn getset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, value) = (args.key()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let item = lookup::read(ctx.counters, &mut entry);
    if let Some(item) = &item {
        lookup::string(item)?;
    }
    lookup::reply_string(&mut ctx.reply, item.as_ref())?;
    store(&mut entry, value, Expiry::Never, ctx.now)?;
    Ok(Done)
}

/// Stores the pairs that are left. The keys are held meanwhile, see `dispatch::call`.
fn store_pairs(ctx: &mut Ctx<'_>, pairs: &mut Args<'_>, expiry: Expiry) -> Result<(), CommandError> {
    while !pairs.is_empty() {
        let (key, value) = (pairs.key()?, pairs.bytes()?);
        store(&mut ctx.db.entry(key), value, expiry, ctx.now)?;
    }
    Ok(())
}

/// How many of the keys, every other argument, are there.
fn count_present(ctx: &mut Ctx<'_>, mut pairs: Args<'_>) -> Result<usize, CommandError> {
    let mut present = 0;
    while !pairs.is_empty() {
        present += usize::from(ctx.db.entry(pairs.key()?).is_present());
        pairs.bytes()?;
    }
    Ok(present)
}

/// `MSET key value [key value …]`
pub(super) fn mset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("mset".into()));
    }
    store_pairs(ctx, args, Expiry::Never)?;
    ctx.reply.ok();
    Ok(Done)
}

/// `MSETNX key value [key value …]`
pub(super) fn msetnx(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("msetnx".into()));
    }
    let stores = count_present(ctx, *args)? == 0;
    if stores {
        store_pairs(ctx, args, Expiry::Never)?;
    }
    ctx.reply.int(u8::from(stores));
    Ok(Done)
}

/// `MSETEX numkeys key value [key value …] [NX|XX] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`
pub(super) fn msetex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let keys = args
        .int()
        .ok()
        .filter(|n| (1..=i64::from(i32::MAX)).contains(n))
        .ok_or_else(|| CommandError::other("ERR invalid numkeys value"))? as usize;
    if args.len() / 2 < keys {
        return Err(CommandError::other("ERR wrong number of key-value pairs"));
    }
    let mut pairs = args.take(keys * 2);
    let options = Options::parse(args)?;
    if options.wants_previous {
        return Err(CommandError::Syntax);
    }
    let expiry = options.expiry(ctx.now, "msetex")?;
    let stores = match options.condition {
        None => true,
        Some(Condition::Absent) => count_present(ctx, pairs)? == 0,
        Some(Condition::Present) => count_present(ctx, pairs)? == keys,
        Some(_) => return Err(CommandError::Syntax),
    };
    if stores {
        store_pairs(ctx, &mut pairs, expiry)?;
    }
    ctx.reply.int(u8::from(stores));
    Ok(Done)
}
