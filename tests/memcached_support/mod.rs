//! A memcached connection without a socket: `Session::feed` driven as the connection loop drives it,
//! under a clock that tests move by hand.

#![allow(dead_code, reason = "each test uses its part")]

pub mod packets;
pub mod real;

use magpie::clients::{Arrival, Client, Wire};
use magpie::clock::Millis;
use magpie::config::Config;
use magpie::daemon::{Context, Daemon};
use magpie::memcached::Session;
use magpie::store::{Store, StoreOptions};
use magpie::wire::{Next, Out};
use std::sync::Arc;

pub fn daemon(settings: &[(&str, &str)]) -> Daemon {
    let mut daemon = Daemon::new(Config::with(settings).expect("the test's settings are valid"), 1);
    // The same hash seed in all of them, and so the same CAS uniques.
    daemon.set_store(Store::new(StoreOptions::default()));
    daemon
}

/// One connection.
pub struct Peer<'d> {
    daemon: &'d Daemon,
    pub client: Arc<Client>,
    session: Session,
    unread: Vec<u8>,
    pub now: Millis,
    pub is_closed: bool,
    /// Most bytes ever left unconsumed.
    pub most_unread: usize,
}

impl<'d> Peer<'d> {
    pub fn connect(daemon: &'d Daemon, now: Millis) -> Peer<'d> {
        let client = daemon.clients.register(Arrival {
            wire: Wire::Memcached,
            addr: "127.0.0.1:50000".into(),
            laddr: "127.0.0.1:11211".into(),
            fd: 10,
            unix: false,
            worker: 0,
            now,
        });
        let session = Session::new(client.clone(), daemon);
        Peer { daemon, client, session, unread: Vec::new(), now, is_closed: false, most_unread: 0 }
    }

    /// Sends bytes in pieces, whose lengths are those in `lengths` again and again; what comes back altogether.
    pub fn send_in_pieces(&mut self, bytes: &[u8], lengths: &[usize]) -> Vec<u8> {
        let (mut replies, mut rest) = (Vec::new(), bytes);
        for &length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at(length.min(rest.len()));
            replies.extend(self.send(piece));
            rest = more;
        }
        replies
    }

    /// Sends bytes; what comes back at once.
    pub fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut replies = Vec::new();
        if self.is_closed {
            return replies;
        }
        self.unread.extend_from_slice(bytes);
        let mut out = Out::new();
        loop {
            let context = Context {
                daemon: self.daemon,
                counters: &self.daemon.counters[0],
                now: self.now,
                busy: None,
            };
            let progress = self.session.feed(context, &self.unread, &mut out);
            self.unread.drain(..progress.consumed);
            self.most_unread = self.most_unread.max(self.unread.len());
            match progress.next {
                Next::Flush => {
                    replies.extend(out.to_vec());
                    out.clear();
                }
                Next::Close => {
                    self.is_closed = true;
                    break;
                }
                Next::Read { .. } | Next::Wait { .. } => break,
            }
        }
        replies.extend(out.to_vec());
        replies
    }
}
