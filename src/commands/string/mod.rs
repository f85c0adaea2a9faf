//! String commands. Meaning follows the Redis command pages; what came with Redis 8.4 (`IFEQ` and its
//! kin, `DELEX`, `DIGEST`, `MSETEX`) and with Valkey 9 (`DELIFEQ`) is here too.
//!
//! Modifying commands keep memcached's client flags of the item; commands that set a value clear them.

mod change;
mod condition;
mod get;
mod lcs;
mod set;
mod xxh3;

use super::table::{Arity, Begin, CommandSpec, Find, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};

const STRING: CommandSpec = CommandSpec { acl: &["string"], group: "string", ..CommandSpec::BASE };

const READ_FAST: &[Flag] = &[Flag::ReadOnly, Flag::Fast];
const WRITE_FAST: &[Flag] = &[Flag::Write, Flag::Fast];
const ADD: &[Flag] = &[Flag::Write, Flag::DenyOom];
const ADD_FAST: &[Flag] = &[Flag::Write, Flag::DenyOom, Flag::Fast];

const SUBSTRING_COMPLEXITY: &str = "O(N) where N is the length of the returned string. The complexity is \
    ultimately determined by the returned length, but because creating a substring from an existing string \
    is very cheap, it can be considered O(1) for small strings.";

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "append",
        arity: Arity::Exactly(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        since: "2.0.0",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the \
            already present value is of any size, since the dynamic string library used by Redis will double \
            the free space available on every reallocation.",
        summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
        run: change::append,
        ..STRING
    },
    CommandSpec {
        name: "decr",
        arity: Arity::Exactly(2),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't \
            exist.",
        run: change::decr,
        ..STRING
    },
    CommandSpec {
        name: "decrby",
        arity: Arity::Exactly(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key \
            doesn't exist.",
        run: change::decrby,
        ..STRING
    },
    CommandSpec {
        name: "delex",
        arity: Arity::AtLeast(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        since: "8.4.0",
        complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
        summary: "Conditionally removes the specified key based on value or hash digest comparison.",
        run: condition::delex,
        ..STRING
    },
    CommandSpec {
        name: "delifeq",
        arity: Arity::Exactly(3),
        flags: &[Flag::Write],
        keys: &[KeySpec::one(1, KeyUse::ReadRemove)],
        since: "9.0.0",
        summary: "Delete key if value matches string.",
        run: condition::delifeq,
        ..STRING
    },
    CommandSpec {
        name: "digest",
        arity: Arity::Exactly(2),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "8.4.0",
        complexity: "O(N) where N is the length of the string value.",
        summary: "Returns the XXH3 hash of a string value.",
        run: condition::digest,
        ..STRING
    },
    CommandSpec {
        name: "get",
        arity: Arity::Exactly(2),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        summary: "Returns the string value of a key.",
        run: get::get,
        ..STRING
    },
    CommandSpec {
        name: "getdel",
        arity: Arity::Exactly(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete)],
        since: "6.2.0",
        summary: "Returns the string value of a key after deleting the key.",
        run: get::getdel,
        ..STRING
    },
    CommandSpec {
        name: "getex",
        arity: Arity::AtLeast(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        since: "6.2.0",
        summary: "Returns the string value of a key after setting its expiration time.",
        run: get::getex,
        ..STRING
    },
    CommandSpec {
        name: "getrange",
        arity: Arity::Exactly(4),
        flags: &[Flag::ReadOnly],
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "2.4.0",
        complexity: SUBSTRING_COMPLEXITY,
        summary: "Returns a substring of the string stored at a key.",
        run: get::getrange,
        ..STRING
    },
    CommandSpec {
        name: "getset",
        arity: Arity::Exactly(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
        summary: "Returns the previous string value of a key after setting it to a new value.",
        run: set::getset,
        ..STRING
    },
    CommandSpec {
        name: "incr",
        arity: Arity::Exactly(2),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't \
            exist.",
        run: change::incr,
        ..STRING
    },
    CommandSpec {
        name: "incrby",
        arity: Arity::Exactly(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key \
            doesn't exist.",
        run: change::incrby,
        ..STRING
    },
    CommandSpec {
        name: "incrbyfloat",
        arity: Arity::Exactly(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        since: "2.6.0",
        summary: "Increment the floating point value of a key by a number. Uses 0 as initial value if the key \
            doesn't exist.",
        run: change::incrbyfloat,
        ..STRING
    },
    CommandSpec {
        name: "lcs",
        arity: Arity::AtLeast(3),
        flags: &[Flag::ReadOnly],
        keys: &[KeySpec::range(1, 1, 1, KeyUse::Read)],
        since: "7.0.0",
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        summary: "Finds the longest common substring.",
        run: lcs::lcs,
        ..STRING
    },
    CommandSpec {
        name: "mget",
        arity: Arity::AtLeast(2),
        flags: READ_FAST,
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Read)],
        tips: &["request_policy:multi_shard"],
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Atomically returns the string values of one or more keys.",
        run: get::mget,
        ..STRING
    },
    CommandSpec {
        name: "mset",
        arity: Arity::AtLeast(3),
        flags: ADD,
        keys: &[KeySpec::range(1, -1, 2, KeyUse::Overwrite)],
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Atomically creates or modifies the string values of one or more keys.",
        run: set::mset,
        ..STRING
    },
    CommandSpec {
        name: "msetex",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
        keys: &[KeySpec {
            begin: Begin::Index(1),
            find: Find::Count { at: 0, first: 1, step: 2 },
            usage: KeyUse::Overwrite,
        }],
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        since: "8.4.0",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Atomically sets multiple string keys with a shared expiration in a single operation. \
            Supports flexible argument parsing where condition and expiration flags can appear in any order.",
        run: set::msetex,
        ..STRING
    },
    CommandSpec {
        name: "msetnx",
        arity: Arity::AtLeast(3),
        flags: ADD,
        keys: &[KeySpec::range(1, -1, 2, KeyUse::OverwriteInsert)],
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
        run: set::msetnx,
        ..STRING
    },
    CommandSpec {
        name: "psetex",
        arity: Arity::Exactly(4),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Overwrite)],
        since: "2.6.0",
        deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
        summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if \
            it doesn't exist.",
        run: set::psetex,
        ..STRING
    },
    CommandSpec {
        name: "set",
        arity: Arity::AtLeast(3),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::MayReadUpdate)],
        summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        run: set::set,
        ..STRING
    },
    CommandSpec {
        name: "setex",
        arity: Arity::Exactly(4),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Overwrite)],
        since: "2.0.0",
        deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
        summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
        run: set::setex,
        ..STRING
    },
    CommandSpec {
        name: "setnx",
        arity: Arity::Exactly(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::OverwriteInsert)],
        deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
        summary: "Set the string value of a key only when the key doesn't exist.",
        run: set::setnx,
        ..STRING
    },
    CommandSpec {
        name: "setrange",
        arity: Arity::Exactly(4),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string \
            is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being \
            the length of the value argument.",
        summary: "Overwrites a part of a string value with another by an offset. Creates the key if it \
            doesn't exist.",
        run: change::setrange,
        ..STRING
    },
    CommandSpec {
        name: "strlen",
        arity: Arity::Exactly(2),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        since: "2.2.0",
        summary: "Returns the length of a string value.",
        run: get::strlen,
        ..STRING
    },
    CommandSpec {
        name: "substr",
        arity: Arity::Exactly(4),
        flags: &[Flag::ReadOnly],
        keys: &[KeySpec::one(1, KeyUse::Read)],
        deprecated: Some(("2.0.0", "`GETRANGE`")),
        complexity: SUBSTRING_COMPLEXITY,
        summary: "Returns a substring from a string value.",
        run: get::getrange,
        ..STRING
    },
];
