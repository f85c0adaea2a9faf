//! Plays the transcripts of `transcripts/memcached/` against `Session::feed`. `transcripts/check.py` plays the
//! same files against a real memcached.

mod memcached_support;
mod support;

use magpie::clock::Millis;
use memcached_support::{Peer, daemon};
use support::transcript::{Setup, play_all};

impl support::Peer for Peer<'_> {
    fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        Peer::send(self, bytes)
    }

    fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn set_now(&mut self, now: Millis) {
        self.now = now;
    }
}

const MEMCACHED: Setup = Setup { daemon, connect: |daemon, now| Box::new(Peer::connect(daemon, now)) };

#[test]
fn transcripts_that_memcached_agrees_with() {
    play_all(&MEMCACHED, "memcached");
}

#[test]
fn transcripts_of_what_is_newer_than_debian_s_memcached_or_differs() {
    play_all(&MEMCACHED, "memcached/newer");
}
