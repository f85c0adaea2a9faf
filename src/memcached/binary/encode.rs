//! Replies to bytes.

use super::decode::Header;
use super::status::Status;
use crate::store::{Item, Value};
use crate::wire::Out;

const REPLY: u8 = 0x81;

/// What the header of a reply says beside what it hands back of the request's.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    status: u16,
    extras: u8,
    key: usize,
    /// Extras, key and value together.
    body: usize,
    cas: u64,
}

#[inline]
fn head(out: &mut Out, to: &Header, head: Head) {
    let mut bytes = [0; super::decode::HEADER];
    bytes[0] = REPLY;
    bytes[1] = to.opcode;
    // Keys have at most 250 bytes; values less than 4 GiB, since their requests count in 32 bits too.
    bytes[2..4].copy_from_slice(&(head.key as u16).to_be_bytes());
    bytes[4] = head.extras;
    bytes[6..8].copy_from_slice(&head.status.to_be_bytes());
    bytes[8..12].copy_from_slice(&(head.body as u32).to_be_bytes());
    bytes[12..16].copy_from_slice(&to.opaque);
    bytes[16..24].copy_from_slice(&head.cas.to_be_bytes());
    out.put(&bytes);
}

/// Success, and the CAS unique of what was written (0: none).
#[inline]
pub(super) fn done(out: &mut Out, to: &Header, cas: u64) {
    head(out, to, Head { cas, ..Head::default() });
}

/// Success with some text.
pub(super) fn text(out: &mut Out, to: &Header, text: &[u8]) {
    head(out, to, Head { body: text.len(), ..Head::default() });
    out.put(text);
}

/// A status of its own, and no words.
pub(super) fn bare(out: &mut Out, to: &Header, status: u16) {
    head(out, to, Head { status, ..Head::default() });
}

#[cold]
pub(super) fn error(out: &mut Out, to: &Header, status: Status) {
    let text = status.to_string();
    head(out, to, Head { status: status.code(), body: text.len(), ..Head::default() });
    out.put(text.as_bytes());
}

/// A miss of a command that wants its key back: no words.
#[inline]
pub(super) fn missing_key(out: &mut Out, to: &Header, key: &[u8]) {
    let (status, length) = (Status::NotFound.code(), key.len());
    head(out, to, Head { status, key: length, body: length, ..Head::default() });
    out.put(key);
}

/// A string: its flags, the key if that is wanted (else empty), and the value of this size.
#[inline]
pub(super) fn value(out: &mut Out, to: &Header, key: &[u8], item: &Item<'_>, size: usize, cas: u64) {
    let flags = item.flags().to_be_bytes();
    let body = flags.len() + key.len() + size;
    head(out, to, Head { extras: 4, key: key.len(), body, cas, ..Head::default() });
    out.put(&flags);
    out.put(key);
    match item.value() {
        Some(Value::Inline(bytes)) => out.put(bytes),
        Some(Value::Shared(bytes)) => out.put_shared(bytes),
        None => (),
    }
}

/// The flags alone: what `touch` answers.
pub(super) fn flags(out: &mut Out, to: &Header, flags: u32, cas: u64) {
    head(out, to, Head { extras: 4, body: 4, cas, ..Head::default() });
    out.put(&flags.to_be_bytes());
}

/// A number as 64 bits.
pub(super) fn number(out: &mut Out, to: &Header, number: u64, cas: u64) {
    head(out, to, Head { body: 8, cas, ..Head::default() });
    out.put(&number.to_be_bytes());
}

/// One statistic. Both empty: the end.
pub(super) fn stat(out: &mut Out, to: &Header, name: &[u8], value: &[u8]) {
    head(out, to, Head { key: name.len(), body: name.len() + value.len(), ..Head::default() });
    out.put(name);
    out.put(value);
}
