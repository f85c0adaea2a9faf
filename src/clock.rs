//! The only reader of the system clock. Everything else is handed a time, so tests move it by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    pub const fn saturating_add(self, ms: u64) -> Millis {
        Millis(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; 0 when `earlier` is later.
    pub const fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The moment from which an item is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Millis);

impl Deadline {
    pub const fn at_ms(ms: u64) -> Deadline {
        Deadline(Millis(ms))
    }

    pub const fn is_due(self, now: Millis) -> bool {
        self.0.0 <= now.0
    }

    /// Milliseconds left; 0 when due.
    pub const fn ttl_ms(self, now: Millis) -> u64 {
        self.0.since(now)
    }
}

/// The daemon's clock: the system's, plus an offset that only tests set.
#[derive(Debug, Default)]
pub struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// One read of the system clock (about 20 ns); take it once a batch, not once a command.
    pub fn now(&self) -> Millis {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let ms = u64::try_from(system.as_millis()).unwrap_or(u64::MAX);
        Millis(ms.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed)))
    }

    /// Microseconds since the Unix epoch, for what is shown to people (`TIME`, `MONITOR`).
    pub fn micros(&self) -> u64 {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let micros = u64::try_from(system.as_micros()).unwrap_or(u64::MAX);
        micros.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed).saturating_mul(1000))
    }

    /// Moves the clock, for tests.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }
}
