//! Payloads of redis-server 7.0, and what is made of them.

mod forged;

use super::*;
use proptest::prelude::*;

fn limits(decompressed: usize) -> Limits {
    Limits {
        decompressed,
        hash: value::hash::Limits { listpack_entries: 128, listpack_value: 64 },
        list: value::list::NodeLimit::from(-2),
        set: value::set::Limits::default(),
    }
}

/// The value of a payload that is nothing but a string.
fn load(payload: &[u8], decompressed: usize) -> Result<Owned, LoadError> {
    super::load(payload, &limits(decompressed))
}

const MIB: usize = 1 << 20;

fn text(owned: Owned) -> Vec<u8> {
    match owned.value {
        crate::store::OwnedValue::Inline(text) => text,
        other => panic!("no string: {other:?}"),
    }
}

fn sealed(body: &[u8], version: u16) -> Vec<u8> {
    seal(body.to_vec(), version)
}

#[test]
fn a_payload_is_that_of_redis() {
    // SET k 10, DUMP k, as the manual of DUMP shows it; its version is that of Redis 7.0 here.
    assert_eq!(dump_string(b"10", true)[..4], *b"\x00\xc0\n\n");
    for (number, body) in [
        (&b"0"[..], &b"\x00\xc0\x00"[..]),
        (b"-128", b"\x00\xc0\x80"),
        (b"128", b"\x00\xc1\x80\x00"),
        (b"-32769", b"\x00\xc2\xff\x7f\xff\xff"),
        (b"2147483648", b"\x00\x0a2147483648"),
        (b"01", b"\x00\x0201"),
        (b"-0", b"\x00\x02-0"),
        (b"", b"\x00\x00"),
    ] {
        assert_eq!(dump_string(number, true), sealed(body, 10));
        assert_eq!(load(&sealed(body, 10), 0).map(text).as_deref(), Ok(number));
    }
}

#[test]
fn lengths_have_four_forms() {
    for (len, head) in
        [(63, &b"\x3f"[..]), (64, b"\x40\x40"), (16_383, b"\x7f\xff"), (16_384, b"\x80\x00\x00\x40\x00")]
    {
        let value = vec![b'x'; len];
        let body = [b"\x00", head, &value].concat();
        assert_eq!(dump_string(&value, false), sealed(&body, 10));
        assert_eq!(load(&sealed(&body, 10), 0).map(text), Ok(value));
    }
    let long = b"\x00\x81\x00\x00\x00\x00\x00\x00\x00\x02ab";
    assert_eq!(load(&sealed(long, 10), 0).map(text), Ok(b"ab".to_vec()));
}

#[test]
fn what_is_wrong_is_told_apart() {
    let good = sealed(b"\x00\x02ab", 11);
    assert_eq!(load(&good, 0).map(text), Ok(b"ab".to_vec()));
    let fails = |payload: &[u8]| load(payload, 100).map(text).err();
    assert_eq!(fails(&sealed(b"\x00\x02ab", 13)), Some(LoadError::Unsealed));
    assert_eq!(fails(b""), Some(LoadError::Unsealed));
    assert_eq!(fails(&good[..good.len() - 1]), Some(LoadError::Unsealed));
    assert_eq!(fails(&sealed(b"", 10)), Some(LoadError::Corrupt));
    assert_eq!(fails(&sealed(b"\x00\x03ab", 10)), Some(LoadError::Corrupt));
    assert_eq!(fails(&sealed(b"\x06\x03ab", 10)), Some(LoadError::Corrupt));
    assert_eq!(fails(&sealed(b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff", 10)), Some(LoadError::Corrupt));
    // Compressed: more than is allowed, more than it can be.
    assert_eq!(fails(&sealed(b"\x00\xc3\x03\x40\xc8\x01aa", 10)), Some(LoadError::TooLarge));
    assert_eq!(fails(&sealed(b"\x00\xc3\x01\x40\x60\x00", 10)), Some(LoadError::Corrupt));
}

proptest! {
    #[test]
    fn strings_come_back(
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            prop::collection::vec(0u8..3, 0..20_000),
            any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        ],
        compresses in any::<bool>(),
    ) {
        prop_assert_eq!(load(&dump_string(&value, compresses), MIB).map(text), Ok(value));
    }

    #[test]
    fn any_bytes_are_a_value_or_refused(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = load(&sealed(&body, 10), MIB);
    }
}

/// As Redis 5 and 6 wrote a stream, and as 7.2 does; both without entries.
#[test]
fn streams_of_all_formats_are_read() {
    let (seen, active) = (&77u64.to_le_bytes(), &99u64.to_le_bytes());
    let first = [&b"\x0f\x00\x00\x05\x01\x01\x01g\x00\x00\x00\x01\x01c"[..], seen, b"\x00"].concat();
    let third = [
        &b"\x15\x00\x00\x05\x01\x00\x00\x00\x00\x07\x01\x01g\x00\x00\x02\x00\x01\x01c"[..],
        seen,
        active,
        b"\x00",
    ]
    .concat();
    for (body, version, added, active) in [(first, 9, 0, 77), (third, 11, 7, 99)] {
        let owned = load(&sealed(&body, version), 0).expect("it is sound");
        let crate::store::OwnedValue::Object(Object::Stream(stream)) = owned.value else {
            panic!("no stream")
        };
        assert_eq!((stream.entries.added(), stream.entries.last_id().to_string()), (added, "5-1".into()));
        let consumer = stream.group(b"g").and_then(|group| group.consumer(b"c")).expect("it is there");
        assert_eq!((consumer.seen.0, consumer.active.map(|at| at.0)), (77, Some(active)));
    }
}
