//! One connection: read what there is, execute it all, write the replies in one go, wait.
//!
//! A request costs one `recv` and one `send`, and its share of an `epoll_wait`. Between turns a
//! connection owns no buffer unless a request is incomplete or a reply not yet taken: reading and
//! writing happen in the worker's. A client that does not read is not read from either.

use super::transport::Transport;
use super::worker::{Scratch, WorkerState};
use crate::clients::{Client, Unblock};
use crate::clock::Millis;
use crate::commands;
use crate::config::{ClientClass, OutputLimit, Param};
use crate::daemon::{Context, Daemon};
use crate::memcached;
use crate::observe::Counter;
use crate::wire::{Next, Out, Progress};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

/// Bytes that an incomplete request's buffer grows by, at least and at most: a claimed length is believed
/// only as far as data has come.
const READ_MIN: usize = 16 * 1024;
const READ_MAX: usize = 4 << 20;

/// Bytes that a connection reads and writes in one turn, about: then the worker's others have theirs. Half a
/// millisecond's worth or less.
const TURN: usize = 1 << 20;
/// Bytes that are given to the socket at once. What it has room for it copies before it returns.
const WRITE_MAX: usize = 256 * 1024;

/// What the loop needs of a protocol.
pub(super) trait Protocol: 'static {
    fn feed(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Progress;
    /// Instead of `feed` while a script has the store, after `busy-reply-threshold`. `None`: it waits.
    fn feed_busy(&mut self, _context: Context<'_>, _input: &[u8], _out: &mut Out) -> Option<Progress> {
        None
    }
    /// What it can say without the store.
    fn collect(&mut self, _out: &mut Out) -> Option<Progress> {
        None
    }
    /// It cannot be closed yet.
    fn is_away(&mut self) -> bool {
        false
    }
    /// A reply is being written elsewhere: what others send the client has to wait for it.
    fn owes_reply(&self) -> bool {
        false
    }
    /// `CLIENT UNBLOCK` arrived.
    fn unblock(&mut self, _how: Unblock) {}
    /// The connection ends.
    fn close(&mut self, _daemon: &Daemon, _now: Millis) {}
}

impl Protocol for commands::Session {
    #[inline]
    fn feed(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Progress {
        self.feed(context, input, out)
    }

    fn feed_busy(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Option<Progress> {
        self.feed_busy(context, input, out)
    }

    #[inline]
    fn collect(&mut self, out: &mut Out) -> Option<Progress> {
        self.collect(out)
    }

    fn is_away(&mut self) -> bool {
        self.is_away()
    }

    fn owes_reply(&self) -> bool {
        self.owes_reply()
    }

    fn unblock(&mut self, how: Unblock) {
        self.unblock(how);
    }

    fn close(&mut self, daemon: &Daemon, now: Millis) {
        self.close(daemon, now);
    }
}

impl Protocol for memcached::Session {
    #[inline]
    fn feed(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Progress {
        let progress = self.feed(context, input, out);
        commands::serve_waiting(context);
        context.daemon.tracking.tell_news();
        progress
    }
}

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

/// What woke the connection.
enum Wake {
    Readable,
    Writable,
    Mail,
    Time,
}

pub(super) struct Connection<S, P> {
    stream: S,
    protocol: P,
    client: Arc<Client>,
    worker: Rc<WorkerState>,
    /// An incomplete request, or what is not executed yet.
    carry: Vec<u8>,
    /// Bytes that the request in `carry` is known to lack.
    lacking: usize,
    /// Replies that the client has not taken yet.
    out: Out,
    /// The protocol has asked for a flush, not for more bytes: show it `carry` again.
    goes_on: bool,
    /// It could go on, but others come first.
    yields: bool,
    /// Bytes that may still be read and written in this turn.
    left: usize,
    /// Close when `out` is written.
    closing: bool,
    /// Nothing is executed before this moment (`None` within: until woken).
    waiting: Option<Option<Millis>>,
    /// Since when more is unread than the soft limit of the client's class allows.
    hoards_since: Option<Millis>,
}

impl<S: Transport, P: Protocol> Connection<S, P> {
    pub(super) fn new(stream: S, protocol: P, client: Arc<Client>, worker: Rc<WorkerState>) -> Self {
        Connection {
            stream,
            protocol,
            client,
            worker,
            carry: Vec::new(),
            lacking: 0,
            out: Out::new(),
            goes_on: false,
            yields: false,
            left: TURN,
            closing: false,
            waiting: None,
            hoards_since: None,
        }
    }

    /// Serves until the connection ends.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| {
            self.client.set_waker(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        loop {
            match self.turn() {
                Ok(()) => {}
                Err(End::Closed) => break,
                Err(End::Failed(error)) => {
                    tracing::debug!(client = self.client.id, %error, "connection lost");
                    break;
                }
            }
            let wake = if self.yields {
                tokio::task::yield_now().await;
                if self.client.wants_attention() { Wake::Mail } else { Wake::Readable }
            } else {
                self.wait().await
            };
            if let Wake::Mail = wake
                && self.read_mail()
            {
                break;
            }
            if let Wake::Time = wake {
                self.stop_hoarding();
                if self.waiting.take().is_some() {
                    self.goes_on = true;
                }
            }
        }
        let worker = self.worker.clone();
        // It may hold keys in the store (WATCH), which a script may have.
        let _turn = loop {
            if !self.protocol.is_away()
                && let Some(turn) = worker.daemon.turns.enter(worker.number)
            {
                break turn;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        self.protocol.close(&worker.daemon, worker.daemon.clock.now());
    }

    /// Does all that can be done without waiting.
    fn turn(&mut self) -> Result<(), End> {
        let worker = self.worker.clone();
        let scratch = &mut *worker.scratch.borrow_mut();
        // A connection that failed in the middle of its turn leaves its replies behind: they are nobody else's.
        scratch.out.clear();
        (self.yields, self.left) = (false, TURN);
        loop {
            if !self.out.is_empty() && !self.write_rest()? {
                return Ok(());
            }
            if self.yields || self.left == 0 {
                self.yields = true;
                return Ok(());
            }
            if self.closing {
                return Err(End::Closed);
            }
            if self.waiting.is_some() {
                return self.read_ahead();
            }
            let more = if self.goes_on {
                self.goes_on = false;
                self.execute_carry(scratch);
                true
            } else {
                self.read_and_execute(scratch)?
            };
            self.write(&mut scratch.out)?;
            if !more && !self.goes_on && !self.closing {
                return Ok(());
            }
        }
    }

    /// Reads once and executes. `false`: there is no more to read now.
    #[inline]
    fn read_and_execute(&mut self, scratch: &mut Scratch) -> Result<bool, End> {
        if !self.carry.is_empty() {
            return self.read_more_and_execute(scratch);
        }
        let read = match self.stream.try_read(&mut scratch.input) {
            Ok(0) => return Err(End::Closed),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return self.stop_or_wait(),
            Err(error) => return Err(error.into()),
        };
        let is_drained = read < scratch.input.len();
        if is_drained {
            self.stream.is_drained();
        }
        self.note_read(read);
        let progress = self.feed(&scratch.input[..read], &mut scratch.out);
        self.carry.extend_from_slice(&scratch.input[progress.consumed..read]);
        self.follow(progress.next);
        Ok(!is_drained)
    }

    fn read_more_and_execute(&mut self, scratch: &mut Scratch) -> Result<bool, End> {
        // At most as much again as has come, so that a claim of gigabytes costs nothing.
        let most = self.carry.len().clamp(READ_MIN, READ_MAX);
        let room = self.lacking.clamp(READ_MIN, most);
        self.carry.reserve(room);
        let spare = self.carry.capacity() - self.carry.len();
        let read = match self.stream.try_read_more(&mut self.carry) {
            Ok(0) => return Err(End::Closed),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return self.stop_or_wait(),
            Err(error) => return Err(error.into()),
        };
        let is_drained = read < spare;
        if is_drained {
            self.stream.is_drained();
        }
        self.note_read(read);
        self.lacking = self.lacking.saturating_sub(read);
        if self.lacking == 0 {
            self.execute_carry(scratch);
        }
        self.bound_carry()?;
        Ok(!is_drained)
    }

    /// Reads what comes while the client's requests are held back: only so is a hang-up noticed.
    fn read_ahead(&mut self) -> Result<(), End> {
        loop {
            self.carry.reserve(READ_MIN);
            match self.stream.try_read_more(&mut self.carry) {
                Ok(0) => return Err(End::Closed),
                Ok(read) => self.note_read(read),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
            self.bound_carry()?;
        }
        if self.carry.is_empty() {
            self.carry = Vec::new();
        }
        self.stop_or_wait().map(|_| ())
    }

    /// An unfinished request has a bound, whatever length it claims.
    fn bound_carry(&self) -> Result<(), End> {
        if self.carry.len() <= self.worker.daemon.config.size(Param::ClientQueryBufferLimit) {
            return Ok(());
        }
        self.worker.counters().add(Counter::InputBufferKills, 1);
        Err(End::Closed)
    }

    fn execute_carry(&mut self, scratch: &mut Scratch) {
        let input = std::mem::take(&mut self.carry);
        let progress = self.feed(&input, &mut scratch.out);
        self.carry = input;
        if progress.consumed == self.carry.len() {
            self.carry = Vec::new();
        } else {
            self.carry.drain(..progress.consumed);
        }
        self.follow(progress.next);
    }

    #[inline]
    fn feed(&mut self, input: &[u8], out: &mut Out) -> Progress {
        let daemon = &*self.worker.daemon;
        let now = daemon.clock.now();
        self.client.last_active.store(now.0, Ordering::Relaxed);
        let context = Context { daemon, counters: self.worker.counters(), now, busy: None };
        if let Some(progress) = self.protocol.collect(out) {
            return progress;
        }
        match daemon.turns.enter(self.worker.number) {
            Some(_turn) => self.protocol.feed(context, input, out),
            None => without_store(&mut self.protocol, &self.client, context, input, out),
        }
    }

    #[inline]
    fn follow(&mut self, next: Next) {
        match next {
            Next::Read { at_least } => self.lacking = at_least,
            Next::Flush => self.goes_on = true,
            Next::Yield => (self.goes_on, self.yields) = (true, true),
            Next::Wait { until } => self.waiting = Some(until),
            Next::Close => self.closing = true,
        }
    }

    #[inline]
    fn note_read(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        self.worker.counters().add(Counter::BytesRead, bytes as u64);
        self.worker.counters().add(Counter::Reads, 1);
        let client = &self.client;
        client.net_in.store(client.net_in.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
    }

    /// Nothing to read: a daemon that stops has answered all that was in flight.
    fn stop_or_wait(&self) -> Result<bool, End> {
        if self.worker.daemon.shutdown.is_asked() { Err(End::Closed) } else { Ok(false) }
    }

    /// Writes what a turn has answered; what the socket does not take is kept.
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
        out.shrink(READ_MIN * 32);
        Ok(())
    }

    /// Writes what was kept. `false`: the socket is still full, or the turn is over.
    fn write_rest(&mut self) -> Result<bool, End> {
        let mut out = std::mem::take(&mut self.out);
        self.write_some(&mut out)?;
        if !out.is_empty() {
            self.out = out;
        }
        self.stop_hoarding();
        Ok(self.out.is_empty())
    }

    /// Writes until all is sent, the socket is full or the turn is over (then `yields` is set).
    fn write_some(&mut self, out: &mut Out) -> Result<(), End> {
        const SLICES: usize = 64;
        let mut sent = 0;
        while !out.is_empty() {
            if self.left == 0 {
                self.yields = true;
                break;
            }
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
                    self.left = self.left.saturating_sub(wrote);
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

    async fn wait(&mut self) -> Wake {
        self.client.query_bytes.store(self.carry.len() as u64, Ordering::Relaxed);
        let writing = !self.out.is_empty();
        let reading = self.waiting.is_some() || !writing;
        let patience = self.hoards_since.map(|since| patience(since, self.output_limit()).saturating_add(1));
        match self.waiting.flatten().into_iter().chain(patience).min() {
            Some(until) => {
                let left = Duration::from_millis(until.since(self.worker.daemon.clock.now()));
                tokio::time::timeout(left, self.ready(writing, reading)).await.unwrap_or(Wake::Time)
            }
            None => self.ready(writing, reading).await,
        }
    }

    /// Waits for the socket or for mail.
    async fn ready(&self, writing: bool, reading: bool) -> Wake {
        poll_fn(|cx| {
            if self.client.wants_attention() {
                return Poll::Ready(Wake::Mail);
            }
            if reading && self.stream.poll_readable(cx).is_ready() {
                return Poll::Ready(Wake::Readable);
            }
            if writing && self.stream.poll_writable(cx).is_ready() {
                return Poll::Ready(Wake::Writable);
            }
            Poll::Pending
        })
        .await
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
