//! Deadlines: EXPIRE and its kin, TTL and its kin, PERSIST.

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::clock::Deadline;
use crate::store::Event;

const SETTER: CommandSpec = CommandSpec {
    arity: Arity::AtLeast(3),
    flags: &[Flag::Write, Flag::Fast],
    keys: &[KeySpec::one(1, KeyUse::Update)],
    acl: &["keyspace"],
    ..CommandSpec::BASE
};

const GETTER: CommandSpec = CommandSpec {
    arity: Arity::Exactly(2),
    flags: &[Flag::ReadOnly, Flag::Fast],
    keys: &[KeySpec::one(1, KeyUse::Read)],
    acl: &["keyspace"],
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "expire",
        summary: "Sets the expiration time of a key in seconds.",
        run: |ctx, args| expire(ctx, args, "expire", 1000, true),
        ..SETTER
    },
    CommandSpec {
        name: "expireat",
        since: "1.2.0",
        summary: "Sets the expiration time of a key to a Unix timestamp.",
        run: |ctx, args| expire(ctx, args, "expireat", 1000, false),
        ..SETTER
    },
    CommandSpec {
        name: "expiretime",
        since: "7.0.0",
        summary: "Returns the expiration time of a key as a Unix timestamp.",
        run: |ctx, args| tell(ctx, args, |deadline, _| rounded(deadline.0.0)),
        ..GETTER
    },
    CommandSpec {
        name: "persist",
        arity: Arity::Exactly(2),
        since: "2.2.0",
        summary: "Removes the expiration time of a key.",
        run: persist,
        ..SETTER
    },
    CommandSpec {
        name: "pexpire",
        since: "2.6.0",
        summary: "Sets the expiration time of a key in milliseconds.",
        run: |ctx, args| expire(ctx, args, "pexpire", 1, true),
        ..SETTER
    },
    CommandSpec {
        name: "pexpireat",
        since: "2.6.0",
        summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
        run: |ctx, args| expire(ctx, args, "pexpireat", 1, false),
        ..SETTER
    },
    CommandSpec {
        name: "pexpiretime",
        since: "7.0.0",
        summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
        run: |ctx, args| tell(ctx, args, |deadline, _| deadline.0.0),
        ..GETTER
    },
    CommandSpec {
        name: "pttl",
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        summary: "Returns the expiration time in milliseconds of a key.",
        run: |ctx, args| tell(ctx, args, |deadline, now| deadline.ttl_ms(now)),
        ..GETTER
    },
    CommandSpec {
        name: "ttl",
        tips: &["nondeterministic_output"],
        summary: "Returns the expiration time in seconds of a key.",
        run: |ctx, args| tell(ctx, args, |deadline, now| rounded(deadline.ttl_ms(now))),
        ..GETTER
    },
];

/// Milliseconds as the nearest number of seconds.
fn rounded(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

/// When a new deadline is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rule {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Rule {
    fn parse(args: &mut Args<'_>) -> Result<Rule, CommandError> {
        let mut rule = Rule::default();
        while let Some(word) = args.peek() {
            if !rule.accept(args) {
                return Err(CommandError::quoting("ERR Unsupported option ", word, usize::MAX, ""));
            }
        }
        if rule.nx && (rule.xx || rule.gt || rule.lt) {
            return Err(CommandError::other(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if rule.gt && rule.lt {
            return Err(CommandError::other("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(rule)
    }

    /// Takes one word of the rule off the arguments; `false` when they go on differently.
    pub(super) fn accept(&mut self, args: &mut Args<'_>) -> bool {
        let flag = if args.accept("NX") {
            &mut self.nx
        } else if args.accept("XX") {
            &mut self.xx
        } else if args.accept("GT") {
            &mut self.gt
        } else if args.accept("LT") {
            &mut self.lt
        } else {
            return false;
        };
        *flag = true;
        true
    }

    /// No deadline counts as one infinitely far away.
    pub(super) fn allows(self, new: i64, old: Option<Deadline>) -> bool {
        let old = old.map(|old| i64::try_from(old.0.0).unwrap_or(i64::MAX));
        !(self.nx && old.is_some()
            || self.xx && old.is_none()
            || self.gt && old.is_none_or(|old| new <= old)
            || self.lt && old.is_some_and(|old| new >= old))
    }
}

/// `EXPIRE key seconds [NX|XX|GT|LT]` and its kin. A time that has passed deletes the key.
fn expire(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    name: &'static str,
    unit: i64,
    is_relative: bool,
) -> CommandResult {
    let (key, time) = (args.key()?, args.bytes()?);
    let rule = Rule::parse(args)?;
    let base = if is_relative { i64::try_from(ctx.now.0).unwrap_or(i64::MAX) } else { 0 };
    let at = super::args::parse_int(time)
        .ok_or(CommandError::NotAnInteger)?
        .checked_mul(unit)
        .and_then(|ms| ms.checked_add(base))
        .ok_or(CommandError::InvalidExpire(name))?;
    let mut entry = ctx.db.entry(key);
    let taken = entry.item().is_some_and(|item| rule.allows(at, item.deadline()));
    if taken {
        match u64::try_from(at).map(Deadline::at_ms) {
            Ok(deadline) if !deadline.is_due(ctx.now) => {
                entry.set_deadline(Some(deadline), Event::Expire);
            }
            _ => {
                entry.delete(Event::Del);
            }
        }
    }
    ctx.reply.int(u8::from(taken));
    Ok(Done)
}

/// `TTL key` and its kin: -2 when there is no key, -1 when it has no deadline.
fn tell(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    number: fn(Deadline, crate::clock::Millis) -> u64,
) -> CommandResult {
    let entry = ctx.db.entry(args.key()?);
    match lookup::look(ctx.counters, &entry).map(|item| item.deadline()) {
        None => ctx.reply.int(-2),
        Some(None) => ctx.reply.int(-1),
        Some(Some(deadline)) => ctx.reply.int(number(deadline, ctx.now)),
    }
    Ok(Done)
}

/// `PERSIST key`
fn persist(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let is_volatile = entry.item().is_some_and(|item| item.deadline().is_some());
    if is_volatile {
        entry.set_deadline(None, Event::Persist);
    }
    ctx.reply.int(u8::from(is_volatile));
    Ok(Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_deadline_lives_longer_than_any() {
        let at = |ms| Some(Deadline::at_ms(ms));
        let rule = |nx, xx, gt, lt| Rule { nx, xx, gt, lt };
        for (rule, new, old, expected) in [
            (rule(true, false, false, false), 5, None, true),
            (rule(true, false, false, false), 5, at(1), false),
            (rule(false, true, false, false), 5, None, false),
            (rule(false, true, false, false), 5, at(1), true),
            (rule(false, false, true, false), 5, None, false),
            (rule(false, false, true, false), 5, at(5), false),
            (rule(false, false, true, false), 6, at(5), true),
            (rule(false, false, false, true), 5, None, true),
            (rule(false, false, false, true), 5, at(5), false),
            (rule(false, false, false, true), 4, at(5), true),
            (rule(false, true, false, true), 4, None, false),
        ] {
            assert_eq!(rule.allows(new, old), expected, "{rule:?} {new} {old:?}");
        }
    }
}
