//! A connection without a socket, driven as the connection loop drives it, and what both protocols promise.

use magpie::clients::{Arrival, Client, Wire};
use magpie::clock::Millis;
use magpie::config::{Config, Param};
use magpie::daemon::{Context, Daemon};
use magpie::store::{PolicyKind, Store, StoreOptions};
use magpie::wire::{Next, Out, Progress};
use std::sync::Arc;

pub const START: Millis = Millis(1_790_000_000_000);

/// A small daemon with a fixed hash seed: the same input does the same every time.
pub fn daemon(settings: &[(&str, &str)]) -> Daemon {
    let config = Config::with(&[&[("maxmemory", "4mb")], settings].concat()).expect("valid settings");
    let policy = PolicyKind::from_name(config.choice(Param::MaxMemoryPolicy)).unwrap_or_default();
    let mut daemon = Daemon::new(config, 1);
    daemon.store = Store::new(StoreOptions { limit: 4 << 20, shards: 2, policy, ..StoreOptions::default() });
    daemon
}

pub fn client(daemon: &Daemon, wire: Wire) -> Arc<Client> {
    let (addr, laddr) = ("127.0.0.1:50000".into(), "127.0.0.1:6379".into());
    daemon.clients.register(Arrival { wire, addr, laddr, fd: 10, unix: false, worker: 0, now: START })
}

/// Shows a session the input in pieces of this length (0: all at once), and checks that it never claims
/// bytes that it was not shown and that each turn ends.
pub fn converse(
    daemon: &Daemon,
    input: &[u8],
    piece: u8,
    mut feed: impl FnMut(Context<'_>, &[u8], &mut Out) -> Progress,
) {
    let mut out = Out::new();
    let mut now = START;
    let (mut from, mut to) = (0, 0);
    let length = if piece == 0 { input.len() } else { piece.into() };
    while to < input.len() {
        to = input.len().min(to + length);
        for turns in 0.. {
            assert!(turns < 100_000, "the session goes round in circles");
            let context = Context { daemon, counters: &daemon.counters[0], now, busy: None };
            let Progress { consumed, next } = feed(context, &input[from..to], &mut out);
            assert!(consumed <= to - from, "consumed more than it was shown");
            from += consumed;
            out.clear();
            match next {
                Next::Read { .. } => break,
                Next::Flush => {}
                // A sleep is slept by moving the clock; who waits for another client waits for ever.
                Next::Wait { until: Some(until) } if until > now => now = until,
                Next::Wait { .. } | Next::Close => return,
            }
        }
        now = now.saturating_add(7);
    }
    daemon.store.maintain(0, 1, now, true);
}
