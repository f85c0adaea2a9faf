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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::daemon::Daemon;
    use std::cell::RefCell;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Stage {
        Receive,
        Foresee,
        Execute,
        Answer,
        Rest,
        Leave,
    }

    const STAGES: [Stage; 6] =
        [Stage::Receive, Stage::Foresee, Stage::Execute, Stage::Answer, Stage::Rest, Stage::Leave];

    type Log = Rc<RefCell<Vec<(usize, Stage, Vec<u8>)>>>;

    /// Reads its name, answers with it, and ends at its second bell; may fail in one stage.
    struct Fake {
        name: usize,
        fails: Option<Stage>,
        rounds: usize,
        log: Log,
    }

    impl Fake {
        fn pass(&self, stage: Stage, bytes: &[u8]) {
            self.log.borrow_mut().push((self.name, stage, bytes.to_vec()));
            assert_ne!(self.fails, Some(stage), "as the test wants it");
        }
    }

    impl Member for Fake {
        fn receive(&mut self, room: &mut [u8]) -> Received {
            self.pass(Stage::Receive, b"");
            self.rounds += 1;
            if self.rounds > 1 {
                return Received::End;
            }
            room[..4].copy_from_slice(&(self.name as u32).to_le_bytes());
            Received::Bytes(4)
        }

        fn foresee(&mut self, input: &[u8], _places: &mut Vec<store::Place>) {
            self.pass(Stage::Foresee, input);
        }

        fn execute(&mut self, _moment: &mut Moment<'_>, input: Option<&[u8]>, out: &mut Out) {
            out.put(input.expect("it has read"));
            self.pass(Stage::Execute, input.expect("it has read"));
        }

        fn answer(&mut self, out: &mut Out) -> Result<(), Ended> {
            self.pass(Stage::Answer, &out.to_vec());
            Ok(())
        }

        fn rest(&mut self, _cx: &mut Context<'_>) -> Rest {
            self.pass(Stage::Rest, b"");
            Rest::Waits
        }

        fn leave(&mut self) -> bool {
            self.pass(Stage::Leave, b"");
            true
        }
    }

    fn rounds() -> Rounds {
        let config = Config::with(&[]).expect("nothing is set");
        Rounds::new(Rc::new(WorkerState { daemon: Arc::new(Daemon::new(config, 1)), number: 0 }))
    }

    /// A failure costs the connection it happens in, and what that had to say is nobody else's.
    #[test]
    fn a_panic_costs_its_connection_alone() {
        for fails in STAGES {
            let (mut rounds, log) = (rounds(), Log::default());
            let bells: Rc<RefCell<Vec<Arc<Bell>>>> = Rc::default();
            for name in 0..3 {
                rounds.seat(|bell| {
                    bells.borrow_mut().push(bell);
                    Box::new(Fake { name, fails: (name == 1).then_some(fails), rounds: 0, log: log.clone() })
                });
            }
            let mut cx = Context::from_waker(Waker::noop());
            rounds.poll(&mut cx);
            bells.borrow().iter().for_each(|bell| bell.ring());
            rounds.poll(&mut cx);
            for name in [0, 2] {
                let passed: Vec<Stage> =
                    log.borrow().iter().filter(|entry| entry.0 == name).map(|entry| entry.1).collect();
                let expected = [&STAGES[..5], &[Stage::Receive, Stage::Leave]].concat();
                assert_eq!(passed, expected, "connection {name} when another fails in {fails:?}");
            }
            for (name, stage, bytes) in log.borrow().iter() {
                if *stage == Stage::Answer {
                    assert_eq!(*bytes, (*name as u32).to_le_bytes(), "{fails:?}");
                }
            }
            assert!(rounds.places.is_empty(), "all have left, {fails:?}");
        }
    }

    /// A bell may be rung after its connection has left, when somebody else sits there.
    #[test]
    fn a_late_bell_brings_nobody_else() {
        let (mut rounds, log) = (rounds(), Log::default());
        let mut cx = Context::from_waker(Waker::noop());
        let bells: Rc<RefCell<Vec<Arc<Bell>>>> = Rc::default();
        for name in 0..2 {
            rounds.seat(|bell| {
                bells.borrow_mut().push(bell);
                Box::new(Fake { name, fails: None, rounds: usize::from(name == 0), log: log.clone() })
            });
            rounds.poll(&mut cx);
        }
        assert_eq!(rounds.places.len(), 1);
        log.borrow_mut().clear();
        bells.borrow()[0].ring();
        rounds.poll(&mut cx);
        assert!(log.borrow().is_empty());
    }
}
