//! `watch`: connections that are told what others do, a line each. `protocol.txt`, "Watchers".
//!
//! Differs: of memcached's subjects, fetches and stores by memcached clients are told. The others are
//! accepted, and nothing is told of them: evictions happen in the store, which knows no client. A
//! watcher too slow to read is closed, not skipped.

use super::decode::Mode;
use super::encode;
use super::error::Refusal;
use super::session::Turn;
use super::words::Args;
use super::writes::Outcome;
use crate::clients::{Client, Clients};
use parking_lot::Mutex;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// `watch fetchers`
pub(super) const FETCHERS: u32 = 1;
/// `watch mutations`
pub(super) const MUTATIONS: u32 = 2;

/// Log lines that may wait for a watcher to read them, in bytes.
const BACKLOG: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// What anybody watches; hot paths look at this alone.
    wanted: AtomicU32,
    /// Client ids, each with its subjects.
    list: Mutex<Vec<(u64, u32)>>,
    /// Numbers the lines.
    last_id: AtomicU64,
}

impl Watchers {
    #[inline]
    pub(super) fn wanted(&self) -> u32 {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) -> usize {
        self.list.lock().len()
    }

    pub(super) fn sent(&self) -> u64 {
        self.last_id.load(Ordering::Relaxed)
    }

    fn add(&self, client: &Client, subjects: u32) {
        let mut list = self.list.lock();
        list.push((client.id, subjects));
        self.wanted.fetch_or(subjects, Ordering::Relaxed);
    }

    /// Sends a line to who watches its subject, and forgets who is gone.
    fn tell(&self, clients: &Clients, subject: u32, line: &[u8]) {
        let mut list = self.list.lock();
        list.retain(|&(id, subjects)| {
            let client = clients.get(id);
            if let Some(client) = &client
                && subjects & subject != 0
            {
                client.push(line, BACKLOG);
            }
            client.is_some()
        });
        let wanted = list.iter().fold(0, |all, (_, subjects)| all | subjects);
        self.wanted.store(wanted, Ordering::Relaxed);
    }
}

/// `watch <subject>*`; fetches when none is named.
pub(super) fn start(turn: &mut Turn<'_>, client: &Client, args: &Args<'_>) -> Result<(), Refusal> {
    if !turn.out.is_empty() {
        return Err(Refusal::Pipelined("watch"));
    }
    let mut subjects = if args.count() == 1 { FETCHERS } else { 0 };
    for &subject in args.from(1) {
        subjects |= match subject {
            b"fetchers" => FETCHERS,
            b"mutations" => MUTATIONS,
            b"rawcmds" | b"evictions" | b"sysevents" | b"connevents" | b"proxyreqs" | b"proxyevents"
            | b"proxyuser" | b"deletions" => 0,
            _ => return Err(Refusal::Unknown),
        };
    }
    turn.state.watchers.add(client, subjects);
    turn.out.put(b"OK\r\n");
    Ok(())
}

/// Tells of a look-up; `size`: of the value that was found.
#[cold]
pub(super) fn fetched(turn: &Turn<'_>, key: &[u8], size: Option<usize>) {
    let status = if size.is_some() { "found" } else { "not_found" };
    let class = u8::from(size.is_some());
    let size = size.unwrap_or(0);
    let mut line = head(turn, "item_get", key);
    let _ = writeln!(line, " status={status} clsid={class} cfd={} size={size}", turn.fd);
    turn.state.watchers.tell(&turn.daemon.clients, FETCHERS, &line);
}

/// Tells of a storage command; `outcome` is `None` when there was no memory.
#[cold]
pub(super) fn stored(
    turn: &Turn<'_>,
    key: &[u8],
    mode: Mode,
    outcome: Option<Outcome>,
    exptime: i64,
    size: usize,
) {
    let status = match outcome {
        Some(Outcome::Stored) => "stored",
        Some(Outcome::NotStored) => "not_stored",
        Some(Outcome::Exists) => "exists",
        Some(Outcome::NotFound) => "not_found",
        None => "no_memory",
    };
    let command = match mode {
        Mode::Set => "set",
        Mode::Add => "add",
        Mode::Replace => "replace",
        Mode::Append => "append",
        Mode::Prepend => "prepend",
        Mode::Cas => "cas",
    };
    let mut line = head(turn, "item_store", key);
    let _ =
        writeln!(line, " status={status} cmd={command} ttl={exptime} clsid=1 cfd={} size={size}", turn.fd);
    turn.state.watchers.tell(&turn.daemon.clients, MUTATIONS, &line);
}

fn head(turn: &Turn<'_>, kind: &str, key: &[u8]) -> Vec<u8> {
    let id = turn.state.watchers.last_id.fetch_add(1, Ordering::Relaxed) + 1;
    let (seconds, micros) = (turn.now.secs(), turn.now.0 % 1000 * 1000);
    let mut line = Vec::with_capacity(128);
    let _ = write!(line, "ts={seconds}.{micros:06} gid={id} type={kind} key=");
    encode::uri(key, &mut line);
    line
}
