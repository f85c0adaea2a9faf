//! Streams: `XADD` to `XTRIM`. The data structure is [`Stream`](crate::store::value::stream::Stream).

mod add;
mod claim;
mod group;
mod ids;
mod info;
mod pending;
mod range;
mod read;
mod trim;

use super::table::{Arity, Begin, CommandSpec, Find, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::resp::Reply;
use crate::store::value::stream::{Item, StreamId};
use std::io::Write as _;

const STREAM: CommandSpec =
    CommandSpec { acl: &["stream"], group: "stream", since: "5.0.0", ..CommandSpec::BASE };

const READ: &[Flag] = &[Flag::ReadOnly];
const WRITE_FAST: &[Flag] = &[Flag::Write, Flag::Fast];
const WRITE_FAST_GROWS: &[Flag] = &[Flag::Write, Flag::DenyOom, Flag::Fast];
const UNSURE: &[&str] = &["nondeterministic_output"];

const fn named_streams(from: u8, usage: KeyUse) -> KeySpec {
    KeySpec { begin: Begin::Streams(from), find: Find::Range { last: -1, step: 1, limit: 2 }, usage }
}

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "xack",
        arity: Arity::AtLeast(4),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        complexity: "O(1) for each message ID processed.",
        summary: "Returns the number of messages that were successfully acknowledged by the consumer group \
            member of a stream.",
        run: pending::xack,
        ..STREAM
    },
    CommandSpec {
        name: "xadd",
        arity: Arity::AtLeast(5),
        flags: WRITE_FAST_GROWS,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        tips: UNSURE,
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries \
            evicted.",
        summary: "Appends a new message to a stream. Creates the key if it doesn't exist.",
        run: add::xadd,
        ..STREAM
    },
    CommandSpec {
        name: "xautoclaim",
        arity: Arity::AtLeast(6),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        tips: UNSURE,
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Changes, or acquires, ownership of messages in a consumer group, as if the messages were \
            delivered to as consumer group member.",
        run: claim::xautoclaim,
        ..STREAM
    },
    CommandSpec {
        name: "xclaim",
        arity: Arity::AtLeast(6),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        tips: UNSURE,
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
        summary: "Changes, or acquires, ownership of a message in a consumer group, as if the message was \
            delivered a consumer group member.",
        run: claim::xclaim,
        ..STREAM
    },
    CommandSpec {
        name: "xdel",
        arity: Arity::AtLeast(3),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
        summary: "Returns the number of messages after removing them from a stream.",
        run: trim::xdel,
        ..STREAM
    },
    CommandSpec {
        name: "xgroup",
        arity: Arity::AtLeast(2),
        acl: &[],
        complexity: "Depends on subcommand.",
        summary: "A container for consumer groups commands.",
        subcommands: group::SUBCOMMANDS,
        ..STREAM
    },
    CommandSpec {
        name: "xinfo",
        arity: Arity::AtLeast(2),
        acl: &[],
        complexity: "Depends on subcommand.",
        summary: "A container for stream introspection commands.",
        subcommands: info::SUBCOMMANDS,
        ..STREAM
    },
    CommandSpec {
        name: "xlen",
        arity: Arity::Exactly(2),
        flags: &[Flag::ReadOnly, Flag::Fast],
        keys: &[KeySpec::one(1, KeyUse::Look)],
        summary: "Return the number of messages in a stream.",
        run: range::xlen,
        ..STREAM
    },
    CommandSpec {
        name: "xpending",
        arity: Arity::AtLeast(3),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        tips: UNSURE,
        complexity: "O(N) with N being the number of elements returned, so asking for a small fixed number of \
            entries per call is O(1). O(M), where M is the total number of entries scanned when used with the \
            IDLE filter. When the command returns just the summary and the list of consumers is small, it runs \
            in O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
        summary: "Returns the information and entries from a stream consumer group's pending entries list.",
        run: pending::xpending,
        ..STREAM
    },
    CommandSpec {
        name: "xrange",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        complexity: "O(N) with N being the number of elements being returned. If N is constant (e.g. always \
            asking for the first 10 elements with COUNT), you can consider it O(1).",
        summary: "Returns the messages from a stream within a range of IDs.",
        run: range::xrange,
        ..STREAM
    },
    CommandSpec {
        name: "xread",
        arity: Arity::AtLeast(4),
        flags: &[Flag::ReadOnly, Flag::Blocking, Flag::MovableKeys],
        keys: &[named_streams(1, KeyUse::Read)],
        complexity: "For each stream mentioned: O(N) with N being the number of elements being returned, it \
            means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will \
            pay O(M) time in order to serve the M clients blocked on the stream getting new data.",
        summary: "Returns messages from multiple streams with IDs greater than the ones requested. Blocks until \
            a message is available otherwise.",
        run: read::xread,
        ..STREAM
    },
    CommandSpec {
        name: "xreadgroup",
        arity: Arity::AtLeast(7),
        flags: &[Flag::Write, Flag::Blocking, Flag::MovableKeys],
        keys: &[named_streams(4, KeyUse::Read)],
        complexity: "For each stream mentioned: O(M) with M being the number of elements returned. If M is \
            constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On \
            the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients \
            blocked on the stream getting new data.",
        summary: "Returns new or historical messages from a stream for a consumer in a group. Blocks until a \
            message is available otherwise.",
        run: read::xreadgroup,
        ..STREAM
    },
    CommandSpec {
        name: "xrevrange",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. always asking \
            for the first 10 elements with COUNT), you can consider it O(1).",
        summary: "Returns the messages from a stream within a range of IDs in reverse order.",
        run: range::xrevrange,
        ..STREAM
    },
    CommandSpec {
        name: "xsetid",
        arity: Arity::AtLeast(3),
        flags: WRITE_FAST_GROWS,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        summary: "An internal command for replicating stream values.",
        run: add::xsetid,
        ..STREAM
    },
    CommandSpec {
        name: "xtrim",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write],
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        tips: UNSURE,
        complexity: "O(N), with N being the number of evicted entries. Constant times are very small however, \
            since entries are organized in macro nodes containing multiple entries that can be released with a \
            single deallocation.",
        summary: "Deletes messages from the beginning of a stream.",
        run: trim::xtrim,
        ..STREAM
    },
];

fn reply_id(reply: &mut Reply<'_>, id: StreamId) {
    // Two numbers of twenty digits at most, and a dash.
    let mut text = [0; 41];
    let mut rest = &mut text[..];
    write!(rest, "{id}").expect("an ID fits");
    let left = rest.len();
    reply.bulk(&text[..text.len() - left]);
}

/// An entry: its ID, and its fields and values in one array.
fn reply_item(reply: &mut Reply<'_>, item: Item<'_>) {
    let (mut field_text, mut value_text) = (itoa::Buffer::new(), itoa::Buffer::new());
    reply.array(2);
    reply_id(reply, item.id);
    reply.array(2 * item.len());
    for (field, value) in item.pairs() {
        reply.bulk(field.text(&mut field_text));
        reply.bulk(value.text(&mut value_text));
    }
}

/// An array of entries, as many as there are.
fn reply_items<'a>(reply: &mut Reply<'_>, items: impl Iterator<Item = Item<'a>>) {
    reply.array_of(|reply| items.map(|item| reply_item(reply, item)).count());
}

/// Which of many entries are wanted: `COUNT`, where none or a negative one means all of them.
fn at_most(count: i64) -> usize {
    usize::try_from(count).ok().filter(|&count| count > 0).unwrap_or(usize::MAX)
}

/// An error that quotes a key and a group, each as C prints it.
fn quoting_both(parts: [&str; 3], words: [&[u8]; 2]) -> CommandError {
    let printed = |word| super::error::printed(word, usize::MAX);
    let [before, between, after] = parts.map(str::as_bytes);
    CommandError::Quoting([before, printed(words[0]), between, printed(words[1]), after].concat())
}

/// The group of a key is missing, or the key.
fn no_group_or_key(key: &[u8], group: &[u8]) -> CommandError {
    quoting_both(["NOGROUP No such key '", "' or consumer group '", "'"], [key, group])
}

/// The group of a key that is there is missing.
fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    quoting_both(["NOGROUP No such consumer group '", "' for key name '", "'"], [group, key])
}
