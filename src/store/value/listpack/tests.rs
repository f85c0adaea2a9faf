use super::*;
use proptest::prelude::*;

/// Lengths and numbers around every limit of the encodings.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(b'a'..b'd', 0..4),
        4 => prop::sample::select(&[0i64, 1, 127, 128, -1, 4095, -4096, 4096, -4097, 32767, -32768, 32768, -32769,
            8_388_607, -8_388_608, 8_388_608, -8_388_609, 2_147_483_647, -2_147_483_648, 2_147_483_648,
            -2_147_483_649, i64::MAX, i64::MIN][..]).prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        2 => prop::sample::select(&["-0", "+1", "01", " 1", "1 ", "-", "", "9223372036854775808", "00", "-01",
            "100000000000000000000"][..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => (prop::sample::select(&[62, 124, 4094, 16_376][..]), 0..3usize).prop_map(|(len, more)| vec![b'x'; len + more]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    InsertBefore(usize, Vec<u8>),
    InsertAfter(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize),
    RemoveRange(usize, usize),
    Find(usize, Vec<u8>, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0usize..1000;
    prop_oneof![
        3 => text().prop_map(Step::PushBack),
        2 => text().prop_map(Step::PushFront),
        1 => (at.clone(), text()).prop_map(|(at, text)| Step::InsertBefore(at, text)),
        1 => (at.clone(), text()).prop_map(|(at, text)| Step::InsertAfter(at, text)),
        1 => (at.clone(), text()).prop_map(|(at, text)| Step::Replace(at, text)),
        1 => at.clone().prop_map(Step::Remove),
        1 => (at.clone(), 0usize..4).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => (at, text(), 0usize..3).prop_map(|(at, text, skip)| Step::Find(at, text, skip)),
    ]
}

fn texts<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<Vec<u8>> {
    entries.map(|entry| entry.to_text().into_owned()).collect()
}

fn at(list: &Listpack, index: usize) -> Place {
    list.seek(index as isize).expect("the index is in range")
}

proptest! {
    #[test]
    fn changes_are_those_of_a_vector(steps in prop::collection::vec(step(), 1..60)) {
        let (mut list, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
        for step in steps {
            let len = model.len().max(1);
            let is_empty = model.is_empty();
            match step {
                Step::PushBack(text) => {
                    list.push_back(&text[..]);
                    model.push(text);
                }
                Step::PushFront(text) => {
                    list.push_front(&text[..]);
                    model.insert(0, text);
                }
                _ if is_empty => {}
                Step::InsertBefore(index, text) => {
                    list.insert_before(at(&list, index % len), &text[..]);
                    model.insert(index % len, text);
                }
                Step::InsertAfter(index, text) => {
                    let place = list.insert_after(at(&list, index % len), &text[..]);
                    prop_assert!(list.get(place).is(&text));
                    model.insert(index % len + 1, text);
                }
                Step::Replace(index, text) => {
                    list.replace(at(&list, index % len), &text[..]);
                    model[index % len] = text;
                }
                Step::Remove(index) => {
                    let next = list.remove(at(&list, index % len));
                    model.remove(index % len);
                    let next = next.map(|place| list.get(place).to_text().into_owned());
                    prop_assert_eq!(next.as_ref(), model.get(index % len));
                }
                Step::RemoveRange(index, count) => {
                    let index = index % len;
                    let end = (index + count).min(model.len());
                    prop_assert_eq!(list.remove_range(at(&list, index), count), end - index);
                    model.drain(index..end);
                }
                Step::Find(index, text, skip) => {
                    let found = list.find(Some(at(&list, index % len)), &text, skip);
                    let wanted = (index % len..model.len()).step_by(skip + 1).find(|&at| model[at] == text);
                    prop_assert_eq!(found, wanted.map(|index| at(&list, index)));
                }
            }
            prop_assert!(is_sound(list.as_bytes()));
            prop_assert_eq!(list.len(), model.len());
            prop_assert_eq!(list.is_empty(), model.is_empty());
            prop_assert_eq!(&texts(list.iter()), &model);
            prop_assert_eq!(texts(list.iter().rev()), model.iter().rev().cloned().collect::<Vec<_>>());
        }
        let count = model.len() as isize;
        for index in -count - 2..count + 2 {
            let wanted = if index < 0 { count + index } else { index };
            let wanted = usize::try_from(wanted).ok().and_then(|index| model.get(index)).cloned();
            prop_assert_eq!(list.seek(index).map(|place| list.get(place).to_text().into_owned()), wanted);
        }
        prop_assert_eq!(list.last().map(|place| list.next(place)), (count > 0).then_some(None));
        prop_assert_eq!(list.first().map(|place| list.prev(place)), (count > 0).then_some(None));
        prop_assert_eq!(Listpack::from_bytes(list.as_bytes().to_vec()), Some(list));
    }

    #[test]
    fn damaged_bytes_are_refused_or_can_be_read(
        entries in prop::collection::vec(text(), 0..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut list = Listpack::new();
        entries.iter().for_each(|entry| list.push_back(&entry[..]));
        let mut bytes = list.as_bytes().to_vec();
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Some(list) = Listpack::from_bytes(bytes) {
            let mut backwards = texts(list.iter().rev());
            backwards.reverse();
            prop_assert_eq!(texts(list.iter()), backwards);
        }
    }

    #[test]
    fn random_bytes_are_never_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80), honest in any::<bool>()) {
        if honest && bytes.len() > HEADER {
            let total = bytes.len() as u32;
            bytes[..4].copy_from_slice(&total.to_le_bytes());
            bytes[4..HEADER].copy_from_slice(&UNCOUNTED.to_le_bytes());
            *bytes.last_mut().expect("not empty") = END;
        }
        if let Some(list) = Listpack::from_bytes(bytes) {
            prop_assert_eq!(list.iter().count(), list.iter().rev().count());
        }
    }
}

#[test]
fn more_entries_than_the_header_counts() {
    let most = 70_000;
    // One allocation a push is too slow for the test: the bytes are put together here.
    let mut bytes = vec![0; HEADER];
    (0..most).for_each(|_| bytes.extend_from_slice(&[1, 1]));
    bytes.push(END);
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    bytes[4..HEADER].copy_from_slice(&UNCOUNTED.to_le_bytes());
    let mut list = Listpack::from_bytes(bytes).expect("sound bytes");
    assert_eq!(list.len(), most);
    list.push_back(2);
    assert_eq!(list.len(), most + 1);
    assert_eq!(list.seek(-1).map(|place| list.get(place)), Some(Entry::Int(2)));
    assert_eq!(list.seek(most as isize), list.seek(-1));
    assert_eq!(list.seek(most as isize + 1), None);
}

#[test]
fn a_long_string_is_written_with_four_bytes_of_length() {
    for len in [4095, 4096, 16_380, 70_000, 2_097_146, 2_097_200] {
        let text = vec![b'y'; len];
        let mut list = Listpack::new();
        list.push_back(1);
        list.push_back(&text[..]);
        assert_eq!(texts(list.iter().rev()), [text.clone(), b"1".to_vec()]);
        assert!(Listpack::from_bytes(list.as_bytes().to_vec()).is_some());
    }
}
