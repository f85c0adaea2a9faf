//! Hash commands, those on the deadlines of fields (Redis 7.4 and 8) included. Meaning follows the Redis command
//! pages.
//!
//! Fields that are due are purged by the command that comes upon them, some at a time; what is left of them is
//! absent all the same. The shard's wheel takes those away that nobody asks for.

mod change;
mod deadline;
mod random;
mod read;
mod several;

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::clock::Millis;
use crate::config::{Config, Param};
use crate::observe::Counters;
use crate::store::value::Collection;
use crate::store::value::hash::{Hash, Limits};
use crate::store::{Change, Entry, Event};
use deadline::Form;

/// What a field takes at most beside its bytes and those of its value, and what its deadline takes.
const PER_FIELD: usize = 64;
const PER_DEADLINE: usize = 128;

/// Up to where hashes are compact, as configured.
pub(super) fn limits(config: &Config) -> Limits {
    let number = |param| usize::try_from(config.number(param)).unwrap_or(0);
    Limits {
        listpack_entries: number(Param::HashMaxListpackEntries),
        listpack_value: number(Param::HashMaxListpackValue),
    }
}

/// Removes up to `most` fields that are due.
fn purge(entry: &mut Entry<'_>, now: Millis, most: usize) -> Result<(), CommandError> {
    if entry.collection::<Hash>()?.is_some_and(|hash| hash.has_due(now))
        && let Some(mut hash) = entry.change_existing::<Hash>(0)?
    {
        hash.purge(now, most);
        hash.done(Event::HExpired);
    }
    Ok(())
}

/// Removes as many due fields as make no command slow.
fn purge_some(entry: &mut Entry<'_>, now: Millis) -> Result<(), CommandError> {
    purge(entry, now, 256)
}

/// Looks a hash up to read it.
///
/// # Errors
/// `WrongType`: the value is of another type.
fn read<'e>(
    counters: &Counters,
    entry: &'e mut Entry<'_>,
    now: Millis,
) -> Result<Option<&'e Hash>, CommandError> {
    purge_some(entry, now)?;
    lookup::collection(counters, entry)
}

/// A hash to change, which may add `cost` bytes to it; a new one where there is none.
///
/// # Errors
/// `WrongType`, `OutOfMemory`.
fn write<'e, 'd>(
    entry: &'e mut Entry<'d>,
    cost: usize,
    now: Millis,
) -> Result<Change<'e, 'd, Hash>, CommandError> {
    purge_some(entry, now)?;
    Ok(entry.change(cost)?)
}

/// A hash to change, if there is one.
///
/// # Errors
/// As `write`.
fn change_existing<'e, 'd>(
    entry: &'e mut Entry<'d>,
    cost: usize,
    now: Millis,
) -> Result<Option<Change<'e, 'd, Hash>>, CommandError> {
    purge_some(entry, now)?;
    Ok(entry.change_existing(cost)?)
}

const HASH: CommandSpec = CommandSpec { acl: &["hash"], group: "hash", since: "2.0.0", ..CommandSpec::BASE };

const READ: &[Flag] = &[Flag::ReadOnly];
const READ_FAST: &[Flag] = &[Flag::ReadOnly, Flag::Fast];
const WRITE_FAST: &[Flag] = &[Flag::Write, Flag::Fast];
const ADD_FAST: &[Flag] = &[Flag::Write, Flag::DenyOom, Flag::Fast];

const SIZE: &str = "O(N) where N is the size of the hash.";
const SPECIFIED: &str = "O(N) where N is the number of specified fields";

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "hdel",
        arity: Arity::AtLeast(3),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        complexity: "O(N) where N is the number of fields to be removed.",
        summary: "Deletes one or more fields and their values from a hash. Deletes the hash if no fields \
            remain.",
        run: change::hdel,
        ..HASH
    },
    CommandSpec {
        name: "hexists",
        arity: Arity::Exactly(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        summary: "Determines whether a field exists in a hash.",
        run: read::hexists,
        ..HASH
    },
    CommandSpec {
        name: "hexpire",
        arity: Arity::AtLeast(6),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Set expiry for hash field using relative time to expire (seconds)",
        run: |ctx, args| deadline::expire(ctx, args, "hexpire", Form::EX),
        ..HASH
    },
    CommandSpec {
        name: "hexpireat",
        arity: Arity::AtLeast(6),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Set expiry for hash field using an absolute Unix timestamp (seconds)",
        run: |ctx, args| deadline::expire(ctx, args, "hexpireat", Form::EXAT),
        ..HASH
    },
    CommandSpec {
        name: "hexpiretime",
        arity: Arity::AtLeast(5),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
        run: |ctx, args| deadline::tell(ctx, args, Form::EXAT),
        ..HASH
    },
    CommandSpec {
        name: "hget",
        arity: Arity::Exactly(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        summary: "Returns the value of a field in a hash.",
        run: read::hget,
        ..HASH
    },
    CommandSpec {
        name: "hgetall",
        arity: Arity::Exactly(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output_order"],
        complexity: SIZE,
        summary: "Returns all fields and values in a hash.",
        run: read::hgetall,
        ..HASH
    },
    CommandSpec {
        name: "hgetdel",
        arity: Arity::AtLeast(5),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete)],
        since: "8.0.0",
        complexity: SPECIFIED,
        summary: "Returns the value of a field and deletes it from the hash.",
        run: several::hgetdel,
        ..HASH
    },
    CommandSpec {
        name: "hgetex",
        arity: Arity::AtLeast(5),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        since: "8.0.0",
        complexity: SPECIFIED,
        summary: "Get the value of one or more fields of a given hash key, and optionally set their \
            expiration.",
        run: several::hgetex,
        ..HASH
    },
    CommandSpec {
        name: "hincrby",
        arity: Arity::Exactly(4),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        summary: "Increments the integer value of a field in a hash by a number. Uses 0 as initial value \
            if the field doesn't exist.",
        run: change::hincrby,
        ..HASH
    },
    CommandSpec {
        name: "hincrbyfloat",
        arity: Arity::Exactly(4),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        since: "2.6.0",
        summary: "Increments the floating point value of a field by a number. Uses 0 as initial value if \
            the field doesn't exist.",
        run: change::hincrbyfloat,
        ..HASH
    },
    CommandSpec {
        name: "hkeys",
        arity: Arity::Exactly(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output_order"],
        complexity: SIZE,
        summary: "Returns all fields in a hash.",
        run: read::hkeys,
        ..HASH
    },
    CommandSpec {
        name: "hlen",
        arity: Arity::Exactly(2),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        summary: "Returns the number of fields in a hash.",
        run: read::hlen,
        ..HASH
    },
    CommandSpec {
        name: "hmget",
        arity: Arity::AtLeast(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        complexity: "O(N) where N is the number of fields being requested.",
        summary: "Returns the values of all fields in a hash.",
        run: read::hmget,
        ..HASH
    },
    CommandSpec {
        name: "hmset",
        arity: Arity::AtLeast(4),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Sets the values of multiple fields.",
        run: change::hmset,
        ..HASH
    },
    CommandSpec {
        name: "hpersist",
        arity: Arity::AtLeast(5),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Removes the expiration time for each specified field",
        run: deadline::hpersist,
        ..HASH
    },
    CommandSpec {
        name: "hpexpire",
        arity: Arity::AtLeast(6),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Set expiry for hash field using relative time to expire (milliseconds)",
        run: |ctx, args| deadline::expire(ctx, args, "hpexpire", Form::PX),
        ..HASH
    },
    CommandSpec {
        name: "hpexpireat",
        arity: Arity::AtLeast(6),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
        run: |ctx, args| deadline::expire(ctx, args, "hpexpireat", Form::PXAT),
        ..HASH
    },
    CommandSpec {
        name: "hpexpiretime",
        arity: Arity::AtLeast(5),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
        run: |ctx, args| deadline::tell(ctx, args, Form::PXAT),
        ..HASH
    },
    CommandSpec {
        name: "hpttl",
        arity: Arity::AtLeast(5),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Returns the TTL in milliseconds of a hash field.",
        run: |ctx, args| deadline::tell(ctx, args, Form::PX),
        ..HASH
    },
    CommandSpec {
        name: "hrandfield",
        arity: Arity::AtLeast(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        summary: "Returns one or more random fields from a hash.",
        run: random::hrandfield,
        ..HASH
    },
    CommandSpec {
        name: "hscan",
        arity: Arity::AtLeast(3),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls \
            for the cursor to return back to 0. N is the number of elements inside the collection..",
        summary: "Iterates over fields and values of a hash.",
        run: read::hscan,
        ..HASH
    },
    CommandSpec {
        name: "hset",
        arity: Arity::AtLeast(4),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the \
            command is called with multiple field/value pairs.",
        summary: "Creates or modifies the value of a field in a hash.",
        run: change::hset,
        ..HASH
    },
    CommandSpec {
        name: "hsetex",
        arity: Arity::AtLeast(6),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "8.0.0",
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Set the value of one or more fields of a given hash key, and optionally set their \
            expiration.",
        run: several::hsetex,
        ..HASH
    },
    CommandSpec {
        name: "hsetnx",
        arity: Arity::Exactly(4),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        summary: "Sets the value of a field in a hash only when the field doesn't exist.",
        run: change::hsetnx,
        ..HASH
    },
    CommandSpec {
        name: "hstrlen",
        arity: Arity::Exactly(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        since: "3.2.0",
        summary: "Returns the length of the value of a field.",
        run: read::hstrlen,
        ..HASH
    },
    CommandSpec {
        name: "httl",
        arity: Arity::AtLeast(5),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        since: "7.4.0",
        complexity: SPECIFIED,
        summary: "Returns the TTL in seconds of a hash field.",
        run: |ctx, args| deadline::tell(ctx, args, Form::EX),
        ..HASH
    },
    CommandSpec {
        name: "hvals",
        arity: Arity::Exactly(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output_order"],
        complexity: SIZE,
        summary: "Returns all values in a hash.",
        run: read::hvals,
        ..HASH
    },
];
