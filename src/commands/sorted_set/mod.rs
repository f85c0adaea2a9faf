//! Sorted set commands. Meaning follows the Redis command pages.

pub(super) mod bounds;
pub(super) mod change;
mod combine;
mod pop;
mod range;
mod read;

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::config::{Config, Param};
use crate::resp::Reply;
use crate::store::value::Collection;
use crate::store::value::listpack::Entry as Member;
use crate::store::value::sorted_set::{Limits, SortedSet};
use crate::store::{Event, Owned};

/// What a member takes at most beside its own bytes.
pub(super) const PER_MEMBER: usize = 96;

/// Up to where sorted sets are compact, as configured.
pub(super) fn limits(config: &Config) -> Limits {
    let number = |param| usize::try_from(config.number(param)).unwrap_or(0);
    Limits {
        listpack_entries: number(Param::ZsetMaxListpackEntries),
        listpack_value: number(Param::ZsetMaxListpackValue),
    }
}

/// Begins the reply of `len` members: with scores it is an array of pairs in RESP3, and flat in RESP2.
fn reply_len(reply: &mut Reply<'_>, len: usize, with_scores: bool) {
    reply.array(if with_scores && !reply.is_resp3() { 2 * len } else { len });
}

/// Writes one of the members that [`reply_len`] announced.
fn reply_member(reply: &mut Reply<'_>, member: &[u8], score: Option<f64>) {
    if score.is_some() && reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(member);
    if let Some(score) = score {
        reply.double(score);
    }
}

/// Writes members with or without their scores.
fn reply_members<'m>(
    reply: &mut Reply<'_>,
    len: usize,
    members: impl Iterator<Item = (Member<'m>, f64)>,
    with_scores: bool,
) {
    let mut buffer = itoa::Buffer::new();
    reply_len(reply, len, with_scores);
    for (member, score) in members {
        reply_member(reply, member.text(&mut buffer), with_scores.then_some(score));
    }
}

/// Puts the result in the place of whatever is at the destination; an empty one deletes that.
pub(super) fn store(ctx: &mut Ctx<'_>, destination: &[u8], set: SortedSet, event: Event) -> CommandResult {
    let mut entry = ctx.db.entry(destination);
    let len = set.len();
    if len == 0 {
        entry.delete(Event::Del);
    } else {
        entry.insert(Owned::object(set), event)?;
    }
    ctx.reply.int(len);
    Ok(Done)
}

const SORTED_SET: CommandSpec = CommandSpec { acl: &["sortedset"], group: "sorted-set", ..CommandSpec::BASE };

const READ: &[Flag] = &[Flag::ReadOnly];
const READ_FAST: &[Flag] = &[Flag::ReadOnly, Flag::Fast];
const WRITE: &[Flag] = &[Flag::Write];
const WRITE_FAST: &[Flag] = &[Flag::Write, Flag::Fast];
const ADD: &[Flag] = &[Flag::Write, Flag::DenyOom];
const ADD_FAST: &[Flag] = &[Flag::Write, Flag::DenyOom, Flag::Fast];

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "bzmpop",
        arity: Arity::AtLeast(5),
        flags: &[Flag::Write, Flag::Blocking, Flag::MovableKeys],
        keys: &[KeySpec::counted(2, KeyUse::ReadDelete)],
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of \
            elements in the sorted set, and M being the number of elements popped.",
        summary: "Removes and returns a member by score from one or more sorted sets. Blocks until a member \
            is available otherwise. Deletes the sorted set if the last element was popped.",
        run: pop::bzmpop,
        ..SORTED_SET
    },
    CommandSpec {
        name: "bzpopmax",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Write, Flag::NoScript, Flag::Blocking, Flag::Fast],
        keys: &[KeySpec::range(1, -2, 1, KeyUse::ReadDelete)],
        since: "5.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Removes and returns the member with the highest score from one or more sorted sets. \
            Blocks until a member available otherwise.  Deletes the sorted set if the last element was \
            popped.",
        run: pop::bzpopmax,
        ..SORTED_SET
    },
    CommandSpec {
        name: "bzpopmin",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Write, Flag::NoScript, Flag::Blocking, Flag::Fast],
        keys: &[KeySpec::range(1, -2, 1, KeyUse::ReadDelete)],
        since: "5.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Removes and returns the member with the lowest score from one or more sorted sets. Blocks \
            until a member is available otherwise. Deletes the sorted set if the last element was popped.",
        run: pop::bzpopmin,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zadd",
        arity: Arity::AtLeast(4),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "1.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        summary: "Adds one or more members to a sorted set, or updates their scores. Creates the key if it \
            doesn't exist.",
        run: change::zadd,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zcard",
        arity: Arity::Exactly(2),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        since: "1.2.0",
        summary: "Returns the number of members in a sorted set.",
        run: read::zcard,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zcount",
        arity: Arity::Exactly(4),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "2.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Returns the count of members in a sorted set that have scores within a range.",
        run: read::zcount,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zdiff",
        arity: Arity::AtLeast(3),
        flags: &[Flag::ReadOnly, Flag::MovableKeys],
        keys: &[KeySpec::counted(1, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, \
            N is the size of the first set, and K is the size of the result set.",
        summary: "Returns the difference between multiple sorted sets.",
        run: combine::zdiff,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zdiffstore",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
        keys: &[KeySpec::one(1, KeyUse::Overwrite), KeySpec::counted(2, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, \
            N is the size of the first set, and K is the size of the result set.",
        summary: "Stores the difference of multiple sorted sets in a key.",
        run: combine::zdiffstore,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zincrby",
        arity: Arity::Exactly(4),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadUpdate)],
        since: "1.2.0",
        complexity: "O(log(N)) where N is the number of elements in the sorted set.",
        summary: "Increments the score of a member in a sorted set.",
        run: change::zincrby,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zinter",
        arity: Arity::AtLeast(3),
        flags: &[Flag::ReadOnly, Flag::MovableKeys],
        keys: &[KeySpec::counted(1, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the \
            number of input sorted sets and M being the number of elements in the resulting sorted set.",
        summary: "Returns the intersect of multiple sorted sets.",
        run: combine::zinter,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zintercard",
        arity: Arity::AtLeast(3),
        flags: &[Flag::ReadOnly, Flag::MovableKeys],
        keys: &[KeySpec::counted(1, KeyUse::Read)],
        since: "7.0.0",
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number of \
            input sorted sets.",
        summary: "Returns the number of members of the intersect of multiple sorted sets.",
        run: combine::zintercard,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zinterstore",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
        keys: &[KeySpec::one(1, KeyUse::Overwrite), KeySpec::counted(2, KeyUse::Read)],
        since: "2.0.0",
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the \
            number of input sorted sets and M being the number of elements in the resulting sorted set.",
        summary: "Stores the intersect of multiple sorted sets in a key.",
        run: combine::zinterstore,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zlexcount",
        arity: Arity::Exactly(4),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "2.8.9",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Returns the number of members in a sorted set within a lexicographical range.",
        run: read::zlexcount,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zmpop",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::MovableKeys],
        keys: &[KeySpec::counted(1, KeyUse::ReadDelete)],
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of \
            elements in the sorted set, and M being the number of elements popped.",
        summary: "Returns the highest- or lowest-scoring members from one or more sorted sets after \
            removing them. Deletes the sorted set if the last member was popped.",
        run: pop::zmpop,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zmscore",
        arity: Arity::AtLeast(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(N) where N is the number of members being requested.",
        summary: "Returns the score of one or more members in a sorted set.",
        run: read::zmscore,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zpopmax",
        arity: Arity::AtLeast(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete)],
        since: "5.0.0",
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the \
            number of elements popped.",
        summary: "Returns the highest-scoring members from a sorted set after removing them. Deletes the \
            sorted set if the last member was popped.",
        run: pop::zpopmax,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zpopmin",
        arity: Arity::AtLeast(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete)],
        since: "5.0.0",
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the \
            number of elements popped.",
        summary: "Returns the lowest-scoring members from a sorted set after removing them. Deletes the \
            sorted set if the last member was popped.",
        run: pop::zpopmin,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrandmember",
        arity: Arity::AtLeast(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements returned",
        summary: "Returns one or more random members from a sorted set.",
        run: read::zrandmember,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrange",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "1.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements returned.",
        summary: "Returns members in a sorted set within a range of indexes.",
        run: range::zrange,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrangebylex",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
        since: "2.8.9",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements being returned. If M is constant (e.g. always asking for the first 10 elements with \
            LIMIT), you can consider it O(log(N)).",
        summary: "Returns members in a sorted set within a lexicographical range.",
        run: range::zrangebylex,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrangebyscore",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
        since: "1.0.5",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements being returned. If M is constant (e.g. always asking for the first 10 elements with \
            LIMIT), you can consider it O(log(N)).",
        summary: "Returns members in a sorted set within a range of scores.",
        run: range::zrangebyscore,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrangestore",
        arity: Arity::AtLeast(5),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Overwrite), KeySpec::one(2, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements stored into the destination key.",
        summary: "Stores a range of members from sorted set in a key.",
        run: range::zrangestore,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrank",
        arity: Arity::AtLeast(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns the index of a member in a sorted set ordered by ascending scores.",
        run: read::zrank,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrem",
        arity: Arity::AtLeast(3),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        since: "1.2.0",
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the number of \
            elements to be removed.",
        summary: "Removes one or more members from a sorted set. Deletes the sorted set if all members were \
            removed.",
        run: change::zrem,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zremrangebylex",
        arity: Arity::Exactly(4),
        flags: WRITE,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        since: "2.8.9",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements removed by the operation.",
        summary: "Removes members in a sorted set within a lexicographical range. Deletes the sorted set if \
            all members were removed.",
        run: range::zremrangebylex,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zremrangebyrank",
        arity: Arity::Exactly(4),
        flags: WRITE,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        since: "2.0.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements removed by the operation.",
        summary: "Removes members in a sorted set within a range of indexes. Deletes the sorted set if all \
            members were removed.",
        run: range::zremrangebyrank,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zremrangebyscore",
        arity: Arity::Exactly(4),
        flags: WRITE,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        since: "1.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements removed by the operation.",
        summary: "Removes members in a sorted set within a range of scores. Deletes the sorted set if all \
            members were removed.",
        run: range::zremrangebyscore,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrevrange",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
        since: "1.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements returned.",
        summary: "Returns members in a sorted set within a range of indexes in reverse order.",
        run: range::zrevrange,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrevrangebylex",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
        since: "2.8.9",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements being returned. If M is constant (e.g. always asking for the first 10 elements with \
            LIMIT), you can consider it O(log(N)).",
        summary: "Returns members in a sorted set within a lexicographical range in reverse order.",
        run: range::zrevrangebylex,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrevrangebyscore",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
        since: "2.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
            elements being returned. If M is constant (e.g. always asking for the first 10 elements with \
            LIMIT), you can consider it O(log(N)).",
        summary: "Returns members in a sorted set within a range of scores in reverse order.",
        run: range::zrevrangebyscore,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zrevrank",
        arity: Arity::AtLeast(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns the index of a member in a sorted set ordered by descending scores.",
        run: read::zrevrank,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zscan",
        arity: Arity::AtLeast(3),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for \
            the cursor to return back to 0. N is the number of elements inside the collection..",
        summary: "Iterates over members and scores of a sorted set.",
        run: read::zscan,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zscore",
        arity: Arity::Exactly(3),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "1.2.0",
        summary: "Returns the score of a member in a sorted set.",
        run: read::zscore,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zunion",
        arity: Arity::AtLeast(3),
        flags: &[Flag::ReadOnly, Flag::MovableKeys],
        keys: &[KeySpec::counted(1, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M \
            being the number of elements in the resulting sorted set.",
        summary: "Returns the union of multiple sorted sets.",
        run: combine::zunion,
        ..SORTED_SET
    },
    CommandSpec {
        name: "zunionstore",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
        keys: &[KeySpec::one(1, KeyUse::Overwrite), KeySpec::counted(2, KeyUse::Read)],
        since: "2.0.0",
        complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M \
            being the number of elements in the resulting sorted set.",
        summary: "Stores the union of multiple sorted sets in a key.",
        run: combine::zunionstore,
        ..SORTED_SET
    },
];
