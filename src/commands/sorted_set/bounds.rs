//! Ranges of a sorted set: by rank, by score, by name; and a part of one.

use super::{Collection, CommandError, SortedSet};
use crate::commands::args::parse_int;
use crate::double;
use std::ops::Range;

/// The lowest or the highest score of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::commands) struct ScoreBound {
    value: f64,
    is_exclusive: bool,
}

impl ScoreBound {
    /// As Redis reads it: `strtod`, after `(` when the bound itself is out.
    fn parse(text: &[u8]) -> Result<ScoreBound, CommandError> {
        let (is_exclusive, number) = match text {
            [b'(', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let value = double::parse_bound(number)
            .ok_or_else(|| CommandError::other("ERR min or max is not a float"))?;
        Ok(ScoreBound { value, is_exclusive })
    }

    pub(in crate::commands) fn inclusive(value: f64) -> ScoreBound {
        ScoreBound { value, is_exclusive: false }
    }

    pub(in crate::commands) fn exclusive(value: f64) -> ScoreBound {
        ScoreBound { value, is_exclusive: true }
    }

    fn is_above(self, score: f64) -> bool {
        score < self.value || self.is_exclusive && score == self.value
    }

    fn reaches(self, score: f64) -> bool {
        score < self.value || !self.is_exclusive && score == self.value
    }
}

/// The first or the last name of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LexBound<'a> {
    Lowest,
    Highest,
    Inclusive(&'a [u8]),
    Exclusive(&'a [u8]),
}

impl<'a> LexBound<'a> {
    fn parse(text: &'a [u8]) -> Result<LexBound<'a>, CommandError> {
        match text {
            b"-" => Ok(LexBound::Lowest),
            b"+" => Ok(LexBound::Highest),
            [b'[', name @ ..] => Ok(LexBound::Inclusive(name)),
            [b'(', name @ ..] => Ok(LexBound::Exclusive(name)),
            _ => Err(CommandError::other("ERR min or max not valid string range item")),
        }
    }

    fn is_above(self, name: &[u8]) -> bool {
        match self {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Inclusive(bound) => name < bound,
            LexBound::Exclusive(bound) => name <= bound,
        }
    }

    fn reaches(self, name: &[u8]) -> bool {
        match self {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Inclusive(bound) => name <= bound,
            LexBound::Exclusive(bound) => name < bound,
        }
    }
}

/// What the two ends of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// A range as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::commands) enum Span<'a> {
    /// Negative: from the end.
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    Names(LexBounds<'a>),
}

/// The first and the last name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) struct LexBounds<'a>(LexBound<'a>, LexBound<'a>);

impl<'a> Span<'a> {
    pub(super) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Span<'a>, CommandError> {
        let rank = |text| parse_int(text).ok_or(CommandError::NotAnInteger);
        Ok(match by {
            By::Rank => Span::Ranks(rank(min)?, rank(max)?),
            By::Score => Span::Scores(ScoreBound::parse(min)?, ScoreBound::parse(max)?),
            By::Lex => Span::Names(LexBounds(LexBound::parse(min)?, LexBound::parse(max)?)),
        })
    }

    /// The ranks that the range has in a set; those asked for count from the highest when `reverse`.
    /// `O(log n)`
    pub(in crate::commands) fn ranks(&self, set: &SortedSet, reverse: bool) -> Range<usize> {
        let (from, to) = match *self {
            Span::Ranks(first, last) => {
                let len = set.len();
                let place = |rank: i64| {
                    let rank = if rank < 0 { rank.saturating_add_unsigned(len as u64) } else { rank };
                    usize::try_from(rank).ok()
                };
                let from = place(first).unwrap_or(0);
                let to = place(last).map_or(0, |last| last.saturating_add(1).min(len));
                let from = from.min(to);
                if reverse { (len - to, len - from) } else { (from, to) }
            }
            Span::Scores(min, max) => {
                (set.partition(|score, _| min.is_above(score)), set.partition(|score, _| max.reaches(score)))
            }
            Span::Names(LexBounds(min, max)) => {
                (set.partition(|_, name| min.is_above(name)), set.partition(|_, name| max.reaches(name)))
            }
        };
        from.min(to)..to
    }
}

/// `LIMIT offset count`; a negative count is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) offset: i64,
    pub(super) count: i64,
}

impl Limit {
    pub(super) const NONE: Limit = Limit { offset: 0, count: -1 };

    /// The part of a range, which is walked from its end when `reverse`.
    pub(super) fn of(self, ranks: Range<usize>, reverse: bool) -> Range<usize> {
        // A negative offset leads out of the range, too.
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX).min(ranks.len());
        let count = usize::try_from(self.count).unwrap_or(usize::MAX).min(ranks.len() - offset);
        if reverse {
            ranks.end - offset - count..ranks.end - offset
        } else {
            ranks.start + offset..ranks.start + offset + count
        }
    }
}
