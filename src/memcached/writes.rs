//! The writes that the commands of all protocols have in common.

use super::decode::{Direction, Mode};
use super::error::Refusal;
use super::session::Turn;
use super::words;
use crate::clock::{Deadline, Millis};
use crate::store::{Entry, Event, Expiry, Mark, Put, StoreError};

/// Longer than this an exptime is a date.
const MONTH: i64 = 60 * 60 * 24 * 30;

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::OutOfMemory => Refusal::OutOfMemory,
        }
    }
}

/// What an exptime means: 0 never, negative long ago, above 30 days a date, else seconds from now.
/// The text protocol's have a sign and 32 bits, the binary protocol's have 32 bits without one.
pub(super) fn expiry(exptime: impl Into<i64>, now: Millis) -> Expiry {
    let exptime = exptime.into();
    match u64::try_from(exptime) {
        Ok(0) => Expiry::Never,
        Ok(seconds) if exptime > MONTH => Expiry::At(Deadline::at_ms(seconds * 1000)),
        Ok(seconds) => Expiry::At(Deadline(now.saturating_add(seconds * 1000))),
        Err(_) => Expiry::At(Deadline::at_ms(1)),
    }
}

/// Whole seconds left as memcached tells them, rounded up: a TTL of 60 is 60 when it has just been set.
pub(super) fn seconds_left(deadline: Deadline, now: Millis) -> u64 {
    deadline.ttl_ms(now).div_ceil(1000)
}

/// Gives the item a new deadline. One that has passed takes the item away at once.
pub(super) fn touch(entry: &mut Entry<'_>, expiry: Expiry, now: Millis) {
    match expiry {
        Expiry::Keep => (),
        Expiry::Never => {
            entry.set_deadline(None, Event::Persist);
        }
        Expiry::At(deadline) if deadline.is_due(now) => {
            entry.delete(Event::Del);
        }
        Expiry::At(deadline) => {
            entry.set_deadline(Some(deadline), Event::Expire);
        }
    }
}

/// Stores a string. One whose deadline has passed counts as stored and is gone.
pub(super) fn put(entry: &mut Entry<'_>, value: &[u8], put: Put, now: Millis) -> Result<(), StoreError> {
    match put.expiry {
        Expiry::At(deadline) if deadline.is_due(now) => {
            entry.delete(Event::Del);
            Ok(())
        }
        _ => entry.put(value, put),
    }
}

/// A value that cannot be stored takes the outdated one along.
pub(super) fn drop_old(turn: &mut Turn<'_>, key: &[u8]) {
    turn.db.entry(key).delete(Event::Del);
}

/// A value on its way into the store.
pub(super) struct Deposit<'a> {
    pub mode: Mode,
    pub value: &'a [u8],
    pub flags: u32,
    pub expiry: Expiry,
    /// The CAS unique that the item must have. 0: none given, which `Mode::Cas` never finds.
    pub compare: u64,
    /// An outdated unique stores all the same, and marks the item stale (`ms … I`).
    pub allow_stale: bool,
    /// `append` to an absent item makes one (`ms … MA N`).
    pub vivify: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    NotStored,
    Exists,
    NotFound,
}

/// What the CAS unique says about a deposit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    NotAsked,
    Match,
    /// The client's is older than the item's.
    Outdated,
    Mismatch,
}

/// Carries out a storage command on the looked-up key.
///
/// # Errors
/// `OutOfMemory`: the caller decides what becomes of the old value.
pub(super) fn deposit(
    entry: &mut Entry<'_>,
    deposit: &Deposit<'_>,
    max_item: usize,
    now: Millis,
) -> Result<Outcome, StoreError> {
    let plain = Put::new(deposit.flags, deposit.expiry, Event::Set);
    if !entry.is_present() {
        let stores = match deposit.mode {
            Mode::Set | Mode::Add => true,
            Mode::Append | Mode::Prepend => deposit.vivify,
            Mode::Replace => false,
            Mode::Cas => return Ok(Outcome::NotFound),
        };
        if stores {
            put(entry, deposit.value, plain, now)?;
        }
        return Ok(if stores { Outcome::Stored } else { Outcome::NotStored });
    }
    match deposit.mode {
        Mode::Set | Mode::Replace => put(entry, deposit.value, plain, now)?,
        Mode::Add => return Ok(Outcome::NotStored),
        Mode::Cas => match compare(entry, deposit) {
            Compared::Match => put(entry, deposit.value, plain, now)?,
            Compared::Outdated => put_stale(entry, deposit)?,
            Compared::NotAsked | Compared::Mismatch => return Ok(Outcome::Exists),
        },
        Mode::Append | Mode::Prepend => match compare(entry, deposit) {
            Compared::NotAsked | Compared::Match => return Ok(extend(entry, deposit, max_item)),
            Compared::Outdated | Compared::Mismatch => return Ok(Outcome::Exists),
        },
    }
    Ok(Outcome::Stored)
}

fn compare(entry: &mut Entry<'_>, deposit: &Deposit<'_>) -> Compared {
    if deposit.compare == 0 {
        return Compared::NotAsked;
    }
    // An item without a unique was written after whatever the client saw.
    if entry.item().and_then(|item| item.cas_unique()) == Some(deposit.compare) {
        Compared::Match
    } else if deposit.allow_stale && deposit.compare < entry.cas_unique() {
        Compared::Outdated
    } else {
        Compared::Mismatch
    }
}

/// The outdated value replaces the item's, which keeps its deadline and whether somebody recomputes it.
fn put_stale(entry: &mut Entry<'_>, deposit: &Deposit<'_>) -> Result<(), StoreError> {
    let won = entry.item().is_some_and(|item| item.has(Mark::Won));
    entry.put(deposit.value, Put::new(deposit.flags, Expiry::Keep, Event::Set))?;
    entry.mark(Mark::Stale, true);
    entry.mark(Mark::Won, won);
    Ok(())
}

/// Puts a value behind or before the one that is there. Flags and deadline stay. As in memcached,
/// when there is no room for the two together nothing is stored, and nothing is lost.
fn extend(entry: &mut Entry<'_>, deposit: &Deposit<'_>, max_item: usize) -> Outcome {
    let Some(item) = entry.item() else { return Outcome::NotStored };
    let Some(old) = item.string() else { return Outcome::NotStored };
    if old.len() + deposit.value.len() > max_item {
        return Outcome::NotStored;
    }
    let both = match deposit.mode {
        Mode::Prepend => [deposit.value, old].concat(),
        _ => [old, deposit.value].concat(),
    };
    let put = Put::new(item.flags(), Expiry::Keep, Event::Append);
    match entry.put(&both, put) {
        Ok(()) => Outcome::Stored,
        Err(StoreError::OutOfMemory) => Outcome::NotStored,
    }
}

/// A number as text: what an arithmetic command stores and answers.
pub(super) struct Digits(itoa::Buffer);

impl Digits {
    pub(super) fn new() -> Digits {
        Digits(itoa::Buffer::new())
    }

    pub(super) fn of(&mut self, n: u64) -> &[u8] {
        self.0.format(n).as_bytes()
    }
}

/// What `incr` and its kin are asked for.
pub(super) struct Sum {
    pub direction: Direction,
    pub delta: u64,
    /// The CAS unique that the item must have. 0: none given.
    pub compare: u64,
    /// The number to store where there is none.
    pub initial: Option<(u64, Expiry)>,
}

/// What became of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Changed(u64),
    Made(u64),
    NotFound,
    /// The item has another CAS unique.
    Exists,
}

/// Why a number could not be changed or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountError {
    NonNumeric,
    OutOfMemory,
}

impl From<CountError> for Refusal {
    fn from(error: CountError) -> Refusal {
        match error {
            CountError::NonNumeric => Refusal::NonNumeric,
            CountError::OutOfMemory => Refusal::OutOfMemoryCounting,
        }
    }
}

impl From<StoreError> for CountError {
    fn from(error: StoreError) -> CountError {
        match error {
            StoreError::OutOfMemory => CountError::OutOfMemory,
        }
    }
}

/// Carries out an arithmetic command on the looked-up key.
///
/// # Errors
/// The item is as it was.
pub(super) fn count(entry: &mut Entry<'_>, sum: &Sum, now: Millis) -> Result<Counted, CountError> {
    let Some(item) = entry.item() else {
        let Some((initial, expiry)) = sum.initial else { return Ok(Counted::NotFound) };
        put(entry, Digits::new().of(initial), Put::new(0, expiry, Event::Set), now)?;
        return Ok(Counted::Made(initial));
    };
    // Said before the unique is compared, as in memcached.
    if item.string().is_none_or(<[u8]>::is_empty) {
        return Err(CountError::NonNumeric);
    }
    if sum.compare != 0 && item.cas_unique() != Some(sum.compare) {
        return Ok(Counted::Exists);
    }
    add(entry, sum.direction, sum.delta).map(Counted::Changed)
}

/// Adds to a number or takes from it: up wraps at 2^64, down stops at 0. The item keeps its length
/// where the digits fit, padded with spaces, as in memcached; and then its marks too.
fn add(entry: &mut Entry<'_>, direction: Direction, delta: u64) -> Result<u64, CountError> {
    let item = entry.item().ok_or(CountError::NonNumeric)?;
    let old = item.string().ok_or(CountError::NonNumeric)?;
    let value = words::uint(old).ok_or(CountError::NonNumeric)?;
    let value = match direction {
        Direction::Up => value.wrapping_add(delta),
        Direction::Down => value.saturating_sub(delta),
    };
    let put = Put::new(item.flags(), Expiry::Keep, Event::IncrBy);
    let marks = [Mark::Fetched, Mark::Stale, Mark::Won].map(|mark| (mark, item.has(mark)));
    let length = old.len();
    let mut digits = Digits::new();
    let digits = digits.of(value);
    if digits.len() > length {
        entry.put(digits, put)?;
        return Ok(value);
    }
    if digits.len() == length {
        entry.put(digits, put)?;
    } else {
        let mut padded = digits.to_vec();
        padded.resize(length, b' ');
        entry.put(&padded, put)?;
    }
    for (mark, on) in marks {
        if on {
            entry.mark(mark, true);
        }
    }
    Ok(value)
}
