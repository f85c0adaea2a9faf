//! Set commands. Meaning follows the Redis command pages.

mod change;
mod combine;
mod random;
mod read;

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::config::{Config, Param};
use crate::resp::Reply;
use crate::store::value::Collection;
use crate::store::value::set::{Limits, Set};

/// Up to where sets are compact, as configured.
pub(super) fn limits(config: &Config) -> Limits {
    let number = |param| usize::try_from(config.number(param)).unwrap_or(0);
    Limits {
        intset_entries: number(Param::SetMaxIntsetEntries),
        listpack_entries: number(Param::SetMaxListpackEntries),
        listpack_value: number(Param::SetMaxListpackValue),
    }
}

/// Writes all members, as the set that they are.
fn reply_members(reply: &mut Reply<'_>, set: &Set) {
    reply.set(set.len());
    let mut buffer = itoa::Buffer::new();
    set.iter().for_each(|member| reply.bulk(member.text(&mut buffer)));
}

const SET: CommandSpec = CommandSpec { acl: &["set"], group: "set", ..CommandSpec::BASE };

const READ: &[Flag] = &[Flag::ReadOnly];
const READ_FAST: &[Flag] = &[Flag::ReadOnly, Flag::Fast];
const WRITE_FAST: &[Flag] = &[Flag::Write, Flag::Fast];
const ADD: &[Flag] = &[Flag::Write, Flag::DenyOom];
const ADD_FAST: &[Flag] = &[Flag::Write, Flag::DenyOom, Flag::Fast];

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "sadd",
        arity: Arity::AtLeast(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with \
            multiple arguments.",
        summary: "Adds one or more members to a set. Creates the key if it doesn't exist.",
        run: change::sadd,
        ..SET
    },
    CommandSpec {
        name: "scard",
        arity: Arity::Exactly(2),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        summary: "Returns the number of members in a set.",
        run: read::scard,
        ..SET
    },
    CommandSpec {
        name: "sdiff",
        arity: Arity::AtLeast(2),
        flags: READ,
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Read)],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Returns the difference of multiple sets.",
        run: combine::sdiff,
        ..SET
    },
    CommandSpec {
        name: "sdiffstore",
        arity: Arity::AtLeast(3),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Overwrite), KeySpec::range(2, -1, 1, KeyUse::Read)],
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Stores the difference of multiple sets in a key.",
        run: combine::sdiffstore,
        ..SET
    },
    CommandSpec {
        name: "sinter",
        arity: Arity::AtLeast(2),
        flags: READ,
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Read)],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number \
            of sets.",
        summary: "Returns the intersect of multiple sets.",
        run: combine::sinter,
        ..SET
    },
    CommandSpec {
        name: "sintercard",
        arity: Arity::AtLeast(3),
        flags: &[Flag::ReadOnly, Flag::MovableKeys],
        keys: &[KeySpec::counted(1, KeyUse::Read)],
        since: "7.0.0",
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number \
            of sets.",
        summary: "Returns the number of members of the intersect of multiple sets.",
        run: combine::sintercard,
        ..SET
    },
    CommandSpec {
        name: "sinterstore",
        arity: Arity::AtLeast(3),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Update), KeySpec::range(2, -1, 1, KeyUse::Read)],
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number \
            of sets.",
        summary: "Stores the intersect of multiple sets in a key.",
        run: combine::sinterstore,
        ..SET
    },
    CommandSpec {
        name: "sismember",
        arity: Arity::Exactly(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        summary: "Determines whether a member belongs to a set.",
        run: read::sismember,
        ..SET
    },
    CommandSpec {
        name: "smembers",
        arity: Arity::Exactly(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N) where N is the set cardinality.",
        summary: "Returns all members of a set.",
        run: read::smembers,
        ..SET
    },
    CommandSpec {
        name: "smismember",
        arity: Arity::AtLeast(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements being checked for membership",
        summary: "Determines whether multiple members belong to a set.",
        run: read::smismember,
        ..SET
    },
    CommandSpec {
        name: "smove",
        arity: Arity::Exactly(4),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete), KeySpec::one(2, KeyUse::Insert)],
        summary: "Moves a member from one set to another.",
        run: change::smove,
        ..SET
    },
    CommandSpec {
        name: "spop",
        arity: Arity::AtLeast(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete)],
        tips: &["nondeterministic_output"],
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the passed \
            count.",
        summary: "Returns one or more random members from a set after removing them. Deletes the set if the \
            last member was popped.",
        run: random::spop,
        ..SET
    },
    CommandSpec {
        name: "srandmember",
        arity: Arity::AtLeast(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the \
            passed count.",
        summary: "Get one or multiple random members from a set",
        run: random::srandmember,
        ..SET
    },
    CommandSpec {
        name: "srem",
        arity: Arity::AtLeast(3),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        complexity: "O(N) where N is the number of members to be removed.",
        summary: "Removes one or more members from a set. Deletes the set if the last member was removed.",
        run: change::srem,
        ..SET
    },
    CommandSpec {
        name: "sscan",
        arity: Arity::AtLeast(3),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for \
            the cursor to return back to 0. N is the number of elements inside the collection..",
        summary: "Iterates over members of a set.",
        run: read::sscan,
        ..SET
    },
    CommandSpec {
        name: "sunion",
        arity: Arity::AtLeast(2),
        flags: READ,
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Read)],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Returns the union of multiple sets.",
        run: combine::sunion,
        ..SET
    },
    CommandSpec {
        name: "sunionstore",
        arity: Arity::AtLeast(3),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Overwrite), KeySpec::range(2, -1, 1, KeyUse::Read)],
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Stores the union of multiple sets in a key.",
        run: combine::sunionstore,
        ..SET
    },
];
