//! A small sorted set: members and scores by turns in a listpack, in order. A score that is an integer is
//! written as one (so that the sign of a zero is lost, as in Redis), any other as text.

use crate::double;
use crate::store::value::listpack::{Entry, Listpack, Place};
use std::cmp::Ordering;

fn score(entry: Entry<'_>) -> f64 {
    match entry {
        Entry::Int(number) => number as f64,
        Entry::Str(text) => double::parse(text).unwrap_or(0.0),
    }
}

/// Members and scores.
pub(super) fn iter(list: &Listpack) -> impl Iterator<Item = (Entry<'_>, f64)> {
    let mut entries = list.iter();
    std::iter::from_fn(move || Some((entries.next()?, score(entries.next()?))))
}

/// Where a member is, and its score.
pub(super) fn find(list: &Listpack, member: &[u8]) -> Option<(Place, f64)> {
    let place = list.find(list.first(), member, 1)?;
    Some((place, score(list.get(list.next(place)?))))
}

/// How two members are ordered.
fn compare((a, a_score): (&[u8], f64), (b, b_score): (&[u8], f64)) -> Ordering {
    a_score.partial_cmp(&b_score).unwrap_or(Ordering::Equal).then_with(|| a.cmp(b))
}

/// Adds a member that is not there, at its place.
pub(super) fn insert(list: &mut Listpack, member: &[u8], score: f64) {
    let (mut at, mut buffer) = (list.first(), itoa::Buffer::new());
    for (name, other) in iter(list) {
        if compare((name.text(&mut buffer), other), (member, score)) == Ordering::Greater {
            break;
        }
        at = at.and_then(|place| list.next(place)).and_then(|place| list.next(place));
    }
    let Some(place) = at else { return push(list, member, score) };
    list.insert_before(place, member);
    with_score(score, |entry| list.insert_after(place, entry));
}

/// Adds a member behind all others.
pub(super) fn push(list: &mut Listpack, member: &[u8], score: f64) {
    list.push_back(member);
    with_score(score, |entry| list.push_back(entry));
}

fn with_score<T>(score: f64, write: impl FnOnce(Entry<'_>) -> T) -> T {
    match double::as_integer(score) {
        Some(integer) => write(Entry::Int(integer)),
        None => write(Entry::Str(double::text(score).as_bytes())),
    }
}

/// Is this what we could have written ourselves: pairs in order, scores that are numbers, no member twice?
pub(super) fn is_sound(list: &Listpack) -> bool {
    if list.is_empty() || !list.len().is_multiple_of(2) {
        return false;
    }
    let is_number = |entry| {
        matches!(entry, Entry::Int(_)) || matches!(entry, Entry::Str(text) if double::parse(text).is_some())
    };
    if !list.iter().skip(1).step_by(2).all(is_number) {
        return false;
    }
    let pairs: Vec<_> = iter(list).map(|(name, score)| (name.to_text(), score)).collect();
    let in_order = pairs
        .windows(2)
        .all(|pair| compare((&pair[0].0, pair[0].1), (&pair[1].0, pair[1].1)) == Ordering::Less);
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    in_order && names.windows(2).all(|pair| pair[0] != pair[1])
}
