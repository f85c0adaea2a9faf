use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SMALL: Limits = Limits { listpack_entries: 6, listpack_value: 8 };

/// As slow and as plain as can be.
#[derive(Default)]
struct Model(BTreeMap<Vec<u8>, f64>);

impl Model {
    fn in_order(&self) -> Vec<(Vec<u8>, f64)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, score)| (name.clone(), *score)).collect();
        all.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        all
    }
}

fn owned((name, score): (Entry<'_>, f64)) -> (Vec<u8>, f64) {
    (name.to_text().into_owned(), score)
}

fn check(set: &SortedSet, model: &Model) {
    if let Layout::Table(table) = &set.0 {
        table.order.validate();
    }
    let all = model.in_order();
    assert_eq!(set.len(), all.len());
    assert!(set.iter().map(owned).eq(all.iter().cloned()));
    assert!(set.iter().rev().map(owned).eq(all.iter().rev().cloned()));
    for (rank, (name, score)) in all.iter().enumerate() {
        assert_eq!(set.rank(name), Some((rank, *score)));
        assert_eq!(set.score(name), Some(*score));
    }
    let mut drawn: Vec<_> = (0..set.len()).filter_map(|at| set.get(at)).map(owned).collect();
    drawn.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    assert_eq!(drawn, all);
    assert_eq!(set.get(set.len()).map(owned), None);
}

#[test]
fn it_is_compact_while_it_is_small() {
    let mut set = SortedSet::default();
    for number in 0..6 {
        set.insert(format!("{number}").as_bytes(), 1.0, &SMALL);
    }
    assert_eq!(set.encoding(), "listpack");
    set.insert(b"0", 7.5, &SMALL);
    assert_eq!(set.encoding(), "listpack");
    set.insert(b"6", 1.0, &SMALL);
    assert_eq!(set.encoding(), "skiplist");
    set.remove(b"1");
    assert_eq!(set.encoding(), "skiplist");
    assert_eq!(set.compacted(&SMALL).encoding(), "listpack");
    let mut long = SortedSet::default();
    long.insert(b"123456789", 1.0, &SMALL);
    assert_eq!(long.encoding(), "skiplist");
}

#[test]
fn listpacks_from_outside_are_looked_through() {
    let list = |entries: &[&str]| {
        let mut list = Listpack::new();
        entries.iter().for_each(|entry| list.push_back(entry.as_bytes()));
        SortedSet::from_listpack(list).is_some()
    };
    assert!(list(&["a", "1", "b", "1", "a0", "1.5"]));
    for unsound in
        [&[][..], &["a"], &["a", "x"], &["a", "nan"], &["b", "1", "a", "1"], &["a", "1", "b", "2", "a", "3"]]
    {
        assert!(!list(unsound), "{unsound:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_a_map_in_order(
        steps in prop::collection::vec((0..12u8, 0..120u16, 0..40i32), 0..400), limits in prop::sample::select(vec![SMALL, Limits::default()]),
    ) {
        let (mut set, mut model) = (SortedSet::default(), Model::default());
        for (step, number, score) in steps {
            let name = format!("m{number}").into_bytes();
            let score = f64::from(score) / 4.0;
            match step {
                0..8 => prop_assert_eq!(set.insert(&name, score, &limits), model.0.insert(name, score)),
                8..10 => prop_assert_eq!(set.remove(&name), model.0.remove(&name)),
                10 => {
                    let all = model.in_order();
                    let highest = number % 2 == 0;
                    let expected = if highest { all.last() } else { all.first() }.cloned();
                    if let Some((name, _)) = &expected {
                        model.0.remove(name);
                    }
                    prop_assert_eq!(set.pop(highest), expected);
                }
                _ => {
                    let from = usize::from(number) % (set.len() + 1);
                    let ranks = from..from + number as usize % 5;
                    for (name, _) in model.in_order().into_iter().skip(ranks.start).take(ranks.len()) {
                        model.0.remove(&name);
                    }
                    set.remove_range(ranks);
                }
            }
            check(&set, &model);
            let rank = set.partition(|other, name| (other, name) < (score, &b"m50"[..]));
            let all = model.in_order();
            prop_assert_eq!(rank, all.iter().filter(|(name, other)| (*other, &**name) < (score, &b"m50"[..])).count());
            let range = rank / 2..rank;
            prop_assert!(set.range(range.clone()).map(owned).eq(all[range].iter().cloned()));
        }
    }

    #[test]
    fn ascending_and_descending_members_are_in_order_too(count in 0..400u32, descending in any::<bool>()) {
        let (mut set, mut model) = (SortedSet::default(), Model::default());
        for number in 0..count {
            let score = f64::from(if descending { count - number } else { number });
            let name = format!("{number}").into_bytes();
            set.insert(&name, score, &SMALL);
            model.0.insert(name, score);
        }
        check(&set, &model);
    }
}
