//! Streams beside naive models.

use super::*;
use crate::clock::Millis;
use crate::store::value::listpack::Listpack;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: NodeLimits = NodeLimits { bytes: 200, entries: 4 };

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId::new(ms, seq)
}

fn append(entries: &mut Entries, id: StreamId, pairs: &[(&str, &str)]) {
    let pairs: Vec<Pair<'_>> = pairs.iter().map(|(a, b)| (a.as_bytes(), b.as_bytes())).collect();
    entries.append(id, &pairs, LIMITS);
}

fn ids<'a>(items: impl Iterator<Item = Item<'a>>) -> Vec<StreamId> {
    items.map(|item| item.id).collect()
}

/// Fields and values.
type Owned = Vec<(Vec<u8>, Vec<u8>)>;

fn pairs_of(item: Item<'_>) -> Owned {
    item.pairs().map(|(field, value)| (field.to_text().into(), value.to_text().into())).collect()
}

/// The counted bytes, counted anew.
fn validate(entries: &Entries) {
    let nodes: Vec<_> = entries.nodes().collect();
    let bytes: usize = nodes.iter().map(|(_, node)| allocated(node.listpack().bytes())).sum();
    assert_eq!(entries.bytes(), bytes + tree_bytes::<StreamId, Node>(nodes.len()));
    assert_eq!(entries.len() as usize, entries.range(StreamId::MIN, StreamId::MAX).count());
    assert_eq!(entries.first_id(), entries.first().map_or(StreamId::MIN, |first| first.id));
    let packs =
        nodes.iter().map(|&(&id, node)| (id, Listpack::from_bytes(node.listpack().as_bytes().to_vec())));
    let copied = packs.map(|(id, pack)| (id, pack.expect("a listpack")));
    let copy = Entries::from_nodes(copied).expect("its own nodes are sound");
    assert_eq!(
        ids(copy.range(StreamId::MIN, StreamId::MAX)),
        ids(entries.range(StreamId::MIN, StreamId::MAX))
    );
}

#[test]
fn an_entry_keeps_its_fields_whether_they_are_the_nodes_or_not() {
    let mut entries = Entries::default();
    append(&mut entries, id(1, 0), &[("a", "1"), ("b", "two")]);
    append(&mut entries, id(1, 1), &[("a", "-7"), ("b", "")]);
    append(&mut entries, id(1, 2), &[("b", "x"), ("a", "y")]);
    append(&mut entries, id(2, 0), &[("a", "z")]);
    let told: Vec<String> = entries
        .range(StreamId::MIN, StreamId::MAX)
        .map(|item| {
            let pairs = pairs_of(item);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            pairs.iter().map(|(a, b)| format!("{}={} ", text(a), text(b))).collect()
        })
        .collect();
    assert_eq!(told, ["a=1 b=two ", "a=-7 b= ", "b=x a=y ", "a=z "]);
    assert_eq!(entries.nodes().len(), 1);
    validate(&entries);
}

#[test]
fn a_node_is_full_by_entries_or_by_bytes() {
    let mut entries = Entries::default();
    (1..=9).for_each(|ms| append(&mut entries, id(ms, 0), &[("a", "b")]));
    assert_eq!(entries.nodes().map(|(id, _)| id.ms).collect::<Vec<_>>(), [1, 5, 9]);
    append(&mut entries, id(10, 0), &[("a", &"x".repeat(190))]);
    append(&mut entries, id(11, 0), &[("a", "b")]);
    assert_eq!(entries.nodes().map(|(id, _)| id.ms).collect::<Vec<_>>(), [1, 5, 9, 10, 11]);
    validate(&entries);
}

#[test]
fn new_ids_go_on_from_the_last() {
    let mut entries = Entries::default();
    assert_eq!(entries.new_id(NewId::InMs(0)), Ok(id(0, 1)));
    assert_eq!(entries.new_id(NewId::Exactly(StreamId::MIN)), Err(NotAbove));
    append(&mut entries, id(5, 7), &[("a", "b")]);
    assert_eq!(entries.new_id(NewId::Now(9)), Ok(id(9, 0)));
    assert_eq!(entries.new_id(NewId::Now(4)), Ok(id(5, 8)), "the clock went back");
    assert_eq!(entries.new_id(NewId::InMs(5)), Ok(id(5, 8)));
    assert_eq!(entries.new_id(NewId::InMs(4)), Err(NotAbove));
    assert_eq!(entries.new_id(NewId::Exactly(id(5, 7))), Err(NotAbove));
    entries.set_id(id(5, u64::MAX), None, None);
    assert_eq!(entries.new_id(NewId::InMs(5)), Err(NotAbove));
    assert_eq!(entries.new_id(NewId::Now(5)), Ok(id(6, 0)));
    entries.set_id(StreamId::MAX, None, None);
    assert_eq!(entries.new_id(NewId::Now(5)), Err(NotAbove));
}

#[test]
fn nodes_from_outside_are_checked() {
    let mut entries = Entries::default();
    (1..=6).for_each(|ms| append(&mut entries, id(ms, 0), &[("a", "b"), ("c", &"d".repeat(ms as usize))]));
    entries.delete(&[id(2, 0)]);
    let nodes: Vec<(StreamId, Vec<u8>)> =
        entries.nodes().map(|(&id, node)| (id, node.listpack().as_bytes().to_vec())).collect();
    let from = |nodes: &[(StreamId, Vec<u8>)]| {
        let packs: Option<Vec<_>> =
            nodes.iter().map(|(id, bytes)| Some((*id, Listpack::from_bytes(bytes.clone())?))).collect();
        packs.and_then(Entries::from_nodes)
    };
    assert!(from(&nodes).is_some());
    let swapped: Vec<_> = nodes.iter().rev().cloned().collect();
    assert!(from(&swapped).is_none(), "not in order");
    // Whatever byte is wrong: it is noticed, or what comes of it can be read to the end.
    for at in 0..nodes[0].1.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128] {
            let mut broken = nodes.clone();
            broken[0].1[at] ^= flip;
            if let Some(entries) = from(&broken) {
                let all: Vec<_> = entries.range(StreamId::MIN, StreamId::MAX).map(pairs_of).collect();
                assert_eq!(all.len(), entries.range_reversed(StreamId::MIN, StreamId::MAX).count());
            }
        }
    }
}

/// A million entries: what depends on their number does so by its logarithm only.
#[test]
fn a_long_stream_is_trimmed_and_looked_into_without_walking_it() {
    let limits = NodeLimits { bytes: 4096, entries: 100 };
    let mut entries = Entries::default();
    let pair: [Pair<'_>; 1] = [(b"field", b"value")];
    let trim = Trim { keep: Keep::Last(1_000_000), approximately: true, limit: 10_000 };
    for ms in 1..=1_000_250 {
        entries.append(id(ms, 0), &pair, limits);
        if ms > 1_000_000 {
            entries.trim(trim);
        }
    }
    assert!((1_000_000..1_000_100).contains(&entries.len()));
    let started = std::time::Instant::now();
    for i in 0..1000 {
        let wanted = id(1000 + i * 997, 0);
        assert_eq!(ids(entries.range(wanted, StreamId::MAX).take(1)), [wanted]);
        assert_eq!(ids(entries.range_reversed(StreamId::MIN, wanted).take(1)), [wanted]);
    }
    // Walking even one of the two thousand times through half of it would take longer.
    assert!(started.elapsed().as_millis() < 2000, "{:?}", started.elapsed());
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64, u64, u8),
    Delete(Vec<(u64, u64)>),
    Trim(Trim),
    Range((u64, u64), (u64, u64)),
}

fn step() -> impl Strategy<Value = Step> {
    let near = || (0u64..60, 0u64..4);
    let keep =
        prop_oneof![(0u64..30).prop_map(Keep::Last), near().prop_map(|(ms, seq)| Keep::From(id(ms, seq)))];
    prop_oneof![
        6 => (0u64..3, 0u64..3, 0u8..6).prop_map(|(ms, seq, pairs)| Step::Add(ms, seq, pairs)),
        2 => prop::collection::vec(near(), 1..4).prop_map(Step::Delete),
        1 => (keep, any::<bool>(), 0u64..12)
            .prop_map(|(keep, approximately, limit)| Step::Trim(Trim { keep, approximately, limit })),
        2 => (near(), near()).prop_map(|(start, end)| Step::Range(start, end)),
    ]
}

proptest! {
    #[test]
    fn entries_are_those_of_a_sorted_map(steps in prop::collection::vec(step(), 1..80)) {
        let mut entries = Entries::default();
        let mut model: BTreeMap<StreamId, Owned> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Add(ms, seq, kind) => {
                    let last = entries.last_id();
                    let wanted = if ms == 0 { id(last.ms, last.seq + 1 + seq) } else { id(last.ms + ms, seq) };
                    let fields = [("a", "1"), ("b", "some longer text than others"), ("c", "")];
                    let pairs = if kind < 4 { &fields[..2] } else { &fields[..kind as usize - 3] };
                    append(&mut entries, wanted, pairs);
                    let owned = pairs.iter().map(|(a, b)| (a.as_bytes().to_vec(), b.as_bytes().to_vec()));
                    model.insert(wanted, owned.collect());
                }
                Step::Delete(wanted) => {
                    let wanted: Vec<StreamId> = wanted.into_iter().map(|(ms, seq)| id(ms, seq)).collect();
                    let gone = wanted.iter().filter(|id| model.remove(id).is_some()).count();
                    prop_assert_eq!(entries.delete(&wanted), gone as u64);
                }
                Step::Trim(trim) => {
                    let surplus: Vec<StreamId> = match trim.keep {
                        Keep::Last(most) => {
                            model.keys().copied().take(model.len().saturating_sub(most as usize)).collect()
                        }
                        Keep::From(from) => model.range(..from).map(|(&id, _)| id).collect(),
                    };
                    let trimmed = entries.trim(trim) as usize;
                    prop_assert!(trimmed <= surplus.len());
                    prop_assert!(trim.approximately || trim.limit != 0 || trimmed == surplus.len());
                    prop_assert!(trim.limit == 0 || !trim.approximately || trimmed as u64 <= trim.limit);
                    surplus[..trimmed].iter().for_each(|id| drop(model.remove(id)));
                }
                Step::Range(start, end) => {
                    let (start, end) = (id(start.0, start.1), id(end.0, end.1));
                    let mut expected: Vec<StreamId> =
                        model.keys().copied().filter(|id| (start..=end).contains(id)).collect();
                    prop_assert_eq!(ids(entries.range(start, end)), expected.clone());
                    expected.reverse();
                    prop_assert_eq!(ids(entries.range_reversed(start, end)), expected);
                }
            }
            validate(&entries);
            let all = entries.range(StreamId::MIN, StreamId::MAX).map(|item| (item.id, pairs_of(item)));
            prop_assert_eq!(all.collect::<BTreeMap<_, _>>(), model.clone());
        }
    }

    /// The one list of pending entries beside a model that keeps one for each consumer.
    #[test]
    fn pending_entries_belong_to_one_consumer(
        steps in prop::collection::vec((0u8..6, 0usize..3, 0u64..12), 1..120)
    ) {
        const NAMES: [&[u8]; 3] = [b"alice", b"bob", b""];
        let mut group = Group::new(StreamId::MIN, None);
        let mut model: BTreeMap<usize, BTreeMap<StreamId, u64>> = BTreeMap::new();
        for (now, (what, who, which)) in steps.into_iter().enumerate() {
            let (now, name, id) = (Millis(now as u64), NAMES[who], id(which, 0));
            match what {
                0..3 => {
                    let (consumer, created) = group.see(name, now);
                    prop_assert_eq!(created, !model.contains_key(&who));
                    let old = model.values_mut().find_map(|pending| pending.remove(&id));
                    let count = old.unwrap_or(0) + 1;
                    model.entry(who).or_default().insert(id, count);
                    group.assign(id, Pending { consumer, delivered: now, count });
                }
                3 => {
                    let gone = model.values_mut().find_map(|pending| pending.remove(&id));
                    prop_assert_eq!(group.acknowledge(id), gone.is_some());
                }
                4 => {
                    let count = model.values_mut().find_map(|pending| pending.get_mut(&id));
                    count.into_iter().for_each(|count| *count += 1);
                    group.redeliver(id, now);
                }
                _ => {
                    let gone = model.remove(&who).map(|pending| pending.len());
                    prop_assert_eq!(group.delete_consumer(name), gone);
                }
            }
            group.validate();
            for (who, name) in NAMES.iter().enumerate() {
                let consumer = group.consumer(name);
                prop_assert_eq!(consumer.is_some(), model.contains_key(&who));
                let Some(consumer) = consumer else { continue };
                let pending = group.pending_range(StreamId::MIN, StreamId::MAX, Some(consumer));
                let counts: BTreeMap<StreamId, u64> = pending.map(|(id, pending)| (id, pending.count)).collect();
                prop_assert_eq!(&counts, &model[&who]);
            }
            prop_assert_eq!(group.bytes() > 0, !model.is_empty());
        }
    }
}

#[test]
fn a_group_s_bytes_come_and_go_with_it() {
    let mut stream = Stream::default();
    let empty = stream.bytes();
    assert!(stream.create_group(b"g", Group::new(StreamId::MIN, None)));
    assert!(!stream.create_group(b"g", Group::new(StreamId::MIN, None)));
    let created = stream.bytes();
    assert!(created > empty);
    stream.change_group(b"g", |group, _| {
        let (consumer, _) = group.see(b"alice", Millis(1));
        (1..100).for_each(|ms| group.assign(id(ms, 0), Pending { consumer, delivered: Millis(1), count: 1 }));
    });
    assert!(stream.bytes() > created + 99 * 40);
    assert_eq!(stream.change_group(b"g", |group, _| group.delete_consumer(b"alice")), Some(Some(99)));
    assert_eq!(stream.bytes(), created);
    assert!(stream.destroy_group(b"g").is_some());
    assert_eq!(stream.bytes(), empty);
}

/// What `XINFO GROUPS` tells of a group at 0, read on entry by entry.
#[test]
fn lag_is_known_as_long_as_no_hole_is_ahead() {
    let mut stream = Stream::default();
    (1..=5).for_each(|ms| append(&mut stream.entries, id(ms, 0), &[("a", "b")]));
    stream.create_group(b"g", Group::new(StreamId::MIN, None));
    let counts = |stream: &Stream| {
        let group = stream.group(b"g").expect("it is there");
        (group.entries_read, stream.entries.lag(group))
    };
    let read = |stream: &mut Stream, ms| {
        stream.change_group(b"g", |group, entries| group.advance(entries, id(ms, 0)))
    };
    assert_eq!(counts(&stream), (None, Some(5)));
    read(&mut stream, 1);
    assert_eq!(counts(&stream), (Some(1), Some(4)));
    stream.entries.delete(&[id(3, 0)]);
    assert_eq!(counts(&stream), (Some(1), None), "a hole ahead");
    read(&mut stream, 2);
    read(&mut stream, 4);
    read(&mut stream, 5);
    assert_eq!(counts(&stream), (Some(5), Some(0)), "at the end it is known again");
    append(&mut stream.entries, id(6, 0), &[("a", "b")]);
    assert_eq!(counts(&stream), (Some(5), Some(1)));
    stream.entries.trim(Trim { keep: Keep::Last(0), approximately: false, limit: 0 });
    assert_eq!(counts(&stream), (Some(5), Some(0)), "nothing is left to read");
}
