//! Payloads of every type with some bytes changed and the checksum mended.

use super::super::*;
use super::limits;
use crate::clock::{Deadline, Millis};
use crate::store::OwnedValue;
use crate::store::value::hash::{FieldTtl, Hash};
use crate::store::value::list::{End, List};
use crate::store::value::set::Set;
use crate::store::value::sorted_set::SortedSet;
use crate::store::value::stream::{Group, NewId, NodeLimits, Pending, Stream, StreamId};
use crate::store::value::{Collection, Object, Stored};
use proptest::prelude::*;

const NOW: Millis = Millis(0);

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (-70_000i64..70_000).prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(b'a'..b'e', 0..6),
        prop::collection::vec(b'a'..b'c', 20..90),
    ]
}

/// Small limits, so that all encodings come up.
fn small() -> Limits {
    Limits {
        hash: value::hash::Limits { listpack_entries: 8, listpack_value: 40 },
        list: value::list::NodeLimit::from(3),
        set: value::set::Limits { intset_entries: 8, listpack_entries: 8, listpack_value: 40 },
        sorted_set: value::sorted_set::Limits { listpack_entries: 8, listpack_value: 40 },
        ..limits(1 << 20)
    }
}

fn set(members: &[Vec<u8>]) -> Object {
    let mut set = Set::default();
    members.iter().for_each(|member| _ = set.insert(member, &small().set));
    set.into_object()
}

/// A field is set once: where a short value takes a long one's place the hash stays a table, and comes back as the
/// listpack that it could be by now.
fn hash(texts: &[Vec<u8>], has_deadlines: bool) -> Object {
    let mut hash = Hash::default();
    for (at, pair) in texts.chunks(2).enumerate() {
        if hash.contains(&pair[0], NOW) {
            continue;
        }
        hash.set(&pair[0], &pair[pair.len() - 1], FieldTtl::Keep, small().hash, NOW);
        if has_deadlines && at % 2 == 0 {
            hash.set_deadline(&pair[0], Deadline::at_ms(1_000_000 + at as u64));
        }
    }
    hash.into_object()
}

fn stream(texts: &[Vec<u8>]) -> Object {
    let mut stream = Stream::default();
    let mut group = Group::new(StreamId::new(1, 0), Some(1));
    for (at, pair) in texts.chunks(2).enumerate() {
        let id = stream.entries.new_id(NewId::Now(1 + at as u64 / 2)).expect("time goes on");
        let pairs = [(&pair[0][..], &pair[pair.len() - 1][..])];
        stream.entries.append(id, &pairs, NodeLimits { bytes: 4096, entries: 3 });
        let (consumer, _) = group.see(&pair[0], Millis(77));
        group.assign(id, Pending { consumer, delivered: Millis(5), count: 1 });
    }
    stream.create_group(b"group", group);
    stream.into_object()
}

fn list(texts: &[Vec<u8>]) -> Object {
    let mut list = List::default();
    list.push(End::Tail, texts.iter().map(Vec::as_slice), small().list);
    list.into_object()
}

fn sorted_set(texts: &[Vec<u8>]) -> Object {
    let mut set = SortedSet::default();
    for (at, text) in texts.iter().enumerate() {
        set.insert(text, at as f64 / 2.0 - 3.0, &small().sorted_set);
    }
    set.into_object()
}

fn object() -> impl Strategy<Value = Object> {
    let texts = prop::collection::vec(text(), 1..30);
    (0..6u8, texts, any::<bool>()).prop_map(|(kind, texts, flag)| match kind {
        0 => set(&texts),
        1 => set(&texts.iter().map(|text| text.len().to_string().into_bytes()).collect::<Vec<_>>()),
        2 => hash(&texts, flag),
        3 => list(&texts),
        4 => sorted_set(&texts),
        _ => stream(&texts),
    })
}

fn loaded(payload: &[u8]) -> Result<Object, LoadError> {
    load(payload, &small()).map(|owned| match owned.value {
        OwnedValue::Object(object) => object,
        OwnedValue::Inline(text) => Object::String(text.into()),
    })
}

/// As in Redis, which begins with a listpack at whatever it loads.
#[test]
fn a_table_comes_back_as_compact_as_it_could_be() {
    let mut hash = Hash::default();
    for value in [&[b'x'; 41][..], b"short"] {
        hash.set(b"field", value, FieldTtl::Keep, small().hash, NOW);
    }
    assert_eq!(hash.encoding(), "hashtable");
    let again = loaded(&dump_object(&hash.into_object(), false)).expect("it was dumped");
    assert_eq!(again.encoding(), "listpack");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_dumped_comes_back(object in object(), compresses in any::<bool>()) {
        let payload = dump_object(&object, compresses);
        let again = loaded(&payload).expect("it was dumped");
        prop_assert_eq!(again.encoding(), object.encoding());
        prop_assert_eq!(again.bytes() > 0, object.bytes() > 0);
        prop_assert_eq!(dump_object(&again, compresses), payload);
    }

    /// It is refused, or it is a sound value, which can be dumped in its turn.
    #[test]
    fn a_forged_payload_does_no_harm(
        object in object(),
        compresses in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut body = dump_object(&object, compresses);
        body.truncate(body.len() - FOOTER);
        for (at, byte) in edits {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        if let Ok(object) = loaded(&seal(body, VERSION)) {
            let payload = dump_object(&object, compresses);
            let again = loaded(&payload).expect("it was dumped");
            prop_assert_eq!(dump_object(&again, compresses), payload);
        }
    }
}
