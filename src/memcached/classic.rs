//! The classic commands: `get`, `set`, `incr` and their kin. `protocol.txt`, "Storage commands" to
//! "Touch".

use super::ahead;
use super::decode::{Direction, MAX_KEY, Retrieval, Storage};
use super::encode;
use super::error::Refusal;
use super::operations::{self, Removal};
use super::permission::{self, Need};
use super::session::Turn;
use super::words::Words;
use super::writes::{Counted, Outcome, Sum};
use crate::store::Places;
use crate::wire::FLUSH_AT;

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

/// Answers `get` and `gat` for the keys in `words`; `is_whole`: the line's end has come.
#[inline]
pub(super) fn get(turn: &mut Turn<'_>, how: Retrieval, mut words: Words<'_>, is_whole: bool) -> Keys {
    let mut number = 0;
    loop {
        // The session has loaded the first ones.
        if number > 0 && number % Places::MOST == 0 {
            ahead::load(turn.daemon, words.take(Places::MOST));
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
        if let Err(denied) = permission::ask(turn, &Need::retrieval(how, key)) {
            return Keys::Refused(denied.into());
        }
        operations::retrieve(turn, how, key, |out, item, size, unique| {
            encode::value(out, key, item, size, unique);
        });
    }
}

/// A storage command with its data block.
#[inline]
pub(super) fn store(turn: &mut Turn<'_>, storage: &Storage<'_>, value: &[u8]) {
    match operations::store(turn, storage, value, false) {
        Ok((Outcome::Stored, _)) => turn.out.put(b"STORED\r\n"),
        Ok((Outcome::NotStored, _)) => turn.out.put(b"NOT_STORED\r\n"),
        Ok((Outcome::Exists, _)) => turn.out.put(b"EXISTS\r\n"),
        Ok((Outcome::NotFound, _)) => turn.out.put(b"NOT_FOUND\r\n"),
        Err(error) => encode::refusal(turn.out, error.into()),
    }
}

pub(super) fn arithmetic(turn: &mut Turn<'_>, key: &[u8], direction: Direction, delta: u64) {
    let sum = Sum { direction, delta, compare: 0, initial: None };
    match operations::arithmetic(turn, key, &sum, false) {
        Ok((Counted::Changed(value) | Counted::Made(value), _)) => {
            turn.out.put_int(value);
            turn.out.put(b"\r\n");
        }
        Ok((Counted::NotFound | Counted::Exists, _)) => turn.out.put(b"NOT_FOUND\r\n"),
        Err(error) => encode::refusal(turn.out, error.into()),
    }
}

pub(super) fn delete(turn: &mut Turn<'_>, key: &[u8]) {
    let deleted = operations::delete(turn, key, 0);
    turn.out.put(match deleted {
        Removal::Done => b"DELETED\r\n",
        Removal::NotFound | Removal::Exists => b"NOT_FOUND\r\n",
    });
}

pub(super) fn touch(turn: &mut Turn<'_>, key: &[u8], exptime: i32) {
    let touched = operations::touch(turn, key, exptime.into(), false);
    turn.out.put(match touched {
        Some(_) => b"TOUCHED\r\n",
        None => b"NOT_FOUND\r\n",
    });
}

pub(super) fn flush_all(turn: &mut Turn<'_>, delay: i32) {
    operations::flush_all(turn, delay.into());
    turn.out.put(b"OK\r\n");
}
