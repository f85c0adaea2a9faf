//! Drawing members at random: SPOP, SRANDMEMBER, HRANDFIELD, ZRANDMEMBER.

use super::{Args, CommandError};
use std::cell::Cell;
use std::collections::HashSet;

/// A source of random numbers (SplitMix64), seeded by the system once a thread.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Random {
        thread_local! {
            static STATE: Cell<u64> = Cell::new(getrandom::u64().unwrap_or_default());
        }
        // Each takes up another part of the thread's sequence.
        Random(STATE.with(|state| {
            state.set(Random(state.get()).next());
            state.get()
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `count`, which is not 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> u64::BITS) as usize
    }

    /// `some` different numbers below `count`, or all of them (Floyd's method). `O(some)`.
    pub(super) fn distinct(&mut self, some: usize, count: usize) -> Vec<usize> {
        if some >= count {
            return (0..count).collect();
        }
        let (mut drawn, mut order) = (HashSet::with_capacity(some), Vec::with_capacity(some));
        for last in count - some..count {
            let number = self.below(last + 1);
            let number = if drawn.insert(number) { number } else { last };
            drawn.insert(number);
            order.push(number);
        }
        order
    }
}

/// How many are to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// So many different ones, or all.
    Distinct(usize),
    /// So many, each from all.
    Repeated(usize),
}

impl Draw {
    /// Reads a count, negative when members may come again.
    ///
    /// # Errors
    /// It is no integer, or the one that has no positive counterpart.
    pub(super) fn parse(args: &mut Args<'_>) -> Result<Draw, CommandError> {
        let count = args.int()?;
        if count == i64::MIN {
            let most = i64::MAX;
            return Err(CommandError::other(format!(
                "ERR value is out of range, value must between -{most} and {most}"
            )));
        }
        let many = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(if count < 0 { Draw::Repeated(many) } else { Draw::Distinct(many) })
    }

    /// The same of pairs, of which a reply holds half as many.
    pub(super) fn of_pairs(self) -> Result<Draw, CommandError> {
        let (Draw::Distinct(count) | Draw::Repeated(count)) = self;
        let fits = count <= (i64::MAX / 2) as usize;
        fits.then_some(self).ok_or_else(|| CommandError::other("ERR value is out of range"))
    }

    /// Numbers of the members to show, of `len`, which take `bytes` together.
    ///
    /// Differs: Redis begins a reply of any length and dies of it. What would surely be more than a gigabyte is
    /// refused here.
    pub(super) fn places(self, len: usize, bytes: usize) -> Result<Places, CommandError> {
        const MOST: usize = 1 << 30;
        let mut random = Random::new();
        match self {
            _ if len == 0 => Ok(Places::Chosen(Vec::new().into_iter())),
            Draw::Distinct(some) => Ok(Places::Chosen(random.distinct(some, len).into_iter())),
            Draw::Repeated(many) if many.saturating_mul(4 + bytes / len) > MOST => {
                Err(CommandError::other("ERR value is out of range"))
            }
            Draw::Repeated(left) => Ok(Places::Repeated { left, len, random }),
        }
    }
}

/// Numbers that were drawn.
pub(super) enum Places {
    Chosen(std::vec::IntoIter<usize>),
    Repeated { left: usize, len: usize, random: Random },
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Places::Chosen(places) => places.next(),
            Places::Repeated { left, len, random } => {
                *left = left.checked_sub(1)?;
                Some(random.below(*len))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Places::Chosen(places) => places.len(),
            Places::Repeated { left, .. } => *left,
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Places {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_members_are_drawn_equally_often() {
        let (mut counts, mut random) = ([0; 10], Random::new());
        for _ in 0..20_000 {
            let drawn = random.distinct(3, counts.len());
            assert!(drawn[0] != drawn[1] && drawn[0] != drawn[2] && drawn[1] != drawn[2]);
            drawn.iter().for_each(|&place| counts[place] += 1);
        }
        assert!(counts.iter().all(|count| (5500..6500).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_reply_without_end_is_not_begun() {
        assert!(Draw::Repeated(usize::MAX).places(1, 1).is_err());
        assert_eq!(Draw::Repeated(5).places(3, 9).map(Iterator::count), Ok(5));
        assert_eq!(Draw::Repeated(usize::MAX).places(0, 0).map(Iterator::count), Ok(0));
        assert_eq!(Draw::Distinct(usize::MAX).places(3, 9).map(Iterator::count), Ok(3));
    }
}
