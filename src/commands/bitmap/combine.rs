//! BITOP: strings combined bit by bit. Shorter ones count as lengthened by zeros.

use super::{Args, CommandError, CommandResult, Ctx, Done, read_apart};
use crate::store::{Event, Expiry, Put};
use bytes::Bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// In the first, in none of the others.
    Diff,
    /// In one of the others, not in the first.
    Diff1,
    /// In the first and in one of the others.
    AndOr,
    /// In exactly one of all.
    One,
}

const OPERATIONS: &[(&str, Operation)] = &[
    ("AND", Operation::And),
    ("OR", Operation::Or),
    ("XOR", Operation::Xor),
    ("NOT", Operation::Not),
    ("DIFF", Operation::Diff),
    ("DIFF1", Operation::Diff1),
    ("ANDOR", Operation::AndOr),
    ("ONE", Operation::One),
];

/// `BITOP operation destkey key [key …]`
pub(super) fn bitop(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let &(name, operation) =
        OPERATIONS.iter().find(|(name, _)| args.accept(name)).ok_or(CommandError::Syntax)?;
    let target = args.key()?;
    if operation == Operation::Not && args.len() != 1 {
        return Err(CommandError::other("ERR BITOP NOT must be called with a single source key."));
    }
    if matches!(operation, Operation::Diff | Operation::Diff1 | Operation::AndOr) && args.len() < 2 {
        let text = format!("ERR BITOP {name} must be called with at least two source keys.");
        return Err(CommandError::other(text));
    }
    let mut sources = Vec::with_capacity(args.len());
    while !args.is_empty() {
        sources.push(read_apart(ctx, args.key()?)?.unwrap_or_default());
    }
    let combined = combine(operation, &sources);
    let mut entry = ctx.db.entry(target);
    if combined.is_empty() {
        entry.delete(Event::Del);
    } else {
        entry.put(&combined, Put::new(0, Expiry::Never, Event::Set))?;
    }
    ctx.reply.int(combined.len());
    Ok(Done)
}

/// `O(bytes)`. There is at least one source, and no less than the operation takes.
fn combine(operation: Operation, sources: &[Bytes]) -> Vec<u8> {
    let len = sources.iter().map(Bytes::len).max().unwrap_or(0);
    let (first, others) = sources.split_first().expect("arity says that there is a source");
    match operation {
        Operation::And => fold(len, first, others, |a, b| a & b),
        Operation::Or => fold(len, first, others, |a, b| a | b),
        Operation::Xor => fold(len, first, others, |a, b| a ^ b),
        Operation::Not => first.iter().map(|byte| !byte).collect(),
        Operation::Diff => {
            let others = fold(len, &[], others, |a, b| a | b);
            fold(len, first, &[others], |a, b| a & !b)
        }
        Operation::Diff1 => {
            let others = fold(len, &[], others, |a, b| a | b);
            fold(len, first, &[others], |a, b| !a & b)
        }
        Operation::AndOr => {
            let others = fold(len, &[], others, |a, b| a | b);
            fold(len, first, &[others], |a, b| a & b)
        }
        Operation::One => {
            // Bits seen so far, and those seen more than once.
            let (mut once, mut again) = (fold(len, first, &[] as &[Bytes], |a, _| a), vec![0; len]);
            for other in others {
                for ((once, again), &byte) in once.iter_mut().zip(&mut again).zip(other.iter()) {
                    *again |= *once & byte;
                    *once |= byte;
                }
            }
            fold(len, &once, &[again], |a, b| a & !b)
        }
    }
}

/// `first` and then all others, combined to `len` bytes, which none exceeds.
fn fold(len: usize, first: &[u8], others: &[impl AsRef<[u8]>], with: impl Fn(u8, u8) -> u8) -> Vec<u8> {
    let mut result = Vec::with_capacity(len);
    result.extend_from_slice(first);
    result.resize(len, 0);
    for other in others {
        let (common, behind) = result.split_at_mut(other.as_ref().len());
        for (byte, &other) in common.iter_mut().zip(other.as_ref()) {
            *byte = with(*byte, other);
        }
        behind.iter_mut().for_each(|byte| *byte = with(*byte, 0));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_operation_is_what_it_says_of_a_bit(
            sources in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 2..5),
        ) {
            let shared: Vec<Bytes> = sources.iter().cloned().map(Bytes::from).collect();
            let len = sources.iter().map(Vec::len).max().unwrap_or(0);
            for &(name, operation) in OPERATIONS {
                if operation == Operation::Not {
                    continue;
                }
                let combined = combine(operation, &shared);
                prop_assert_eq!(combined.len(), len);
                for at in 0..len * 8 {
                    let bit = |text: &[u8]| text.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
                    let first = bit(&sources[0]);
                    let others = sources[1..].iter().any(|source| bit(source));
                    let count = sources.iter().filter(|source| bit(source)).count();
                    let plain = match operation {
                        Operation::And => count == sources.len(),
                        Operation::Or => count > 0,
                        Operation::Xor => count % 2 == 1,
                        Operation::Not => unreachable!(),
                        Operation::Diff => first && !others,
                        Operation::Diff1 => !first && others,
                        Operation::AndOr => first && others,
                        Operation::One => count == 1,
                    };
                    prop_assert_eq!(bit(&combined), plain, "{} at {}", name, at);
                }
            }
        }
    }
}
