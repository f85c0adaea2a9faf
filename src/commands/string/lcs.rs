//! LCS: the longest common subsequence, by the textbook's table of lengths. Which of several longest ones
//! is shown follows from how the table is walked back, so that is done exactly as Redis does it.
//!
//! Redis keeps the whole table. Here only every so manieth line of it is kept, and the lines between are
//! worked out again when the walk comes to them: twice the time, but the memory is that of about 2√n
//! lines. What Redis refuses for its table's size is refused here too, which bounds the time.

use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::config::Param;
use crate::resp::Reply;

#[derive(Clone, Copy, Debug, Default)]
struct Options {
    len: bool,
    idx: bool,
    with_match_len: bool,
    min_match_len: usize,
}

impl Options {
    fn parse(args: &mut Args<'_>) -> Result<Options, CommandError> {
        let mut options = Options::default();
        while !args.is_empty() {
            if args.accept("IDX") {
                options.idx = true;
            } else if args.accept("LEN") {
                options.len = true;
            } else if args.accept("WITHMATCHLEN") {
                options.with_match_len = true;
            } else if args.accept("MINMATCHLEN") {
                options.min_match_len = usize::try_from(args.int()?).unwrap_or(0);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.idx && options.len {
            return Err(CommandError::other(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(options)
    }
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]`
pub(super) fn lcs(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut string = |key: &[u8]| {
        let mut entry = ctx.db.entry(key);
        let Some(item) = lookup::read(ctx.counters, &mut entry) else { return Ok(Vec::new()) };
        let wrong = |_| CommandError::other("ERR The specified keys must contain string values");
        lookup::string(&item).map(<[u8]>::to_vec).map_err(wrong)
    };
    let (a, b) = (string(args.key()?), string(args.key()?));
    let (a, b) = (a?, b?);
    let options = Options::parse(args)?;
    let bytes = (a.len() as u64 + 1) * (b.len() as u64 + 1) * 4;
    if bytes > ctx.daemon.config.number(Param::ProtoMaxBulkLen).unsigned_abs() {
        return Err(CommandError::other(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    // The strings are copies: nobody need wait for what is worked out from them.
    ctx.db.release_early();
    if options.len {
        ctx.reply.int(Table::new(&a, &b, a.len().max(b.len())).length());
        return Ok(Done);
    }
    let found = Walk::back(&a, &b);
    if options.idx {
        reply_matches(&mut ctx.reply, &found, options);
    } else {
        ctx.reply.bulk(&found.text);
    }
    Ok(Done)
}

fn reply_matches(reply: &mut Reply<'_>, found: &Walk, options: Options) {
    let matches: Vec<&Match> =
        found.matches.iter().filter(|found| found.len >= options.min_match_len).collect();
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(matches.len());
    for found in matches {
        reply.array(2 + usize::from(options.with_match_len));
        for start in [found.a, found.b] {
            reply.array(2);
            reply.int(start);
            reply.int(start + found.len - 1);
        }
        if options.with_match_len {
            reply.int(found.len);
        }
    }
    reply.bulk(b"len");
    reply.int(found.text.len());
}

/// The table of lengths, a part of it at a time. Its lines run along the shorter string.
struct Table<'s> {
    long: &'s [u8],
    short: &'s [u8],
    /// Every `step`-th line, from line 0 on.
    kept: Vec<Vec<u32>>,
    step: usize,
    /// Lines `first ..= first + step`, as far as there are so many.
    lines: Vec<Vec<u32>>,
    first: usize,
}

impl<'s> Table<'s> {
    /// Works the table out and keeps one in `step` lines.
    fn new(a: &'s [u8], b: &'s [u8], step: usize) -> Table<'s> {
        let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
        let step = step.max(1);
        let mut table = Table { long, short, kept: Vec::new(), step, lines: Vec::new(), first: 0 };
        let mut line = vec![0; short.len() + 1];
        let mut next = line.clone();
        for (at, &byte) in long.iter().enumerate() {
            if at % step == 0 {
                table.kept.push(line.clone());
            }
            fill(&line, &mut next, byte, short);
            std::mem::swap(&mut line, &mut next);
        }
        table.first = long.len();
        table.lines.push(line);
        table
    }

    /// The length of the longest common subsequence.
    fn length(&self) -> u32 {
        self.lines.last().and_then(|line| line.last()).copied().unwrap_or(0)
    }

    /// The length for the first `long` and `short` bytes. Must be asked with `long` never growing.
    fn at(&mut self, long: usize, short: usize) -> u32 {
        while long < self.first {
            let block = (self.first - 1) / self.step;
            let last = self.first;
            self.first = block * self.step;
            self.lines.clear();
            self.lines.push(self.kept[block].clone());
            for at in self.first..last {
                let mut line = vec![0; self.short.len() + 1];
                fill(&self.lines[at - self.first], &mut line, self.long[at], self.short);
                self.lines.push(line);
            }
        }
        self.lines[long - self.first][short]
    }
}

/// The line of the table below `line`, for one more byte of the long string.
fn fill(line: &[u32], next: &mut [u32], byte: u8, short: &[u8]) {
    let mut left = 0;
    for (at, &other) in short.iter().enumerate() {
        left = if byte == other { line[at] + 1 } else { left.max(line[at + 1]) };
        next[at + 1] = left;
    }
}

/// Bytes that stand in both strings, at these places.
#[derive(Debug, PartialEq, Eq)]
struct Match {
    a: usize,
    b: usize,
    len: usize,
}

/// What the walk from the table's last corner to its first finds.
#[derive(Debug, Default)]
struct Walk {
    /// The longest common subsequence.
    text: Vec<u8>,
    /// Its parts, the last first.
    matches: Vec<Match>,
}

impl Walk {
    fn back(a: &[u8], b: &[u8]) -> Walk {
        let mut table = Table::new(a, b, a.len().max(b.len()).isqrt());
        let a_is_long = a.len() >= b.len();
        let mut length = |i, j| if a_is_long { table.at(i, j) } else { table.at(j, i) };
        let mut walk = Walk::default();
        let mut open: Option<Match> = None;
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                walk.text.push(a[i]);
                let found = open.get_or_insert(Match { a: i, b: j, len: 0 });
                *found = Match { a: i, b: j, len: found.len + 1 };
            } else {
                if length(i - 1, j) > length(i, j - 1) {
                    i -= 1
                } else {
                    j -= 1
                }
                walk.matches.extend(open.take());
            }
        }
        walk.matches.extend(open);
        walk.text.reverse();
        walk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_manual_s_example() {
        let walk = Walk::back(b"ohmytext", b"mynewtext");
        assert_eq!(walk.text, b"mytext");
        assert_eq!(walk.matches, [Match { a: 4, b: 5, len: 4 }, Match { a: 2, b: 0, len: 2 }]);
    }

    /// The whole table and the walk, as plainly as can be.
    fn plain(a: &[u8], b: &[u8]) -> (u32, Vec<u8>) {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let (mut i, mut j, mut text) = (a.len(), b.len(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                text.insert(0, a[i - 1]);
                (i, j) = (i - 1, j - 1);
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        (table[a.len()][b.len()], text)
    }

    proptest! {
        #[test]
        fn a_part_of_the_table_is_as_good_as_all(
            a in prop::collection::vec(0u8..4, 0..60), b in prop::collection::vec(0u8..4, 0..60), step in 1usize..70,
        ) {
            let (length, text) = plain(&a, &b);
            prop_assert_eq!(Table::new(&a, &b, step).length(), length);
            let walk = Walk::back(&a, &b);
            prop_assert_eq!(&walk.text, &text);
            for found in &walk.matches {
                prop_assert_eq!(&a[found.a..found.a + found.len], &b[found.b..found.b + found.len]);
            }
            prop_assert_eq!(walk.matches.iter().map(|found| found.len).sum::<usize>(), text.len());
        }
    }
}
