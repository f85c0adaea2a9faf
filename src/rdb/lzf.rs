//! LZF, Marc Lehmann's compression, as Redis has it (`HLOG` 16, `VERY_FAST`): the same text gives the same
//! bytes.
//!
//! ```text
//! 000lllll                    l + 1 bytes as they are
//! lllooooo oooooooo           l + 2 bytes again that stood o + 1 bytes before; l is 1 to 6
//! 111ooooo llllllll oooooooo  l + 9 bytes again
//! ```

const HASH_BITS: u32 = 16;
const LITERALS_MAX: usize = 1 << 5;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MAX: usize = (1 << 8) + (1 << 3);
/// How many bytes one byte of compressed text can stand for, rounded up.
pub(super) const GAIN_MAX: usize = MATCH_MAX / 3 + 1;

/// Compresses texts, one after the other.
pub(super) struct Compressor {
    /// Where three bytes of this hash were seen last, beyond `base`; what lies below is of texts before.
    seen: Vec<u32>,
    base: u32,
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor { seen: vec![0; 1 << HASH_BITS], base: 1 }
    }
}

impl Compressor {
    /// The compressed text; `None` when it would have more than `most` bytes.
    pub(super) fn compress(&mut self, text: &[u8], most: usize) -> Option<Vec<u8>> {
        let len = u32::try_from(text.len()).ok().filter(|&len| len >= 4)?;
        self.base = match self.base.checked_add(len) {
            Some(_) => self.base,
            None => {
                self.seen.fill(0);
                1
            }
        };
        let compressed = self.run(text, most);
        self.base = self.base.saturating_add(len);
        compressed
    }

    /// Remembers that the three bytes that end `rolling` begin at `at`; where the same hash was seen before.
    fn meet(&mut self, rolling: u32, at: usize) -> Option<usize> {
        let hash =
            (rolling >> (24 - HASH_BITS)).wrapping_sub(rolling.wrapping_mul(5)) & ((1 << HASH_BITS) - 1);
        let seen = std::mem::replace(&mut self.seen[hash as usize], self.base + at as u32);
        // As in the original the first byte of a text is never referred to.
        seen.checked_sub(self.base).map(|at| at as usize).filter(|&at| at > 0)
    }

    fn run(&mut self, text: &[u8], most: usize) -> Option<Vec<u8>> {
        let end = text.len();
        let first_two = |at: usize| u32::from(text[at]) << 8 | u32::from(text[at + 1]);
        let roll = |rolling: u32, at: usize| rolling << 8 | u32::from(text[at + 2]);
        let mut out = Literals::new(most.min(end));
        let mut rolling = first_two(0);
        let mut at = 0;
        while at < end - 2 {
            rolling = roll(rolling, at);
            let earlier = self.meet(rolling, at).filter(|&earlier| {
                at - earlier <= OFFSET_MAX && text[earlier..earlier + 3] == text[at..at + 3]
            });
            let Some(earlier) = earlier else {
                if out.bytes.len() >= most {
                    return None;
                }
                out.push(text[at]);
                at += 1;
                continue;
            };
            let is_empty = usize::from(out.run == 0);
            if out.bytes.len() - is_empty + 4 >= most {
                return None;
            }
            let len = match_len(text, earlier, at);
            out.refer(at - earlier - 1, len);
            at += len;
            if at >= end - 2 {
                break;
            }
            // Of what was passed over only the last two places are remembered.
            rolling = roll(first_two(at - 2), at - 2);
            self.meet(rolling, at - 2);
            rolling = roll(rolling, at - 1);
            self.meet(rolling, at - 1);
        }
        if out.bytes.len() + 3 > most {
            return None;
        }
        text[at..].iter().for_each(|&byte| out.push(byte));
        Some(out.finish())
    }
}

/// How many bytes are the same at both places, three being known to be: as many as the original finds, which
/// looks at sixteen without asking where the text ends.
fn match_len(text: &[u8], earlier: usize, at: usize) -> usize {
    const UNROLLED: usize = 16;
    let most = (text.len() - at - 2).min(MATCH_MAX);
    let same = |len: usize| text[earlier + len] == text[at + len];
    let mut len = 3;
    if most > UNROLLED {
        while len <= 2 + UNROLLED {
            if !same(len) {
                return len;
            }
            len += 1;
        }
    }
    while len < most && same(len) {
        len += 1;
    }
    len
}

/// Compressed text that ends in literals, whose count is written when it is known.
struct Literals {
    bytes: Vec<u8>,
    run: usize,
}

impl Literals {
    fn new(room: usize) -> Literals {
        let mut bytes = Vec::with_capacity(room);
        bytes.push(0);
        Literals { bytes, run: 0 }
    }

    fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.run += 1;
        if self.run == LITERALS_MAX {
            self.close();
            self.bytes.push(0);
        }
    }

    /// Ends the run, taking its count back if it has none.
    fn close(&mut self) {
        if self.run == 0 {
            self.bytes.pop();
        } else {
            let head = self.bytes.len() - self.run - 1;
            self.bytes[head] = (self.run - 1) as u8;
        }
        self.run = 0;
    }

    fn refer(&mut self, offset: usize, len: usize) {
        self.close();
        let high = (offset >> 8) as u8;
        match len - 2 {
            len @ 1..7 => self.bytes.push((len as u8) << 5 | high),
            len => self.bytes.extend([7 << 5 | high, (len - 7) as u8]),
        }
        self.bytes.extend([offset as u8, 0]);
    }

    fn finish(mut self) -> Vec<u8> {
        self.close();
        self.bytes
    }
}

/// The text of `len` bytes; `None` when the compressed one is not of such a text.
pub(super) fn decompress(mut compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > compressed.len().saturating_mul(GAIN_MAX) {
        return None;
    }
    let mut text = Vec::with_capacity(len);
    while let Some((&head, rest)) = compressed.split_first() {
        compressed = rest;
        if usize::from(head) < LITERALS_MAX {
            let (literals, rest) = compressed.split_at_checked(usize::from(head) + 1)?;
            compressed = rest;
            text.extend_from_slice(literals);
        } else {
            let mut take = || {
                let (&byte, rest) = compressed.split_first()?;
                compressed = rest;
                Some(usize::from(byte))
            };
            let run = match head >> 5 {
                7 => 9 + take()?,
                run => 2 + usize::from(run),
            };
            let offset = usize::from(head & 0x1f) << 8 | take()?;
            let from = text.len().checked_sub(offset + 1)?;
            if run > len - text.len() {
                return None;
            }
            // What is repeated may overlap what it becomes.
            for at in from..from + run {
                text.push(text[at]);
            }
        }
        if text.len() > len {
            return None;
        }
    }
    (text.len() == len).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        let mut compressor = Compressor::default();
        assert_eq!(compressor.compress(b"abc", 100), None);
        let text: Vec<u8> = (0..=255).collect();
        assert_eq!(compressor.compress(&text, text.len() - 4), None);
        // As in redis-server's DUMP of it.
        assert_eq!(compressor.compress(&[b'a'; 30], 26), Some(b"\x01aa\xe0\x11\x00\x01aa".to_vec()));
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            texts in prop::collection::vec(prop::collection::vec(0u8..4, 0..2000), 1..4), repeats in 1usize..20,
        ) {
            let mut compressor = Compressor::default();
            for text in texts {
                let text = text.repeat(repeats);
                if let Some(compressed) = compressor.compress(&text, text.len()) {
                    prop_assert!(compressed.len() <= text.len());
                    prop_assert_eq!(decompress(&compressed, text.len()), Some(text.clone()));
                    prop_assert_eq!(decompress(&compressed, text.len() + 1), None);
                    prop_assert_eq!(decompress(&compressed, text.len().saturating_sub(1)), None);
                }
            }
        }

        #[test]
        fn any_bytes_are_text_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0usize..5000) {
            if let Some(text) = decompress(&bytes, len) {
                prop_assert_eq!(text.len(), len);
            }
        }
    }
}
