//! A mailbox: what others want of a connection, on whatever worker it lives, and its waker.
//!
//! The owner looks at a flag alone, in every turn; the flag is set and cleared under the mailbox's lock, so that it
//! is up whenever there is something that the owner has not been told of.

use crate::sync::{AtomicBool, Mutex, Ordering};
use std::task::Waker;

#[derive(Debug, Default)]
pub struct Mailbox<M> {
    inside: Mutex<Inside<M>>,
    attention: AtomicBool,
}

#[derive(Debug, Default)]
struct Inside<M> {
    mail: M,
    waker: Option<Waker>,
}

impl<M> Mailbox<M> {
    /// Has mail come since the last `take`? One load.
    #[inline]
    pub fn wants_attention(&self) -> bool {
        self.attention.load(Ordering::Acquire)
    }

    /// The owner takes what it will; the flag goes down.
    pub fn take<R>(&self, take: impl FnOnce(&mut M) -> R) -> R {
        let mut inside = self.inside.lock();
        self.attention.store(false, Ordering::Release);
        take(&mut inside.mail)
    }

    /// Looks into it, or takes a part of it, and leaves the flag as it is.
    pub fn with<R>(&self, look: impl FnOnce(&mut M) -> R) -> R {
        look(&mut self.inside.lock().mail)
    }

    /// The flag goes up again if something was left.
    pub fn look_again(&self, is_left: impl FnOnce(&M) -> bool) {
        let inside = self.inside.lock();
        if is_left(&inside.mail) {
            self.attention.store(true, Ordering::Release);
        }
    }

    /// The owner's task leaves its waker once, at its start.
    pub fn set_waker(&self, waker: Waker) {
        self.inside.lock().waker = Some(waker);
    }

    /// Anybody changes the mail; the flag goes up and the owner is woken.
    pub fn post(&self, change: impl FnOnce(&mut M)) {
        let mut inside = self.inside.lock();
        change(&mut inside.mail);
        self.attention.store(true, Ordering::Release);
        if let Some(waker) = &inside.waker {
            waker.wake_by_ref();
        }
    }
}
