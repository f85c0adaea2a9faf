//! What commands do, each with its books: counters, counts by prefix, watchers. The classic and the binary
//! protocol ask for the same operations and have words of their own for the outcome.

use super::decode::{Direction, Mode, Retrieval, Storage};
use super::session::Turn;
use super::watch;
use super::writes::{self, CountError, Counted, Deposit, Outcome, Sum};
use crate::observe::Counter;
use crate::store::{Event, Expiry, Item, StoreError};
use crate::wire::Out;

/// Looks a string up, with a new deadline if `how` says so, and lets `answer` write it: the item, its length and,
/// where `how` asks for it, its CAS unique. Tells whether it was there.
#[inline]
pub(super) fn retrieve(
    turn: &mut Turn<'_>,
    how: Retrieval,
    key: &[u8],
    answer: impl FnOnce(&mut Out, &Item<'_>, usize, Option<u64>),
) -> bool {
    let mut entry = turn.db.entry(key);
    let unique = how.with_cas.then(|| entry.cas_unique());
    let size = match entry.read() {
        Some(item) => item.string().map(|string| {
            answer(turn.out, &item, string.len(), unique);
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
    if turn.detail {
        turn.state.prefixes.record_get(key, hit);
    }
    hit
}

/// What an item is known by, to a client that did not see its value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Label {
    pub flags: u32,
    /// 0 unless it was asked for.
    pub unique: u64,
}

/// Gives an item a new deadline. `None`: there is none.
pub(super) fn touch(turn: &mut Turn<'_>, key: &[u8], exptime: i64, want_unique: bool) -> Option<Label> {
    let expiry = writes::expiry(exptime, turn.now);
    let mut entry = turn.db.entry(key);
    let unique = if want_unique { entry.cas_unique() } else { 0 };
    let label = entry.read().map(|item| Label { flags: item.flags(), unique });
    writes::touch(&mut entry, expiry, turn.now);
    drop(entry);
    turn.counters.add(Counter::CmdTouch, 1);
    turn.counters.add(if label.is_some() { Counter::TouchHits } else { Counter::TouchMisses }, 1);
    label
}

/// Carries out a storage command. Gives the CAS unique of what is stored, if that is wanted.
///
/// # Errors
/// `OutOfMemory`: what `set` should have replaced is gone.
#[inline]
pub(super) fn store(
    turn: &mut Turn<'_>,
    storage: &Storage<'_>,
    value: &[u8],
    want_unique: bool,
) -> Result<(Outcome, u64), StoreError> {
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
    let mut unique = 0;
    let outcome = {
        let mut entry = turn.db.entry(storage.key);
        let outcome = writes::deposit(&mut entry, &deposit, turn.max_item, turn.now);
        if outcome.is_err() && storage.mode == Mode::Set {
            entry.delete(Event::Del);
        }
        if want_unique && outcome == Ok(Outcome::Stored) {
            unique = entry.cas_unique();
        }
        outcome
    };
    count_cas(turn, storage.mode, &outcome);
    if outcome.is_err() {
        turn.counters.add(Counter::StoreNoMemory, 1);
    }
    if turn.watched & watch::MUTATIONS != 0 {
        watch::stored(turn, storage.key, storage.mode, outcome.ok(), storage.exptime, value.len());
    }
    Ok((outcome?, unique))
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
pub(super) fn too_large(turn: &mut Turn<'_>, mode: Mode, key: &[u8]) {
    if turn.detail {
        turn.state.prefixes.record_set(key);
    }
    turn.counters.add(Counter::StoreTooLarge, 1);
    if mode == Mode::Set {
        writes::drop_old(turn, key);
    }
}

/// `incr` and its kin. Gives the new CAS unique too, if that is wanted.
pub(super) fn arithmetic(
    turn: &mut Turn<'_>,
    key: &[u8],
    sum: &Sum,
    want_unique: bool,
) -> Result<(Counted, u64), CountError> {
    let mut entry = turn.db.entry(key);
    let outcome = writes::count(&mut entry, sum, turn.now);
    let counted = matches!(outcome, Ok(Counted::Changed(_) | Counted::Made(_)));
    let unique = if want_unique && counted { entry.cas_unique() } else { 0 };
    drop(entry);
    count_arithmetic(turn, sum.direction, &outcome);
    Ok((outcome?, unique))
}

/// The books of `incr`, `decr` and `ma`.
pub(super) fn count_arithmetic<E>(turn: &Turn<'_>, direction: Direction, outcome: &Result<Counted, E>) {
    let counter = match (direction, outcome) {
        (Direction::Up, Ok(Counted::Changed(_))) => Counter::IncrHits,
        (Direction::Up, Ok(Counted::NotFound)) => Counter::IncrMisses,
        (Direction::Down, Ok(Counted::Changed(_))) => Counter::DecrHits,
        (Direction::Down, Ok(Counted::NotFound)) => Counter::DecrMisses,
        (_, Ok(Counted::Made(_) | Counted::Exists) | Err(_)) => return,
    };
    turn.counters.add(counter, 1);
}

/// What became of a `delete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Done,
    NotFound,
    /// The item has another CAS unique.
    Exists,
}

/// Deletes an item, with this CAS unique if `compare` is not 0.
pub(super) fn delete(turn: &mut Turn<'_>, key: &[u8], compare: u64) -> Removal {
    if turn.detail {
        turn.state.prefixes.record_delete(key);
    }
    let mut entry = turn.db.entry(key);
    let is_other = |unique: Option<u64>| compare != 0 && unique != Some(compare);
    if entry.item().is_some_and(|item| is_other(item.cas_unique())) {
        return Removal::Exists;
    }
    if entry.delete(Event::Del) {
        turn.counters.add(Counter::DeleteHits, 1);
        Removal::Done
    } else {
        turn.counters.add(Counter::DeleteMisses, 1);
        Removal::NotFound
    }
}

/// `flush_all [<delay>]`: now, or everything that is there when the delay has passed. A delay is read
/// like an exptime, so a large one is a date. Each `flush_all` takes the place of the one before.
pub(super) fn flush_all(turn: &mut Turn<'_>, delay: i64) {
    turn.counters.add(Counter::CmdFlush, 1);
    match writes::expiry(delay, turn.now) {
        Expiry::At(deadline) if !deadline.is_due(turn.now) => turn.state.schedule.set(deadline.0),
        _ => {
            turn.state.schedule.cancel();
            turn.db.flush();
        }
    }
}
