//! IDs as arguments.

use super::{Args, CommandError};
use crate::store::value::stream::StreamId;

fn invalid() -> CommandError {
    CommandError::other("ERR Invalid stream ID specified as stream command argument")
}

/// An ID that is written out; a missing sequence number is 0.
pub(super) fn exact(text: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse(text, 0).ok_or_else(invalid)
}

/// The same with `-` and `+` for the ends.
pub(super) fn exact_or_end(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => StreamId::parse(text, missing_seq).ok_or_else(invalid),
    }
}

/// All that is left, each an ID.
pub(super) fn all(args: &mut Args<'_>) -> Result<Vec<StreamId>, CommandError> {
    let mut ids = Vec::with_capacity(args.len());
    while !args.is_empty() {
        ids.push(exact(args.bytes()?)?);
    }
    Ok(ids)
}

/// The first ID of an interval; `(` leaves the ID itself out.
pub(super) fn start(text: &[u8]) -> Result<StreamId, CommandError> {
    match exclusive(text) {
        None => exact_or_end(text, 0),
        Some(text) => {
            let id = exact(text)?;
            id.next().ok_or_else(|| CommandError::other("ERR invalid start ID for the interval"))
        }
    }
}

/// The last ID of an interval.
pub(super) fn end(text: &[u8]) -> Result<StreamId, CommandError> {
    match exclusive(text) {
        None => exact_or_end(text, u64::MAX),
        Some(text) => {
            let id = StreamId::parse(text, u64::MAX).ok_or_else(invalid)?;
            id.prev().ok_or_else(|| CommandError::other("ERR invalid end ID for the interval"))
        }
    }
}

fn exclusive(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"(").filter(|rest| !rest.is_empty())
}
