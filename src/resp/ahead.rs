//! Requests decoded ahead of the one that is executed, so that their items can be loaded from memory meanwhile.

use super::decode::{Argv, Decoder, Limits, ProtocolError, Step};

/// A request found ahead of its turn.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Where it begins and ends in the input.
    pub from: usize,
    pub to: usize,
    /// Its arguments' ranges.
    args: (u32, u32),
    is_inline: bool,
}

/// Takes requests off a stream of bytes, some at a time.
///
/// What it found stays good as long as it is shown the same bytes, with more behind them perhaps; [`Ahead::settle`]
/// says which of them are used up.
#[derive(Debug, Default)]
pub struct Ahead {
    decoder: Decoder,
    found: Vec<Found>,
    /// The next of `found` to be executed.
    next: usize,
    /// Where decoding goes on.
    at: usize,
}

/// Requests, and arguments, that are decoded ahead at most. A request with more arguments comes alone.
const REQUESTS_AHEAD: usize = 16;
const ARGS_AHEAD: usize = 256;

impl Ahead {
    /// The request to execute now; `None`: look for more.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "there may be more after `None`")]
    pub fn next(&mut self) -> Option<Found> {
        let found = self.found.get(self.next).copied();
        self.next += usize::from(found.is_some());
        found
    }

    /// Requests that are decoded and not executed yet.
    #[inline]
    pub fn len(&self) -> usize {
        self.found.len() - self.next
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decodes what is there, if nothing is decoded yet. `Some`: not even one request, so many bytes are missing.
    ///
    /// # Errors
    /// The stream cannot be followed any further.
    #[inline]
    pub fn look(&mut self, input: &[u8], limits: Limits) -> Result<Option<usize>, ProtocolError> {
        if !self.is_empty() {
            return Ok(None);
        }
        self.found.clear();
        self.next = 0;
        if self.decoder.missing == 0 {
            self.decoder.forget();
        } else if self.decoder.first > 0 {
            self.decoder.ranges.drain(..self.decoder.first);
            self.decoder.first = 0;
        }
        // What a stranger may send changes with the log-in.
        let most = if limits.stranger { 1 } else { REQUESTS_AHEAD };
        // The first is looked for however many of its arguments are known from before.
        while self.found.is_empty() || self.found.len() < most && self.decoder.ranges.len() < ARGS_AHEAD {
            match self.decoder.find(&input[self.at..], limits) {
                Ok(Step::Request(len)) => {
                    let args = (self.decoder.first as u32, self.decoder.ranges.len() as u32);
                    let is_inline = self.decoder.is_inline;
                    self.found.push(Found { from: self.at, to: self.at + len, args, is_inline });
                    self.at += len;
                    self.decoder.first = args.1 as usize;
                }
                Ok(Step::Incomplete(missing)) if self.found.is_empty() => return Ok(Some(missing)),
                Ok(Step::Incomplete(_)) => break,
                Err(error) if self.found.is_empty() => return Err(error),
                Err(_) => {
                    // Found once more when those before it are executed.
                    self.decoder.ranges.truncate(self.decoder.first);
                    self.decoder.missing = 0;
                    break;
                }
            }
        }
        Ok(None)
    }

    /// What is decoded and not executed yet.
    #[inline]
    pub fn upcoming<'a>(&'a self, input: &'a [u8]) -> impl Iterator<Item = Argv<'a>> {
        self.found[self.next..].iter().map(move |&found| self.argv(found, input))
    }

    #[inline]
    pub fn argv<'a>(&'a self, found: Found, input: &'a [u8]) -> Argv<'a> {
        let ranges = &self.decoder.ranges[found.args.0 as usize..found.args.1 as usize];
        let bytes = if found.is_inline { &self.decoder.inline[..] } else { &input[found.from..found.to] };
        Argv::new(bytes, ranges)
    }

    /// The first `consumed` bytes of the input are not shown again.
    #[inline]
    pub fn settle(&mut self, consumed: usize) {
        if consumed == self.at {
            // What is left is the beginning of a request, which the decoder remembers.
            self.at = 0;
        } else if self.next > 0 {
            self.found.clear();
            self.decoder.forget();
            (self.next, self.at) = (0, 0);
        }
    }

    /// Gives spare memory back.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            self.decoder.shrink();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::tests::{LIMITS, decode_all, encode};
    use super::*;
    use proptest::prelude::*;

    type Requests = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

    /// Decodes as a session does that is shown `chunks` one after the other, and that stops as `stops` says: at 0 after
    /// this request, at 1 before it, with the request shown again.
    fn decode(chunks: &[&[u8]], limits: Limits, mut stops: impl Iterator<Item = u8>) -> Requests {
        let (mut ahead, mut unread, mut requests) = (Ahead::default(), Vec::new(), Vec::new());
        for chunk in chunks {
            unread.extend_from_slice(chunk);
            let mut goes_on = true;
            while goes_on {
                let mut consumed = 0;
                loop {
                    match ahead.look(&unread, limits) {
                        Ok(None) => {}
                        Ok(Some(_)) => {
                            goes_on = false;
                            break;
                        }
                        Err(error) => return (requests, Some(error)),
                    }
                    let found = ahead.next().expect("it has looked");
                    assert_eq!(found.from, consumed);
                    let stop = stops.next();
                    if stop == Some(1) {
                        break;
                    }
                    requests.push(ahead.argv(found, &unread).iter().map(<[u8]>::to_vec).collect());
                    consumed = found.to;
                    if stop == Some(0) {
                        break;
                    }
                }
                ahead.settle(consumed);
                unread.drain(..consumed);
            }
        }
        (requests, None)
    }

    fn chunks<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
        let mut cuts: Vec<usize> =
            cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
    }

    proptest! {
        #[test]
        fn requests_are_those_that_come_one_by_one(
            requests in prop::collection::vec(
                prop_oneof![
                    4 => prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 1..5).prop_map(|r| encode(&r)),
                    1 => "[a-c \"']{0,9}\r\n".prop_map(String::into_bytes),
                    1 => Just(b"*0\r\n".to_vec()),
                ],
                0..60,
            ),
            cuts in prop::collection::vec(0usize..4000, 0..12),
            stops in prop::collection::vec(0u8..6, 0..40),
            stranger: bool,
        ) {
            let bytes = requests.concat();
            let chunks = chunks(&bytes, &cuts);
            let limits = Limits { stranger, ..LIMITS };
            prop_assert_eq!(decode(&chunks, limits, stops.into_iter()), decode_all(&chunks));
        }

        #[test]
        fn junk_is_the_same_junk(
            bytes in "[*$0-9a-c\r\n \"-]{0,80}".prop_map(String::into_bytes),
            cuts in prop::collection::vec(0usize..80, 0..6),
            stops in prop::collection::vec(0u8..6, 0..20),
        ) {
            let chunks = chunks(&bytes, &cuts);
            prop_assert_eq!(decode(&chunks, LIMITS, stops.into_iter()), decode_all(&chunks));
        }
    }

    /// More arguments than are decoded ahead, in pieces: their beginning was once taken for enough.
    #[test]
    fn a_long_request_may_come_in_pieces() {
        let long = encode(&vec![b"argument".to_vec(); 2 * ARGS_AHEAD]);
        let bytes = [encode(&[b"PING".to_vec()]), long].concat().repeat(3);
        for size in [1, 100, 3000, 8000] {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(decode(&chunks, LIMITS, std::iter::empty()), decode_all(&chunks), "pieces of {size}");
        }
    }

    #[test]
    fn what_is_decoded_ahead_is_bounded() {
        let bytes = encode(&[b"GET".to_vec(), b"key".to_vec()]).repeat(100);
        let mut ahead = Ahead::default();
        assert_eq!(ahead.look(&bytes, LIMITS), Ok(None));
        assert_eq!(ahead.len(), REQUESTS_AHEAD);
        let long = encode(&vec![b"x".to_vec(); 1000]).repeat(3);
        let mut ahead = Ahead::default();
        assert_eq!(ahead.look(&long, LIMITS), Ok(None));
        assert_eq!(ahead.len(), 1);
    }
}
