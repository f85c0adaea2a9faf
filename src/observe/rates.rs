//! Rates over the last moments, and the most memory ever used: what INFO shows and no counter holds.
//! Maintenance samples them.

use crate::clock::Millis;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Samples that a rate is averaged over, and the least time between two, as in Redis.
const SAMPLES: usize = 16;
const APART_MS: u64 = 100;

/// Totals that rates are told from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub commands: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PerSecond {
    pub commands: f64,
    pub bytes_in: f64,
    pub bytes_out: f64,
}

#[derive(Debug, Default)]
struct Track {
    last: Option<(Millis, Totals)>,
    samples: [PerSecond; SAMPLES],
    next: usize,
}

#[derive(Debug, Default)]
pub struct Rates {
    track: Mutex<Track>,
    peak: AtomicUsize,
}

impl Rates {
    /// To be called often, by one worker; most calls return at once.
    pub fn sample(&self, now: Millis, totals: impl FnOnce() -> Totals, memory_used: usize) {
        self.peak.fetch_max(memory_used, Relaxed);
        let mut track = self.track.lock();
        let elapsed = track.last.map_or(APART_MS, |(then, _)| now.since(then));
        if elapsed < APART_MS {
            return;
        }
        let new = totals();
        if let Some((_, old)) = track.last {
            let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 * 1000.0 / elapsed as f64;
            let at = track.next;
            track.samples[at] = PerSecond {
                commands: rate(new.commands, old.commands),
                bytes_in: rate(new.bytes_in, old.bytes_in),
                bytes_out: rate(new.bytes_out, old.bytes_out),
            };
            track.next = (at + 1) % SAMPLES;
        }
        track.last = Some((now, new));
    }

    pub fn per_second(&self) -> PerSecond {
        let samples = self.track.lock().samples;
        let mean = |of: fn(&PerSecond) -> f64| samples.iter().map(of).sum::<f64>() / SAMPLES as f64;
        PerSecond {
            commands: mean(|sample| sample.commands),
            bytes_in: mean(|sample| sample.bytes_in),
            bytes_out: mean(|sample| sample.bytes_out),
        }
    }

    /// The most memory that was ever seen used, now included.
    pub fn peak(&self, memory_used: usize) -> usize {
        self.peak.fetch_max(memory_used, Relaxed).max(memory_used)
    }

    /// `CONFIG RESETSTAT`
    pub fn reset(&self, memory_used: usize) {
        *self.track.lock() = Track::default();
        self.peak.store(memory_used, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_told_after_a_full_round() {
        let rates = Rates::default();
        for step in 0..=SAMPLES as u64 {
            let totals = Totals { commands: step * 50, bytes_in: step * 1000, bytes_out: 0 };
            rates.sample(Millis(5000 + step * 100), || totals, step as usize);
            rates.sample(Millis(5001 + step * 100), || panic!("too early"), 0);
        }
        let rate = rates.per_second();
        assert_eq!((rate.commands, rate.bytes_in, rate.bytes_out), (500.0, 10_000.0, 0.0));
        assert_eq!(rates.peak(3), SAMPLES);
        rates.reset(2);
        assert_eq!(rates.peak(0), 2);
    }
}
