//! Replies to bytes.

use super::error::Refusal;
use crate::store::{Item, Value};
use crate::wire::{Out, Short};

/// One line of text.
pub(super) fn line(out: &mut Out, text: &str) {
    out.put(text.as_bytes());
    out.put(b"\r\n");
}

#[cold]
pub(super) fn refusal(out: &mut Out, why: Refusal) {
    line(out, &why.to_string());
}

/// `VALUE <key> <flags> <bytes> [<cas unique>]`, and the data block.
#[inline]
pub(super) fn value(out: &mut Out, key: &[u8], item: &Item<'_>, size: usize, unique: Option<u64>) {
    out.put(b"VALUE ");
    out.put(key);
    // A string ends before 4 GiB: `proto-max-bulk-len` bounds what requests bring and what they lengthen.
    let head = Short::new().byte(b' ').number(item.flags()).byte(b' ').number(size as u32);
    match unique {
        None => out.put_short(&head.line_end()),
        Some(unique) => {
            out.put_short(&head.byte(b' '));
            out.put_int(unique);
            out.put(b"\r\n");
        }
    }
    data(out, item);
}

/// A string as data block. Nothing is written for other types: callers look before.
#[inline]
pub(super) fn data(out: &mut Out, item: &Item<'_>) {
    match item.value() {
        Some(Value::Inline(bytes)) => out.put(bytes),
        Some(Value::Shared(bytes)) => out.put_shared(bytes),
        None => (),
    }
    out.put(b"\r\n");
}

/// A key in memcached's logs and dumps: everything but RFC 3986's unreserved characters as `%XX`.
pub(super) fn uri(key: &[u8], into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in key {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            into.push(byte);
        } else {
            into.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}
