//! Authentication in the text protocol, as memcached's `--auth-file` has it: until a `set` (its key,
//! flags and exptime do not matter) carries `<user> <password>` as its value, nothing else is done.
//!
//! The user is `default` and the password `requirepass`. The file itself is for later.

use super::decode::{self, Line};
use super::encode;
use super::error::Refusal;
use super::session::{Step, Turn};
use super::words::{Args, Words, uint32};
use crate::config::Param;
use crate::observe::Counter;
use crate::wire::Next;

/// Longer credentials are nobody's.
const MAX_CREDENTIALS: usize = 4096;

pub(super) fn is_required(turn: &Turn<'_>) -> bool {
    !turn.daemon.config.text(Param::RequirePass).is_empty()
}

/// Reads one request of a client that has not authenticated.
pub(super) fn step(turn: &mut Turn<'_>, authenticated: &mut bool, rest: &[u8]) -> Step {
    let (text, line) = match decode::line(rest) {
        Line::Whole { text, used } => (text, used),
        Line::Open => return Step::stop(0, Next::Read { at_least: 0 }),
        Line::OpenGet | Line::TooLong => return Step::stop(rest.len(), Next::Close),
    };
    let args = Args::of(text);
    let length = match uint32(args.at(4)) {
        Some(length) if args.at(0) == b"set" => length as usize,
        _ => {
            encode::refusal(turn.out, Refusal::Unauthenticated);
            return Step::used(line);
        }
    };
    if length > MAX_CREDENTIALS {
        encode::refusal(turn.out, Refusal::Unauthenticated);
        return Step::stop(rest.len(), Next::Close);
    }
    let block = length + 2;
    let Some(data) = rest.get(line..line + block) else {
        return Step::stop(0, Next::Read { at_least: line + block - rest.len() });
    };
    match check(turn, data) {
        Ok(()) => {
            *authenticated = true;
            turn.out.put(b"STORED\r\n");
        }
        Err(why) => encode::refusal(turn.out, why),
    }
    Step::used(line + block)
}

fn check(turn: &Turn<'_>, data: &[u8]) -> Result<(), Refusal> {
    let data = data.strip_suffix(b"\r\n").ok_or(Refusal::BadTermination)?;
    let mut words = Words::new(data);
    let (Some(user), Some(password)) = (words.next(), words.next()) else {
        return Err(Refusal::BadCredentials);
    };
    turn.counters.add(Counter::AuthCmds, 1);
    let expected = turn.daemon.config.text(Param::RequirePass);
    if user == b"default" && is_same(password, expected.as_bytes()) {
        return Ok(());
    }
    turn.counters.add(Counter::AuthErrors, 1);
    Err(Refusal::AuthenticationFailure)
}

/// Takes as long for a nearly right password as for a wrong one.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && differences == 0
}
