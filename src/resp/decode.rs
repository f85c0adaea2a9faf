//! Requests: an array of bulk strings, or an inline line as a person types it.
//!
//! Decoded in place by a loop: an argument is a range of the input. Every length is bounded before
//! it is believed, nothing is allocated by a claimed count, and a request that arrives in pieces is
//! taken up where it was left. `redis-protocol`, the second opinion in the tests, takes 136 ns for a
//! pipelined GET where this takes about 10 (`benches/decode.rs`), and recurses without a bound.

use memchr::memchr;

/// A line longer than this without an end is an error, as in Redis (`PROTO_INLINE_MAX_SIZE`).
const LINE_MAX: usize = 64 * 1024;
/// What a client may send before it has logged in, as in Redis.
const STRANGER_ARGS_MAX: i64 = 10;
const STRANGER_BULK_MAX: i64 = 16 * 1024;

/// Why the next request cannot be found. The connection answers and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("ERR Protocol error: too big inline request")]
    LongInline,
    #[error("ERR Protocol error: unbalanced quotes in request")]
    Quotes,
    #[error("ERR Protocol error: too big mbulk count string")]
    LongCount,
    #[error("ERR Protocol error: invalid multibulk length")]
    Count,
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    StrangerCount,
    #[error("ERR Protocol error: too big bulk count string")]
    LongLength,
    #[error("ERR Protocol error: expected '$', got '{}'", char::from(*.0))]
    NoBulk(u8),
    #[error("ERR Protocol error: invalid bulk length")]
    Length,
    #[error("ERR Protocol error: unauthenticated bulk length")]
    StrangerLength,
}

/// What is known of the sender.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`, in bytes.
    pub bulk_max: i64,
    /// Not logged in, though a password is set.
    pub stranger: bool,
}

/// How far the input goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A request of this many bytes; its arguments are in `argv`. None at all: an empty line, ignored.
    Request(usize),
    /// At least this many bytes are missing (0: unknown).
    Incomplete(usize),
}

/// Takes requests off a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Arguments of the requests at hand: ranges of the input, counted from where the request begins, or of `inline`.
    pub(super) ranges: Vec<(u32, u32)>,
    /// Where those of the request that is being decoded begin.
    pub(super) first: usize,
    /// Arguments of inline requests, unquoted.
    pub(super) inline: Vec<u8>,
    pub(super) is_inline: bool,
    /// Of a request that is not complete: arguments still missing, and where to go on.
    pub(super) missing: u32,
    resume: usize,
}

/// The arguments of a request, the command's name first.
#[derive(Clone, Copy, Debug)]
pub struct Argv<'a> {
    bytes: &'a [u8],
    ranges: &'a [(u32, u32)],
}

impl<'a> Argv<'a> {
    pub fn new(bytes: &'a [u8], ranges: &'a [(u32, u32)]) -> Argv<'a> {
        Argv { bytes, ranges }
    }

    #[inline]
    pub fn len(self) -> usize {
        self.ranges.len()
    }

    pub fn is_empty(self) -> bool {
        self.ranges.is_empty()
    }

    #[inline]
    pub fn get(self, index: usize) -> Option<&'a [u8]> {
        let &(from, to) = self.ranges.get(index)?;
        Some(&self.bytes[from as usize..to as usize])
    }

    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone {
        self.ranges.iter().map(move |&(from, to)| &self.bytes[from as usize..to as usize])
    }

    /// The first `count` arguments.
    pub fn first(self, count: usize) -> Argv<'a> {
        Argv { bytes: self.bytes, ranges: &self.ranges[..count.min(self.ranges.len())] }
    }

    /// From argument `index` on.
    pub fn skip(self, index: usize) -> Argv<'a> {
        Argv { bytes: self.bytes, ranges: self.ranges.get(index..).unwrap_or_default() }
    }
}

/// A request's own copy of its arguments.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgv {
    bytes: Vec<u8>,
    ranges: Vec<(u32, u32)>,
}

impl OwnedArgv {
    pub fn push(&mut self, arg: &[u8]) {
        let from = self.bytes.len() as u32;
        self.bytes.extend_from_slice(arg);
        self.ranges.push((from, self.bytes.len() as u32));
    }

    pub fn as_argv(&self) -> Argv<'_> {
        Argv { bytes: &self.bytes, ranges: &self.ranges }
    }

    /// Bytes that the copy takes.
    pub fn size(&self) -> usize {
        self.bytes.capacity() + self.ranges.capacity() * size_of::<(u32, u32)>()
    }
}

impl From<Argv<'_>> for OwnedArgv {
    fn from(argv: Argv<'_>) -> OwnedArgv {
        argv.iter().collect()
    }
}

impl<'a> FromIterator<&'a [u8]> for OwnedArgv {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(args: I) -> OwnedArgv {
        let mut owned = OwnedArgv::default();
        args.into_iter().for_each(|arg| owned.push(arg));
        owned.bytes.shrink_to_fit();
        owned.ranges.shrink_to_fit();
        owned
    }
}

/// A line's digits as Redis' `string2ll` takes them: no sign but a minus, no leading zeros.
fn integer(text: &[u8]) -> Option<i64> {
    // The hot case: one or two digits.
    match text {
        [d @ b'0'..=b'9'] => return Some(i64::from(d - b'0')),
        [a @ b'1'..=b'9', b @ b'0'..=b'9'] => return Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => {}
    }
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 || digits[0] == b'0' {
        return None;
    }
    let mut n = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        n = n * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -n } else { n })
}

impl Decoder {
    /// Drops the arguments of all requests at hand.
    #[inline]
    pub(super) fn forget(&mut self) {
        self.ranges.clear();
        self.inline.clear();
        (self.first, self.missing) = (0, 0);
    }

    /// Looks for a request at the beginning of `input`, and keeps the arguments of those before it. After
    /// `Step::Incomplete` call again with the same bytes and more behind them.
    ///
    /// # Errors
    /// The stream cannot be followed any further.
    #[inline]
    pub(super) fn find(&mut self, input: &[u8], limits: Limits) -> Result<Step, ProtocolError> {
        if self.missing == 0 {
            match input.first() {
                None => return Ok(Step::Incomplete(0)),
                Some(b'*') => {}
                Some(_) => return self.step_inline(input),
            }
            self.is_inline = false;
            let (count, after) = match short_number(input, 1) {
                Some((count, after)) => (i64::from(count), after),
                None => {
                    let Some((count, after)) = line(input, 1, ProtocolError::LongCount)? else {
                        return Ok(Step::Incomplete(0));
                    };
                    let count = integer(count).filter(|&n| n <= i64::from(i32::MAX));
                    (count.ok_or(ProtocolError::Count)?, after)
                }
            };
            if count <= 0 {
                return Ok(Step::Request(after));
            }
            if limits.stranger && count > STRANGER_ARGS_MAX {
                return Err(ProtocolError::StrangerCount);
            }
            self.missing = count as u32;
            self.resume = after;
        }
        self.bulks(input, limits)
    }

    #[inline]
    fn bulks(&mut self, input: &[u8], limits: Limits) -> Result<Step, ProtocolError> {
        while self.missing > 0 {
            let at = self.resume;
            match input.get(at) {
                None => return Ok(Step::Incomplete(0)),
                Some(b'$') => {}
                Some(&other) => {
                    // Redis waits for the whole line before it looks at its first byte.
                    return match line(input, at, ProtocolError::LongLength)? {
                        None => Ok(Step::Incomplete(0)),
                        Some(_) => Err(ProtocolError::NoBulk(other)),
                    };
                }
            }
            let (length, from) = match short_number(input, at + 1) {
                // `proto-max-bulk-len` is a megabyte at least.
                Some((length, from)) => (i64::from(length), from),
                None => {
                    let Some((length, from)) = line(input, at + 1, ProtocolError::LongLength)? else {
                        return Ok(Step::Incomplete(0));
                    };
                    let bound = limits.bulk_max.min(i64::from(u32::MAX / 2));
                    let length = integer(length).filter(|n| (0..=bound).contains(n));
                    (length.ok_or(ProtocolError::Length)?, from)
                }
            };
            if limits.stranger && length > STRANGER_BULK_MAX {
                return Err(ProtocolError::StrangerLength);
            }
            let to = from + length as usize;
            // As in Redis, what stands in the place of the CRLF is not looked at.
            let end = to + 2;
            // Arguments are found by 32 bits, whatever `client-query-buffer-limit` allows.
            if end > u32::MAX as usize {
                return Err(ProtocolError::Length);
            }
            if input.len() < end {
                return Ok(Step::Incomplete(end - input.len()));
            }
            self.ranges.push((from as u32, to as u32));
            self.missing -= 1;
            self.resume = end;
        }
        Ok(Step::Request(self.resume))
    }

    fn step_inline(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        let Some(end) = memchr(b'\n', input) else {
            return if input.len() > LINE_MAX {
                Err(ProtocolError::LongInline)
            } else {
                Ok(Step::Incomplete(0))
            };
        };
        let text = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        self.is_inline = true;
        split_words(text, &mut self.inline, &mut self.ranges).ok_or(ProtocolError::Quotes)?;
        Ok(Step::Request(end + 1))
    }

    /// Forgets an incomplete request and gives spare memory back.
    pub(super) fn shrink(&mut self) {
        const KEEP: usize = 128;
        if self.missing == 0 && self.ranges.capacity() > KEEP {
            self.ranges = Vec::new();
        }
        self.inline = Vec::new();
    }
}

/// The number of one to four digits whose line begins at `at`, and where the next line begins. `None`: look closer.
#[inline]
fn short_number(input: &[u8], at: usize) -> Option<(u32, usize)> {
    // An argument follows on nearly every length, so this many bytes are there.
    let text: &[u8; 6] = input.get(at..)?.first_chunk()?;
    let mut number = u32::from(text[0].wrapping_sub(b'0'));
    if number > 9 {
        return None;
    }
    for (i, &byte) in text[1..5].iter().enumerate() {
        if byte == b'\r' {
            return Some((number, at + i + 3));
        }
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit > 9 || number == 0 {
            return None;
        }
        number = number * 10 + digit;
    }
    None
}

/// The text from `at` up to the next CR, and where the next line begins. `None`: it has no end yet.
#[inline]
fn line(input: &[u8], at: usize, too_long: ProtocolError) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    let rest = &input[at..];
    // Counts and lengths have one to four digits nearly always.
    let head = &rest[..rest.len().min(6)];
    let found = head.iter().position(|&byte| byte == b'\r').or_else(|| memchr(b'\r', rest));
    match found {
        // The LF is taken for granted, but it has to be there before anything behind it is.
        Some(len) if rest.len() > len + 1 => Ok(Some((&rest[..len], at + len + 2))),
        Some(_) => Ok(None),
        None if rest.len() > LINE_MAX => Err(too_long),
        None => Ok(None),
    }
}

/// Splits a line as Redis' `sdssplitargs`: blanks separate, "…" knows escapes, '…' knows \' only.
/// `None`: a quote is not closed, or text follows on a closing one.
fn split_words(line: &[u8], words: &mut Vec<u8>, ranges: &mut Vec<(u32, u32)>) -> Option<()> {
    let is_blank = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0B;
    let mut at = 0;
    while at < line.len() {
        if is_blank(line[at]) {
            at += 1;
            continue;
        }
        let from = words.len() as u32;
        while at < line.len() && !is_blank(line[at]) {
            match line[at] {
                quote @ (b'"' | b'\'') => {
                    at = quoted(line, at + 1, quote, words)?;
                    if line.get(at).is_some_and(|&byte| !is_blank(byte)) {
                        return None;
                    }
                }
                byte => {
                    words.push(byte);
                    at += 1;
                }
            }
        }
        ranges.push((from, words.len() as u32));
    }
    Some(())
}

/// Reads up to the closing quote and returns the place behind it.
fn quoted(line: &[u8], mut at: usize, quote: u8, words: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (line.get(at)?, quote) {
            (&byte, _) if byte == quote => return Some(at + 1),
            (b'\\', b'\'') if line.get(at + 1) == Some(&b'\'') => {
                words.push(b'\'');
                at += 2;
            }
            (b'\\', b'"') => {
                let hex = |i: usize| line.get(i).and_then(|&byte| char::from(byte).to_digit(16));
                if line.get(at + 1) == Some(&b'x')
                    && let (Some(high), Some(low)) = (hex(at + 2), hex(at + 3))
                {
                    words.push((high * 16 + low) as u8);
                    at += 4;
                } else {
                    words.push(match line.get(at + 1)? {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 0x08,
                        b'a' => 0x07,
                        &other => other,
                    });
                    at += 2;
                }
            }
            (&byte, _) => {
                words.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::resp) const LIMITS: Limits = Limits { bulk_max: 512 << 20, stranger: false };

    impl Decoder {
        /// One request at a time: what requests decoded ahead are compared with.
        fn step(&mut self, input: &[u8], limits: Limits) -> Result<Step, ProtocolError> {
            if self.missing == 0 {
                self.forget();
            }
            self.find(input, limits)
        }

        fn argv<'a>(&'a self, input: &'a [u8]) -> Argv<'a> {
            Argv { bytes: if self.is_inline { &self.inline } else { input }, ranges: &self.ranges }
        }
    }

    pub(in crate::resp) fn decode_all(chunks: &[&[u8]]) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
        let (mut decoder, mut buffer, mut requests) = (Decoder::default(), Vec::new(), Vec::new());
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            loop {
                match decoder.step(&buffer, LIMITS) {
                    Ok(Step::Request(len)) => {
                        requests.push(decoder.argv(&buffer).iter().map(<[u8]>::to_vec).collect());
                        buffer.drain(..len);
                    }
                    Ok(Step::Incomplete(_)) => break,
                    Err(error) => return (requests, Some(error)),
                }
            }
        }
        (requests, None)
    }

    pub(in crate::resp) fn encode(request: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = format!("*{}\r\n", request.len()).into_bytes();
        for arg in request {
            bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            bytes.extend_from_slice(arg);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    fn error_of(bytes: &[u8]) -> String {
        decode_all(&[bytes]).1.map_or_else(String::new, |error| error.to_string())
    }

    proptest! {
        #[test]
        fn requests_are_the_same_however_the_bytes_are_split(
            requests in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 1..5),
            cuts in prop::collection::vec(0usize..2000, 0..20),
        ) {
            let bytes: Vec<u8> = requests.iter().flat_map(|request| encode(request)).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % bytes.len()).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode_all(&chunks), (requests, None));
        }

        #[test]
        fn junk_does_not_panic_and_splitting_does_not_change_it(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                prop::collection::vec(prop::sample::select(b"*$0123-\r\n'\"\\x ab".to_vec()), 0..60),
            ],
            cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(bytes.len() + 1);
            let whole = decode_all(&[&bytes]);
            let split = decode_all(&[&bytes[..cut], &bytes[cut..]]);
            prop_assert_eq!(whole, split);
        }

        #[test]
        fn redis_protocol_reads_the_same(request in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6)) {
            use redis_protocol::resp2::{decode::decode, types::OwnedFrame};
            let bytes = encode(&request);
            let Ok(Some((OwnedFrame::Array(frames), used))) = decode(&bytes) else {
                return Err(TestCaseError::fail("not an array"));
            };
            prop_assert_eq!(used, bytes.len());
            let args: Vec<Vec<u8>> = frames.into_iter().map(|frame| match frame {
                OwnedFrame::BulkString(arg) => arg,
                other => panic!("{other:?}"),
            }).collect();
            prop_assert_eq!(decode_all(&[&bytes]).0, vec![args]);
        }
    }

    #[test]
    fn inline_words_are_unquoted() {
        let (requests, error) = decode_all(&[b"  SET k \"a\\x41\\n\\\"b\" 'it\\'s' \r\n\r\nPING\n"]);
        assert_eq!(error, None);
        let expected: Vec<Vec<Vec<u8>>> = vec![
            vec![b"SET".to_vec(), b"k".to_vec(), b"aA\n\"b".to_vec(), b"it's".to_vec()],
            vec![],
            vec![b"PING".to_vec()],
        ];
        assert_eq!(requests, expected);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_in_redis_words() {
        assert_eq!(error_of(b"*x\r\n"), "ERR Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*2147483648\r\n"), "ERR Protocol error: invalid multibulk length");
        assert_eq!(error_of(b"*1\r\n:1\r\n"), "ERR Protocol error: expected '$', got ':'");
        assert_eq!(error_of(b"*1\r\n$-1\r\n"), "ERR Protocol error: invalid bulk length");
        assert_eq!(error_of(b"*1\r\n$536870913\r\n"), "ERR Protocol error: invalid bulk length");
        assert_eq!(error_of(b"GET \"a\r\n"), "ERR Protocol error: unbalanced quotes in request");
        assert_eq!(error_of(&[b'a'; LINE_MAX + 1]), "ERR Protocol error: too big inline request");
        assert_eq!(
            error_of(&[&b"*"[..], &[b'1'; LINE_MAX + 1]].concat()),
            "ERR Protocol error: too big mbulk count string"
        );
    }

    #[test]
    fn nothing_is_allocated_for_a_count_that_is_only_claimed() {
        let mut decoder = Decoder::default();
        let input = b"*2147483647\r\n$1\r\na\r\n";
        assert_eq!(decoder.step(input, LIMITS), Ok(Step::Incomplete(0)));
        assert!(decoder.ranges.capacity() < 16);
    }

    #[test]
    fn a_known_length_is_asked_for_at_once() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.step(b"*1\r\n$1000\r\nabc", LIMITS), Ok(Step::Incomplete(999)));
    }

    #[test]
    fn a_stranger_may_send_little() {
        let limits = Limits { stranger: true, ..LIMITS };
        let step = |bytes: &[u8]| Decoder::default().step(bytes, limits);
        assert_eq!(step(b"*11\r\n"), Err(ProtocolError::StrangerCount));
        assert_eq!(step(b"*1\r\n$16385\r\n"), Err(ProtocolError::StrangerLength));
    }
}
