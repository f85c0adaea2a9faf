//! Tests of the pure parts: headers, the shapes of commands, packets.

use super::decode::{HEADER, Header, Packet, Verb, command};
use super::status::Status;
use proptest::prelude::*;

fn header(opcode: u8, extras: usize, key: usize, body: usize) -> Header {
    Header { opcode, extras, key, body, opaque: *b"opaq", cas: 1 << 60 }
}

#[test]
fn a_header_is_read_field_by_field() {
    let bytes = *b"\x80\x01\x01\x02\x08\xff\xff\xff\x01\x00\x02\x03opaq\x10\0\0\0\0\0\0\0";
    assert_eq!(bytes.len(), HEADER);
    assert_eq!(Header::read(&bytes), Some(header(1, 8, 0x102, 0x0100_0203)));
    for magic in [0, b'g', 0x81] {
        let mut bytes = bytes;
        bytes[0] = magic;
        assert_eq!(Header::read(&bytes), None);
    }
}

#[test]
fn a_body_holds_its_extras_and_key() {
    assert!(header(0, 8, 10, 18).is_sound());
    assert!(!header(0, 8, 10, 17).is_sound());
    assert!(!header(0, 0, 1, 0).is_sound());
    assert_eq!(header(0, 8, 10, 20).value(), 2);
}

#[test]
fn every_command_takes_the_lengths_that_memcached_takes() {
    let takes = |opcode, extras, key, body| {
        let (verb, _) = command(opcode).expect("a command");
        verb.takes(&header(opcode, extras, key, body))
    };
    for bare in [0x07, 0x0a, 0x0b, 0x17, 0x20] {
        assert!(takes(bare, 0, 0, 0) && !takes(bare, 0, 0, 1) && !takes(bare, 0, 1, 1), "{bare:02x}");
    }
    for keyed in [0x00, 0x04, 0x09, 0x0c, 0x0d, 0x14] {
        assert!(takes(keyed, 0, 1, 1) && takes(keyed, 0, 250, 250), "{keyed:02x}");
        assert!(!takes(keyed, 0, 0, 0) && !takes(keyed, 0, 1, 2) && !takes(keyed, 1, 1, 2), "{keyed:02x}");
        assert!(!takes(keyed, 0, 251, 251), "{keyed:02x}");
    }
    for store in [0x01, 0x02, 0x03, 0x11, 0x12, 0x13] {
        assert!(takes(store, 8, 1, 9) && takes(store, 8, 1, 900) && !takes(store, 4, 1, 9), "{store:02x}");
    }
    for extend in [0x0e, 0x0f, 0x19, 0x1a, 0x21, 0x22] {
        assert!(
            takes(extend, 0, 1, 1) && takes(extend, 0, 1, 900) && !takes(extend, 8, 1, 9),
            "{extend:02x}"
        );
    }
    for count in [0x05, 0x06, 0x15, 0x16] {
        assert!(
            takes(count, 20, 1, 21) && !takes(count, 20, 1, 22) && !takes(count, 16, 1, 17),
            "{count:02x}"
        );
    }
    for touch in [0x1c, 0x1d, 0x1e, 0x23, 0x24] {
        assert!(takes(touch, 4, 1, 5) && takes(touch, 4, 1, 6) && !takes(touch, 4, 0, 4), "{touch:02x}");
    }
    for flush in [0x08, 0x18] {
        assert!(takes(flush, 0, 0, 0) && takes(flush, 4, 0, 4), "{flush:02x}");
        assert!(!takes(flush, 4, 0, 5) && !takes(flush, 8, 0, 8) && !takes(flush, 0, 1, 1), "{flush:02x}");
    }
    assert!(takes(0x10, 0, 0, 0) && takes(0x10, 0, 5, 9) && !takes(0x10, 1, 0, 1));
    assert!(takes(0x1b, 4, 0, 4) && !takes(0x1b, 0, 0, 0) && !takes(0x1b, 4, 1, 5));
}

#[test]
fn what_keeps_quiet_is_what_a_loud_command_does() {
    for (loud, quiet) in [
        (0x00, 0x09),
        (0x01, 0x11),
        (0x02, 0x12),
        (0x03, 0x13),
        (0x04, 0x14),
        (0x05, 0x15),
        (0x06, 0x16),
        (0x07, 0x17),
        (0x08, 0x18),
        (0x0c, 0x0d),
        (0x0e, 0x19),
        (0x0f, 0x1a),
        (0x1d, 0x1e),
        (0x23, 0x24),
    ] {
        let of = |opcode| command(opcode).expect("a command");
        assert_eq!((of(loud), of(quiet)), ((of(loud).0, false), (of(loud).0, true)), "{loud:02x}");
    }
    assert_eq!((0..=255).filter(|&opcode| command(opcode).is_some()).count(), 36);
    assert_eq!(command(0x1f), None);
}

#[test]
fn only_what_was_waited_for_is_cut() {
    let header = header(1, 2, 3, 9);
    let body = b"exkeyvalu and more";
    let packet = Packet::cut(header, body, true).expect("it is all there");
    assert_eq!((packet.extras, packet.key, packet.value), (&b"ex"[..], &b"key"[..], &b"valu"[..]));
    assert_eq!(Packet::cut(header, body, false).map(|packet| packet.value), Some(&b""[..]));
    assert!(Packet::cut(header, &body[..8], true).is_none());
    assert!(Packet::cut(header, &body[..5], false).is_some());
    assert!(Packet::cut(header, &body[..4], false).is_none());
    assert_eq!((packet.extra32(0), packet.extra64(0), packet.extra32(9)), (0, 0, 0));
}

#[test]
fn statuses_have_memcached_s_codes_and_words() {
    for (status, code, words) in [
        (Status::NotFound, 1, "Not found"),
        (Status::Exists, 2, "Data exists for key."),
        (Status::TooLarge, 3, "Too large."),
        (Status::Invalid, 4, "Invalid arguments"),
        (Status::NotStored, 5, "Not stored."),
        (Status::NonNumeric, 6, "Non-numeric server-side value for incr or decr"),
        (Status::Unauthenticated, 0x20, "Auth failure."),
        (Status::Unknown, 0x81, "Unknown command"),
        (Status::OutOfMemory, 0x82, "Out of memory"),
        (Status::OutOfMemoryStoring, 0x82, "Out of memory allocating item"),
    ] {
        assert_eq!((status.code(), status.to_string().as_str()), (code, words));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 24..400)) {
        let (head, body) = bytes.split_first_chunk::<HEADER>().expect("long enough");
        let mut head = *head;
        head[0] = 0x80;
        let header = Header::read(&head).expect("a request");
        if let (true, Some((verb, _))) = (header.is_sound(), command(header.opcode)) {
            let takes = verb.takes(&header);
            if let (true, Some(packet)) = (takes, Packet::cut(header, body, Verb::has_value(verb))) {
                prop_assert!(packet.key.len() <= 250 && packet.extras.len() <= 20);
            }
        }
    }
}
