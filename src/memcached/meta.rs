//! The meta commands: `mg`, `ms`, `md`, `ma`, `me`. `protocol.txt`, "Meta Commands".
//!
//! The flags of a reply stand in the order of the request's, and each sees what the ones before it
//! did: `mg k t T60` tells the old TTL, `mg k T60 t` the new one.
//!
//! Differs: in a reply the key is base64 where the request's was; memcached remembers how the key
//! was written when the item was stored.

use super::base64;
use super::decode::{Direction, Meta, Mode};
use super::encode;
use super::error::Refusal;
use super::operations;
use super::session::Turn;
use super::watch;
use super::writes::{self, Counted, Deposit, Digits, Outcome, Sum};
use crate::clock::{Deadline, Millis};
use crate::observe::Counter;
use crate::store::{Entry, Event, Expiry, Item, Mark, Put};
use crate::wire::Out;

/// What `mg` tells of an item, as it was before the request.
struct View {
    size: usize,
    flags: u32,
    deadline: Option<Deadline>,
    fetched: bool,
    stale: bool,
    won: bool,
    idle_secs: u64,
    /// This request made it.
    created: bool,
}

impl View {
    /// `None`: the item holds no string.
    fn of(item: &Item<'_>, now: Millis, created: bool) -> Option<View> {
        Some(View {
            size: item.string()?.len(),
            flags: item.flags(),
            deadline: item.deadline(),
            fetched: item.has(Mark::Fetched),
            stale: item.has(Mark::Stale),
            won: item.has(Mark::Won),
            idle_secs: item.idle_secs(now),
            created,
        })
    }
}

fn deadline_of(expiry: Expiry) -> Option<Deadline> {
    match expiry {
        Expiry::At(deadline) => Some(deadline),
        Expiry::Never | Expiry::Keep => None,
    }
}

/// `mg`: everything about an item, and who is to recompute it.
pub(super) fn get(turn: &mut Turn<'_>, meta: &Meta<'_>) {
    let now = turn.now;
    let mut entry = turn.db.entry(meta.key);
    let created = !entry.is_present() && meta.vivify.is_some() && vivify(&mut entry, meta);
    let Some(view) = entry.item().and_then(|item| View::of(&item, now, created)) else {
        entry.announce_miss();
        drop(entry);
        miss(turn, meta);
        return;
    };
    let unique = meta.want_unique.then(|| entry.cas_unique());
    let out = &mut *turn.out;
    if meta.want_value {
        out.put(b"VA ");
        out.put_int(view.size);
    } else {
        out.put(b"HD");
    }
    let (wins, expiry) = tell(out, meta, &view, unique, now);
    if wins {
        out.put(b" W");
        entry.mark(Mark::Won, true);
    }
    out.put(b"\r\n");
    let item = if meta.no_bump { entry.item() } else { entry.read() };
    if let (Some(item), true) = (item, meta.want_value) {
        encode::data(out, &item);
    }
    writes::touch(&mut entry, expiry, now);
    drop(entry);
    if meta.exptime.is_some() {
        turn.counters.add(Counter::CmdTouch, 1);
        turn.counters.add(Counter::TouchHits, 1);
    } else {
        turn.counters.add(Counter::CmdGet, 1);
        turn.counters.add(Counter::GetHits, 1);
    }
    if turn.watched & watch::FETCHERS != 0 {
        watch::fetched(turn, meta.key, Some(view.size));
    }
}

/// Makes an empty item for the client that will fill it. Its deadline comes with flag `N`.
fn vivify(entry: &mut Entry<'_>, meta: &Meta<'_>) -> bool {
    let made = entry.put(b"", Put::new(0, Expiry::Never, Event::Set)).is_ok();
    if let (true, Some(unique)) = (made, meta.new_unique) {
        entry.set_cas_unique(unique);
    }
    made
}

/// Answers the flags of `mg`. Tells whether this client is to recompute, and the new deadline.
#[inline]
fn tell(out: &mut Out, meta: &Meta<'_>, view: &View, unique: Option<u64>, now: Millis) -> (bool, Expiry) {
    let (mut wins, mut expiry, mut deadline) = (false, Expiry::Keep, view.deadline);
    if view.created {
        deadline = None;
    }
    for flag in meta.flags() {
        match flag[0] {
            b'T' => {
                expiry = meta.exptime.map_or(Expiry::Keep, |exptime| writes::expiry(exptime, now));
                deadline = deadline_of(expiry);
            }
            b'N' if view.created => {
                expiry = meta.vivify.map_or(Expiry::Keep, |exptime| writes::expiry(exptime, now));
                deadline = deadline_of(expiry);
                wins = true;
            }
            b'R' => wins |= !view.won && !view.created && is_near(deadline, meta.recache, now),
            b's' => number(out, b" s", view.size as u64),
            b't' => time_left(out, deadline, now),
            b'c' => number(out, b" c", unique.unwrap_or(0)),
            b'f' => number(out, b" f", view.flags.into()),
            b'l' => number(out, b" l", view.idle_secs),
            b'h' => number(out, b" h", view.fetched.into()),
            _ => echo(out, meta, flag),
        }
    }
    if view.won {
        out.put(b" Z");
    }
    if view.stale {
        out.put(b" X");
        wins |= !view.won;
    }
    (wins, expiry)
}

/// Will the item expire sooner than `R` allows? In whole seconds, as memcached's clock ticks.
fn is_near(deadline: Option<Deadline>, recache: Option<i32>, now: Millis) -> bool {
    let limit = recache.and_then(|recache| deadline_of(writes::expiry(recache, now)));
    match (deadline, limit) {
        (Some(deadline), Some(limit)) => {
            writes::seconds_left(deadline, now) < writes::seconds_left(limit, now)
        }
        _ => false,
    }
}

fn miss(turn: &mut Turn<'_>, meta: &Meta<'_>) {
    turn.counters.add(Counter::CmdGet, 1);
    turn.counters.add(Counter::GetMisses, 1);
    if turn.watched & watch::FETCHERS != 0 {
        watch::fetched(turn, meta.key, None);
    }
    if !meta.quiet {
        turn.out.put(b"EN");
        echo_all(turn.out, meta);
        turn.out.put(b"\r\n");
    }
}

#[inline]
fn number(out: &mut Out, name: &[u8], n: u64) {
    out.put(name);
    out.put_int(n);
}

/// Differs: memcached tells a deadline that has passed as 2^32 less the seconds since; here it is 0.
fn time_left(out: &mut Out, deadline: Option<Deadline>, now: Millis) {
    match deadline {
        Some(deadline) => number(out, b" t", writes::seconds_left(deadline, now)),
        None => out.put(b" t-1"),
    }
}

/// The flags that every reply repeats: the opaque token and the key.
#[inline]
fn echo(out: &mut Out, meta: &Meta<'_>, flag: &[u8]) {
    match flag[0] {
        b'O' => {
            out.put_u8(b' ');
            out.put(flag);
        }
        b'k' if meta.is_base64 => {
            out.put(b" k");
            base64::encode(meta.key, out);
            out.put(b" b");
        }
        b'k' => {
            out.put(b" k");
            out.put(meta.key);
        }
        _ => (),
    }
}

fn echo_all(out: &mut Out, meta: &Meta<'_>) {
    for flag in meta.flags() {
        echo(out, meta, flag);
    }
}

/// What `ms` does: `M` chooses it, and a CAS unique to compare makes `cas` of `set` and `replace`.
///
/// # Errors
/// `InvalidSetMode`
pub(super) fn set_mode(meta: &Meta<'_>) -> Result<Mode, Refusal> {
    let mode = match meta.mode {
        b"" | b"S" => Mode::Set,
        b"E" => Mode::Add,
        b"A" => Mode::Append,
        b"P" => Mode::Prepend,
        b"R" => Mode::Replace,
        _ => return Err(Refusal::InvalidSetMode),
    };
    match mode {
        Mode::Set | Mode::Replace if meta.compare.is_some() => Ok(Mode::Cas),
        _ => Ok(mode),
    }
}

/// `ms` with its data block.
pub(super) fn set(turn: &mut Turn<'_>, meta: &Meta<'_>, mode: Mode, value: &[u8]) {
    let extends = matches!(mode, Mode::Append | Mode::Prepend);
    let exptime = if extends { meta.vivify.or(meta.exptime) } else { meta.exptime };
    let deposit = Deposit {
        mode,
        value,
        flags: meta.client_flags,
        expiry: writes::expiry(exptime.unwrap_or(0), turn.now),
        compare: meta.compare.unwrap_or(0),
        allow_stale: meta.invalidate && mode == Mode::Cas,
        vivify: meta.vivify.is_some(),
    };
    let mut entry = turn.db.entry(meta.key);
    let outcome = writes::deposit(&mut entry, &deposit, turn.max_item, turn.now);
    let mut unique = 0;
    match outcome {
        Ok(Outcome::Stored) => {
            if let Some(new) = meta.new_unique {
                entry.set_cas_unique(new);
            }
            if meta.want_unique {
                unique = entry.cas_unique();
            }
        }
        Ok(_) => (),
        Err(_) => {
            entry.delete(Event::Del);
        }
    }
    let size = entry.item().and_then(|item| item.string()).map_or(value.len(), <[u8]>::len);
    drop(entry);
    operations::count_cas(turn, mode, &outcome);
    if turn.watched & watch::MUTATIONS != 0 {
        watch::stored(turn, meta.key, mode, outcome.ok(), exptime.unwrap_or(0).into(), value.len());
    }
    match outcome {
        Ok(Outcome::Stored) if meta.quiet => (),
        Ok(outcome) => tell_stored(turn.out, meta, outcome, unique, size),
        Err(error) => {
            turn.counters.add(Counter::StoreNoMemory, 1);
            encode::refusal(turn.out, error.into());
        }
    }
}

/// Answers `ms`; `unique` is 0 where nothing was stored, `size` of the whole value.
fn tell_stored(out: &mut Out, meta: &Meta<'_>, outcome: Outcome, unique: u64, size: usize) {
    out.put(match outcome {
        Outcome::Stored => b"HD",
        Outcome::NotStored => b"NS",
        Outcome::Exists => b"EX",
        Outcome::NotFound => b"NF",
    });
    for flag in meta.flags() {
        match flag[0] {
            b'c' => number(out, b" c", unique),
            b's' => number(out, b" s", size as u64),
            _ => echo(out, meta, flag),
        }
    }
    out.put(b"\r\n");
}

/// `md`: deletes the item, or marks it stale (`I`), or empties it (`x`).
///
/// Differs: emptying gives the item a new CAS unique, since no two versions of an item share one.
pub(super) fn delete(turn: &mut Turn<'_>, meta: &Meta<'_>) {
    let mut entry = turn.db.entry(meta.key);
    let unique = entry.item().map(|item| item.cas_unique());
    let matches =
        |unique: Option<u64>| meta.compare.is_none() || (unique.is_some() && unique == meta.compare);
    let status = match unique {
        None => Ok(b"NF"),
        Some(unique) if !matches(unique) => Ok(b"EX"),
        Some(_) => take_away(&mut entry, meta, turn.now).map(|()| b"HD"),
    };
    drop(entry);
    let counter = match status {
        Ok(b"HD") if meta.invalidate => None,
        Ok(b"HD") => Some(Counter::DeleteHits),
        _ => Some(Counter::DeleteMisses),
    };
    if let Some(counter) = counter {
        turn.counters.add(counter, 1);
    }
    match status {
        Ok(b"HD") if meta.quiet => (),
        Ok(status) => {
            turn.out.put(status);
            echo_all(turn.out, meta);
            turn.out.put(b"\r\n");
        }
        Err(why) => encode::refusal(turn.out, why),
    }
}

fn take_away(entry: &mut Entry<'_>, meta: &Meta<'_>, now: Millis) -> Result<(), Refusal> {
    let expiry = meta.exptime.map(|exptime| writes::expiry(exptime, now));
    if meta.remove_value {
        let put = Put::new(meta.client_flags, expiry.unwrap_or(Expiry::Never), Event::Set);
        writes::put(entry, b"", put, now).map_err(|_| Refusal::OutOfMemoryCounting)?;
    }
    if meta.invalidate {
        entry.mark(Mark::Stale, true);
        entry.mark(Mark::Won, false); // the next client may win
        entry.set_cas_unique(meta.new_unique.unwrap_or(0)); // 0: a new one when somebody asks
        writes::touch(entry, expiry.unwrap_or(Expiry::Keep), now);
    } else if !meta.remove_value {
        entry.delete(Event::Del);
    } else if let Some(unique) = meta.new_unique {
        entry.set_cas_unique(unique);
    }
    Ok(())
}

/// Which way `ma` counts: `M` chooses it.
fn direction(meta: &Meta<'_>) -> Result<Direction, Refusal> {
    match meta.mode {
        b"" | b"I" | b"+" => Ok(Direction::Up),
        b"D" | b"-" => Ok(Direction::Down),
        _ => Err(Refusal::InvalidArithmeticMode),
    }
}

/// A number that `ma` has changed or made, for its reply.
struct Number {
    value: u64,
    unique: u64,
    deadline: Option<Deadline>,
    created: bool,
}

/// `ma`: counts, and makes the number when there is none (`N`, `J`).
///
/// Differs: memcached forgets a new TTL (`T`) when the number grows by a digit; here it stays.
pub(super) fn arithmetic(turn: &mut Turn<'_>, meta: &Meta<'_>) {
    let direction = match direction(meta) {
        Ok(direction) => direction,
        Err(why) => return encode::refusal(turn.out, why),
    };
    let sum = Sum {
        direction,
        delta: meta.delta.unwrap_or(1),
        compare: meta.compare.unwrap_or(0),
        initial: meta.vivify.map(|_| (meta.initial, Expiry::Never)), // `N` is resolved where it is answered
    };
    let mut entry = turn.db.entry(meta.key);
    let outcome = writes::count(&mut entry, &sum, turn.now);
    let status: &[u8] = match outcome {
        Ok(Counted::Changed(value) | Counted::Made(value)) => {
            let created = matches!(outcome, Ok(Counted::Made(_)));
            let number = number_of(&mut entry, meta, value, created);
            let mark = turn.out.mark();
            let expiry = tell_count(turn.out, meta, &number, turn.now);
            writes::touch(&mut entry, expiry, turn.now);
            if meta.quiet {
                turn.out.cut_to(mark);
            }
            b""
        }
        Ok(Counted::NotFound) => b"NF",
        Ok(Counted::Exists) => b"EX",
        Err(_) => b"",
    };
    drop(entry);
    operations::count_arithmetic(turn, direction, &outcome);
    if let Err(error) = outcome {
        encode::refusal(turn.out, error.into());
    } else if !status.is_empty() {
        turn.out.put(status);
        echo_all(turn.out, meta);
        turn.out.put(b"\r\n");
    }
}

fn number_of(entry: &mut Entry<'_>, meta: &Meta<'_>, value: u64, created: bool) -> Number {
    if let Some(unique) = meta.new_unique {
        entry.set_cas_unique(unique);
    }
    let unique = if meta.want_unique { entry.cas_unique() } else { 0 };
    let deadline = entry.item().and_then(|item| item.deadline());
    Number { value, unique, deadline, created }
}

/// Answers the flags of `ma`, and gives the new deadline.
fn tell_count(out: &mut Out, meta: &Meta<'_>, counted: &Number, now: Millis) -> Expiry {
    let mut digits = Digits::new();
    let digits = digits.of(counted.value);
    let (mut expiry, mut deadline) = (Expiry::Keep, counted.deadline);
    if meta.want_value {
        number(out, b"VA ", digits.len() as u64);
    } else {
        out.put(b"HD");
    }
    for flag in meta.flags() {
        let exptime = match flag[0] {
            b'T' => meta.exptime,
            b'N' if counted.created => meta.vivify,
            _ => None,
        };
        if let Some(exptime) = exptime {
            expiry = writes::expiry(exptime, now);
            deadline = deadline_of(expiry);
        }
        match flag[0] {
            b'c' => number(out, b" c", counted.unique),
            b't' => time_left(out, deadline, now),
            _ => echo(out, meta, flag),
        }
    }
    out.put(b"\r\n");
    if meta.want_value {
        out.put(digits);
        out.put(b"\r\n");
    }
    expiry
}

/// `me`: everything about an item, for people.
pub(super) fn debug(turn: &mut Turn<'_>, key: &[u8], is_base64: bool) {
    turn.counters.add(Counter::CmdMeta, 1);
    let now = turn.now;
    let entry = turn.db.entry(key);
    let Some(item) = entry.item() else { return turn.out.put(b"EN\r\n") };
    turn.out.put(b"ME ");
    if is_base64 {
        base64::encode(key, turn.out);
    } else {
        turn.out.put(key);
    }
    // memcached tells the seconds left as a negative number.
    let expires =
        item.deadline().map_or_else(|| "-1".into(), |at| format!("-{}", writes::seconds_left(at, now)));
    let fetched = if item.has(Mark::Fetched) { "yes" } else { "no" };
    let (idle, size) = (item.idle_secs(now), item.bytes());
    let unique = item.cas_unique().unwrap_or(0); // an item has one when somebody asked for it
    encode::line(
        turn.out,
        &format!(" exp={expires} la={idle} cas={unique} fetch={fetched} cls=1 size={size}"),
    );
}
