use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

type Model = VecDeque<Vec<u8>>;

/// Few different ones, so that searches find something; some large, some around a node's limit.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..6i64).prop_map(|n| n.to_string().into_bytes()),
        4 => prop::sample::select(&["", "a", "b", "01", "-1", "70000", "hello"][..]).prop_map(|t| t.as_bytes().to_vec()),
        4 => (0..300usize).prop_map(|len| vec![b'x'; len]),
        2 => (0..4usize, 0..3usize).prop_map(|(at, more)| vec![b'y'; [1000, 2000, 4080, 4100][at] + more]),
        1 => (8170..8200usize).prop_map(|len| vec![b'z'; len]),
    ]
}

fn limit() -> impl Strategy<Value = NodeLimit> {
    prop::sample::select(&[-2i64, -1, -5, 0, 1, 2, 5, 128, i64::MIN, i64::MAX][..]).prop_map(NodeLimit::from)
}

#[derive(Clone, Debug)]
enum Step {
    Push(bool, Vec<Vec<u8>>),
    Insert(bool, usize, Vec<u8>),
    InsertNowhere,
    Set(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveEnd(bool, usize),
    RemoveMatching(usize, usize, bool),
    /// `CONFIG SET` between two commands.
    Limit(NodeLimit),
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..10_000usize;
    let values = prop_oneof![
        3 => prop::collection::vec(value(), 1..4),
        1 => (value(), 1..60usize).prop_map(|(value, count)| vec![value; count]),
    ];
    prop_oneof![
        6 => (any::<bool>(), values).prop_map(|(end, values)| Step::Push(end, values)),
        4 => (any::<bool>(), at.clone(), value()).prop_map(|(side, at, value)| Step::Insert(side, at, value)),
        1 => Just(Step::InsertNowhere),
        3 => (at.clone(), value()).prop_map(|(at, value)| Step::Set(at, value)),
        1 => (at.clone(), 0..40usize).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => (any::<bool>(), 0..4usize).prop_map(|(end, count)| Step::RemoveEnd(end, count)),
        1 => (at, 1..5usize, any::<bool>()).prop_map(|(at, most, end)| Step::RemoveMatching(at, most, end)),
        1 => limit().prop_map(Step::Limit),
    ]
}

fn end(is_head: bool) -> End {
    if is_head { End::Head } else { End::Tail }
}

/// The same step on the plain sequence.
fn apply(model: &mut Model, list: &mut List, limit: NodeLimit, step: Step) {
    let len = model.len();
    match step {
        Step::Push(is_head, values) => {
            list.push(end(is_head), values.iter().map(Vec::as_slice), limit);
            for value in values {
                if is_head { model.push_front(value) } else { model.push_back(value) }
            }
        }
        Step::InsertNowhere => assert!(!list.insert(Side::After, b"nowhere", b"x", limit)),
        Step::RemoveEnd(is_head, count) => {
            list.remove_end(end(is_head), count, limit);
            let count = count.min(len);
            let start = if is_head { 0 } else { len - count };
            model.drain(start..start + count);
        }
        Step::Set(index, value) if index % (len + 1) == len => assert!(!list.set(len, &value, limit)),
        _ if len == 0 => {}
        Step::Insert(before, index, value) => {
            let pivot = model[index % len].clone();
            let side = if before { Side::Before } else { Side::After };
            assert!(list.insert(side, &pivot, &value, limit));
            let first = model.iter().position(|own| *own == pivot).expect("it is there");
            model.insert(first + usize::from(!before), value);
        }
        Step::Set(index, value) => {
            assert!(list.set(index % (len + 1), &value, limit));
            model[index % (len + 1)] = value;
        }
        Step::RemoveRange(start, count) => {
            let start = start % len;
            list.remove_range(start, count, limit);
            model.drain(start..(start + count).min(len));
        }
        Step::RemoveMatching(index, most, is_head) => {
            let wanted = model[index % len].clone();
            let mut there: Vec<usize> = (0..len).filter(|&at| model[at] == wanted).collect();
            if !is_head {
                there.reverse();
            }
            there.truncate(most);
            assert_eq!(list.remove_matching(&wanted, most, end(is_head), limit), there.len());
            there.sort_unstable();
            there.into_iter().rev().for_each(|at| drop(model.remove(at)));
        }
        Step::Limit(_) => {}
    }
}

fn texts<'a>(elements: impl Iterator<Item = Element<'a>>) -> Vec<Vec<u8>> {
    elements.map(|element| element.to_bytes().to_vec()).collect()
}

fn filled(count: usize, limit: NodeLimit) -> List {
    let mut list = List::default();
    let values: Vec<String> = (0..count).map(|n| format!("element:{n}")).collect();
    list.push(End::Tail, values.iter().map(|value| value.as_bytes()), limit);
    list
}

proptest! {
    #[test]
    fn changes_are_those_of_a_sequence(
        first in limit(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut list, mut model, mut limit) = (List::default(), Model::new(), first);
        for step in steps {
            if let Step::Limit(new) = step {
                limit = new;
            }
            apply(&mut model, &mut list, limit, step);
            list.validate();
            prop_assert_eq!(list.len(), model.len());
            prop_assert_eq!(&texts(list.iter(End::Head)), model.make_contiguous());
        }
        prop_assert_eq!(texts(list.iter(End::Tail)), model.iter().rev().cloned().collect::<Vec<_>>());
        for index in 0..model.len() + 2 {
            let element = list.get(index).map(|element| element.to_bytes().to_vec());
            prop_assert_eq!(element.as_ref(), model.get(index));
        }
        let wanted = model.front().cloned().unwrap_or_default();
        prop_assert_eq!(
            list.matches(&wanted, End::Tail).collect::<Vec<_>>(),
            model.iter().rev().map(|own| *own == wanted).collect::<Vec<_>>()
        );
        let same = list.clone();
        prop_assert_eq!(texts(same.iter(End::Head)), texts(list.iter(End::Head)));
    }
}

#[test]
fn settings_are_entries_or_steps_of_kilobytes() {
    let cases = [
        (-1, NodeLimit::Bytes(4096)),
        (-2, NodeLimit::Bytes(8192)),
        (-5, NodeLimit::Bytes(65536)),
        (-6, NodeLimit::Bytes(65536)),
        (0, NodeLimit::Entries(1)),
        (1, NodeLimit::Entries(1)),
        (512, NodeLimit::Entries(512)),
    ];
    for (setting, limit) in cases {
        assert_eq!(NodeLimit::from(setting), limit, "{setting}");
    }
}

#[test]
fn a_list_at_the_limit_does_not_change_to_and_fro() {
    let limit = NodeLimit::Entries(4);
    let mut list = filled(4, limit);
    assert_eq!(list.encoding(), "listpack");
    list.push(End::Tail, std::iter::once(&b"one more"[..]), limit);
    assert_eq!(list.encoding(), "quicklist");
    list.remove_end(End::Tail, 2, limit);
    assert_eq!((list.len(), list.encoding()), (3, "quicklist"));
    list.remove_end(End::Tail, 1, limit);
    assert_eq!((list.len(), list.encoding()), (2, "listpack"));
}

#[test]
fn many_empty_elements_at_once_are_no_huge_listpack() {
    let mut list = List::default();
    list.push(End::Tail, std::iter::repeat_n(&b""[..], 100_000), NodeLimit::from(-2));
    assert_eq!((list.len(), list.encoding()), (100_000, "quicklist"));
    list.validate();
}

#[test]
fn a_small_list_is_one_allocation() {
    let mut list = List::default();
    list.push(End::Tail, [&b"a"[..], b"b", b"c"].into_iter(), NodeLimit::from(-2));
    assert_eq!(size_of::<List>(), 16);
    assert_eq!(list.bytes(), 16, "seven bytes of header and end, three an element");
}

/// What is removed gives its memory back, the room for nodes too.
#[test]
fn bytes_follow_what_is_there() {
    let limit = NodeLimit::from(-2);
    let mut list = filled(200_000, limit);
    let full = list.bytes();
    assert!((200_000 * 14..200_000 * 24).contains(&full), "{full}");
    list.remove_range(10, 200_000 - 20, limit);
    list.validate();
    assert!(list.bytes() < 4096, "{}", list.bytes());
    list.remove_matching(b"element:3", 1, End::Head, limit);
    assert_eq!(list.encoding(), "quicklist", "its two ends are two nodes");
}

#[test]
fn splitting_leaves_no_crumbs() {
    let limit = NodeLimit::from(-2);
    let mut list = filled(10_000, limit);
    let before = list.bytes();
    for _ in 0..2000 {
        assert!(list.insert(Side::After, b"element:5000", b"between", limit));
    }
    list.validate();
    assert!(list.bytes() < before * 3 / 2, "{before} {}", list.bytes());
}
