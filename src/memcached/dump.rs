//! All keys, a line each: `lru_crawler metadump`, `lru_crawler mgdump`, `stats cachedump`.

use super::base64;
use super::encode;
use super::session::Turn;
use crate::clock::Millis;
use crate::store::{Item, Mark};
use crate::wire::{FLUSH_AT, Out};
use std::io::Write as _;

/// Items looked at under one lock.
const AT_ONCE: usize = 128;
/// `stats cachedump` ends here, as memcached's does.
const CACHEDUMP_BYTES: usize = 2 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One line of what is known of the item.
    Meta,
    /// One `mg` command, to be sent elsewhere.
    Get,
}

/// A dump under way. It sees every item that is there from its beginning to its end.
#[derive(Debug)]
pub(super) struct Dump {
    format: Format,
    cursor: u64,
}

impl Dump {
    pub(super) fn new(format: Format) -> Dump {
        Dump { format, cursor: 0 }
    }

    /// Writes items until `out` is full or all are written; then `true`.
    pub(super) fn step(&mut self, turn: &mut Turn<'_>) -> bool {
        let (now, format) = (turn.now, self.format);
        while turn.out.len() < FLUSH_AT {
            let out = &mut *turn.out;
            self.cursor = turn.db.scan(self.cursor, AT_ONCE, &mut |key, item| match format {
                Format::Meta => meta_line(out, key, &item, now),
                Format::Get => get_line(out, key),
            });
            if self.cursor == 0 {
                turn.out.put(if format == Format::Meta { b"END\r\n" } else { b"EN\r\n" });
                return true;
            }
        }
        false
    }
}

fn meta_line(out: &mut Out, key: &[u8], item: &Item<'_>, now: Millis) {
    let mut line = b"key=".to_vec();
    encode::uri(key, &mut line);
    match item.deadline() {
        Some(deadline) => {
            let _ = write!(line, " exp={}", deadline.0.0.div_ceil(1000));
        }
        None => line.extend(b" exp=-1"),
    }
    let accessed = now.secs() - item.idle_secs(now).min(now.secs());
    let unique = item.cas_unique().unwrap_or(0);
    let fetched = if item.has(Mark::Fetched) { "yes" } else { "no" };
    let _ = writeln!(line, " la={accessed} cas={unique} fetch={fetched} cls=1 size={}", item.bytes());
    out.put(&line);
}

fn get_line(out: &mut Out, key: &[u8]) {
    out.put(b"mg ");
    if key.iter().all(|byte| byte.is_ascii_graphic()) {
        out.put(key);
    } else {
        base64::encode(key, out);
        out.put(b" b");
    }
    out.put(b"\r\n");
}

/// `ITEM <key> [<size> b; <exptime> s]`, `limit` of them (0: all), up to 2 MB.
pub(super) fn cachedump(turn: &mut Turn<'_>, limit: usize) {
    let begun = turn.out.len();
    let mut count = 0;
    let out = &mut *turn.out;
    turn.db.for_each(&mut |key, item| {
        let Some(string) = item.string() else { return true };
        out.put(b"ITEM ");
        out.put(key);
        let expires = item.deadline().map_or(0, |deadline| deadline.0.0.div_ceil(1000));
        out.put(format!(" [{} b; {expires} s]\r\n", string.len()).as_bytes());
        count += 1;
        count != limit && out.len() - begun < CACHEDUMP_BYTES
    });
    turn.out.put(b"END\r\n");
}
