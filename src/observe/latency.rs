//! The latency monitor: events that took longer than `latency-monitor-threshold`, a short history of each,
//! as Redis' `src/latency.c` keeps it.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};

/// Samples kept of an event.
const SAMPLES: usize = 160;

/// When, in Unix seconds, and how long, in milliseconds. The worst of a second is its sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub at: u64,
    pub ms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct History {
    /// Oldest first.
    pub samples: VecDeque<Sample>,
    /// The worst ever, in milliseconds.
    pub worst: u64,
}

/// Average, deviation and the like of a history, for `LATENCY DOCTOR`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub samples: u64,
    pub average: u64,
    pub mean_deviation: u64,
    pub worst: u64,
    pub best: u64,
    /// Seconds since the oldest sample.
    pub period: u64,
}

impl History {
    pub fn latest(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    pub fn summary(&self, now: u64) -> Summary {
        let count = self.samples.len() as u64;
        if count == 0 {
            return Summary::default();
        }
        let times = || self.samples.iter().map(|sample| sample.ms);
        let average = times().sum::<u64>() / count;
        let oldest = self.samples.front().map_or(now, |sample| sample.at);
        Summary {
            samples: count,
            average,
            mean_deviation: times().map(|ms| ms.abs_diff(average)).sum::<u64>() / count,
            worst: times().max().unwrap_or(0),
            best: times().min().unwrap_or(0),
            period: now.saturating_sub(oldest).max(1),
        }
    }
}

/// Histories by event.
#[derive(Debug, Default)]
pub struct LatencyMonitor(Mutex<BTreeMap<&'static str, History>>);

impl LatencyMonitor {
    /// The caller has compared with the threshold.
    pub fn add(&self, event: &'static str, at: u64, ms: u64) {
        let mut events = self.0.lock();
        let history = events.entry(event).or_default();
        history.worst = history.worst.max(ms);
        match history.samples.back_mut() {
            Some(last) if last.at == at => last.ms = last.ms.max(ms),
            _ => {
                if history.samples.len() == SAMPLES {
                    history.samples.pop_front();
                }
                history.samples.push_back(Sample { at, ms });
            }
        }
    }

    pub fn history(&self, event: &[u8]) -> Option<(&'static str, History)> {
        let events = self.0.lock();
        let (name, history) = events.iter().find(|(name, _)| name.as_bytes() == event)?;
        Some((name, history.clone()))
    }

    pub fn all(&self) -> Vec<(&'static str, History)> {
        self.0.lock().iter().map(|(name, history)| (*name, history.clone())).collect()
    }

    /// Forgets an event, or all; how many there were.
    pub fn reset(&self, event: Option<&[u8]>) -> usize {
        let mut events = self.0.lock();
        let before = events.len();
        events.retain(|name, _| event.is_some_and(|event| event != name.as_bytes()));
        before - events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_its_worst() {
        let monitor = LatencyMonitor::default();
        for (at, ms) in [(10, 5), (10, 9), (10, 7), (11, 3)] {
            monitor.add("command", at, ms);
        }
        let (_, history) = monitor.history(b"command").expect("samples were added");
        assert_eq!(history.samples, [Sample { at: 10, ms: 9 }, Sample { at: 11, ms: 3 }]);
        assert_eq!(history.worst, 9);
        let summary = history.summary(15);
        assert_eq!(
            summary,
            Summary { samples: 2, average: 6, mean_deviation: 3, worst: 9, best: 3, period: 5 }
        );
        assert_eq!(monitor.reset(Some(b"other")), 0);
        assert_eq!(monitor.reset(None), 1);
        assert!(monitor.all().is_empty());
    }

    #[test]
    fn histories_are_bounded() {
        let monitor = LatencyMonitor::default();
        (0..1000).for_each(|at| monitor.add("command", at, 1));
        assert_eq!(monitor.all()[0].1.samples.len(), SAMPLES);
    }
}
