//! What each command costs: calls, failures, time. One set a worker and one writer a set, as with
//! [`super::Counters`].
//!
//! Reading a clock costs about 25 ns, so a command that always takes the same short time (`O(1)`: GET, SET)
//! is timed once in [`SAMPLE`] calls and its total is told from these; all others are timed every time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Commands, subcommands included, that there is room for.
pub const MOST: usize = 512;
/// Of so many calls of a quick command one is timed; a power of two.
const SAMPLE: u64 = 128;

/// A histogram's buckets: eight to a doubling (12 % apart), from 64 ns on.
const STEPS: u32 = 8;
const FIRST: u32 = 6;
const BUCKETS: usize = ((40 - FIRST) * STEPS) as usize;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Cell {
    calls: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    timed: AtomicU64,
    nanos: AtomicU64,
    histogram: OnceLock<Box<[AtomicU32; BUCKETS]>>,
}

/// One worker's figures, by command number.
#[derive(Debug)]
pub struct CommandCounters(Box<[Cell]>);

impl Default for CommandCounters {
    fn default() -> CommandCounters {
        CommandCounters((0..MOST).map(|_| Cell::default()).collect())
    }
}

fn bump(cell: &AtomicU64, by: u64) -> u64 {
    let old = cell.load(Relaxed);
    cell.store(old.wrapping_add(by), Relaxed);
    old
}

fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.max(1 << FIRST);
    let octave = nanos.ilog2();
    let step = (nanos >> (octave - 3)) as u32 & (STEPS - 1);
    (((octave - FIRST) * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The longest time, in nanoseconds, that falls into the bucket.
fn longest_in(bucket: usize) -> u64 {
    let (octave, step) = (bucket as u32 / STEPS + FIRST, bucket as u64 % u64::from(STEPS));
    ((u64::from(STEPS) + step + 1) << (octave - 3)) - 1
}

impl CommandCounters {
    /// Counts a call; `true` when its turn to be timed has come. Only the owning worker may call this and
    /// the methods that follow.
    #[inline]
    pub fn count(&self, number: usize) -> bool {
        self.0.get(number).is_some_and(|cell| bump(&cell.calls, 1) & (SAMPLE - 1) == 0)
    }

    /// A gate was shut.
    pub fn reject(&self, number: usize) {
        if let Some(cell) = self.0.get(number) {
            bump(&cell.rejected, 1);
        }
    }

    /// The command was executed and answered with an error.
    pub fn fail(&self, number: usize) {
        if let Some(cell) = self.0.get(number) {
            bump(&cell.failed, 1);
        }
    }

    pub fn time(&self, number: usize, nanos: u64, keep_histogram: bool) {
        let Some(cell) = self.0.get(number) else { return };
        bump(&cell.timed, 1);
        bump(&cell.nanos, nanos);
        if keep_histogram {
            let histogram = cell.histogram.get_or_init(|| Box::new([const { AtomicU32::new(0) }; BUCKETS]));
            let bucket = &histogram[bucket_of(nanos)];
            bucket.store(bucket.load(Relaxed).saturating_add(1), Relaxed);
        }
    }

    /// Back to zero; what is counted meanwhile may survive.
    pub fn reset(&self) {
        for cell in &self.0 {
            for count in [&cell.calls, &cell.rejected, &cell.failed, &cell.timed, &cell.nanos] {
                count.store(0, Relaxed);
            }
            for bucket in cell.histogram.get().iter().flat_map(|histogram| histogram.iter()) {
                bucket.store(0, Relaxed);
            }
        }
    }
}

/// A command over all workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandTotals {
    pub calls: u64,
    pub rejected: u64,
    pub failed: u64,
    /// Calls that were timed, and how long these took together.
    timed: u64,
    nanos: u64,
    histogram: Vec<u64>,
}

impl CommandTotals {
    pub fn of<'c>(sets: impl Iterator<Item = &'c CommandCounters>, number: usize) -> CommandTotals {
        let mut sum = CommandTotals {
            calls: 0,
            rejected: 0,
            failed: 0,
            timed: 0,
            nanos: 0,
            histogram: vec![0; BUCKETS],
        };
        for cell in sets.filter_map(|set| set.0.get(number)) {
            sum.calls += cell.calls.load(Relaxed);
            sum.rejected += cell.rejected.load(Relaxed);
            sum.failed += cell.failed.load(Relaxed);
            sum.timed += cell.timed.load(Relaxed);
            sum.nanos += cell.nanos.load(Relaxed);
            if let Some(histogram) = cell.histogram.get() {
                for (to, from) in sum.histogram.iter_mut().zip(histogram.iter()) {
                    *to += u64::from(from.load(Relaxed));
                }
            }
        }
        sum
    }

    /// Was it ever asked for?
    pub fn is_used(&self) -> bool {
        self.calls + self.rejected + self.failed > 0
    }

    /// Microseconds a call, on average.
    pub fn micros_per_call(&self) -> f64 {
        if self.timed == 0 { 0.0 } else { self.nanos as f64 / self.timed as f64 / 1000.0 }
    }

    /// Microseconds of all calls: measured where all were timed, else told from those that were.
    pub fn micros(&self) -> u64 {
        (self.micros_per_call() * self.calls as f64) as u64
    }

    pub fn has_histogram(&self) -> bool {
        self.histogram.iter().any(|&count| count > 0)
    }

    /// The time in microseconds that `percent` of the timed calls did not exceed.
    pub fn percentile(&self, percent: f64) -> f64 {
        let total: u64 = self.histogram.iter().sum();
        let wanted = ((total as f64 * percent / 100.0).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        let bucket = self.histogram.iter().position(|&count| {
            seen += count;
            seen >= wanted
        });
        longest_in(bucket.unwrap_or(0)) as f64 / 1000.0
    }

    /// (microseconds, calls that took no longer), a bucket a doubling, those where nothing is added left
    /// out. Counts are those of all calls, told from the timed ones. Labels are those of Redis.
    pub fn distribution(&self) -> Vec<(u64, u64)> {
        let total: u64 = self.histogram.iter().sum();
        let mut rows = Vec::new();
        let (mut sum, mut told) = (0, 0);
        for octave in 0..BUCKETS / STEPS as usize {
            let from = octave * STEPS as usize;
            sum += self.histogram[from..from + STEPS as usize].iter().sum::<u64>();
            let bound = 1u64 << (octave as u32 + FIRST + 1);
            if bound < 1024 || sum == told {
                continue;
            }
            told = sum;
            let calls = (self.calls.max(total) as u128 * u128::from(sum) / u128::from(total)) as u64;
            rows.push(((bound + bound / 128 - 1) / 1000, calls));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_the_bucket_that_reaches_up_to_it() {
        for nanos in (64..5000).chain([1 << 20, (1 << 33) + 12_345]) {
            let bucket = bucket_of(nanos);
            assert!(nanos <= longest_in(bucket), "{nanos}");
            assert!(bucket == 0 || nanos > longest_in(bucket - 1), "{nanos}");
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn totals_are_told_from_the_calls_that_were_timed() {
        let sets = [CommandCounters::default(), CommandCounters::default()];
        for set in &sets {
            for _ in 0..1000 {
                if set.count(7) {
                    set.time(7, 3000, true);
                }
            }
        }
        sets[1].fail(7);
        let totals = CommandTotals::of(sets.iter(), 7);
        assert_eq!((totals.calls, totals.failed, totals.timed), (2000, 1, 16));
        assert_eq!(totals.micros(), 6000);
        assert_eq!(totals.distribution(), [(4, 2000)]);
        assert!((3.0..3.4).contains(&totals.percentile(99.0)));
        sets.iter().for_each(CommandCounters::reset);
        assert!(!CommandTotals::of(sets.iter(), 7).is_used());
    }
}
