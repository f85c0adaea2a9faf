//! Latencies by log-linear buckets: 64 to a doubling, so a quantile is right to 1.6 %.

#![allow(dead_code, reason = "every bench is a crate of its own, and takes its part of this")]

const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;
const BUCKETS: usize = 40 * SUB as usize;

#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], total: 0, sum_ns: 0, max_ns: 0 }
    }

    pub fn add(&mut self, ns: u64) {
        let bucket = if ns < SUB {
            ns as usize
        } else {
            let shift = ns.ilog2() - SUB_BITS;
            ((u64::from(shift) + 1) * SUB + (ns >> shift) - SUB) as usize
        };
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
        self.sum_ns += ns;
        self.max_ns = self.max_ns.max(ns);
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    pub fn mean_us(&self) -> f64 {
        self.sum_ns as f64 / self.total.max(1) as f64 / 1e3
    }

    pub fn max_us(&self) -> f64 {
        self.max_ns as f64 / 1e3
    }

    /// The value that a share of all values does not exceed, in microseconds.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let target = (share * self.total as f64) as u64;
        let mut seen = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen > target {
                let (row, place) = (bucket as u64 / SUB, bucket as u64 % SUB);
                let ns = match row {
                    0 => place as f64,
                    _ => (SUB as f64 + place as f64 + 0.5) * (1u64 << (row - 1)) as f64,
                };
                return ns / 1e3;
            }
        }
        self.max_us()
    }
}
