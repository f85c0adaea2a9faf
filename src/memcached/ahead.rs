//! Which keys the next requests ask for, so that the store can load them ahead. A guess from the looks of the lines,
//! much cheaper than decoding them: where it is wrong, something is loaded that nobody needs.

use super::DATABASE;
use super::words::{Words, first_line, uint};
use crate::daemon::Daemon;
use crate::store::Places;

/// The keys of the first requests in `input`, [`Places::MOST`] at most.
#[inline]
pub(super) fn keys(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = input;
    let mut line = Words::new(b"");
    std::iter::from_fn(move || {
        loop {
            if let Some(key) = line.next() {
                return Some(key);
            }
            let (mut words, used) = first_line(rest)?;
            rest = &rest[used..];
            let verb = words.next().unwrap_or_default();
            match verb {
                b"get" | b"gets" => line = words,
                b"gat" | b"gats" => {
                    words.next();
                    line = words;
                }
                b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" | b"ms" => {
                    let key = words.next();
                    let length = if verb == b"ms" { words.next() } else { words.nth(2) };
                    // Beyond the block of data; one that has not come yet ends the guessing.
                    let after = |length: u64| rest.get(usize::try_from(length).ok()?.checked_add(2)?..);
                    rest = length.and_then(uint).and_then(after).unwrap_or_default();
                    return key;
                }
                _ => {
                    if let Some(key) = words.next() {
                        return Some(key);
                    }
                }
            }
        }
    })
    .take(Places::MOST)
}

/// Loads what these keys lead to. A single one would only be waited for.
#[inline]
pub(super) fn load<'k>(daemon: &Daemon, mut keys: impl Iterator<Item = &'k [u8]>) {
    let (Some(first), Some(second)) = (keys.next(), keys.next()) else { return };
    let mut places = Places::default();
    places.extend([first, second].into_iter().chain(keys).map(|key| daemon.store.foresee(DATABASE, key)));
    daemon.store.load(places.as_slice());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guessed(input: &str) -> Vec<&[u8]> {
        keys(input.as_bytes()).collect()
    }

    #[test]
    fn keys_of_every_form_are_found() {
        let input = "get a b\r\nset c 0 0 3\r\nx\r\n\r\nincr d 1\nms e 2 T9\r\nyy\r\ngat 5 f g\r\nmn\r\nmg h v\r\nget i";
        assert_eq!(guessed(input), [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]);
        assert_eq!(guessed("set a 0 0 100\r\nx\r\nget b\r\n"), [b"a"]);
        assert_eq!(guessed("set a 0 0 99999999999999999999\r\nget b\r\n"), [b"a"]);
    }

    proptest! {
        #[test]
        fn no_input_panics(input in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(keys(&input).count() <= Places::MOST);
        }

        #[test]
        fn no_lines_panic(input in "((get|set|ms|gat|mg|cas) ?[a-c 0-9]{0,12}\r?\n){0,8}") {
            prop_assert!(keys(input.as_bytes()).count() <= Places::MOST);
        }
    }
}
