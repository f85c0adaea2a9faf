//! Redis 8's commands on several fields that do two things at once: HGETEX, HSETEX, HGETDEL.

use super::deadline::{Form, NOT_POSITIVE, fields};
use super::read::reply_value;
use super::{
    Args, CommandError, CommandResult, Ctx, Done, Hash, PER_DEADLINE, PER_FIELD, change_existing, limits,
    purge_some, write,
};
use crate::clock::{Deadline, Millis};
use crate::resp::{Argv, Reply};
use crate::store::Event;
use crate::store::value::hash::FieldTtl;

/// Writes the values of the fields, nil for those that are not there.
fn reply_values(reply: &mut Reply<'_>, hash: Option<&Hash>, fields: Argv<'_>, now: Millis) {
    reply.array(fields.len());
    for field in fields.iter() {
        reply_value(reply, hash.and_then(|hash| hash.get(field, now)));
    }
}

/// `HGETDEL key FIELDS numfields field [field ...]`
pub(super) fn hgetdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    purge_some(&mut entry, ctx.now)?;
    let fields = fields(args, NOT_POSITIVE)?;
    let Some(mut hash) = change_existing(&mut entry, 0, ctx.now)? else {
        reply_values(&mut ctx.reply, None, fields, ctx.now);
        return Ok(Done);
    };
    let mut deleted = false;
    ctx.reply.array(fields.len());
    // One after the other: a field that is named twice is gone the second time.
    for field in fields.iter() {
        reply_value(&mut ctx.reply, hash.get(field, ctx.now));
        deleted |= hash.remove(field, ctx.now);
    }
    if deleted {
        hash.done(Event::HDel);
    }
    Ok(Done)
}

/// What `HGETEX` does to the deadlines.
#[derive(Clone, Copy)]
enum Touch {
    Leave,
    Persist,
    At(Deadline),
}

/// `HGETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST] FIELDS numfields field [field ...]`. A time that has passed
/// deletes the fields.
pub(super) fn hgetex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    purge_some(&mut entry, ctx.now)?;
    let touch = match Form::accept(args) {
        Some(form) => Touch::At(form.deadline(args, ctx.now, "hgetex")?),
        None if args.accept("PERSIST") => Touch::Persist,
        None => Touch::Leave,
    };
    let fields = fields(args, NOT_POSITIVE)?;
    let cost = match touch {
        Touch::At(_) => fields.iter().map(|field| field.len() + PER_DEADLINE).sum(),
        _ => 0,
    };
    let Some(mut hash) = change_existing(&mut entry, cost, ctx.now)? else {
        reply_values(&mut ctx.reply, None, fields, ctx.now);
        return Ok(Done);
    };
    reply_values(&mut ctx.reply, Some(&hash), fields, ctx.now);
    let (event, changed) = match touch {
        Touch::Leave => return Ok(Done),
        Touch::Persist => (Event::HPersist, fields.iter().filter(|field| hash.clear_deadline(field)).count()),
        Touch::At(deadline) if deadline.is_due(ctx.now) => {
            (Event::HDel, fields.iter().filter(|field| hash.remove(field, ctx.now)).count())
        }
        Touch::At(deadline) => {
            let mut expired = 0;
            for field in fields.iter() {
                if hash.contains(field, ctx.now) {
                    hash.set_deadline(field, deadline);
                    expired += 1;
                }
            }
            (Event::HExpire, expired)
        }
    };
    if changed > 0 {
        hash.done(event);
    }
    Ok(Done)
}

/// The options of `HSETEX`.
struct SetEx<'a> {
    /// Only if all fields are there, or none of them.
    all_there: Option<bool>,
    deadline: Option<Deadline>,
    ttl: FieldTtl,
    /// Fields and values in turn.
    pairs: Argv<'a>,
}

impl<'a> SetEx<'a> {
    fn parse(args: &mut Args<'a>, now: Millis) -> Result<SetEx<'a>, CommandError> {
        const NAME: &str = "hsetex";
        let (mut all_there, mut deadline, mut ttl) = (None, None, FieldTtl::Clear);
        while let Some(word) = args.peek() {
            let condition = if args.accept("FXX") {
                Some(true)
            } else if args.accept("FNX") {
                Some(false)
            } else {
                None
            };
            if condition.is_some() {
                if all_there.is_some() {
                    return Err(CommandError::other("ERR Only one of FXX or FNX arguments can be specified"));
                }
                all_there = condition;
                continue;
            }
            let (form, keeps) = (Form::accept(args), args.accept("KEEPTTL"));
            if form.is_some() || keeps {
                if deadline.is_some() || ttl == FieldTtl::Keep {
                    return Err(CommandError::other(
                        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                    ));
                }
                match form {
                    Some(_) if args.is_empty() => return Err(CommandError::other("ERR missing expire time")),
                    Some(form) => deadline = Some(form.deadline(args, now, NAME)?),
                    None => ttl = FieldTtl::Keep,
                }
                continue;
            }
            if !args.accept("FIELDS") {
                return Err(CommandError::quoting("ERR unknown argument: ", word, usize::MAX, ""));
            }
            if args.len() < 3 {
                break;
            }
            let count = args.int().ok().and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|&count| count > 0 && i32::try_from(count).is_ok());
            let count = count.ok_or_else(|| CommandError::other("ERR invalid number of fields"))?;
            if args.len() != count * 2 {
                break;
            }
            return Ok(SetEx { all_there, deadline, ttl, pairs: args.rest() });
        }
        Err(CommandError::Arity(NAME.into()))
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut args = self.pairs.iter();
        std::iter::from_fn(move || Some((args.next()?, args.next()?)))
    }
}

/// `HSETEX key [FNX|FXX] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL] FIELDS numfields field value [field value ...]`.
/// A time that has passed deletes the fields.
pub(super) fn hsetex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let options = SetEx::parse(args, ctx.now)?;
    let limits = limits(&ctx.daemon.config);
    let cost = options.pairs.iter().map(|arg| arg.len() + PER_FIELD + PER_DEADLINE).sum();
    let mut entry = ctx.db.entry(key);
    let mut hash = write(&mut entry, cost, ctx.now)?;
    let fits = options.all_there.is_none_or(|wanted| {
        options.pairs().all(|(field, _)| Hash::contains(&hash, field, ctx.now) == wanted)
    });
    ctx.reply.int(u8::from(fits));
    if !fits {
        return Ok(Done);
    }
    if options.deadline.is_some_and(|deadline| deadline.is_due(ctx.now)) {
        let removed = options.pairs().filter(|(field, _)| hash.remove(field, ctx.now)).count();
        if removed > 0 {
            hash.done(Event::HDel);
        }
        return Ok(Done);
    }
    for (field, value) in options.pairs() {
        hash.set(field, value, options.ttl, limits, ctx.now);
        if let Some(deadline) = options.deadline {
            hash.set_deadline(field, deadline);
        }
    }
    hash.announce(Event::HSet);
    if options.deadline.is_some() {
        hash.announce(Event::HExpire);
    }
    Ok(Done)
}
