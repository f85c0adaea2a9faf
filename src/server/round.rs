//! A worker's loop over its connections. Those that have something to do go through a round together, one stage after
//! the other: all read, all look ahead, all execute, all write.
//!
//! ```text
//! bells ─► receive ─► foresee ─► execute ─► answer ─► wait for the next bell, or go round again
//!          recv       prefetch    the store    send
//! ```
//!
//! Each stage finds its own code in the processor's cache, the clock is read once a round, and the items that one
//! connection asks for are loaded from memory while others still decode. Of several connections each is served once
//! in a round, so that one with much to say delays its neighbours by one read at most.

use super::connection::{Ended, Member, Received, Rest};
use super::ready::{Bell, Ready, Seat};
use super::worker::WorkerState;
use crate::clock::Millis;
use crate::store;
use crate::turns::Entered;
use crate::wire::Out;
use slab::Slab;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

/// Connections that go through the stages together, at most.
const TOGETHER: usize = 32;
/// Bytes that one connection reads in a round, at most, and all of them.
const READ_MOST: usize = 64 * 1024;
const INPUT: usize = 256 * 1024;

/// What a round executes with.
pub(super) struct Moment<'w> {
    pub state: &'w WorkerState,
    pub now: Millis,
    turn: Option<Entered<'w>>,
}

impl<'w> Moment<'w> {
    /// Enters the worker's turn, or stays in it. `false`: a script has the store, or wants it.
    #[inline]
    pub(super) fn enter(&mut self) -> bool {
        let (turns, worker) = (&self.state.daemon.turns, self.state.number);
        if self.turn.is_none() || !turns.may_stay(worker) {
            self.turn = None;
            self.turn = turns.enter(worker);
        }
        self.turn.is_some()
    }
}

/// A connection in a round.
struct Lane {
    seat: Seat,
    /// Where its bytes lie in the round's input; `None`: it carries them itself.
    input: Option<Range<usize>>,
}

/// A connection where it sits.
struct Place {
    guest: u32,
    member: Box<dyn Member>,
    bell: Arc<Bell>,
    /// The bell once more, as tokio wants it.
    waker: Waker,
}

/// The connections of a worker.
pub(super) struct Rounds {
    state: Rc<WorkerState>,
    ready: Arc<Ready>,
    places: Slab<Place>,
    guests: u32,
    /// Whose bells were rung.
    due: Vec<Seat>,
    lanes: Vec<Lane>,
    /// Where their requests will look.
    foreseen: Vec<store::Place>,
    input: Box<[u8]>,
    /// One for each lane.
    outs: Box<[Out]>,
}

impl Rounds {
    pub(super) fn new(state: Rc<WorkerState>) -> Rounds {
        Rounds {
            state,
            ready: Arc::default(),
            places: Slab::new(),
            guests: 0,
            due: Vec::new(),
            lanes: Vec::with_capacity(TOGETHER),
            foreseen: Vec::new(),
            input: vec![0; INPUT].into(),
            outs: (0..TOGETHER).map(|_| Out::new()).collect(),
        }
    }

    /// Takes a connection in; `member` is told its bell.
    pub(super) fn seat(&mut self, member: impl FnOnce(Arc<Bell>) -> Box<dyn Member>) {
        let entry = self.places.vacant_entry();
        self.guests = self.guests.wrapping_add(1);
        let seat = Seat { place: entry.key() as u32, guest: self.guests };
        let bell = Arc::new(Bell::new(seat, self.ready.clone()));
        // It has not asked to be told yet of what has come already.
        bell.ring();
        let (member, waker) = (member(bell.clone()), bell.clone().into());
        entry.insert(Place { guest: seat.guest, member, bell, waker });
    }

    /// Serves whoever has rung, each once. The worker is woken again when somebody rings, as those do who have more
    /// to do at once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        let mut due = std::mem::take(&mut self.due);
        self.ready.take(&mut due, cx.waker());
        let mut rest = &due[..];
        while !rest.is_empty() {
            rest = self.receive(rest);
            self.foresee();
            self.execute();
            self.answer();
        }
        due.clear();
        self.due = due;
    }

    /// The first stage, for as many as can go together; returns those left.
    fn receive<'s>(&mut self, seats: &'s [Seat]) -> &'s [Seat] {
        let mut used = 0;
        for (at, &seat) in seats.iter().enumerate() {
            if self.lanes.len() == TOGETHER || used + READ_MOST > self.input.len() {
                return &seats[at..];
            }
            let Some(place) = place(&mut self.places, seat) else { continue };
            place.bell.answer();
            let room = &mut self.input[used..used + READ_MOST];
            match guarded(|| place.member.receive(room)) {
                Some(Received::Bytes(len)) => {
                    self.lanes.push(Lane { seat, input: Some(used..used + len) });
                    // The next one's bytes begin in a cache line of their own.
                    used = (used + len).next_multiple_of(64);
                }
                Some(Received::Carried) => self.lanes.push(Lane { seat, input: None }),
                Some(Received::Nothing) => self.rest(seat),
                Some(Received::End) => self.end(seat),
                None => self.remove(seat),
            }
        }
        &[]
    }

    /// Alone, a connection would only wait for what it has asked for.
    fn foresee(&mut self) {
        if self.lanes.len() < 2 {
            return;
        }
        for lane in &self.lanes {
            let Some(place) = place(&mut self.places, lane.seat) else { continue };
            if let Some(range) = lane.input.clone() {
                let input = &self.input[range];
                // It has done nothing yet: should it panic, it will do so again when it executes.
                guarded(|| place.member.foresee(input, &mut self.foreseen));
            }
        }
        self.state.daemon.store.load(&self.foreseen);
        self.foreseen.clear();
    }

    fn execute(&mut self) {
        let now = self.state.daemon.clock.now();
        let mut moment = Moment { state: &self.state, now, turn: None };
        for (lane, out) in self.lanes.iter().zip(&mut self.outs) {
            let Some(place) = place(&mut self.places, lane.seat) else { continue };
            let input = lane.input.clone().map(|range| &self.input[range]);
            if guarded(|| place.member.execute(&mut moment, input, out)).is_none() {
                self.places.remove(lane.seat.place as usize);
            }
        }
    }

    fn answer(&mut self) {
        for at in 0..self.lanes.len() {
            let (seat, out) = (self.lanes[at].seat, &mut self.outs[at]);
            if let Some(place) = place(&mut self.places, seat) {
                match guarded(|| place.member.answer(out)) {
                    Some(Ok(())) => self.rest(seat),
                    Some(Err(Ended)) => self.end(seat),
                    None => self.remove(seat),
                }
            }
            // What one that failed had to say is nobody else's.
            self.outs[at].clear();
        }
        self.lanes.clear();
    }

    /// Has a connection wait for its bell, or ring it when there is more to do at once.
    fn rest(&mut self, seat: Seat) {
        let Some(place) = place(&mut self.places, seat) else { return };
        match guarded(|| place.member.rest(&mut Context::from_waker(&place.waker))) {
            Some(Rest::Waits) => {}
            Some(Rest::GoesOn) => place.bell.ring(),
            None => self.remove(seat),
        }
    }

    /// Lets go of a connection as soon as it can be.
    fn end(&mut self, seat: Seat) {
        let Some(place) = place(&mut self.places, seat) else { return };
        if guarded(|| place.member.leave()).is_none_or(|has_left| has_left) {
            self.remove(seat);
        }
    }

    fn remove(&mut self, seat: Seat) {
        self.places.remove(seat.place as usize);
    }
}

/// Who sits there, if it is still the same one.
#[inline]
fn place(places: &mut Slab<Place>, seat: Seat) -> Option<&mut Place> {
    places.get_mut(seat.place as usize).filter(|place| place.guest == seat.guest)
}

/// A panic in a connection is our mistake, and it costs that connection alone. Its message is on standard error.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
