//! Tests of the pure parts: lines, words, numbers, requests, base64, exptimes.

use super::base64;
use super::decode::{self, Block, Line, Mode, Refused, Request, Scratch};
use super::error::Refusal;
use super::words::{Args, Words, int, real, uint, uint32};
use super::writes::{expiry, seconds_left};
use crate::clock::{Deadline, Millis};
use crate::store::Expiry;
use crate::wire::Out;
use proptest::prelude::*;

/// Decodes a line and shows the request.
fn show(text: &[u8]) -> String {
    let mut scratch = Scratch::new();
    format!("{:?}", decode::request(Words::new(text), &mut scratch))
}

fn refused(text: &[u8]) -> Refused {
    let mut scratch = Scratch::new();
    match decode::request(Words::new(text), &mut scratch) {
        Err(refused) => refused,
        Ok(request) => panic!("{request:?}"),
    }
}

#[test]
fn a_line_ends_with_a_newline_and_may_have_a_return_before_it() {
    assert_eq!(decode::line(b"get a\r\nx"), Line::Whole { words: Words::new(b"get a"), used: 7 });
    assert_eq!(decode::line(b"get a\nx"), Line::Whole { words: Words::new(b"get a"), used: 6 });
    assert_eq!(decode::line(b"\r\n"), Line::Whole { words: Words::new(b"\r"), used: 2 });
    assert_eq!(decode::line(b"\n"), Line::Whole { words: Words::new(b""), used: 1 });
    assert_eq!(decode::line(b"get a\r"), Line::Open);
    assert_eq!(decode::line(b""), Line::Open);
}

#[test]
fn only_get_may_go_on_for_long_without_an_end() {
    let long = |start: &str| [start.as_bytes(), &[b'x'; 2048]].concat();
    assert_eq!(decode::line(&long("")), Line::Open);
    assert_eq!(decode::line(&long("y")), Line::TooLong);
    assert_eq!(decode::line(&long("get ")), Line::OpenGet);
    assert_eq!(decode::line(&long("gets ")), Line::OpenGet);
    assert_eq!(decode::line(&long("gat ")), Line::TooLong);
    assert_eq!(decode::line(&long(&format!("{}get ", " ".repeat(100)))), Line::OpenGet);
    assert_eq!(decode::line(&long(&format!("{}get ", " ".repeat(101)))), Line::TooLong);
}

#[test]
fn words_are_separated_by_spaces_and_end_at_a_nul() {
    let words = |text| Words::new(text).collect::<Vec<_>>();
    assert_eq!(words(b"  a  b\tc d "), [b"a".as_slice(), b"b\tc", b"d"]);
    assert_eq!(words(b"a b\0c d"), [b"a".as_slice(), b"b"]);
    assert_eq!(words(b"\0a"), [] as [&[u8]; 0]);
    assert_eq!(words(b"   "), [] as [&[u8]; 0]);
    let many = "w ".repeat(40);
    assert_eq!(Args::of(many.as_bytes()).count(), 23);
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    for (text, unsigned, signed) in [
        ("0", Some(0), Some(0)),
        ("+7", Some(7), Some(7)),
        ("\t\n 12 x", Some(12), Some(12)),
        ("12\0x", Some(12), Some(12)),
        ("12x", None, None),
        ("", None, None),
        ("-", None, None),
        ("+-1", None, None),
        ("-1", None, Some(-1)),
        ("-18446744073709551615", Some(1), None),
        ("2147483648", Some(2_147_483_648), Some(i32::MIN)),
        ("9223372036854775807", Some(i64::MAX as u64), Some(-1)),
        ("9223372036854775808", Some(1 << 63), None),
        ("-9223372036854775808", None, Some(0)),
        ("18446744073709551615", Some(u64::MAX), None),
        ("18446744073709551616", None, None),
    ] {
        assert_eq!(uint(text.as_bytes()), unsigned, "{text:?}");
        assert_eq!(int(text.as_bytes()), signed, "{text:?}");
    }
    assert_eq!(uint32(b"4294967297"), Some(1));
    assert_eq!(real(b"0.25"), Some(0.25));
    assert_eq!(real(b"x"), None);
}

#[test]
fn a_storage_line_is_read_word_by_word() {
    let shown = show(b"cas k 7 -1 5 42 noreply");
    for part in ["Cas", "flags: 7", "exptime: -1", "length: 5", "unique: 42", "noreply: true"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert_eq!(refused(b"set k 0 0"), Refused::from(Refusal::Unknown));
    assert_eq!(refused(b"set k 0 0 x"), Refused::from(Refusal::BadFormat));
    let silent = Refused { why: Refusal::BadFormat, noreply: true, swallow: 0 };
    assert_eq!(refused(b"set k 0 0 x noreply"), silent);
    assert_eq!(refused(b"set k 0 0 2147483646"), Refused::from(Refusal::BadFormat));
    assert!(matches!(
        decode::request(Words::new(b"set k 0 0 2147483645"), &mut Scratch::new()),
        Ok(Request::Store(storage)) if storage.length == 2_147_483_645 && storage.mode == Mode::Set
    ));
}

#[test]
fn a_refused_ms_skips_its_data_block_once_its_length_is_known() {
    let skipping = |why| Refused { why, noreply: false, swallow: 4 };
    assert_eq!(refused(b"ms k 2 y"), skipping(Refusal::InvalidFlag));
    assert_eq!(refused(b"ms k 2 k k"), skipping(Refusal::DuplicateFlag));
    assert_eq!(refused(b"ms k 2 Tx"), skipping(Refusal::BadToken));
    assert_eq!(refused(b"ms !!!! 2 b"), skipping(Refusal::UndecodableKey));
    assert_eq!(refused(b"ms k x y"), Refused::from(Refusal::BadFormat));
    assert_eq!(refused(b"ms k"), Refused::from(Refusal::BadFormat));
    assert_eq!(refused(b"ms"), Refused::from(Refusal::Unknown));
}

#[test]
fn the_last_bad_token_of_a_meta_command_is_told() {
    assert_eq!(refused(b"mg k Tx Dx").why, Refusal::InvalidMetaDelta);
    assert_eq!(refused(b"mg k Dx Tx").why, Refusal::BadToken);
    assert_eq!(refused(b"mg k Dx Fx").why, Refusal::InvalidMetaDelta);
    assert_eq!(refused(b"mg k Fx").why, Refusal::BadFormat);
    assert_eq!(refused(b"mg k Dx y").why, Refusal::InvalidFlag);
    assert_eq!(refused(b"md k Dx").why, Refusal::InvalidOrDuplicateFlag);
}

#[test]
fn a_block_is_whole_bad_or_missing_bytes() {
    assert_eq!(decode::block(b"abc\r\nget", 3), Block::Whole(b"abc"));
    assert_eq!(decode::block(b"abcdef", 3), Block::Bad);
    assert_eq!(decode::block(b"abc\r", 3), Block::Missing(1));
    assert_eq!(decode::block(b"", 3), Block::Missing(5));
    assert_eq!(decode::block(b"\r\n", 0), Block::Whole(b""));
}

#[test]
fn exptimes_are_never_dates_or_durations() {
    let now = Millis(1_700_000_000_250);
    let at = |ms| Expiry::At(Deadline::at_ms(ms));
    assert_eq!(expiry(0, now), Expiry::Never);
    assert_eq!(expiry(1, now), at(1_700_000_001_250));
    assert_eq!(expiry(2_592_000, now), at(1_702_592_000_250));
    assert_eq!(expiry(2_592_001, now), at(2_592_001_000));
    assert_eq!(expiry(1_800_000_000, now), at(1_800_000_000_000));
    for passed in [-1, i32::MIN] {
        assert!(matches!(expiry(passed, now), Expiry::At(deadline) if deadline.is_due(now)));
    }
    assert_eq!(seconds_left(Deadline::at_ms(1_700_000_060_250), now), 60);
    assert_eq!(seconds_left(Deadline::at_ms(1_700_000_060_000), now), 60);
    assert_eq!(seconds_left(Deadline::at_ms(1), now), 0);
}

#[test]
fn base64_skips_what_is_not_in_its_alphabet() {
    let decode = |text: &str| {
        let mut room = Scratch::new();
        base64::decode(text.as_bytes(), &mut room).map(|length| room[..length].to_vec())
    };
    assert_eq!(decode("Zm9v"), Some(b"foo".to_vec()));
    assert_eq!(decode("Zm!9v"), Some(b"foo".to_vec()));
    assert_eq!(decode("Zg=="), Some(b"f".to_vec()));
    assert_eq!(decode("Zh=="), Some(b"f".to_vec()));
    assert_eq!(decode("/wA="), Some(b"\xff\0".to_vec()));
    for bad in ["", "Z", "Zm9", "!!!!", "====", "A===", "-_-_"] {
        assert_eq!(decode(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn base64_comes_back_as_it_was(bytes in prop::collection::vec(any::<u8>(), 1..=186)) {
        let mut out = Out::new();
        base64::encode(&bytes, &mut out);
        let mut room = Scratch::new();
        let length = base64::decode(&out.to_vec(), &mut room);
        prop_assert_eq!(length.map(|length| &room[..length]), Some(bytes.as_slice()));
    }

    #[test]
    fn no_line_makes_the_decoder_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        show(&text);
    }

    #[test]
    fn no_request_makes_the_decoder_panic(
        verb in prop::sample::select(vec!["get", "gat", "set", "cas", "mg", "ms", "md", "ma", "me", "stats", "incr"]),
        words in prop::collection::vec("[ -~]{0,12}|[A-Za-z][0-9]{0,20}|k{249,252}", 0..26),
    ) {
        show(format!("{verb} {}", words.join(" ")).as_bytes());
    }

    /// A shorter input never shows another line than the whole one: it is the same or still open.
    #[test]
    fn a_cut_input_shows_the_same_line_or_none(text in "[a-z \r\n]{0,80}", cut in 0usize..80) {
        let text = text.as_bytes();
        let cut = cut.min(text.len());
        let part = decode::line(&text[..cut]);
        prop_assert!(part == Line::Open || part == decode::line(text));
    }
}
