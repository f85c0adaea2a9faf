//! Which connections of a worker have something to do. A connection has a bell, which is its waker: the socket's
//! readiness, mail from other connections and alarms all ring it, from whatever thread. The worker takes what was rung
//! since it last looked, in that order.

use crate::sync::{AtomicBool, Mutex, Ordering};
use std::sync::Arc;
use std::task::{Wake, Waker};

/// A connection's place among those of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub place: u32,
    /// Tells it from those who had the place before: their bells may still be rung.
    pub guest: u32,
}

/// The bells of one worker that were rung.
#[derive(Debug, Default)]
pub(super) struct Ready(Mutex<Rung>);

#[derive(Debug, Default)]
struct Rung {
    seats: Vec<Seat>,
    /// Wakes the worker.
    waker: Option<Waker>,
}

impl Ready {
    /// Moves the seats whose bells were rung behind those in `seats`; from now on `waker` is woken when one is.
    pub(super) fn take(&self, seats: &mut Vec<Seat>, waker: &Waker) {
        let mut rung = self.0.lock();
        seats.append(&mut rung.seats);
        if !rung.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            rung.waker = Some(waker.clone());
        }
    }

    fn add(&self, seat: Seat) {
        let mut rung = self.0.lock();
        rung.seats.push(seat);
        // Who finds others before it need not: the worker has not looked since they woke it.
        if rung.seats.len() == 1
            && let Some(waker) = &rung.waker
        {
            waker.wake_by_ref();
        }
    }
}

/// A connection's bell.
#[derive(Debug)]
pub(super) struct Bell {
    seat: Seat,
    is_rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Bell {
    pub(super) fn new(seat: Seat, ready: Arc<Ready>) -> Bell {
        Bell { seat, is_rung: AtomicBool::new(false), ready }
    }

    /// The worker has come: rings from now on bring it again.
    #[inline]
    pub(super) fn answer(&self) {
        // Reads what a ring that was swallowed wrote, and so sees what was done before that.
        self.is_rung.swap(false, Ordering::AcqRel);
    }

    #[inline]
    pub(super) fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            self.ready.add(self.seat);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
