//! What the tests of both protocols share: connections without a socket, driven as the connection loop
//! drives them under a clock that tests move by hand; transcripts; a real `redis-server` to compare with.

#![allow(dead_code, reason = "each test uses its part")]

pub mod ports;
pub mod process;
pub mod real_redis;
pub mod transcript;

use magpie::clients::{Arrival, Client, Wire};
use magpie::clock::{Clock, Millis};
use magpie::commands;
use magpie::config::Config;
use magpie::daemon::{Context, Daemon};
use magpie::store::{Store, StoreOptions};
use magpie::wire::{Next, Out};
use std::sync::Arc;

/// A daemon without sockets. All have the same hash seed, and so the same scan order.
pub fn daemon(settings: &[(&str, &str)]) -> Daemon {
    let mut daemon = Daemon::new(Config::with(settings).expect("the test's settings are valid"), 1);
    daemon.set_store(Store::new(StoreOptions { limit: daemon.store.limit(), ..StoreOptions::default() }));
    daemon
}

/// One connection, of either protocol.
pub trait Peer {
    /// Sends bytes; what comes back at once.
    fn send(&mut self, bytes: &[u8]) -> Vec<u8>;
    fn is_closed(&self) -> bool;
    fn set_now(&mut self, now: Millis);
}

/// A RESP connection.
pub struct Resp<'d> {
    daemon: &'d Daemon,
    pub client: Arc<Client>,
    session: commands::Session,
    unread: Vec<u8>,
    pub now: Millis,
    is_closed: bool,
}

impl<'d> Resp<'d> {
    pub fn connect(daemon: &'d Daemon) -> Resp<'d> {
        Resp::connect_at(daemon, Clock::default().now())
    }

    pub fn connect_at(daemon: &'d Daemon, now: Millis) -> Resp<'d> {
        let client = daemon.clients.register(Arrival {
            wire: Wire::Resp,
            addr: "127.0.0.1:50000".into(),
            laddr: "127.0.0.1:6379".into(),
            fd: 10,
            unix: false,
            worker: 0,
            now,
        });
        let session = commands::Session::new(client.clone(), daemon);
        Resp { daemon, client, session, unread: Vec::new(), now, is_closed: false }
    }

    /// Brings the connection what others have posted to it: `CLIENT UNBLOCK`.
    pub fn deliver(&mut self) {
        if let Some(how) = self.client.take_mail().unblock {
            self.session.unblock(how);
        }
    }

    /// Sends one request.
    pub fn call(&mut self, args: &[&[u8]]) -> Vec<u8> {
        self.send(&request(args))
    }

    /// Sends a request of words with blanks between them; the reply as text.
    pub fn ask(&mut self, words: &str) -> String {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.call(&args)).into_owned()
    }
}

impl Peer for Resp<'_> {
    fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
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

    fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn set_now(&mut self, now: Millis) {
        self.now = now;
    }
}

impl Drop for Resp<'_> {
    fn drop(&mut self) {
        self.session.close(self.daemon, self.now);
        self.daemon.clients.forget(&self.client);
    }
}

/// A request as clients send it.
pub fn request(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Numbers that look random and are the same in every run (xorshift).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    pub fn chance(&mut self, in_hundred: usize) -> bool {
        self.roll(100) < in_hundred
    }
}
