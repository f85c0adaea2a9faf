use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: Limits = Limits { listpack_entries: 8, listpack_value: 12 };

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>, Vec<u8>, FieldTtl),
    Remove(Vec<u8>),
    Expire(Vec<u8>, u64),
    Persist(Vec<u8>),
    Purge(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let field = prop_oneof![
        6 => (0u8..14).prop_map(|n| format!("{n}").into_bytes()),
        2 => (0u8..6).prop_map(|n| format!("field-{n}").into_bytes()),
        1 => (10usize..14).prop_map(|len| vec![b'f'; len]),
        1 => (253usize..258).prop_map(|len| vec![b'f'; len]),
    ];
    let value = prop_oneof![
        4 => any::<i16>().prop_map(|n| n.to_string().into_bytes()),
        4 => "[a-c]{0,12}".prop_map(String::into_bytes),
        1 => (12usize..14).prop_map(|len| vec![b'v'; len]),
    ];
    let ttl = prop_oneof![Just(FieldTtl::Clear), Just(FieldTtl::Keep)];
    prop_oneof![
        6 => (field.clone(), value, ttl).prop_map(|(field, value, ttl)| Step::Set(field, value, ttl)),
        2 => field.clone().prop_map(Step::Remove),
        3 => (field.clone(), 1u64..50).prop_map(|(field, ttl)| Step::Expire(field, ttl)),
        1 => field.prop_map(Step::Persist),
        1 => (0usize..4).prop_map(Step::Purge),
        2 => (1u64..20).prop_map(Step::Wait),
    ]
}

fn texts<'a>(pairs: impl Iterator<Item = (Entry<'a>, Entry<'a>)>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    pairs.map(|(field, value)| (field.to_text().into_owned(), value.to_text().into_owned())).collect()
}

/// Field to value and deadline.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

impl Hash {
    fn validate(&self, model: &Model, now: Millis) {
        let alive: BTreeMap<_, _> =
            model.iter().map(|(field, (value, _))| (field.clone(), value.clone())).collect();
        assert_eq!(texts(self.iter(now)), alive);
        let (mut scanned, mut cursor) = (BTreeMap::new(), 0);
        loop {
            cursor = self.scan(cursor, 3, now, |field, value| {
                scanned.insert(field.to_text().into_owned(), value.to_text().into_owned());
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(scanned, alive);
        assert!(self.len() >= alive.len());
        let all = (0..self.len()).map(|index| self.nth(index).expect("the index is in range"));
        assert_eq!(texts(all).len(), self.len());
        assert!(self.nth(self.len()).is_none());
        for (field, (value, deadline)) in model {
            assert!(self.get(field, now).is_some_and(|entry| entry.is(value)));
            assert_eq!(self.deadline(field).map(|at| at.0.0), *deadline);
        }
        let earliest = model.values().filter_map(|(_, deadline)| *deadline).min();
        if !self.has_due(now) {
            assert_eq!(self.due_at().map(|at| at.0.0), earliest);
            assert_eq!(self.len(), alive.len());
        }
        if let Layout::Listpack(list) = &self.layout {
            assert!(self.len() <= LIMITS.listpack_entries);
            assert!(list.iter().all(|entry| entry.to_text().len() <= LIMITS.listpack_value));
        }
    }
}

proptest! {
    #[test]
    fn it_is_a_map_whose_fields_expire(steps in prop::collection::vec(step(), 1..120)) {
        let (mut hash, mut model, mut now) = (Hash::default(), Model::new(), Millis(1000));
        for step in steps {
            match step {
                Step::Set(field, value, ttl) => {
                    let is_new = hash.set(&field, &value, ttl, LIMITS, now);
                    prop_assert_eq!(is_new, !model.contains_key(&field));
                    let old = model.get(&field).and_then(|(_, deadline)| *deadline);
                    model.insert(field, (value, old.filter(|_| ttl == FieldTtl::Keep)));
                }
                Step::Remove(field) => {
                    prop_assert_eq!(hash.remove(&field, now), model.remove(&field).is_some());
                }
                Step::Expire(field, ttl) => {
                    if let Some((_, deadline)) = model.get_mut(&field) {
                        *deadline = Some(now.0 + ttl);
                        hash.set_deadline(&field, Deadline(now.saturating_add(ttl)));
                    }
                }
                Step::Persist(field) => {
                    if let Some((_, deadline)) = model.get_mut(&field) {
                        prop_assert_eq!(hash.clear_deadline(&field), deadline.take().is_some());
                    }
                }
                Step::Purge(most) => {
                    let before = hash.len();
                    let purged = hash.purge(now, most);
                    prop_assert_eq!(hash.len(), before - purged);
                    prop_assert!(purged == most || !hash.has_due(now));
                }
                Step::Wait(ms) => now = now.saturating_add(ms),
            }
            model.retain(|_, (_, deadline)| deadline.is_none_or(|deadline| deadline > now.0));
            hash.validate(&model, now);
        }
    }
}

#[test]
fn the_layout_follows_the_limits_and_never_goes_back() {
    let now = Millis(1);
    let filled = |count: usize| {
        let mut hash = Hash::default();
        for number in 0..count {
            hash.set(number.to_string().as_bytes(), b"v", FieldTtl::Clear, LIMITS, now);
        }
        hash
    };
    let mut hash = filled(8);
    assert_eq!(hash.encoding(), "listpack");
    hash.set_deadline(b"1", Deadline::at_ms(50));
    assert_eq!(hash.encoding(), "listpackex");
    hash.set(b"8", b"v", FieldTtl::Clear, LIMITS, now);
    assert_eq!(hash.encoding(), "hashtable");
    for number in 0..8 {
        assert!(hash.remove(number.to_string().as_bytes(), now));
    }
    assert_eq!((hash.len(), hash.encoding()), (1, "hashtable"));
    let mut hash = filled(1);
    hash.set(b"0", b"longer than a dozen", FieldTtl::Clear, LIMITS, now);
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn a_listpack_from_elsewhere_must_hold_pairs_of_different_fields() {
    let list = |entries: &[&[u8]]| {
        let mut list = Listpack::new();
        entries.iter().for_each(|&entry| list.push_back(entry));
        list
    };
    let taken = |entries: &[&[u8]]| Hash::from_listpack(list(entries), LIMITS);
    assert!(taken(&[b"a", b"1", b"b"]).is_none());
    assert!(taken(&[b"a", b"1", b"a", b"2"]).is_none());
    let encoding = |entries: &[&[u8]]| taken(entries).map(|hash| hash.encoding());
    assert_eq!(encoding(&[b"a", b"1", b"1", b"a"]), Some("listpack"));
    assert_eq!(encoding(&[b"a", b"longer than a dozen"]), Some("hashtable"));
}
