//! Any operations on a small store beside a plain map: what is there is what was written last; without a limit
//! everything is there; the limit holds but for the segments that are open.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use magpie::clock::{Deadline, Millis};
use magpie::store::{Event, Expiry, PolicyKind, Put, Store, StoreError, StoreOptions};
use magpie_fuzz::START;
use std::collections::BTreeMap;

#[derive(Arbitrary, Debug)]
struct Input {
    limited: bool,
    policy: u8,
    shards: bool,
    seed: u8,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Put { key: Key, len: Len, flags: Option<u32>, ttl: Ttl },
    Get { key: Key },
    Delete { key: Key },
    Deadline { key: Key, ttl: Ttl },
    Unique { key: Key },
    Edit { key: Key, len: Len, at: u16 },
    Rename { from: Key, to: Key },
    Flush { db: bool },
    Swap,
    Sleep { ms: u16, maintain: bool },
    Policy { to: u8 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Key {
    db: bool,
    number: u8,
    long: bool,
}

impl Key {
    fn db(self) -> u32 {
        u32::from(self.db)
    }

    fn bytes(self) -> Vec<u8> {
        let len =
            if self.long { 254 + usize::from(self.number % 4) } else { 1 + usize::from(self.number % 20) };
        vec![self.number; len]
    }
}

/// Lengths about the places where something changes.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Len {
    Small(u8),
    Any(u16),
    Border(u8),
}

impl Len {
    fn bytes(self) -> usize {
        match self {
            Len::Small(len) => len.into(),
            Len::Any(len) => usize::from(len) % 20_000,
            Len::Border(len) => 4608 - 128 + usize::from(len),
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Ttl {
    Never,
    Keep,
    Ms(u32),
    Far,
}

impl Ttl {
    fn expiry(self, now: Millis) -> Expiry {
        match self {
            Ttl::Never => Expiry::Never,
            Ttl::Keep => Expiry::Keep,
            Ttl::Ms(ms) => Expiry::At(Deadline(now.saturating_add(u64::from(ms % 100_000) + 1))),
            Ttl::Far => Expiry::At(Deadline(Millis(1 << 62))),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Known {
    value: Vec<u8>,
    flags: u32,
    deadline: Option<Deadline>,
}

const LIMIT: usize = 120_000;
/// Each of two shards may have two segments open and a spare one.
const OPEN: usize = 2 * 3 * (64 << 10);

struct Run {
    store: Store,
    model: [BTreeMap<Vec<u8>, Known>; 2],
    now: Millis,
    limited: bool,
    fill: u8,
}

impl Run {
    /// What the store says of a key must be what the model says; an evicted item is one that the model forgets.
    fn check(&mut self, key: Key) {
        let name = key.bytes();
        let mut db = self.store.db(key.db(), self.now);
        let found = db.entry(&name).read().map(|item| Known {
            value: item.string().expect("only strings are stored").to_vec(),
            flags: item.flags(),
            deadline: item.deadline(),
        });
        let model = &mut self.model[usize::from(key.db)];
        match (found, model.get(&name)) {
            (None, Some(_)) if self.limited => drop(model.remove(&name)),
            (found, known) => assert_eq!(found.as_ref(), known),
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        for db in &mut self.model {
            db.retain(|_, known| known.deadline.is_none_or(|deadline| !deadline.is_due(now)));
        }
    }

    fn put(&mut self, key: Key, len: usize, flags: u32, expiry: Expiry) {
        self.check(key);
        let name = key.bytes();
        self.fill = self.fill.wrapping_add(1);
        let value = vec![self.fill; len];
        let mut db = self.store.db(key.db(), self.now);
        let done = db.entry(&name).put(&value, Put::new(flags, expiry, Event::Set));
        match done {
            Err(StoreError::OutOfMemory) => assert!(self.limited),
            Ok(()) => {
                let model = &mut self.model[usize::from(key.db)];
                let deadline = match expiry {
                    Expiry::Never => None,
                    Expiry::At(deadline) => Some(deadline),
                    Expiry::Keep => model.get(&name).and_then(|known| known.deadline),
                };
                model.insert(name, Known { value, flags, deadline });
            }
        }
    }

    fn edit(&mut self, key: Key, len: usize, at: usize) {
        self.check(key);
        let name = key.bytes();
        let mut db = self.store.db(key.db(), self.now);
        let change = |bytes: &mut [u8]| {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0x55;
            }
        };
        let done = db.entry(&name).edit(len, Event::SetRange, change);
        match done {
            Err(StoreError::OutOfMemory) => assert!(self.limited),
            Ok(length) => {
                let fresh = Known { value: Vec::new(), flags: 0, deadline: None };
                let known = self.model[usize::from(key.db)].entry(name).or_insert(fresh);
                known.value.resize(len.max(known.value.len()), 0);
                change(&mut known.value);
                assert_eq!(length, known.value.len());
            }
        }
    }

    fn rename(&mut self, from: Key, to: Key) {
        let to = Key { db: from.db, ..to };
        self.check(from);
        self.check(to);
        let (old, new) = (from.bytes(), to.bytes());
        let mut db = self.store.db(from.db(), self.now);
        db.hold([&old[..], &new[..]].into_iter());
        let owned = db.entry(&old).take();
        let Some(owned) = owned else { return };
        let model = &mut self.model[usize::from(from.db)];
        let known = model.remove(&old).expect("checked just now");
        let done = db.entry(&new).insert(owned, Event::RenameTo);
        drop(db);
        match done {
            Ok(()) => drop(model.insert(new, known)),
            Err(StoreError::OutOfMemory) => assert!(self.limited),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put { key, len, flags, ttl } => {
                self.put(key, len.bytes(), flags.unwrap_or(0), ttl.expiry(self.now));
            }
            Step::Get { key } => self.check(key),
            Step::Delete { key } => {
                self.check(key);
                let deleted = self.store.db(key.db(), self.now).entry(&key.bytes()).delete(Event::Del);
                assert_eq!(deleted, self.model[usize::from(key.db)].remove(&key.bytes()).is_some());
            }
            Step::Deadline { key, ttl } => {
                self.check(key);
                let deadline = match ttl.expiry(self.now) {
                    Expiry::At(deadline) => Some(deadline),
                    Expiry::Never | Expiry::Keep => None,
                };
                let mut db = self.store.db(key.db(), self.now);
                db.entry(&key.bytes()).set_deadline(deadline, Event::Expire);
                if let Some(known) = self.model[usize::from(key.db)].get_mut(&key.bytes()) {
                    known.deadline = deadline;
                }
            }
            Step::Unique { key } => {
                let mut db = self.store.db(key.db(), self.now);
                let unique = db.entry(&key.bytes()).cas_unique();
                assert_eq!(db.entry(&key.bytes()).cas_unique(), unique);
            }
            Step::Edit { key, len, at } => self.edit(key, len.bytes(), at.into()),
            Step::Rename { from, to } => self.rename(from, to),
            Step::Flush { db } => {
                self.store.db(db.into(), self.now).flush();
                self.model[usize::from(db)].clear();
            }
            Step::Swap => {
                self.store.db(0, self.now).swap(0, 1);
                self.model.swap(0, 1);
            }
            Step::Sleep { ms, maintain } => {
                self.now = self.now.saturating_add(u64::from(ms) * 4);
                if maintain {
                    self.store.maintain(0, 1, self.now, true);
                }
            }
            Step::Policy { to } => {
                self.store.set_policy(PolicyKind::ALL[usize::from(to) % PolicyKind::ALL.len()]);
            }
        }
        self.expire();
    }

    /// Everything that a scan shows is in the model; without a limit also the other way round.
    fn finish(mut self) {
        for number in 0..2 {
            let model = &self.model[number];
            let mut seen = 0;
            self.store.db(number as u32, self.now).for_each(&mut |key, item| {
                let known = model.get(key).expect("what was never stored, or deleted, is shown");
                assert_eq!(item.string(), Some(&known.value[..]));
                seen += 1;
                true
            });
            assert!(self.limited || seen == model.len());
            assert!(self.store.count_of(number as u32).items >= seen as u64);
        }
        // Thirty years later only what is never due is left.
        self.now = self.now.saturating_add(1_000_000_000_000);
        self.expire();
        self.store.maintain(0, 1, self.now, true);
        let left: usize = self.model.iter().map(BTreeMap::len).sum();
        let items = self.store.stats().items();
        assert!(items == left as u64 || self.limited && items < left as u64, "{items} of {left}");
        (0..2).for_each(|db| self.store.db(db, self.now).flush());
        self.store.maintain(0, 1, self.now, true);
        assert_eq!((self.store.stats().items(), self.store.stats().live), (0, 0));
    }
}

fuzz_target!(|input: Input| {
    let policy = PolicyKind::ALL[usize::from(input.policy) % PolicyKind::ALL.len()];
    let limit = if input.limited { LIMIT } else { 0 };
    let shards = if input.shards { 2 } else { 1 };
    let options = StoreOptions { limit, policy, shards, databases: 2, seed: input.seed.into() };
    let mut run = Run {
        store: Store::new(options),
        model: Default::default(),
        now: START,
        limited: input.limited,
        fill: 0,
    };
    let mut held = run.limited && !policy.is_volatile();
    for step in input.steps {
        // A volatile policy may find nothing that it could evict.
        held &= !matches!(step, Step::Policy { .. });
        run.step(step);
        let used = run.store.used();
        assert!(!held || used <= LIMIT + OPEN, "{used} used");
    }
    run.finish();
});
