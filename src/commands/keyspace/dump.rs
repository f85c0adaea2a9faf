//! DUMP and RESTORE: values as `rdb` has them, to go from one server to another.

use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::clock::Deadline;
use crate::config::Param;
use crate::rdb::{self, LoadError};
use crate::store::{Access, Event, Item, Value};
use bytes::Bytes;

/// A value on its way out of the store.
pub(super) enum Parcel {
    /// A large string: nobody need wait for it to be compressed.
    Text(Bytes),
    Payload(Vec<u8>),
}

impl Parcel {
    pub fn of(item: &Item<'_>, compresses: bool) -> Parcel {
        match item.value() {
            Some(Value::Shared(text)) => Parcel::Text(text.clone()),
            _ => Parcel::Payload(rdb::dump(item, compresses)),
        }
    }

    /// As `DUMP` gives it.
    pub fn payload(self, compresses: bool) -> Vec<u8> {
        match self {
            Parcel::Text(text) => rdb::dump_string(&text, compresses),
            Parcel::Payload(payload) => payload,
        }
    }
}

/// `DUMP key`
pub(super) fn dump(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let compresses = ctx.daemon.config.flag(Param::RdbCompression);
    let mut entry = ctx.db.entry(args.key()?);
    let Some(item) = lookup::read(ctx.counters, &mut entry) else {
        drop(entry);
        ctx.reply.nil();
        return Ok(Done);
    };
    let parcel = Parcel::of(&item, compresses);
    drop(entry);
    ctx.reply.bulk(&parcel.payload(compresses));
    Ok(Done)
}

#[derive(Clone, Copy, Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
    access: Option<Access>,
}

impl Options {
    fn parse(args: &mut Args<'_>) -> Result<Options, CommandError> {
        let mut options = Options::default();
        while !args.is_empty() {
            let has_more = args.len() > 1;
            if args.accept("REPLACE") {
                options.replace = true;
            } else if args.accept("ABSTTL") {
                options.absolute = true;
            } else if has_more
                && !matches!(options.access, Some(Access::Frequency(_)))
                && args.accept("IDLETIME")
            {
                let seconds = u64::try_from(args.int()?)
                    .map_err(|_| CommandError::other("ERR Invalid IDLETIME value, must be >= 0"))?;
                options.access = Some(Access::Idle(seconds));
            } else if has_more && !matches!(options.access, Some(Access::Idle(_))) && args.accept("FREQ") {
                let counter = u8::try_from(args.int()?)
                    .map_err(|_| CommandError::other("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
                options.access = Some(Access::Frequency(counter));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`. The payload is taken apart
/// while nothing is locked.
pub(super) fn restore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, ttl, payload) = (args.key()?, &mut args.take(1), args.bytes()?);
    let options = Options::parse(args)?;
    let busy = || CommandError::other("BUSYKEY Target key name already exists.");
    if !options.replace && ctx.db.entry(key).is_present() {
        return Err(busy());
    }
    let ttl =
        u64::try_from(ttl.int()?).map_err(|_| CommandError::other("ERR Invalid TTL value, must be >= 0"))?;
    let mut value = rdb::load(payload, &limits(ctx))?;
    value.deadline = match (ttl, options.absolute) {
        (0, _) => None,
        (at, true) => Some(Deadline::at_ms(at)),
        (ttl, false) => Some(Deadline::at_ms(ctx.now.0.saturating_add(ttl))),
    };
    let mut entry = ctx.db.entry(key);
    if !options.replace && entry.is_present() {
        return Err(busy());
    }
    if value.deadline.is_some_and(|deadline| deadline.is_due(ctx.now)) {
        entry.delete(Event::Del);
    } else {
        entry.insert(value, Event::Restore)?;
        if let Some(access) = options.access {
            entry.set_access(access);
        }
    }
    drop(entry);
    ctx.reply.ok();
    Ok(Done)
}

fn limits(ctx: &Ctx<'_>) -> rdb::Limits {
    rdb::Limits {
        decompressed: ctx.daemon.store.limit(),
        hash: crate::commands::hash::limits(&ctx.daemon.config),
        list: crate::commands::list::node_limit(&ctx.daemon.config),
        set: crate::commands::set::limits(&ctx.daemon.config),
        sorted_set: crate::commands::sorted_set::limits(&ctx.daemon.config),
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> CommandError {
        match error {
            LoadError::Unsealed => CommandError::other("ERR DUMP payload version or checksum are wrong"),
            LoadError::Corrupt => CommandError::other("ERR Bad data format"),
            LoadError::TooLarge => CommandError::OutOfMemory,
        }
    }
}
