//! What things cost in bytes, and the one account they are charged to. Everything that grows with
//! the data is charged: log segments, tables, expiry wheels, heap values, with the allocator's rounding.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What the allocator really hands out for a request of `size` bytes. jemalloc's size classes: four
/// to a doubling (<https://jemalloc.net/jemalloc.3.html#size_classes>); other allocators come close.
pub fn allocated(size: usize) -> usize {
    match size {
        0 => 0,
        1..=8 => 8,
        9..=128 => size.next_multiple_of(16),
        _ => {
            let spacing = (size - 1).ilog2() - 2;
            size.next_multiple_of(1 << spacing)
        }
    }
}

/// The store's account. Shards charge it in steps of whole segments, tables and heap values, so it is
/// touched far less often than items are written.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: AtomicUsize,
    /// What the process really holds beyond what is charged (fragmentation), as last measured.
    excess: AtomicUsize,
}

impl Budget {
    pub fn new(limit: usize) -> Budget {
        Budget { used: AtomicUsize::new(0), limit: AtomicUsize::new(limit), excess: AtomicUsize::new(0) }
    }

    /// The limit in bytes; 0: none.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub fn set_excess(&self, bytes: usize) {
        self.excess.store(bytes, Ordering::Relaxed);
    }

    pub fn excess(&self) -> usize {
        self.excess.load(Ordering::Relaxed)
    }

    pub fn charge(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn refund(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Is a value of so many bytes too large for the limit, whatever is evicted?
    pub fn can_never_hold(&self, bytes: usize) -> bool {
        let limit = self.limit();
        limit != 0 && bytes > limit / 4 * 3
    }

    /// Would `more` bytes go over the limit?
    pub fn is_short_of(&self, more: usize) -> bool {
        self.limit() != 0 && self.used().saturating_add(more) > self.room()
    }

    /// What may be charged under the limit. Measured fragmentation counts as used, but can never take more than half
    /// of the limit away, so that a bad measurement does not empty the store.
    pub fn room(&self) -> usize {
        let limit = self.limit();
        limit - self.excess().min(limit / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocated_follows_jemallocs_size_classes() {
        let classes = [
            (1, 8),
            (8, 8),
            (9, 16),
            (17, 32),
            (128, 128),
            (129, 160),
            (160, 160),
            (161, 192),
            (257, 320),
            (1025, 1280),
            (4096, 4096),
            (4097, 5120),
            (14337, 16384),
            (65536, 65536),
        ];
        for (size, class) in classes {
            assert_eq!(allocated(size), class, "{size}");
        }
    }

    #[test]
    fn excess_counts_but_never_more_than_half_the_limit() {
        let budget = Budget::new(1000);
        budget.charge(400);
        assert!(!budget.is_short_of(600));
        budget.set_excess(100);
        assert!(budget.is_short_of(600));
        budget.set_excess(10_000);
        assert!(!budget.is_short_of(100));
        budget.set_limit(0);
        assert!(!budget.is_short_of(usize::MAX));
    }
}
