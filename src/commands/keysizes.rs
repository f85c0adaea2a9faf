//! `INFO keysizes`, which came with Redis 8: how long strings are and how many members collections have, counted
//! in powers of two.
//!
//! Differs: Redis keeps these counts at every write; here they are taken when somebody asks. Of a large database
//! they are told from a sample, so that asking costs some milliseconds at most.

use super::Ctx;
use crate::store::{Item, Kind};
use std::fmt::Write as _;

/// Items that are looked at in each database.
const SAMPLE: u64 = 1 << 16;
/// What Redis calls each type's line; streams have none.
const LINES: [(Kind, &str); 5] = [
    (Kind::String, "distrib_strings_sizes"),
    (Kind::List, "distrib_lists_items"),
    (Kind::Set, "distrib_sets_items"),
    (Kind::SortedSet, "distrib_zsets_items"),
    (Kind::Hash, "distrib_hashes_items"),
];
/// One for 0, and one for each power of two.
const BINS: usize = 65;

type Counts = [u64; BINS];

/// Names and values of the section's lines. `O(min(keys, sample))` for each database; the caller holds no shard.
pub(super) fn lines(ctx: &mut Ctx<'_>) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let selected = ctx.db.index();
    for (index, database) in (0..).zip(ctx.db.stats().databases) {
        if database.items == 0 {
            continue;
        }
        ctx.db.select(index);
        let (counts, seen) = count(ctx);
        let total = database.items;
        for ((_, name), counts) in LINES.iter().zip(&counts) {
            let scaled = counts.map(|count| scale(count, total, seen));
            if scaled.iter().any(|&count| count > 0) {
                lines.push((format!("db{index}_{name}"), show(&scaled)));
            }
        }
    }
    ctx.db.select(selected);
    lines
}

fn count(ctx: &mut Ctx<'_>) -> ([Counts; LINES.len()], u64) {
    let mut counts = [[0; BINS]; LINES.len()];
    let mut seen = 0;
    ctx.db.for_each(&mut |_, item| {
        seen += 1;
        if let Some(line) = LINES.iter().position(|(kind, _)| *kind == item.kind()) {
            counts[line][bin(len(&item))] += 1;
        }
        seen < SAMPLE
    });
    (counts, seen)
}

fn len(item: &Item<'_>) -> usize {
    item.string().map(<[u8]>::len).or_else(|| item.object().map(|object| object.len())).unwrap_or(0)
}

/// 0 for 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7, …
fn bin(len: usize) -> usize {
    len.checked_ilog2().map_or(0, |power| power as usize + 1)
}

/// What a count in a sample stands for; one that was seen is not lost.
fn scale(count: u64, total: u64, seen: u64) -> u64 {
    if seen < SAMPLE {
        count
    } else {
        (u128::from(count) * u128::from(total.max(seen)) / u128::from(seen)) as u64
    }
}

/// `1=3,2K=1`: bins by their smallest size.
fn show(counts: &Counts) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let mut text = String::new();
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let label = match bin.checked_sub(1) {
            None => "0".to_owned(),
            Some(power) => format!("{}{}", 1 << (power % 10), UNITS[power / 10]),
        };
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{label}={count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fall_into_the_bin_of_the_power_below() {
        for (len, expected) in
            [(0, "0=1"), (1, "1=1"), (3, "2=1"), (4, "4=1"), (1023, "512=1"), (5000, "4K=1")]
        {
            let mut counts = [0; BINS];
            counts[bin(len)] = 1;
            assert_eq!(show(&counts), expected);
        }
        let mut counts = [0; BINS];
        (counts[1], counts[BINS - 1]) = (2, 3);
        assert_eq!(show(&counts), "1=2,8E=3");
    }

    #[test]
    fn a_sample_stands_for_the_whole() {
        assert_eq!(scale(5, 100, 100), 5);
        assert_eq!(scale(1, 10 * SAMPLE, SAMPLE), 10);
    }
}
