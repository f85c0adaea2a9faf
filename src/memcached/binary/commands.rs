//! Commands about items, and the few that are about the connection.

use super::super::PROTOCOL_VERSION;
use super::super::decode::{Direction, Mode, Retrieval, Storage};
use super::super::operations::{self, Removal};
use super::super::session::Turn;
use super::super::writes::{self, Counted, Outcome, Sum};
use super::decode::{Packet, Verb};
use super::encode;
use super::session::Then;
use super::status::Status;
use crate::observe::Counter;
use std::sync::atomic::Ordering;

/// This expiration of an arithmetic command says: make no number where there is none.
const MAKE_NONE: u32 = u32::MAX;

pub(super) use operations::too_large;

#[inline]
pub(super) fn run(turn: &mut Turn<'_>, verb: Verb, quiet: bool, packet: &Packet<'_>) -> Then {
    let header = &packet.header;
    let done = match verb {
        Verb::Get { with_key } => return get(turn, packet, None, with_key, quiet),
        Verb::GetAndTouch { with_key } => {
            return get(turn, packet, Some(packet.extra32(0).into()), with_key, quiet);
        }
        Verb::Count(direction) => return count(turn, packet, direction, quiet),
        Verb::Touch => return touch(turn, packet),
        Verb::Version => {
            encode::text(turn.out, header, PROTOCOL_VERSION.as_bytes());
            return Then::Go;
        }
        Verb::Store(mode) => store(turn, packet, mode, quiet),
        Verb::Extend(mode) => store(turn, packet, mode, quiet),
        Verb::Delete => delete(turn, packet),
        Verb::Flush => {
            operations::flush_all(turn, packet.extra32(0).into());
            Ok(0)
        }
        Verb::Verbosity => {
            turn.state.verbosity.store(packet.extra32(0).min(9), Ordering::Relaxed);
            Ok(0)
        }
        Verb::Noop | Verb::Quit => Ok(0),
        Verb::Stat | Verb::SaslList | Verb::SaslStart | Verb::SaslStep => {
            unreachable!("the session keeps these to itself")
        }
    };
    match done {
        Ok(_) if quiet => (),
        Ok(unique) => encode::done(turn.out, header, unique),
        Err(status) => encode::error(turn.out, header, status),
    }
    if verb == Verb::Quit { Then::Close } else { Then::Go }
}

#[inline]
fn get(turn: &mut Turn<'_>, packet: &Packet<'_>, touch: Option<i64>, with_key: bool, quiet: bool) -> Then {
    let (header, key) = (&packet.header, packet.key);
    let shown = if with_key { key } else { b"" };
    let how = Retrieval { with_cas: true, touch };
    let hit = operations::retrieve(turn, how, key, |out, item, size, unique| {
        encode::value(out, header, shown, item, size, unique.unwrap_or(0));
    });
    match hit {
        false if quiet => (),
        false if with_key => encode::missing_key(turn.out, header, key),
        false => encode::error(turn.out, header, Status::NotFound),
        true => (),
    }
    Then::Go
}

fn touch(turn: &mut Turn<'_>, packet: &Packet<'_>) -> Then {
    let label = operations::touch(turn, packet.key, packet.extra32(0).into(), true);
    if turn.detail {
        turn.state.prefixes.record_get(packet.key, label.is_some());
    }
    match label {
        Some(label) => encode::flags(turn.out, &packet.header, label.flags, label.unique),
        None => encode::error(turn.out, &packet.header, Status::NotFound),
    }
    Then::Go
}

/// A CAS unique to compare makes `cas` of `set`, `add` and `replace`.
#[inline]
fn store(turn: &mut Turn<'_>, packet: &Packet<'_>, mode: Mode, quiet: bool) -> Result<u64, Status> {
    let unique = packet.header.cas;
    let mode = match mode {
        Mode::Append | Mode::Prepend => mode,
        _ if unique != 0 => Mode::Cas,
        _ => mode,
    };
    let storage = Storage {
        mode,
        key: packet.key,
        flags: packet.extra32(0), // `append` and `prepend` have no extras, and leave both alone
        exptime: packet.extra32(4).into(),
        length: packet.value.len(),
        unique,
        noreply: quiet,
    };
    turn.counters.add(Counter::CmdSet, 1);
    // Who is told nothing needs no CAS unique, and an item is smaller without one.
    match (operations::store(turn, &storage, packet.value, !quiet)?, mode) {
        ((Outcome::Stored, unique), _) => Ok(unique),
        ((Outcome::Exists, _), _) | ((Outcome::NotStored, _), Mode::Add) => Err(Status::Exists),
        ((Outcome::NotFound, _), _) | ((Outcome::NotStored, _), Mode::Replace) => Err(Status::NotFound),
        ((Outcome::NotStored, _), _) => Err(Status::NotStored),
    }
}

fn delete(turn: &mut Turn<'_>, packet: &Packet<'_>) -> Result<u64, Status> {
    match operations::delete(turn, packet.key, packet.header.cas) {
        Removal::Done => Ok(0),
        Removal::NotFound => Err(Status::NotFound),
        Removal::Exists => Err(Status::Exists),
    }
}

/// Extras: delta and initial value, 64 bits each, and 32 of expiration.
fn count(turn: &mut Turn<'_>, packet: &Packet<'_>, direction: Direction, quiet: bool) -> Then {
    let expiration = packet.extra32(16);
    let sum = Sum {
        direction,
        delta: packet.extra64(0),
        compare: packet.header.cas,
        initial: (expiration != MAKE_NONE).then(|| (packet.extra64(8), writes::expiry(expiration, turn.now))),
    };
    let outcome = operations::arithmetic(turn, packet.key, &sum, !quiet);
    let (out, header) = (&mut *turn.out, &packet.header);
    match outcome {
        Ok((Counted::Changed(_) | Counted::Made(_), _)) if quiet => (),
        Ok((Counted::Changed(value) | Counted::Made(value), unique)) => {
            encode::number(out, header, value, unique);
        }
        Ok((Counted::NotFound, _)) => encode::error(out, header, Status::NotFound),
        Ok((Counted::Exists, _)) => encode::error(out, header, Status::Exists),
        Err(error) => encode::error(out, header, error.into()),
    }
    Then::Go
}
