//! When items are due: a hierarchical timing wheel a shard (Varghese & Lauck, SOSP'87), so that
//! finding what is due costs what is due, not what is stored.
//!
//! An entry is a [`Hint`], three of the four bytes of an item's hash. It is no reference: the shard looks up
//! the items whose hash it fits, few and nearly always one, and asks them when the first of them is due. So items
//! move, change their deadline or go without the wheel knowing: an entry that comes up too early is entered again,
//! one without an item is dropped. What holds at any time: of the items that a hint fits, the first to be due has
//! an entry that comes up no later. An item therefore needs a new entry only when its deadline becomes *earlier*
//! than the one it had, and whoever takes an entry out enters the hint again for the first that remains.

use super::memory::allocated;
use super::table::Hint;
use crate::clock::{Deadline, Millis};

const LEVELS: usize = 5;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;

/// Slots of level 0 are a second wide, each further level 64 times as wide: 64 s, 68 min, 3 d, 194 d,
/// and the last slot of the last level holds everything later.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    /// Each level is allocated when it is first needed, and each slot: most shards use few of them at a time.
    levels: [Vec<Option<Box<Slot>>>; LEVELS],
    /// The second up to which everything due was handed out.
    turned: u64,
    len: usize,
    /// Entries by level: what is empty is skipped in one step.
    by_level: [usize; LEVELS],
    bytes: usize,
}

type Slot = Vec<[u8; Hint::BYTES]>;

/// What a slot takes, with its entries.
fn bytes_of(slot: &Slot) -> usize {
    allocated(size_of::<Slot>()) + allocated(slot.capacity() * Hint::BYTES)
}

/// The slot for a deadline, seen from second `turned`. An item is handed out in the second after its
/// deadline's, when it is due for certain.
fn slot_after(turned: u64, deadline: Deadline) -> usize {
    let due = (deadline.0.secs() + 1).max(turned + 1);
    let ahead = due ^ turned;
    let level = (ahead.ilog2() / SLOT_BITS) as usize;
    if level >= LEVELS - 1 {
        // The top level goes round: what lies beyond it waits in the slot that comes up last.
        let shift = (LEVELS as u32 - 1) * SLOT_BITS;
        let distance = ((due >> shift) - (turned >> shift)).min(SLOTS as u64 - 1);
        return (LEVELS - 1) * SLOTS + ((turned >> shift) + distance) as usize % SLOTS;
    }
    level * SLOTS + (due >> (level as u32 * SLOT_BITS)) as usize % SLOTS
}

impl Wheel {
    /// Entries, outdated ones included.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.levels.iter().map(Vec::capacity).sum::<usize>() * size_of::<Option<Box<Slot>>>() + self.bytes
    }

    /// Remembers that an item that `hint` fits is due at `deadline`. `O(1)`.
    pub(super) fn insert(&mut self, hint: Hint, deadline: Deadline, now: Millis) {
        if self.len == 0 {
            self.turned = now.secs();
        }
        let slot = slot_after(self.turned, deadline);
        self.push(slot, hint);
        self.len += 1;
    }

    fn push(&mut self, slot: usize, hint: Hint) {
        let level = &mut self.levels[slot / SLOTS];
        if level.is_empty() {
            level.resize_with(SLOTS, || None);
        }
        let entries = level[slot % SLOTS].get_or_insert_with(|| {
            self.bytes += bytes_of(&Slot::new());
            Box::default()
        });
        if entries.len() == entries.capacity() {
            // To the allocator's next size, four to a doubling: doubling would waste up to three bytes an item.
            let size = allocated((entries.len() + 1) * Hint::BYTES) / Hint::BYTES;
            self.bytes -= bytes_of(entries);
            entries.reserve_exact(size - entries.len());
            self.bytes += bytes_of(entries);
        }
        entries.push(hint.to_bytes());
        self.by_level[slot / SLOTS] += 1;
    }

    fn take(&mut self, slot: usize) -> Box<Slot> {
        let place = self.levels[slot / SLOTS].get_mut(slot % SLOTS);
        let Some(entries) = place.and_then(Option::take) else { return Box::default() };
        self.bytes -= bytes_of(&entries);
        self.by_level[slot / SLOTS] -= entries.len();
        entries
    }

    /// Moves up to `most` hints whose time has come into `due`. Returns whether there may be more.
    /// Entries of a wider slot are spread over the narrower ones as their time comes near, each at
    /// most once a level.
    pub(super) fn turn(
        &mut self,
        now: Millis,
        most: usize,
        due: &mut Vec<Hint>,
        deadline_of: impl Fn(Hint) -> Option<Deadline>,
    ) -> bool {
        if self.len == 0 {
            self.turned = now.secs().max(self.turned);
            return false;
        }
        let mut handled = 0;
        while self.turned < now.secs() {
            if handled >= most {
                return true;
            }
            // Nothing happens before the next slot of a level that has entries.
            let empty = self.by_level.iter().take_while(|&&entries| entries == 0).count() as u32;
            let still = self.turned | ((1 << (empty * SLOT_BITS)) - 1);
            if still >= now.secs() {
                self.turned = now.secs();
                return false;
            }
            let second = still + 1;
            // The top levels first: what they release may belong into the lower ones.
            for level in (1..LEVELS).rev() {
                let width = 1u64 << (level as u32 * SLOT_BITS);
                if second.is_multiple_of(width) {
                    let slot = level * SLOTS + (second >> (level as u32 * SLOT_BITS)) as usize % SLOTS;
                    let entries = self.take(slot);
                    handled += entries.len();
                    self.spread(*entries, second, due, &deadline_of);
                }
            }
            let slot = second as usize % SLOTS;
            let mut entries = self.take(slot);
            let rest = entries.len().saturating_sub(most.saturating_sub(handled).max(1));
            handled += entries.len() - rest;
            self.len -= entries.len() - rest;
            due.extend(entries.drain(rest..).map(Hint::from_bytes));
            if rest > 0 {
                // The second is not over.
                self.bytes += bytes_of(&entries);
                self.by_level[0] += rest;
                self.levels[0][slot] = Some(entries);
                self.turned = second - 1;
                return true;
            }
            self.turned = second;
        }
        false
    }

    fn spread(
        &mut self,
        entries: Slot,
        second: u64,
        due: &mut Vec<Hint>,
        deadline_of: &impl Fn(Hint) -> Option<Deadline>,
    ) {
        for hint in entries.into_iter().map(Hint::from_bytes) {
            match deadline_of(hint) {
                Some(deadline) if deadline.0.secs() + 1 > second => {
                    let slot = slot_after(second, deadline);
                    self.push(slot, hint);
                }
                // Due, or without an item: the shard finds out which.
                _ => {
                    due.push(hint);
                    self.len -= 1;
                }
            }
        }
    }

    /// Takes an entry out of the slot that comes up first, with the second at which that slot ends: for
    /// volatile-ttl. An item that is due later than that has been given another deadline.
    pub(super) fn take_soonest(&mut self) -> Option<(Hint, u64)> {
        let next = self.turned + 1;
        for level in (0..LEVELS).filter(|&level| self.by_level[level] > 0) {
            let width = level as u32 * SLOT_BITS;
            for step in 0..SLOTS as u64 {
                let number = (next >> width) + step;
                let slot = number as usize % SLOTS;
                if let Some(bytes) = self.levels[level][slot].as_mut().and_then(|entries| entries.pop()) {
                    self.by_level[level] -= 1;
                    self.len -= 1;
                    // Beyond the wheel nothing is too late for its slot.
                    let is_last = level == LEVELS - 1 && step == SLOTS as u64 - 1;
                    let hint = Hint::from_bytes(bytes);
                    return Some((hint, if is_last { u64::MAX } else { (number + 1) << width }));
                }
            }
        }
        None
    }

    /// A random entry: for the other volatile policies.
    pub(super) fn sample(&self, random: u64) -> Option<Hint> {
        if self.len == 0 {
            return None;
        }
        let all = LEVELS * SLOTS;
        let start = random as usize % all;
        let mut order = (start..all).chain(0..start);
        let entries = order.find_map(|slot| {
            self.levels[slot / SLOTS].get(slot % SLOTS)?.as_ref().filter(|entries| !entries.is_empty())
        })?;
        Some(Hint::from_bytes(entries[(random >> 32) as usize % entries.len()]))
    }

    pub(super) fn clear(&mut self) {
        *self = Wheel::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// However time advances, each entry is handed out after its deadline and within a second and a
        /// half, and exactly once.
        #[test]
        fn hands_out_each_entry_when_it_is_due(
            start in 0u64..10_000_000_000,
            deadlines in prop::collection::vec(0u64..4_000_000_000_000, 1..60),
            steps in prop::collection::vec(prop_oneof![1u64..100_000, 1u64..3_000_000_000, 1u64..1_000_000_000_000], 1..60),
            most in 1usize..20,
        ) {
            let mut now = Millis(start * 1000);
            let mut wheel = Wheel::default();
            let mut waiting = BTreeMap::new();
            for (number, ttl) in deadlines.iter().enumerate() {
                let (hint, deadline) = (Hint::of(number as u32), Deadline(now.saturating_add(*ttl)));
                waiting.insert(hint, deadline);
                wheel.insert(hint, deadline, now);
            }
            for step in steps {
                now = now.saturating_add(step);
                let mut due = Vec::new();
                loop {
                    let more = wheel.turn(now, most, &mut due, |hint| waiting.get(&hint).copied());
                    for hint in due.drain(..) {
                        let deadline = waiting.remove(&hint).expect("handed out once");
                        prop_assert!(deadline.is_due(now));
                    }
                    if !more { break; }
                }
                prop_assert_eq!(wheel.len(), waiting.len());
                let late = waiting.values().filter(|d| d.0.secs() + 1 < now.secs()).count();
                prop_assert_eq!(late, 0);
            }
            let counted: usize = wheel.levels.iter().flatten().flatten().map(|slot| bytes_of(slot)).sum();
            prop_assert_eq!(wheel.bytes, counted);
        }
    }
}
