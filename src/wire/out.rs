//! The output buffer of a connection: small replies are copied behind each other, large values
//! travel as handles and are written to the socket without a copy.

use bytes::Bytes;
use std::io::IoSlice;

/// Values of at least this many bytes are worth a handle of their own in a vectored write.
const SHARE_AT: usize = 16 * 1024;

/// Bytes to send, in order: `text` with `shared` pieces spliced in at their positions.
#[derive(Debug, Default)]
pub struct Out {
    text: Vec<u8>,
    /// Bytes of `text` that are sent already.
    sent: usize,
    /// (position in `text` before which the piece goes, the piece), positions ascending.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
}

/// The head of a reply, put together on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    bytes: [u8; Short::MOST],
    len: usize,
}

impl Short {
    const MOST: usize = 32;

    #[inline]
    pub fn new() -> Short {
        Short { bytes: [0; Short::MOST], len: 0 }
    }

    /// Appends a byte. There is room for two numbers of 32 bits with a few bytes around them, and no more.
    #[inline]
    pub fn byte(mut self, byte: u8) -> Short {
        self.bytes[self.len] = byte;
        self.len += 1;
        self
    }

    /// Appends decimal digits.
    #[inline]
    pub fn number(mut self, number: u32) -> Short {
        if number < 10 {
            return self.byte(b'0' + number as u8);
        }
        let digits = number.ilog10() as usize + 1;
        let (mut at, mut rest) = (self.len + digits, number);
        while at > self.len {
            at -= 1;
            self.bytes[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.len += digits;
        self
    }

    #[inline]
    pub fn line_end(self) -> Short {
        self.byte(b'\r').byte(b'\n')
    }
}

impl Default for Short {
    fn default() -> Short {
        Short::new()
    }
}

/// A place to cut back to, when a command fails after it began to answer.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    text: usize,
    shared: usize,
}

impl Out {
    pub fn new() -> Out {
        Out::default()
    }

    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    #[inline]
    pub fn put_u8(&mut self, byte: u8) {
        self.text.push(byte);
    }

    /// A few bytes, put together outside: one check for room, and a copy of a size that the compiler knows.
    #[inline]
    pub fn put_short(&mut self, short: &Short) {
        let end = self.text.len() + short.len;
        self.text.extend_from_slice(&short.bytes);
        self.text.truncate(end);
    }

    /// Decimal digits of `n`.
    #[inline]
    pub fn put_int(&mut self, n: impl itoa::Integer) {
        self.text.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    }

    /// Appends a value without copying it when it is large.
    pub fn put_shared(&mut self, value: &Bytes) {
        if value.len() < SHARE_AT {
            self.put(value);
        } else {
            self.shared_bytes += value.len();
            self.shared.push((self.text.len(), value.clone()));
        }
    }

    /// Bytes not yet sent.
    pub fn len(&self) -> usize {
        self.text.len() - self.sent + self.shared_bytes
    }

    pub fn is_empty(&self) -> bool {
        self.text.len() == self.sent && self.shared.is_empty()
    }

    pub fn mark(&self) -> Mark {
        Mark { text: self.text.len(), shared: self.shared.len() }
    }

    /// Drops everything put since `mark`.
    pub fn cut_to(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        for (_, piece) in self.shared.drain(mark.shared..) {
            self.shared_bytes -= piece.len();
        }
    }

    /// Takes back what was put since `mark`, large values too, and appends it to `into`.
    pub fn take_since(&mut self, mark: Mark, into: &mut Vec<u8>) {
        let mut from = mark.text;
        for (at, piece) in &self.shared[mark.shared..] {
            into.extend_from_slice(&self.text[from..*at]);
            into.extend_from_slice(piece);
            from = *at;
        }
        into.extend_from_slice(&self.text[from..]);
        self.cut_to(mark);
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: Out) {
        let from = self.text.len();
        self.text.extend_from_slice(&other.text[other.sent..]);
        self.shared.extend(other.shared.into_iter().map(|(at, piece)| (from + at - other.sent, piece)));
        self.shared_bytes += other.shared_bytes;
    }

    /// The plain bytes since `mark`, for callers that know no large value was put (scripts, MONITOR).
    pub fn text_since(&self, mark: Mark) -> &[u8] {
        &self.text[mark.text..]
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.sent = 0;
        self.shared.clear();
        self.shared_bytes = 0;
    }

    /// The text when no piece is shared: the common case, one plain write.
    pub fn as_plain(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.text[self.sent..])
    }

    /// Fills `slices` with what comes first, up to about `bytes`; for a vectored write.
    pub fn slices<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>, most: usize, bytes: usize) {
        let (mut from, mut left) = (self.sent, bytes);
        let mut put = |slice: &'a [u8], left: &mut usize| {
            let slice = &slice[..slice.len().min(*left)];
            *left -= slice.len();
            if !slice.is_empty() {
                slices.push(IoSlice::new(slice));
            }
            slices.len() + 2 <= most && *left > 0
        };
        for (at, piece) in &self.shared {
            if !put(&self.text[from..*at], &mut left) || !put(piece, &mut left) {
                return;
            }
            from = *at;
        }
        put(&self.text[from..], &mut left);
    }

    /// Drops the first `n` bytes: they are sent. What remains is moved when it is the smaller part, so that a
    /// long reply that is read in small steps is not moved at each.
    pub fn advance(&mut self, mut n: usize) {
        let mut pieces_sent = 0;
        for (at, piece) in &mut self.shared {
            let text = *at - self.sent;
            if n < text {
                break;
            }
            n -= text;
            self.sent = *at;
            if n < piece.len() {
                let rest = piece.split_off(n);
                *piece = rest;
                self.shared_bytes -= n;
                n = 0;
                break;
            }
            n -= piece.len();
            self.shared_bytes -= piece.len();
            pieces_sent += 1;
        }
        self.sent += n;
        self.shared.drain(..pieces_sent);
        if self.sent > self.text.len() / 2 {
            self.text.drain(..self.sent);
            for (at, _) in &mut self.shared {
                *at -= self.sent;
            }
            self.sent = 0;
        }
    }

    /// Room kept between batches is bounded, so that an idle connection holds little.
    pub fn shrink(&mut self, keep: usize) {
        if self.text.capacity() > keep && self.text.len() < keep {
            self.text.shrink_to(keep);
        }
    }

    /// Everything in one vector; for tests and the mailbox.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut slices = Vec::new();
        self.slices(&mut slices, usize::MAX, usize::MAX);
        slices.iter().flat_map(|slice| slice.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Out, Vec<u8>) {
        let mut out = Out::new();
        out.put(b"head ");
        out.put_shared(&Bytes::from(vec![b'a'; SHARE_AT]));
        out.put_shared(&Bytes::from(vec![b'b'; SHARE_AT + 1]));
        out.put(b" tail ");
        out.put_int(42);
        let all = out.to_vec();
        (out, all)
    }

    #[test]
    fn short_heads_are_what_they_are_made_of() {
        for number in [0, 9, 10, 99, 100, 4321, 10_000, 999_999_999, u32::MAX] {
            let mut out = Out::new();
            out.put_short(&Short::new().byte(b'$').number(number).byte(b' ').number(number).line_end());
            assert_eq!(out.to_vec(), format!("${number} {number}\r\n").into_bytes());
        }
    }

    #[test]
    fn advancing_by_any_steps_sends_the_same_bytes() {
        for step in [1, 4, 5, 6, 1000, SHARE_AT, SHARE_AT + 5, 40_000, 100_000] {
            let (mut out, all) = sample();
            let mut sent = Vec::new();
            while !out.is_empty() {
                let rest = out.to_vec();
                let n = step.min(rest.len());
                sent.extend_from_slice(&rest[..n]);
                out.advance(n);
                assert_eq!(out.len(), rest.len() - n, "step {step}");
            }
            assert_eq!(sent, all, "step {step}");
        }
    }

    #[test]
    fn cutting_back_to_a_mark_restores_the_buffer() {
        let (mut out, all) = sample();
        let mark = out.mark();
        out.put(b"more");
        out.put_shared(&Bytes::from(vec![b'c'; SHARE_AT]));
        out.cut_to(mark);
        assert_eq!(out.to_vec(), all);
        assert_eq!(out.len(), all.len());
    }

    #[test]
    fn what_is_taken_back_can_be_appended_again() {
        let (mut out, all) = sample();
        let mark = out.mark();
        let (more, text) = sample();
        out.append(more);
        assert_eq!(out.to_vec(), [&all[..], &text].concat());
        let mut taken = Vec::new();
        out.take_since(mark, &mut taken);
        assert_eq!((out.to_vec(), taken), (all, text));
    }
}
