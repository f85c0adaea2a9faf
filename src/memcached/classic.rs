//! The classic commands: `get`, `set`, `incr` and their kin. `protocol.txt`, "Storage commands" to
//! "Touch".

use super::decode::{Direction, Mode, Retrieval, Storage};
use super::error::Refusal;
use super::permission::{self, Need};
use super::session::Turn;
use super::watch;
use super::words::Words;
use super::writes::{self, Deposit, Outcome};
use super::{DATABASE, encode};
use crate::observe::Counter;
use crate::store::{Event, Expiry, Places};
use crate::wire::FLUSH_AT;

use super::decode::MAX_KEY;

/// How the answering of a line of keys ended. `left`: bytes of it not looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Done,
    /// `out` is large and is to be written first.
    Full {
        left: usize,
    },
    /// The last word may go on.
    Partial {
        left: usize,
    },
    Refused(Refusal),
}

/// Answers `get` and `gat` for the keys in `line`; `is_whole`: its end has come.
#[inline]
pub(super) fn get(turn: &mut Turn<'_>, how: Retrieval, line: &[u8], is_whole: bool) -> Keys {
    let mut words = Words::new(line);
    let mut number = 0;
    loop {
        // The session has loaded the first ones.
        if number > 0 && number % Places::MOST == 0 {
            let keys = words.take(Places::MOST);
            let store = &turn.daemon.store;
            let mut places = Places::default();
            places.extend(keys.map(|key| store.foresee(DATABASE, key)));
            store.load(places.as_slice());
        }
        number += 1;
        let left = words.rest().len();
        if turn.out.len() >= FLUSH_AT {
            return Keys::Full { left };
        }
        let Some(key) = words.next() else {
            return if is_whole { Keys::Done } else { Keys::Partial { left: 0 } };
        };
        if !is_whole && words.rest().is_empty() && key.len() <= MAX_KEY + 1 {
            return Keys::Partial { left };
        }
        if key.len() > MAX_KEY {
            return Keys::Refused(Refusal::BadFormat);
        }
        if let Err(why) = permission::ask(turn, &Need::retrieval(how, key)) {
            return Keys::Refused(why);
        }
        let hit = get_one(turn, how, key);
        if turn.detail {
            turn.state.prefixes.record_get(key, hit);
        }
    }
}

#[inline]
fn get_one(turn: &mut Turn<'_>, how: Retrieval, key: &[u8]) -> bool {
    let mut entry = turn.db.entry(key);
    let unique = how.with_cas.then(|| entry.cas_unique());
    let size = match entry.read() {
        Some(item) => item.string().map(|string| {
            encode::value(turn.out, key, &item, string.len(), unique);
            string.len()
        }),
        None => {
            entry.announce_miss();
            None
        }
    };
    let hit = size.is_some();
    if let (Some(exptime), true) = (how.touch, hit) {
        writes::touch(&mut entry, writes::expiry(exptime, turn.now), turn.now);
    }
    drop(entry);
    let (all, one) = match (how.touch.is_some(), hit) {
        (false, true) => (Counter::CmdGet, Counter::GetHits),
        (false, false) => (Counter::CmdGet, Counter::GetMisses),
        (true, true) => (Counter::CmdTouch, Counter::TouchHits),
        (true, false) => (Counter::CmdTouch, Counter::TouchMisses),
    };
    turn.counters.add(all, 1);
    turn.counters.add(one, 1);
    if turn.watched & watch::FETCHERS != 0 {
        watch::fetched(turn, key, size);
    }
    hit
}

/// A storage command with its data block.
#[inline]
pub(super) fn store(turn: &mut Turn<'_>, storage: &Storage<'_>, value: &[u8]) {
    if turn.detail {
        turn.state.prefixes.record_set(storage.key);
    }
    let deposit = Deposit {
        mode: storage.mode,
        value,
        flags: storage.flags,
        expiry: writes::expiry(storage.exptime, turn.now),
        compare: storage.unique,
        allow_stale: false,
        vivify: false,
    };
    let outcome = {
        let mut entry = turn.db.entry(storage.key);
        let outcome = writes::deposit(&mut entry, &deposit, turn.max_item, turn.now);
        if outcome.is_err() && storage.mode == Mode::Set {
            entry.delete(Event::Del);
        }
        outcome
    };
    count_cas(turn, storage.mode, &outcome);
    if turn.watched & watch::MUTATIONS != 0 {
        watch::stored(turn, storage.key, storage.mode, outcome.ok(), storage.exptime, value.len());
    }
    match outcome {
        Ok(Outcome::Stored) => turn.out.put(b"STORED\r\n"),
        Ok(Outcome::NotStored) => turn.out.put(b"NOT_STORED\r\n"),
        Ok(Outcome::Exists) => turn.out.put(b"EXISTS\r\n"),
        Ok(Outcome::NotFound) => turn.out.put(b"NOT_FOUND\r\n"),
        Err(error) => {
            turn.counters.add(Counter::StoreNoMemory, 1);
            encode::refusal(turn.out, error.into());
        }
    }
}

/// The books of a storage command that compared CAS uniques.
pub(super) fn count_cas<E>(turn: &Turn<'_>, mode: Mode, outcome: &Result<Outcome, E>) {
    if mode != Mode::Cas {
        return;
    }
    match outcome {
        Ok(Outcome::Stored) => turn.counters.add(Counter::CasHits, 1),
        Ok(Outcome::Exists) => turn.counters.add(Counter::CasBadval, 1),
        Ok(Outcome::NotFound) => turn.counters.add(Counter::CasMisses, 1),
        Ok(Outcome::NotStored) | Err(_) => (),
    }
}

/// A value longer than `max-item-size` was announced. Its `set` takes the old value along.
pub(super) fn too_large(turn: &mut Turn<'_>, storage: &Storage<'_>) {
    if turn.detail {
        turn.state.prefixes.record_set(storage.key);
    }
    turn.counters.add(Counter::StoreTooLarge, 1);
    if storage.mode == Mode::Set {
        writes::drop_old(turn, storage.key);
    }
}

pub(super) fn arithmetic(turn: &mut Turn<'_>, key: &[u8], direction: Direction, delta: u64) {
    let mut entry = turn.db.entry(key);
    let outcome = entry.is_present().then(|| writes::count(&mut entry, direction, delta));
    drop(entry);
    count_arithmetic(turn, direction, &outcome);
    match outcome {
        Some(Ok(value)) => {
            turn.out.put_int(value);
            turn.out.put(b"\r\n");
        }
        Some(Err(why)) => encode::refusal(turn.out, why),
        None => turn.out.put(b"NOT_FOUND\r\n"),
    }
}

/// The books of `incr`, `decr` and `ma`. `None`: there was no item.
pub(super) fn count_arithmetic(
    turn: &Turn<'_>,
    direction: Direction,
    outcome: &Option<Result<u64, Refusal>>,
) {
    let counter = match (direction, outcome) {
        (Direction::Up, Some(Ok(_))) => Counter::IncrHits,
        (Direction::Up, None) => Counter::IncrMisses,
        (Direction::Down, Some(Ok(_))) => Counter::DecrHits,
        (Direction::Down, None) => Counter::DecrMisses,
        (_, Some(Err(_))) => return,
    };
    turn.counters.add(counter, 1);
}

pub(super) fn delete(turn: &mut Turn<'_>, key: &[u8]) {
    if turn.detail {
        turn.state.prefixes.record_delete(key);
    }
    if turn.db.entry(key).delete(Event::Del) {
        turn.counters.add(Counter::DeleteHits, 1);
        turn.out.put(b"DELETED\r\n");
    } else {
        turn.counters.add(Counter::DeleteMisses, 1);
        turn.out.put(b"NOT_FOUND\r\n");
    }
}

pub(super) fn touch(turn: &mut Turn<'_>, key: &[u8], exptime: i32) {
    let expiry = writes::expiry(exptime, turn.now);
    let mut entry = turn.db.entry(key);
    let hit = entry.read().is_some();
    writes::touch(&mut entry, expiry, turn.now);
    drop(entry);
    turn.counters.add(Counter::CmdTouch, 1);
    if hit {
        turn.counters.add(Counter::TouchHits, 1);
        turn.out.put(b"TOUCHED\r\n");
    } else {
        turn.counters.add(Counter::TouchMisses, 1);
        turn.out.put(b"NOT_FOUND\r\n");
    }
}

/// `flush_all [<delay>]`: now, or everything that is there when the delay has passed. A delay is read
/// like an exptime, so a large one is a date. Each `flush_all` takes the place of the one before.
pub(super) fn flush_all(turn: &mut Turn<'_>, delay: i32) {
    turn.counters.add(Counter::CmdFlush, 1);
    match writes::expiry(delay, turn.now) {
        Expiry::At(deadline) if !deadline.is_due(turn.now) => turn.state.schedule.set(deadline.0),
        _ => {
            turn.state.schedule.cancel();
            turn.db.flush();
        }
    }
    turn.out.put(b"OK\r\n");
}
