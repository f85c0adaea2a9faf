//! Authentication in the text protocol, as memcached's `--auth-file` has it: until a `set` (its key,
//! flags and exptime do not matter) carries `<user> <password>` as its value, nothing else is done. The binary
//! protocol has SASL (`binary::sasl`).
//!
//! The users are those of [`crate::acl`]: `default` has `requirepass` as its password, and memcached's file
//! (`-Y`) adds to them.

use super::decode::{self, Line};
use super::encode;
use super::error::Refusal;
use super::permission;
use super::session::{Step, Turn};
use super::words::{Args, Words, uint32};
use crate::acl::{Login, Reason};
use crate::observe::Counter;
use crate::wire::Next;

/// Longer credentials are nobody's.
pub(super) const MAX_CREDENTIALS: usize = 4096;

/// Reads one request of a client that has not authenticated.
pub(super) fn step(turn: &mut Turn<'_>, login: &mut Login, rest: &[u8]) -> Step {
    let (text, line) = match decode::line(rest) {
        Line::Whole { words, used } => (words.text(), used),
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
    match log_in(turn, login, data) {
        Ok(()) => turn.out.put(b"STORED\r\n"),
        Err(why) => encode::refusal(turn.out, why),
    }
    Step::used(line + block)
}

fn log_in(turn: &Turn<'_>, login: &mut Login, data: &[u8]) -> Result<(), Refusal> {
    let data = data.strip_suffix(b"\r\n").ok_or(Refusal::BadTermination)?;
    let mut words = Words::new(data);
    let (Some(name), Some(password)) = (words.next(), words.next()) else {
        return Err(Refusal::BadCredentials);
    };
    if !authenticate(turn, login, name, password) {
        return Err(Refusal::AuthenticationFailure);
    }
    Ok(())
}

/// Makes the connection that of the user, if this is its password.
pub(super) fn authenticate(turn: &Turn<'_>, login: &mut Login, name: &[u8], password: &[u8]) -> bool {
    turn.counters.add(Counter::AuthCmds, 1);
    match turn.daemon.acl.authenticate(name, password) {
        Some(found) => {
            login.become_user(found);
            true
        }
        None => {
            count_failure(turn, name);
            false
        }
    }
}

/// The books of a log-in that failed.
pub(super) fn count_failure(turn: &Turn<'_>, name: &[u8]) {
    turn.counters.add(Counter::AuthErrors, 1);
    permission::log(turn, Reason::Auth, b"auth", name);
}
