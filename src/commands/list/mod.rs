//! List commands. Meaning follows the Redis command pages.

mod change;
mod pop;
mod push;
mod read;
mod transfer;

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::config::{Config, Param};
use crate::resp::Reply;
use crate::store::value::list::{Element, End, List, NodeLimit};
use crate::store::{Collection, Event};

/// What an element takes at most beside its own bytes, a node of its own included.
const PER_ELEMENT: usize = 64;

/// What a node of a list may hold, as configured.
pub(super) fn node_limit(config: &Config) -> NodeLimit {
    NodeLimit::from(config.number(Param::ListMaxListpackSize))
}

/// `LEFT` or `RIGHT`.
fn end(args: &mut Args<'_>) -> Result<End, CommandError> {
    if args.accept("LEFT") {
        Ok(End::Head)
    } else if args.accept("RIGHT") {
        Ok(End::Tail)
    } else {
        Err(CommandError::Syntax)
    }
}

fn push_event(end: End) -> Event {
    match end {
        End::Head => Event::LPush,
        End::Tail => Event::RPush,
    }
}

fn pop_event(end: End) -> Event {
    match end {
        End::Head => Event::LPop,
        End::Tail => Event::RPop,
    }
}

fn reply_element(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Int(number) => reply.bulk(itoa::Buffer::new().format(number).as_bytes()),
        Element::Text(text) => reply.bulk(text),
        Element::Large(bytes) => reply.shared(bytes),
    }
}

/// Writes an array of the first `count` elements of a walk, which are there.
fn reply_elements<'a>(reply: &mut Reply<'_>, elements: impl Iterator<Item = Element<'a>>, count: usize) {
    reply.array(count);
    elements.take(count).for_each(|element| reply_element(reply, element));
}

/// A number of which the lowest is refused, for it has no opposite.
fn signed_count(args: &mut Args<'_>) -> Result<i64, CommandError> {
    let count = args.int()?;
    if count == i64::MIN {
        return Err(CommandError::other(
            "ERR value is out of range, must be between -9223372036854775807 and 9223372036854775807",
        ));
    }
    Ok(count)
}

/// Of an index that counts from the end when it is negative; `None` before the first element.
fn absolute(index: i64, len: usize) -> Option<usize> {
    if index < 0 {
        len.checked_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
    } else {
        Some(usize::try_from(index).unwrap_or(usize::MAX))
    }
}

/// The elements from `start` to `stop` inclusive, either of which may count from the end, as a half-open range.
fn range_of(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let start = absolute(start, len).unwrap_or(0);
    let end = absolute(stop, len).map_or(0, |stop| stop.saturating_add(1).min(len));
    if start < end { start..end } else { 0..0 }
}

const LIST: CommandSpec = CommandSpec { acl: &["list"], group: "list", ..CommandSpec::BASE };

const READ: &[Flag] = &[Flag::ReadOnly];
const READ_FAST: &[Flag] = &[Flag::ReadOnly, Flag::Fast];
const WRITE_FAST: &[Flag] = &[Flag::Write, Flag::Fast];
const WRITE_BLOCKING: &[Flag] = &[Flag::Write, Flag::Blocking];
const ADD: &[Flag] = &[Flag::Write, Flag::DenyOom];
const ADD_FAST: &[Flag] = &[Flag::Write, Flag::DenyOom, Flag::Fast];
const MOVE_BLOCKING: &[Flag] = &[Flag::Write, Flag::DenyOom, Flag::Blocking];

/// From the first key to the second.
const MOVE: &[KeySpec] = &[KeySpec::one(1, KeyUse::ReadDelete), KeySpec::one(2, KeyUse::Insert)];

const EACH_COMPLEXITY: &str = "O(1) for each element added, so O(N) to add N elements when the command is \
    called with multiple arguments.";

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "blmove",
        arity: Arity::Exactly(6),
        flags: MOVE_BLOCKING,
        keys: MOVE,
        since: "6.2.0",
        summary: "Pops an element from a list, pushes it to another list and returns it. Blocks until an \
            element is available otherwise. Deletes the list if the last element was moved.",
        run: transfer::blmove,
        ..LIST
    },
    CommandSpec {
        name: "blmpop",
        arity: Arity::AtLeast(5),
        flags: &[Flag::Write, Flag::Blocking, Flag::MovableKeys],
        keys: &[KeySpec::counted(2, KeyUse::ReadDelete)],
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        summary: "Pops the first element from one of multiple lists. Blocks until an element is available \
            otherwise. Deletes the list if the last element was popped.",
        run: pop::blmpop,
        ..LIST
    },
    CommandSpec {
        name: "blpop",
        arity: Arity::AtLeast(3),
        flags: WRITE_BLOCKING,
        keys: &[KeySpec::range(1, -2, 1, KeyUse::ReadDelete)],
        since: "2.0.0",
        complexity: "O(N) where N is the number of provided keys.",
        summary: "Removes and returns the first element in a list. Blocks until an element is available \
            otherwise. Deletes the list if the last element was popped.",
        run: pop::blpop,
        ..LIST
    },
    CommandSpec {
        name: "brpop",
        arity: Arity::AtLeast(3),
        flags: WRITE_BLOCKING,
        keys: &[KeySpec::range(1, -2, 1, KeyUse::ReadDelete)],
        since: "2.0.0",
        complexity: "O(N) where N is the number of provided keys.",
        summary: "Removes and returns the last element in a list. Blocks until an element is available \
            otherwise. Deletes the list if the last element was popped.",
        run: pop::brpop,
        ..LIST
    },
    CommandSpec {
        name: "brpoplpush",
        arity: Arity::Exactly(4),
        flags: MOVE_BLOCKING,
        keys: MOVE,
        since: "2.2.0",
        deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
        summary: "Pops an element from a list, pushes it to another list and returns it. Block until an \
            element is available otherwise. Deletes the list if the last element was popped.",
        run: transfer::brpoplpush,
        ..LIST
    },
    CommandSpec {
        name: "lindex",
        arity: Arity::Exactly(3),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        complexity: "O(N) where N is the number of elements to traverse to get to the element at index. \
            This makes asking for the first or the last element of the list O(1).",
        summary: "Returns an element from a list by its index.",
        run: read::lindex,
        ..LIST
    },
    CommandSpec {
        name: "linsert",
        arity: Arity::Exactly(5),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements to traverse before seeing the value pivot. This \
            means that inserting somewhere on the left end on the list (head) can be considered O(1) and \
            inserting somewhere on the right end (tail) is O(N).",
        summary: "Inserts an element before or after another element in a list.",
        run: change::linsert,
        ..LIST
    },
    CommandSpec {
        name: "llen",
        arity: Arity::Exactly(2),
        flags: READ_FAST,
        keys: &[KeySpec::one(1, KeyUse::Look)],
        summary: "Returns the length of a list.",
        run: read::llen,
        ..LIST
    },
    CommandSpec {
        name: "lmove",
        arity: Arity::Exactly(5),
        flags: ADD,
        keys: MOVE,
        since: "6.2.0",
        summary: "Returns an element after popping it from one list and pushing it to another. Deletes the \
            list if the last element was moved.",
        run: transfer::lmove,
        ..LIST
    },
    CommandSpec {
        name: "lmpop",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Write, Flag::MovableKeys],
        keys: &[KeySpec::counted(1, KeyUse::ReadDelete)],
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        summary: "Returns multiple elements from a list after removing them. Deletes the list if the last \
            element was popped.",
        run: pop::lmpop,
        ..LIST
    },
    CommandSpec {
        name: "lpop",
        arity: Arity::AtLeast(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete)],
        complexity: "O(N) where N is the number of elements returned",
        summary: "Returns the first elements in a list after removing it. Deletes the list if the last \
            element was popped.",
        run: pop::lpop,
        ..LIST
    },
    CommandSpec {
        name: "lpos",
        arity: Arity::AtLeast(3),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements in the list, for the average case. When \
            searching for elements near the head or the tail of the list, or when the MAXLEN option is \
            provided, the command may run in constant time.",
        summary: "Returns the index of matching elements in a list.",
        run: read::lpos,
        ..LIST
    },
    CommandSpec {
        name: "lpush",
        arity: Arity::AtLeast(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        complexity: EACH_COMPLEXITY,
        summary: "Prepends one or more elements to a list. Creates the key if it doesn't exist.",
        run: push::lpush,
        ..LIST
    },
    CommandSpec {
        name: "lpushx",
        arity: Arity::AtLeast(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        since: "2.2.0",
        complexity: EACH_COMPLEXITY,
        summary: "Prepends one or more elements to a list only when the list exists.",
        run: push::lpushx,
        ..LIST
    },
    CommandSpec {
        name: "lrange",
        arity: Arity::Exactly(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest \
            end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
        summary: "Returns a range of elements from a list.",
        run: read::lrange,
        ..LIST
    },
    CommandSpec {
        name: "lrem",
        arity: Arity::Exactly(4),
        flags: &[Flag::Write],
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        complexity: "O(N+M) where N is the length of the list and M is the number of elements removed.",
        summary: "Removes elements from a list. Deletes the list if the last element was removed.",
        run: change::lrem,
        ..LIST
    },
    CommandSpec {
        name: "lset",
        arity: Arity::Exactly(4),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        complexity: "O(N) where N is the length of the list. Setting either the first or the last element \
            of the list is O(1).",
        summary: "Sets the value of an element in a list by its index.",
        run: change::lset,
        ..LIST
    },
    CommandSpec {
        name: "ltrim",
        arity: Arity::Exactly(4),
        flags: &[Flag::Write],
        keys: &[KeySpec::one(1, KeyUse::Delete)],
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        summary: "Removes elements from both ends a list. Deletes the list if all elements were trimmed.",
        run: change::ltrim,
        ..LIST
    },
    CommandSpec {
        name: "rpop",
        arity: Arity::AtLeast(2),
        flags: WRITE_FAST,
        keys: &[KeySpec::one(1, KeyUse::ReadDelete)],
        complexity: "O(N) where N is the number of elements returned",
        summary: "Returns and removes the last elements of a list. Deletes the list if the last element was \
            popped.",
        run: pop::rpop,
        ..LIST
    },
    CommandSpec {
        name: "rpoplpush",
        arity: Arity::Exactly(3),
        flags: ADD,
        keys: MOVE,
        since: "1.2.0",
        deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
        summary: "Returns the last element of a list after removing and pushing it to another list. Deletes \
            the list if the last element was popped.",
        run: transfer::rpoplpush,
        ..LIST
    },
    CommandSpec {
        name: "rpush",
        arity: Arity::AtLeast(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        complexity: EACH_COMPLEXITY,
        summary: "Appends one or more elements to a list. Creates the key if it doesn't exist.",
        run: push::rpush,
        ..LIST
    },
    CommandSpec {
        name: "rpushx",
        arity: Arity::AtLeast(3),
        flags: ADD_FAST,
        keys: &[KeySpec::one(1, KeyUse::Insert)],
        since: "2.2.0",
        complexity: EACH_COMPLEXITY,
        summary: "Appends an element to a list only when the list exists.",
        run: push::rpushx,
        ..LIST
    },
];
