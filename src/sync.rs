//! What the rooms with lock-free parts (`turns`, `mailbox`, `server::ready`) use of the outside, named in one place:
//! `tests/interleavings` compiles those very files against `loom`'s in their stead and tries every order of events.

pub use parking_lot::Mutex;
pub use std::sync::atomic::{AtomicBool, Ordering, fence};

/// How often a worker looks again for a flag to go down before it parks: some microseconds.
pub const LOOKS: u32 = 400;

/// Between two looks.
#[inline]
pub fn pause() {
    std::hint::spin_loop();
}

/// Between two looks at what may take from nanoseconds to seconds, after so many of them.
pub fn back_off(looks: u32) {
    const SPINS: u32 = 200;
    const YIELDS: u32 = 1000;
    match looks {
        0..SPINS => std::hint::spin_loop(),
        SPINS..YIELDS => std::thread::yield_now(),
        _ => std::thread::sleep(std::time::Duration::from_micros(50)),
    }
}
