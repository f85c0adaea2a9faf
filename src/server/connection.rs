//! One connection, as the stages of a round see it ([`super::round`]): read what there is, execute it all, write the
//! replies in one go, wait.
//!
//! A request costs one `recv` and one `send`, and its share of an `epoll_wait`. Between rounds a connection owns no
//! buffer unless a request is incomplete or a reply not yet taken: reading and writing happen in the worker's. A
//! client that does not read is not read from either.

use super::protocol::Protocol;
use super::ready::Bell;
use super::round::Moment;
use super::transport::Transport;
use super::worker::{Tenancy, WorkerState};
use crate::clients::Client;
use crate::clock::Millis;
use crate::config::{ClientClass, OutputLimit, Param};
use crate::daemon::Context;
use crate::observe::Counter;
use crate::store::{self, Place};
use crate::wire::{Next, Out, Progress};
use bytes::Bytes;
use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task;
use std::time::Duration;

/// Bytes that an incomplete request's buffer grows by, at least and at most: a claimed length is believed
/// only as far as data has come, until that is a large request by itself.
const READ_MIN: usize = 16 * 1024;
const READ_MAX: usize = 4 << 20;
/// A request of so many bytes is large: its buffer may become the value that it brings.
const LARGE: usize = 1 << 20;
/// Bytes of an incomplete request that are read in a round, at most: then the worker's others have theirs.
const CARRIED_MOST: usize = 1 << 20;

/// Room that each of a worker's output buffers keeps for the next round.
const KEPT: usize = 64 * 1024;

/// Bytes that a connection writes in one round, about: then the worker's others have theirs.
const WRITE_MOST: usize = 1 << 20;
/// Bytes that are given to the socket at once. What it has room for it copies before it returns.
const WRITE_MAX: usize = 256 * 1024;

/// Why a connection ends.
enum End {
    /// The client left, or asked to.
    Closed,
    Failed(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Failed(error)
    }
}

/// What came of the first stage.
pub(super) enum Received {
    /// So many bytes, in the round's buffer.
    Bytes(usize),
    /// What the connection carries is to be executed.
    Carried,
    /// Nothing to execute.
    Nothing,
    /// The connection ends.
    End,
}

/// The connection ends.
pub(super) struct Ended;

/// How a connection leaves a round.
pub(super) enum Rest {
    /// Its bell brings it back.
    Waits,
    /// It has more to do at once.
    GoesOn,
}

/// A connection of whatever transport and protocol; one call a stage.
pub(super) trait Member {
    /// Reads once, into `room` or behind what it carries already.
    fn receive(&mut self, room: &mut [u8]) -> Received;
    /// Says where the requests in the bytes will look.
    fn foresee(&mut self, input: &[u8], places: &mut Vec<Place>);
    /// Executes the bytes, or what it carries. Replies go to `out`, which is empty.
    fn execute(&mut self, moment: &mut Moment<'_>, input: Option<&[u8]>, out: &mut Out);
    /// Writes `out`; what the socket does not take is kept.
    fn answer(&mut self, out: &mut Out) -> Result<(), Ended>;
    /// Sees to it that the waker of `cx` is woken when there is something to do.
    fn rest(&mut self, cx: &mut task::Context<'_>) -> Rest;
    /// Lets go of what it has elsewhere. `false`: not yet, its bell brings it back.
    fn leave(&mut self) -> bool;
}

/// Rings a connection's bell after a while, unless it is dropped before.
struct Alarm {
    has_rung: Rc<Cell<bool>>,
    task: tokio::task::JoinHandle<()>,
}

impl Alarm {
    fn after(wait: Duration, bell: Arc<Bell>) -> Alarm {
        let has_rung = Rc::new(Cell::new(false));
        let rung = has_rung.clone();
        let task = tokio::task::spawn_local(async move {
            tokio::time::sleep(wait).await;
            rung.set(true);
            bell.ring();
        });
        Alarm { has_rung, task }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) struct Connection<S, P> {
    stream: S,
    protocol: P,
    client: Arc<Client>,
    worker: Rc<WorkerState>,
    bell: Arc<Bell>,
    _tenancy: Tenancy,
    /// An incomplete request, or what is not executed yet.
    carry: Vec<u8>,
    /// Bytes that the request in `carry` is known to lack.
    lacking: usize,
    /// Replies that the client has not taken yet.
    out: Out,
    /// The socket may hold more than was read.
    has_more: bool,
    /// The protocol has asked for a flush, not for more bytes: show it `carry` again.
    goes_on: bool,
    /// Close when `out` is written.
    closing: bool,
    /// It has ended, but cannot be closed yet.
    is_leaving: bool,
    /// Nothing is executed before this moment (`None` within: until woken).
    waiting: Option<Option<Millis>>,
    /// Since when more is unread than the soft limit of the client's class allows.
    hoards_since: Option<Millis>,
    alarm: Option<Alarm>,
}

impl<S: Transport, P: Protocol> Member for Connection<S, P> {
    #[inline]
    fn receive(&mut self, room: &mut [u8]) -> Received {
        self.try_receive(room).unwrap_or_else(|end| {
            self.note_end(end);
            Received::End
        })
    }

    #[inline]
    fn foresee(&mut self, input: &[u8], places: &mut Vec<Place>) {
        self.protocol.foresee(&self.worker.daemon, input, places);
    }

    #[inline]
    fn execute(&mut self, moment: &mut Moment<'_>, input: Option<&[u8]>, out: &mut Out) {
        match input {
            Some(input) => {
                let progress = self.feed(moment, input, out);
                if progress.consumed < input.len() {
                    self.carry.extend_from_slice(&input[progress.consumed..]);
                }
                self.follow(progress.next);
            }
            None => self.execute_carry(moment, out),
        }
    }

    #[inline]
    fn answer(&mut self, out: &mut Out) -> Result<(), Ended> {
        self.try_answer(out).map_err(|end| {
            self.note_end(end);
            Ended
        })
    }

    #[inline]
    fn rest(&mut self, cx: &mut task::Context<'_>) -> Rest {
        self.client.query_bytes.store(self.carry.len() as u64, Ordering::Relaxed);
        let writing = !self.out.is_empty();
        let reading = self.waiting.is_some() || !writing;
        let goes_on = self.client.wants_attention()
            || (self.has_more || self.goes_on) && self.waiting.is_none() && !writing
            || reading && self.stream.poll_readable(cx).is_ready()
            || writing && self.stream.poll_writable(cx).is_ready();
        if goes_on {
            return Rest::GoesOn;
        }
        if self.waiting.is_some() || self.hoards_since.is_some() {
            self.set_alarm();
        }
        Rest::Waits
    }

    fn leave(&mut self) -> bool {
        /// How soon it looks again whether a script has the store, or its session.
        const AGAIN: Duration = Duration::from_millis(1);
        self.is_leaving = true;
        let daemon = &self.worker.daemon;
        // It may hold keys in the store (WATCH), which a script may have.
        if !self.protocol.is_away()
            && let Some(_turn) = daemon.turns.enter(self.worker.number)
        {
            self.protocol.close(daemon, daemon.clock.now());
            return true;
        }
        self.alarm = Some(Alarm::after(AGAIN, self.bell.clone()));
        false
    }
}

impl<S: Transport, P: Protocol> Connection<S, P> {
    pub(super) fn new(
        stream: S,
        protocol: P,
        client: Arc<Client>,
        worker: Rc<WorkerState>,
        bell: Arc<Bell>,
        tenancy: Tenancy,
    ) -> Self {
        client.set_waker(bell.clone().into());
        Connection {
            stream,
            protocol,
            client,
            worker,
            bell,
            _tenancy: tenancy,
            carry: Vec::new(),
            lacking: 0,
            out: Out::new(),
            has_more: false,
            goes_on: false,
            closing: false,
            is_leaving: false,
            waiting: None,
            hoards_since: None,
            alarm: None,
        }
    }

    #[inline]
    fn try_receive(&mut self, room: &mut [u8]) -> Result<Received, End> {
        self.has_more = false;
        if self.client.wants_attention() || self.alarm.is_some() || self.is_leaving {
            self.look_around()?;
        }
        if !self.out.is_empty() && !self.write_rest()? {
            return Ok(Received::Nothing);
        }
        if self.closing {
            return Err(End::Closed);
        }
        if self.waiting.is_some() {
            return self.read_ahead();
        }
        if self.goes_on {
            self.goes_on = false;
            return Ok(Received::Carried);
        }
        if !self.carry.is_empty() {
            return self.read_more();
        }
        match self.stream.try_read(room) {
            Ok(0) => Err(End::Closed),
            Ok(read) => {
                self.note_read(read, read == room.len());
                Ok(Received::Bytes(read))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.stop_or_wait(),
            Err(error) => Err(error.into()),
        }
    }

    /// What is not the socket's: an alarm, mail.
    fn look_around(&mut self) -> Result<(), End> {
        if self.is_leaving {
            return Err(End::Closed);
        }
        if self.alarm.take().is_some_and(|alarm| alarm.has_rung.get()) {
            self.stop_hoarding();
            if self.waiting.take().is_some() {
                self.goes_on = true;
            }
        }
        if self.client.wants_attention() && self.read_mail() {
            return Err(End::Closed);
        }
        Ok(())
    }

    fn note_end(&self, end: End) {
        if let End::Failed(error) = end {
            tracing::debug!(client = self.client.id, %error, "connection lost");
        }
    }

    /// Reads behind what it carries.
    fn read_more(&mut self) -> Result<Received, End> {
        self.make_room();
        let room = (self.carry.capacity() - self.carry.len()).min(CARRIED_MOST);
        let read = match self.stream.try_read_more(&mut self.carry, room) {
            Ok(0) => return Err(End::Closed),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return self.stop_or_wait(),
            Err(error) => return Err(error.into()),
        };
        self.note_read(read, read == room);
        self.lacking = self.lacking.saturating_sub(read);
        if self.lacking == 0 {
            return Ok(Received::Carried);
        }
        self.bound_carry()?;
        Ok(Received::Nothing)
    }

    /// Sees to it that more can be read behind what it carries: at most as much again as has come, so that a claim of
    /// gigabytes costs nothing. Once a good deal has come the claim is believed, for a buffer that is made in one piece
    /// is address space, and memory only as far as it is filled, while each move of a large one holds up the worker's
    /// others (`benches/stalls.rs`).
    fn make_room(&mut self) {
        let is_believed = self.lacking > 0 && self.carry.len() >= LARGE;
        if !is_believed || self.carry.try_reserve_exact(self.lacking).is_err() {
            let most = self.carry.len().clamp(READ_MIN, READ_MAX);
            self.carry.reserve(self.lacking.clamp(READ_MIN, most));
        }
    }

    /// Reads what comes while the client's requests are held back: only so is a hang-up noticed.
    fn read_ahead(&mut self) -> Result<Received, End> {
        loop {
            self.carry.reserve(READ_MIN);
            match self.stream.try_read_more(&mut self.carry, READ_MIN) {
                Ok(0) => return Err(End::Closed),
                Ok(read) => self.note_read(read, true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
            self.bound_carry()?;
        }
        if self.carry.is_empty() {
            self.carry = Vec::new();
        }
        self.stop_or_wait()
    }

    /// An unfinished request has a bound, whatever length it claims.
    fn bound_carry(&self) -> Result<(), End> {
        if self.carry.len() <= self.worker.daemon.config.size(Param::ClientQueryBufferLimit) {
            return Ok(());
        }
        self.worker.counters().add(Counter::InputBufferKills, 1);
        Err(End::Closed)
    }

    fn execute_carry(&mut self, moment: &mut Moment<'_>, out: &mut Out) {
        let input = std::mem::take(&mut self.carry);
        // A buffer that grew by moves may be much larger than what it holds: no value keeps that.
        let is_tight = input.capacity() - input.len() <= input.len() / 16;
        let (progress, mut input) = if input.len() >= LARGE && is_tight {
            let input = Bytes::from(input);
            let lent = store::lend(input.clone());
            let progress = self.feed(moment, &input, out);
            drop(lent);
            let left = if progress.consumed < input.len() { input.into() } else { Vec::new() };
            (progress, left)
        } else {
            (self.feed(moment, &input, out), input)
        };
        if progress.consumed < input.len() {
            input.drain(..progress.consumed);
            self.carry = input;
        }
        self.follow(progress.next);
    }

    #[inline]
    fn feed(&mut self, moment: &mut Moment<'_>, input: &[u8], out: &mut Out) -> Progress {
        let daemon = &*moment.state.daemon;
        self.client.last_active.store(moment.now.0, Ordering::Relaxed);
        let context = Context { daemon, counters: moment.state.counters(), now: moment.now, busy: None };
        if let Some(progress) = self.protocol.collect(out) {
            return progress;
        }
        if moment.enter() {
            self.protocol.feed(context, input, out)
        } else {
            without_store(&mut self.protocol, &self.client, context, input, out)
        }
    }

    #[inline]
    fn follow(&mut self, next: Next) {
        match next {
            Next::Read { at_least } => self.lacking = at_least,
            Next::Flush => self.goes_on = true,
            Next::Wait { until } => self.waiting = Some(until),
            Next::Close => self.closing = true,
        }
    }

    #[inline]
    fn note_read(&mut self, bytes: usize, is_full: bool) {
        self.has_more = is_full;
        if !is_full {
            self.stream.is_drained();
        }
        self.worker.counters().add(Counter::BytesRead, bytes as u64);
        self.worker.counters().add(Counter::Reads, 1);
        let client = &self.client;
        client.net_in.store(client.net_in.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
    }

    /// Nothing to read: a daemon that stops has answered all that was in flight.
    fn stop_or_wait(&self) -> Result<Received, End> {
        if self.worker.daemon.shutdown.is_asked() { Err(End::Closed) } else { Ok(Received::Nothing) }
    }

    #[inline]
    fn try_answer(&mut self, out: &mut Out) -> Result<(), End> {
        self.write(out)?;
        if !self.carry.is_empty() {
            self.bound_carry()?;
        }
        if self.closing && self.out.is_empty() { Err(End::Closed) } else { Ok(()) }
    }

    /// Writes what a round has answered; what the socket does not take is kept.
    #[inline]
    fn write(&mut self, out: &mut Out) -> Result<(), End> {
        if out.is_empty() {
            return Ok(());
        }
        self.write_some(out)?;
        if !out.is_empty() {
            self.out = std::mem::take(out);
            self.stop_hoarding();
        }
        out.shrink(KEPT);
        Ok(())
    }

    /// Writes what was kept. `false`: there is more to write.
    fn write_rest(&mut self) -> Result<bool, End> {
        let mut out = std::mem::take(&mut self.out);
        self.write_some(&mut out)?;
        if !out.is_empty() {
            self.out = out;
        }
        self.stop_hoarding();
        Ok(self.out.is_empty())
    }

    /// Writes until all is sent, the socket is full or others come first.
    fn write_some(&mut self, out: &mut Out) -> Result<(), End> {
        const SLICES: usize = 64;
        let mut sent = 0;
        while !out.is_empty() && sent < WRITE_MOST {
            let wrote = match out.as_plain() {
                Some(bytes) => self.stream.try_write(&bytes[..bytes.len().min(WRITE_MAX)]),
                None => {
                    let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(SLICES);
                    out.slices(&mut slices, SLICES, WRITE_MAX);
                    self.stream.try_write_slices(&slices)
                }
            };
            match wrote {
                Ok(0) => return Err(End::Closed),
                Ok(wrote) => {
                    sent += wrote;
                    if wrote == out.len() { out.clear() } else { out.advance(wrote) }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let client = &self.client;
        client.net_out.store(client.net_out.load(Ordering::Relaxed) + sent as u64, Ordering::Relaxed);
        self.worker.counters().add(Counter::BytesWritten, sent as u64);
        self.worker.counters().add(Counter::Writes, 1);
        Ok(())
    }

    /// The limit of the client's class on what it leaves unread.
    fn output_limit(&self) -> OutputLimit {
        let class = if self.client.is_subscriber() { ClientClass::Pubsub } else { ClientClass::Normal };
        self.worker.daemon.config.output_limit(class)
    }

    /// A client that leaves more unread than its class may is let go: beyond the hard limit at once, beyond the
    /// soft one if that lasts. What others push is bounded by [`Client::push`] before it gets here.
    fn stop_hoarding(&mut self) {
        let (limit, unread) = (self.output_limit(), self.out.len() as u64);
        let is_beyond = |bytes: u64| bytes != 0 && unread > bytes;
        let now = self.worker.daemon.clock.now();
        self.hoards_since = is_beyond(limit.soft_bytes).then(|| self.hoards_since.unwrap_or(now));
        let lasts = self.hoards_since.is_some_and(|since| now > patience(since, limit));
        if is_beyond(limit.hard_bytes) || lasts {
            self.let_go();
        }
        self.client.output_bytes.store(self.out.len() as u64, Ordering::Relaxed);
    }

    fn let_go(&mut self) {
        tracing::warn!(
            client = self.client.id,
            addr = self.client.addr,
            "client-output-buffer-limit reached; hung up"
        );
        self.worker.counters().add(Counter::OutputBufferKills, 1);
        self.out.clear();
        self.closing = true;
    }

    /// Has the bell rung when a wait or patience is over.
    fn set_alarm(&mut self) {
        let patience = self.hoards_since.map(|since| patience(since, self.output_limit()).saturating_add(1));
        if let Some(until) = self.waiting.flatten().into_iter().chain(patience).min() {
            let left = Duration::from_millis(until.since(self.worker.daemon.clock.now()));
            self.alarm = Some(Alarm::after(left, self.bell.clone()));
        }
    }

    /// `true`: close.
    fn read_mail(&mut self) -> bool {
        let owes = self.protocol.owes_reply();
        let mail = if owes { self.client.take_mail_but_messages() } else { self.client.take_mail() };
        if !mail.push.is_empty() {
            self.out.put(&mail.push);
            self.stop_hoarding();
        }
        if mail.overflowed {
            self.let_go();
        }
        if let Some(how) = mail.unblock {
            self.protocol.unblock(how);
        }
        // A pause may be over, or the daemon may be stopping: look again.
        if self.waiting.take().is_some() {
            self.goes_on = true;
        }
        mail.close
    }
}

/// Until when a client that is beyond the soft limit may stay there.
fn patience(since: Millis, limit: OutputLimit) -> Millis {
    since.saturating_add(limit.soft_seconds.saturating_mul(1000))
}

/// A script has the store: waits for its end, but not longer than `busy-reply-threshold` without a word.
#[cold]
fn without_store<P: Protocol>(
    protocol: &mut P,
    client: &Arc<Client>,
    context: Context<'_>,
    input: &[u8],
    out: &mut Out,
) -> Progress {
    let daemon = context.daemon;
    let threshold = u64::try_from(daemon.config.number(Param::BusyReplyThreshold)).unwrap_or(0);
    let running = daemon.scripts.running_since();
    let busy_at = Millis(running.map_or(context.now, |(_, since)| since).0.saturating_add(threshold));
    if let Some((kind, _)) = running
        && threshold > 0
        && busy_at <= context.now
        && let Some(progress) = protocol.feed_busy(Context { busy: Some(kind), ..context }, input, out)
    {
        return progress;
    }
    daemon.turns.park(client);
    let until = (threshold > 0 && busy_at > context.now).then_some(busy_at);
    Progress { consumed: 0, next: Next::Wait { until } }
}
