//! How commands look keys up, with the counts that `INFO`'s keyspace_hits and keyspace_misses are made of.
//! As in Redis, only look-ups for reading are counted.

use super::{CommandError, CommandResult, Done};
use crate::observe::{Counter, Counters};
use crate::resp::Reply;
use crate::store::{Collection, Entry, Item, Value};

fn count(counters: &Counters, entry: &Entry<'_>) {
    let found = entry.is_present();
    counters.add(if found { Counter::KeyspaceHits } else { Counter::KeyspaceMisses }, 1);
}

/// Counts, and lets those know whom misses interest.
fn note(counters: &Counters, entry: &Entry<'_>) {
    count(counters, entry);
    if !entry.is_present() {
        entry.announce_miss();
    }
}

/// Looks a value up to read it: counted, and marked as an access.
pub(super) fn read<'e>(counters: &Counters, entry: &'e mut Entry<'_>) -> Option<Item<'e>> {
    note(counters, entry);
    entry.read()
}

/// Looks at what is known of a key, not at its value: counted, not marked.
pub(super) fn look<'e>(counters: &Counters, entry: &'e Entry<'_>) -> Option<Item<'e>> {
    note(counters, entry);
    entry.item()
}

/// `look` that announces no miss (`OBJECT`).
pub(super) fn inspect<'e>(counters: &Counters, entry: &'e Entry<'_>) -> Option<Item<'e>> {
    count(counters, entry);
    entry.item()
}

/// The bytes of a string.
///
/// # Errors
/// `WrongType`: it is none.
pub(super) fn string<'e>(item: &Item<'e>) -> Result<&'e [u8], CommandError> {
    item.string().ok_or(CommandError::WrongType)
}

/// Writes a string as the reply, or nil when there is none.
///
/// # Errors
/// `WrongType`: it is none.
pub(super) fn reply_string(reply: &mut Reply<'_>, item: Option<&Item<'_>>) -> CommandResult {
    match item.map(|item| item.value().ok_or(CommandError::WrongType)).transpose()? {
        None => reply.nil(),
        Some(Value::Inline(bytes)) => reply.bulk(bytes),
        Some(Value::Shared(bytes)) => reply.shared(bytes),
    }
    Ok(Done)
}

/// Looks a collection up to read it: counted, and marked as an access.
///
/// # Errors
/// `WrongType`: the value is of another type.
pub(super) fn collection<'e, C: Collection>(
    counters: &Counters,
    entry: &'e mut Entry<'_>,
) -> Result<Option<&'e C>, CommandError> {
    note(counters, entry);
    entry.read();
    Ok(entry.collection()?)
}
