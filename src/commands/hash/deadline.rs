//! Deadlines of fields (Redis 7.4): HEXPIRE and its kin, HTTL and its kin, HPERSIST. Each replies with a number
//! a field.

use super::{Args, CommandError, CommandResult, Ctx, Done, PER_DEADLINE, change_existing, purge_some, read};
use crate::clock::{Deadline, Millis};
use crate::commands::expire::Rule;
use crate::resp::{Argv, Reply};
use crate::store::Event;
use crate::store::value::Hash;

const NO_FIELD: i32 = -2;
const NO_DEADLINE: i32 = -1;
const NOT_NOW: i32 = 0;
const DONE: i32 = 1;
const DELETED: i32 = 2;

/// The last moment, in milliseconds, that Redis lets a field live to.
const LATEST: i64 = 0x3FFF_FFFF_FFFF;

/// How a command tells of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Milliseconds that its number counts.
    pub(super) unit: i64,
    /// From now on, or a date.
    pub(super) is_relative: bool,
}

impl Form {
    pub(super) const EX: Form = Form { unit: 1000, is_relative: true };
    pub(super) const PX: Form = Form { unit: 1, is_relative: true };
    pub(super) const EXAT: Form = Form { unit: 1000, is_relative: false };
    pub(super) const PXAT: Form = Form { unit: 1, is_relative: false };

    fn base(self, now: Millis) -> i64 {
        if self.is_relative { i64::try_from(now.0).unwrap_or(i64::MAX) } else { 0 }
    }

    /// Takes `EX n`, `PX n`, `EXAT n` or `PXAT n` off the arguments; `None` when they go on differently.
    pub(super) fn accept(args: &mut Args<'_>) -> Option<Form> {
        let forms = [("EX", Form::EX), ("PX", Form::PX), ("EXAT", Form::EXAT), ("PXAT", Form::PXAT)];
        forms.into_iter().find_map(|(word, form)| args.accept(word).then_some(form))
    }

    /// Reads the time.
    ///
    /// # Errors
    /// No number, negative, or too late; `command` is named in the words.
    pub(super) fn deadline(
        self,
        args: &mut Args<'_>,
        now: Millis,
        command: &'static str,
    ) -> Result<Deadline, CommandError> {
        let time = args.int()?;
        if time < 0 {
            return Err(CommandError::other("ERR invalid expire time, must be >= 0"));
        }
        let ms = time.checked_mul(self.unit).and_then(|ms| ms.checked_add(self.base(now)));
        let ms = ms.filter(|&ms| ms <= LATEST).ok_or(CommandError::InvalidExpire(command))?;
        Ok(Deadline::at_ms(ms.unsigned_abs()))
    }
}

/// Reads `FIELDS numfields field [field ...]`, which end a command.
///
/// # Errors
/// Something else is there, or another number of fields; `not_a_count` where `numfields` is none.
pub(super) fn fields<'a>(args: &mut Args<'a>, not_a_count: &str) -> Result<Argv<'a>, CommandError> {
    if !args.accept("FIELDS") {
        return Err(CommandError::other(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = args.int().ok().and_then(|count| usize::try_from(count).ok()).filter(|&count| count > 0);
    let count = count.ok_or_else(|| CommandError::other(not_a_count))?;
    if args.len() != count {
        return Err(CommandError::other("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(args.rest())
}

pub(super) const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";

/// Replies of an absent hash.
fn no_fields(reply: &mut Reply<'_>, count: usize) -> CommandResult {
    reply.array(count);
    (0..count).for_each(|_| reply.int(NO_FIELD));
    Ok(Done)
}

/// `HEXPIRE key seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]` and its kin. A time that has passed
/// deletes the field.
pub(super) fn expire(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    name: &'static str,
    form: Form,
) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    purge_some(&mut entry, ctx.now)?;
    let deadline = form.deadline(args, ctx.now, name)?;
    let mut rule = Rule::default();
    rule.accept(args);
    let fields = fields(args, "ERR Parameter `numFields` should be greater than 0")?;
    let cost = fields.iter().map(|field| field.len() + PER_DEADLINE).sum();
    let Some(mut hash) = change_existing(&mut entry, cost, ctx.now)? else {
        return no_fields(&mut ctx.reply, fields.len());
    };
    let new = i64::try_from(deadline.0.0).unwrap_or(i64::MAX);
    let (mut expired, mut deleted) = (false, false);
    ctx.reply.array(fields.len());
    for field in fields.iter() {
        ctx.reply.int(if !hash.contains(field, ctx.now) {
            NO_FIELD
        } else if !rule.allows(new, hash.deadline(field)) {
            NOT_NOW
        } else if deadline.is_due(ctx.now) {
            deleted |= hash.remove(field, ctx.now);
            DELETED
        } else {
            hash.set_deadline(field, deadline);
            expired = true;
            DONE
        });
    }
    if deleted {
        hash.announce(Event::HDel);
    }
    if expired {
        hash.announce(Event::HExpire);
    }
    Ok(Done)
}

/// `HTTL key FIELDS numfields field [field ...]` and its kin.
pub(super) fn tell(ctx: &mut Ctx<'_>, args: &mut Args<'_>, form: Form) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let hash = read(ctx.counters, &mut entry, ctx.now)?;
    let fields = fields(args, NOT_POSITIVE)?;
    let Some(hash) = hash else { return no_fields(&mut ctx.reply, fields.len()) };
    ctx.reply.array(fields.len());
    for field in fields.iter() {
        match hash.deadline(field) {
            _ if !hash.contains(field, ctx.now) => ctx.reply.int(NO_FIELD),
            None => ctx.reply.int(NO_DEADLINE),
            Some(deadline) => {
                let ms = i64::try_from(deadline.0.0).unwrap_or(i64::MAX).saturating_sub(form.base(ctx.now));
                // Rounded up: a field that is there has a second left.
                ctx.reply.int(ms.saturating_add(form.unit - 1) / form.unit);
            }
        }
    }
    Ok(Done)
}

/// `HPERSIST key FIELDS numfields field [field ...]`
pub(super) fn hpersist(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    purge_some(&mut entry, ctx.now)?;
    let fields = fields(args, NOT_POSITIVE)?;
    let Some(mut hash) = change_existing(&mut entry, 0, ctx.now)? else {
        return no_fields(&mut ctx.reply, fields.len());
    };
    let mut persisted = false;
    ctx.reply.array(fields.len());
    for field in fields.iter() {
        ctx.reply.int(if !Hash::contains(&hash, field, ctx.now) {
            NO_FIELD
        } else if hash.clear_deadline(field) {
            persisted = true;
            DONE
        } else {
            NO_DEADLINE
        });
    }
    if persisted {
        hash.done(Event::HPersist);
    }
    Ok(Done)
}
