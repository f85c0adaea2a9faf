//! Plays the transcripts of `transcripts/resp/` against `Session::feed`. `transcripts/check.py` plays the same
//! files against a real redis-server.

mod support;

use support::transcript::{Setup, play_all};
use support::{Resp, daemon};

const RESP: Setup = Setup { daemon, connect: |daemon, now| Box::new(Resp::connect_at(daemon, now)) };

#[test]
fn transcripts_that_redis_agrees_with() {
    play_all(&RESP, "resp");
}

#[test]
fn transcripts_of_what_is_newer_than_debian_s_redis_or_differs() {
    play_all(&RESP, "resp/newer");
}
