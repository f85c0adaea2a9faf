//! Conditions on the value that is there: NX, XX and Redis 8.4's IFEQ and IFNE; DELEX and DELIFEQ.
//!
//! Differs: IFDEQ and IFDNE, which compare XXH3 digests, and DIGEST are missing; they are syntax errors.

use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::commands::pick;
use crate::store::{Event, Item};

/// When a write is carried out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition<'a> {
    Absent,
    Present,
    /// The value is a string, this one.
    Equals(&'a [u8]),
    /// The value is another string, or there is none.
    Differs(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// Takes a condition of `SET`'s off the arguments into `slot`; `false` when they go on differently.
    pub(super) fn accept(
        args: &mut Args<'a>,
        slot: &mut Option<Condition<'a>>,
    ) -> Result<bool, CommandError> {
        let condition = if args.accept("NX") {
            Condition::Absent
        } else if args.accept("XX") {
            Condition::Present
        } else if args.accept("IFEQ") {
            Condition::Equals(args.bytes()?)
        } else if args.accept("IFNE") {
            Condition::Differs(args.bytes()?)
        } else {
            return Ok(false);
        };
        pick(slot, condition)?;
        Ok(true)
    }

    /// # Errors
    /// `WrongType`: a value is to be compared that is no string.
    pub(super) fn holds(self, item: Option<&Item<'_>>) -> Result<bool, CommandError> {
        Ok(match (self, item) {
            (Condition::Absent, item) => item.is_none(),
            (Condition::Present, item) => item.is_some(),
            (Condition::Equals(_), None) => false,
            (Condition::Differs(_), None) => true,
            (Condition::Equals(other), Some(item)) => lookup::string(item)? == other,
            (Condition::Differs(other), Some(item)) => lookup::string(item)? != other,
        })
    }
}

/// `DELEX key [IFEQ value|IFNE value]`
pub(super) fn delex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    if !matches!(args.len(), 0 | 2) {
        return Err(CommandError::Arity("delex".into()));
    }
    let mut entry = ctx.db.entry(key);
    let deletes = match entry.item() {
        None => false,
        Some(_) if args.is_empty() => true,
        Some(item) => {
            if item.string().is_none() {
                return Err(CommandError::other(
                    "ERR Key should be of string type if conditions are specified",
                ));
            }
            let (word, value) = (args.bytes()?, args.bytes()?);
            let condition = match () {
                () if word.eq_ignore_ascii_case(b"IFEQ") => Condition::Equals(value),
                () if word.eq_ignore_ascii_case(b"IFNE") => Condition::Differs(value),
                () => {
                    return Err(CommandError::other(
                        "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE",
                    ));
                }
            };
            condition.holds(Some(&item))?
        }
    };
    ctx.reply.int(u8::from(deletes && entry.delete(Event::Del)));
    Ok(Done)
}

/// `DELIFEQ key value`
pub(super) fn delifeq(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, value) = (args.key()?, args.bytes()?);
    let mut entry = ctx.db.entry(key);
    let deletes = Condition::Equals(value).holds(entry.item().as_ref())?;
    ctx.reply.int(u8::from(deletes && entry.delete(Event::Del)));
    Ok(Done)
}
