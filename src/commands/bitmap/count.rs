//! Looking at many bits: BITCOUNT, BITPOS. A large string is looked at when its lock is gone.

use super::{Args, CommandError, CommandResult, Ctx, Done, read_apart};
use std::ops::Range;

/// `start end [BYTE|BIT]`: both ends count, from the string's end when negative.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: i64,
    end: i64,
    by_bit: bool,
}

impl Span {
    const ALL: Span = Span { start: 0, end: -1, by_bit: false };

    /// The bits meant in a string of `len` bytes; `None` when it is not one.
    fn bits(self, len: usize) -> Option<Range<usize>> {
        let unit = if self.by_bit { 1 } else { 8 };
        let size = i64::try_from(len).ok()?.checked_mul(8 / unit)?;
        let from_end = |at: i64| if at < 0 { at.saturating_add(size).max(0) } else { at };
        let (start, end) = (from_end(self.start), from_end(self.end).min(size - 1));
        (start <= end).then(|| (start * unit) as usize..((end + 1) * unit) as usize)
    }
}

/// Reads the unit that may follow a range.
fn unit(args: &mut Args<'_>) -> Result<bool, CommandError> {
    let by_bit = args.accept("BIT");
    if !by_bit && !args.is_empty() && !args.accept("BYTE") {
        return Err(CommandError::Syntax);
    }
    Ok(by_bit)
}

/// `BITCOUNT key [start end [BYTE|BIT]]`
pub(super) fn bitcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    // Before the other arguments, as Redis 7 does: of no key there is nothing to say, whatever they are.
    let Some(text) = read_apart(ctx, args.key()?)? else {
        ctx.reply.int(0);
        return Ok(Done);
    };
    let span = match args.len() {
        0 => Span::ALL,
        2 | 3 => {
            let (start, end) = (args.int()?, args.int()?);
            // Even before the unit is read: -1 to -100 is nothing, however short the string.
            if start < 0 && end < 0 && start > end {
                ctx.reply.int(0);
                return Ok(Done);
            }
            Span { start, end, by_bit: unit(args)? }
        }
        _ => return Err(CommandError::Syntax),
    };
    let bits = span.bits(text.len());
    ctx.reply.int(bits.map_or(0, |bits| ones(&text, bits)));
    Ok(Done)
}

/// `BITPOS key bit [start [end [BYTE|BIT]]]`
pub(super) fn bitpos(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, bit) = (args.key()?, args.int()?);
    let bit = match bit {
        0 => false,
        1 => true,
        _ => return Err(CommandError::other("ERR The bit argument must be 1 or 0.")),
    };
    let Some(text) = read_apart(ctx, key)? else {
        // An absent key is an endless row of zeros.
        ctx.reply.int(if bit { -1 } else { 0 });
        return Ok(Done);
    };
    let has_end = args.len() >= 2;
    let span = match args.len() {
        0 => Span::ALL,
        1 => Span { start: args.int()?, ..Span::ALL },
        2 | 3 => {
            let (start, end) = (args.bytes()?, args.bytes()?);
            let number = |text| super::parse_int(text).ok_or(CommandError::NotAnInteger);
            let start = number(start)?;
            // The unit is read before the end, as Redis does.
            let by_bit = unit(args)?;
            Span { start, end: number(end)?, by_bit }
        }
        _ => return Err(CommandError::Syntax),
    };
    let found = span.bits(text.len()).and_then(|bits| {
        // Behind the string there are zeros, unless the range says where it ends.
        let behind = (!bit && !has_end).then_some(text.len() * 8);
        first(&text, bit, bits).or(behind)
    });
    match found {
        Some(at) => ctx.reply.int(at),
        None => ctx.reply.int(-1),
    }
    Ok(Done)
}

/// How many of these bits, which are some, are set.
fn ones(text: &[u8], bits: Range<usize>) -> u64 {
    let (head, tail) = (bits.start / 8, (bits.end - 1) / 8);
    let text = &text[head..=tail];
    let mut words = text.chunks_exact(8);
    let whole: u64 = words
        .by_ref()
        .map(|word| u64::from(u64::from_ne_bytes(word.try_into().expect("eight bytes")).count_ones()))
        .sum();
    let rest: u64 = words.remainder().iter().map(|byte| u64::from(byte.count_ones())).sum();
    let before = text[0] & !(0xff >> (bits.start % 8));
    let behind = text[tail - head] & (0x7f >> ((bits.end - 1) % 8));
    whole + rest - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// The first of these bits, which are some, that is set or clear.
fn first(text: &[u8], bit: bool, bits: Range<usize>) -> Option<usize> {
    // A byte in which there is nothing to be found.
    let dull = if bit { 0x00 } else { 0xff };
    let (head, tail) = (bits.start / 8, (bits.end - 1) / 8);
    let in_head = (text[head] ^ dull) & (0xff >> (bits.start % 8));
    let (byte, found) = if in_head != 0 {
        (head, in_head)
    } else {
        let at = head + 1 + first_other(&text[head + 1..=tail], dull)?;
        (at, text[at] ^ dull)
    };
    let at = byte * 8 + found.leading_zeros() as usize;
    (at < bits.end).then_some(at)
}

/// Where a byte other than this one is.
fn first_other(text: &[u8], than: u8) -> Option<usize> {
    const AT_ONCE: usize = 64;
    let same = [than; AT_ONCE];
    let skipped = text.chunks_exact(AT_ONCE).take_while(|chunk| **chunk == same).count() * AT_ONCE;
    text[skipped..].iter().position(|&byte| byte != than).map(|at| skipped + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit_at(text: &[u8], at: usize) -> bool {
        text[at / 8] & (0x80 >> (at % 8)) != 0
    }

    proptest! {
        #[test]
        fn bits_are_those_seen_one_by_one(
            runs in prop::collection::vec((prop::sample::select(vec![0u8, 0xff, 0x01, 0x80, 0x5a]), 1usize..90), 1..5),
            from in 0usize..3000, len in 1usize..3000,
        ) {
            let text: Vec<u8> = runs.iter().flat_map(|&(byte, times)| vec![byte; times]).collect();
            let start = from % (text.len() * 8);
            let bits = start..(start + len).min(text.len() * 8);
            let plain = bits.clone().filter(|&at| bit_at(&text, at)).count() as u64;
            prop_assert_eq!(ones(&text, bits.clone()), plain);
            for bit in [false, true] {
                let plain = bits.clone().find(|&at| bit_at(&text, at) == bit);
                prop_assert_eq!(first(&text, bit, bits.clone()), plain);
            }
        }
    }

    #[test]
    fn ends_beyond_the_string_are_drawn_in() {
        let bytes = |start, end, len| Span { start, end, by_bit: false }.bits(len);
        assert_eq!(bytes(0, -1, 3), Some(0..24));
        assert_eq!(bytes(-2, 100, 3), Some(8..24));
        assert_eq!(bytes(i64::MIN, i64::MAX, 3), Some(0..24));
        assert_eq!(bytes(3, 5, 3), None);
        assert_eq!(bytes(0, -1, 0), None);
        assert_eq!(Span { start: 5, end: -2, by_bit: true }.bits(3), Some(5..23));
    }
}
