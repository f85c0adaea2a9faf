//! Conditions on the value that is there: NX, XX and Redis 8.4's IFEQ, IFNE, IFDEQ and IFDNE; DELEX, DELIFEQ
//! and DIGEST.

use super::{Args, CommandError, CommandResult, Ctx, Done, lookup, xxh3};
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
    /// The same for the value's digest, in hexadecimal digits.
    DigestEquals(&'a [u8]),
    DigestDiffers(&'a [u8]),
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
        } else if let Some(comparison) = args.peek().and_then(Condition::comparison) {
            args.bytes()?;
            comparison(args.bytes()?)
        } else {
            return Ok(false);
        };
        pick(slot, condition)?;
        Ok(true)
    }

    /// A condition that compares, by its word.
    fn comparison(word: &[u8]) -> Option<fn(&'a [u8]) -> Condition<'a>> {
        Some(match word.to_ascii_uppercase().as_slice() {
            b"IFEQ" => Condition::Equals,
            b"IFNE" => Condition::Differs,
            b"IFDEQ" => Condition::DigestEquals,
            b"IFDNE" => Condition::DigestDiffers,
            _ => return None,
        })
    }

    /// # Errors
    /// `WrongType`: a value is to be compared that is no string.
    pub(super) fn holds(self, item: Option<&Item<'_>>) -> Result<bool, CommandError> {
        Ok(match (self, item) {
            (Condition::Absent, item) => item.is_none(),
            (Condition::Present, item) => item.is_some(),
            (Condition::Equals(_) | Condition::DigestEquals(_), None) => false,
            (Condition::Differs(_) | Condition::DigestDiffers(_), None) => true,
            (Condition::Equals(other), Some(item)) => lookup::string(item)? == other,
            (Condition::Differs(other), Some(item)) => lookup::string(item)? != other,
            (Condition::DigestEquals(digest), Some(item)) => has_digest(lookup::string(item)?, digest)?,
            (Condition::DigestDiffers(digest), Some(item)) => !has_digest(lookup::string(item)?, digest)?,
        })
    }
}

fn digest_of(text: &[u8]) -> String {
    format!("{:016x}", xxh3::hash(text))
}

fn has_digest(text: &[u8], digest: &[u8]) -> Result<bool, CommandError> {
    if digest.len() != 16 {
        return Err(CommandError::other("ERR must be exactly 16 hexadecimal characters"));
    }
    Ok(digest_of(text).as_bytes().eq_ignore_ascii_case(digest))
}

/// `DIGEST key`
pub(super) fn digest(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    match lookup::read(ctx.counters, &mut entry) {
        Some(item) => ctx.reply.bulk(digest_of(lookup::string(&item)?).as_bytes()),
        None => ctx.reply.nil(),
    }
    Ok(Done)
}

/// `DELEX key [IFEQ value|IFNE value|IFDEQ digest|IFDNE digest]`
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
            let comparison = Condition::comparison(word).ok_or_else(|| {
                CommandError::other("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
            })?;
            comparison(value).holds(Some(&item))?
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
