//! Commands on keys whatever their value is, and on whole databases.

mod databases;
mod dump;
mod keys;
mod migrate;
mod object;
mod scan;
mod transfer;

pub(super) use migrate::Migration;
pub use migrate::Migrations;
pub(super) use object::encoding_of;
pub(super) use scan::KeysWalk;

use super::table::{Arity, Begin, CommandSpec, Find, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};

const GENERIC: CommandSpec = CommandSpec { acl: &["keyspace"], group: "generic", ..CommandSpec::BASE };
const SERVER: CommandSpec = CommandSpec { acl: &["keyspace"], group: "server", ..CommandSpec::BASE };

const READ_FAST: &[Flag] = &[Flag::ReadOnly, Flag::Fast];
const WRITE_FAST: &[Flag] = &[Flag::Write, Flag::Fast];
const RESTORE_COMPLEXITY: &str = "O(1) to create the new key and additional O(N*M) to reconstruct the serialized \
    value, where N is the number of Redis objects composing the value and M their average size. For small \
    string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted \
    set values the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).";
const SUM: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "copy",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Write, Flag::DenyOom],
        keys: &[KeySpec::one(1, KeyUse::Read), KeySpec::one(2, KeyUse::Overwrite)],
        since: "6.2.0",
        complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) for string \
            values.",
        summary: "Copies the value of a key to a new key.",
        run: transfer::copy,
        ..GENERIC
    },
    CommandSpec {
        name: "dbsize",
        arity: Arity::Exactly(1),
        flags: READ_FAST,
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        summary: "Returns the number of keys in the database.",
        run: databases::dbsize,
        ..SERVER
    },
    CommandSpec {
        name: "del",
        arity: Arity::AtLeast(2),
        flags: &[Flag::Write],
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Remove)],
        tips: SUM,
        complexity: "O(N) where N is the number of keys that will be removed. When a key to remove holds a \
            value other than a string, the individual complexity for this key is O(M) where M is the number \
            of elements in the list, set, sorted set or hash. Removing a single key that holds a string value \
            is O(1).",
        summary: "Deletes one or more keys.",
        run: keys::del,
        ..GENERIC
    },
    CommandSpec {
        name: "dump",
        arity: Arity::Exactly(2),
        flags: &[Flag::ReadOnly],
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of \
            Redis objects composing the value and M their average size. For small string values the time \
            complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
        summary: "Returns a serialized representation of the value stored at a key.",
        run: dump::dump,
        ..GENERIC
    },
    CommandSpec {
        name: "exists",
        arity: Arity::AtLeast(2),
        flags: READ_FAST,
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Look)],
        tips: SUM,
        complexity: "O(N) where N is the number of keys to check.",
        summary: "Determines whether one or more keys exist.",
        run: keys::exists,
        ..GENERIC
    },
    CommandSpec {
        name: "flushall",
        arity: Arity::AtLeast(1),
        flags: &[Flag::Write],
        acl: &["keyspace", "dangerous"],
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Removes all keys from all databases.",
        run: databases::flushall,
        ..SERVER
    },
    CommandSpec {
        name: "flushdb",
        arity: Arity::AtLeast(1),
        flags: &[Flag::Write],
        acl: &["keyspace", "dangerous"],
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        complexity: "O(N) where N is the number of keys in the selected database",
        summary: "Remove all keys from the current database.",
        run: databases::flushdb,
        ..SERVER
    },
    CommandSpec {
        name: "keys",
        arity: Arity::Exactly(2),
        flags: &[Flag::ReadOnly],
        acl: &["keyspace", "dangerous"],
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        complexity: "O(N) with N being the number of keys in the database, under the assumption that the key \
            names in the database and the given pattern have limited length.",
        summary: "Returns all key names that match a pattern.",
        run: scan::keys,
        ..GENERIC
    },
    CommandSpec {
        name: "migrate",
        arity: Arity::AtLeast(6),
        flags: &[Flag::Write, Flag::MovableKeys],
        keys: &[
            KeySpec {
                begin: Begin::Migrated,
                find: Find::Range { last: 0, step: 1, limit: 0 },
                usage: KeyUse::ReadDelete,
            },
            KeySpec {
                begin: Begin::MigratedKeys,
                find: Find::Range { last: -1, step: 1, limit: 0 },
                usage: KeyUse::MayReadDelete,
            },
        ],
        acl: &["keyspace", "dangerous"],
        tips: &["nondeterministic_output"],
        hides: migrate::hides,
        since: "2.6.0",
        complexity: "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target \
            instance. See the pages of these commands for time complexity. Also an O(N) data transfer between the \
            two instances is performed.",
        summary: "Atomically transfer a key from a Redis instance to another one.",
        run: migrate::migrate,
        ..GENERIC
    },
    CommandSpec {
        name: "move",
        arity: Arity::Exactly(3),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        summary: "Moves a key to another database.",
        run: transfer::move_key,
        ..GENERIC
    },
    CommandSpec {
        name: "object",
        arity: Arity::AtLeast(2),
        acl: &[],
        since: "2.2.3",
        complexity: "Depends on subcommand.",
        summary: "A container for object introspection commands.",
        subcommands: object::SUBCOMMANDS,
        ..GENERIC
    },
    CommandSpec {
        name: "randomkey",
        arity: Arity::Exactly(1),
        flags: &[Flag::ReadOnly],
        tips: &["request_policy:all_shards", "nondeterministic_output"],
        summary: "Returns a random key name from the database.",
        run: scan::randomkey,
        ..GENERIC
    },
    CommandSpec {
        name: "rename",
        arity: Arity::Exactly(3),
        flags: &[Flag::Write],
        keys: &[KeySpec::one(1, KeyUse::ReadDelete), KeySpec::one(2, KeyUse::Overwrite)],
        summary: "Renames a key and overwrites the destination.",
        run: transfer::rename,
        ..GENERIC
    },
    CommandSpec {
        name: "renamenx",
        arity: Arity::Exactly(3),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete), KeySpec::one(2, KeyUse::OverwriteInsert)],
        summary: "Renames a key only when the target key name doesn't exist.",
        run: transfer::renamenx,
        ..GENERIC
    },
    CommandSpec {
        name: "restore",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::DenyOom],
        keys: &[KeySpec::one(1, KeyUse::Overwrite)],
        acl: &["keyspace", "dangerous"],
        since: "2.6.0",
        complexity: RESTORE_COMPLEXITY,
        summary: "Creates a key from the serialized representation of a value.",
        run: dump::restore,
        ..GENERIC
    },
    CommandSpec {
        name: "restore-asking",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::DenyOom, Flag::Asking],
        keys: &[KeySpec::one(1, KeyUse::Overwrite)],
        acl: &["keyspace", "dangerous"],
        since: "3.0.0",
        complexity: RESTORE_COMPLEXITY,
        summary: "An internal command for migrating keys in a cluster.",
        run: dump::restore,
        ..SERVER
    },
    CommandSpec {
        name: "scan",
        arity: Arity::AtLeast(2),
        flags: &[Flag::ReadOnly],
        tips: &["nondeterministic_output", "request_policy:special"],
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for \
            the cursor to return back to 0. N is the number of elements inside the collection.",
        summary: "Iterates over the key names in the database.",
        run: scan::scan,
        ..GENERIC
    },
    CommandSpec {
        name: "swapdb",
        arity: Arity::Exactly(3),
        flags: WRITE_FAST,
        acl: &["keyspace", "dangerous"],
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        summary: "Swaps two Redis databases.",
        run: databases::swapdb,
        ..SERVER
    },
    CommandSpec {
        name: "touch",
        arity: Arity::AtLeast(2),
        flags: READ_FAST,
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Look)],
        tips: SUM,
        since: "3.2.1",
        complexity: "O(N) where N is the number of keys that will be touched.",
        summary: "Returns the number of existing keys out of those specified after updating the time they \
            were last accessed.",
        run: keys::touch,
        ..GENERIC
    },
    CommandSpec {
        name: "type",
        arity: Arity::Exactly(2),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        summary: "Determines the type of value stored at a key.",
        run: keys::type_of,
        ..GENERIC
    },
    CommandSpec {
        name: "unlink",
        arity: Arity::AtLeast(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::range(1, -1, 1, KeyUse::Remove)],
        tips: SUM,
        since: "4.0.0",
        complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) work in a \
            different thread in order to reclaim memory, where N is the number of allocations the deleted \
            objects where composed of.",
        summary: "Asynchronously deletes one or more keys.",
        run: keys::del,
        ..GENERIC
    },
];
