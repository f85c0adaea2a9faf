//! What a connection needs of the protocol that it speaks.

use crate::clients::Unblock;
use crate::clock::Millis;
use crate::daemon::{Context, Daemon};
use crate::store::Place;
use crate::wire::{Out, Progress};
use crate::{commands, memcached};

/// One side of a conversation, fed with bytes.
pub(super) trait Protocol: 'static {
    fn feed(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Progress;
    /// Says where the first requests will look.
    fn foresee(&mut self, daemon: &Daemon, input: &[u8], places: &mut Vec<Place>);
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

    #[inline]
    fn foresee(&mut self, daemon: &Daemon, input: &[u8], places: &mut Vec<Place>) {
        self.foresee(daemon, input, places);
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

    #[inline]
    fn foresee(&mut self, daemon: &Daemon, input: &[u8], places: &mut Vec<Place>) {
        self.foresee(daemon, input, places);
    }
}
