//! What every write announces. WATCH listens here, and through an [`Observer`] waiting connections, keyspace
//! notifications and tracking.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

/// What an event is about: the classes that `notify-keyspace-events` chooses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventClass {
    Generic,
    String,
    List,
    Set,
    Hash,
    SortedSet,
    Stream,
    Expired,
    Evicted,
    /// A key that was not there before.
    New,
    /// A key that was looked for and is not there.
    KeyMiss,
    /// Nothing that keyspace notifications tell of; WATCH and tracking learn of it.
    Untold,
}

/// Declares [`Event`]: variant, Redis' name for it, class.
macro_rules! events {
    ($($(#[$about:meta])* $event:ident $name:literal $class:ident),* $(,)?) => {
        /// What happened to a key, as Redis' keyspace events name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event {
            $($(#[$about])* $event,)*
        }

        impl Event {
            pub fn name(self) -> &'static str {
                match self {
                    $(Event::$event => $name,)*
                }
            }

            pub fn class(self) -> EventClass {
                match self {
                    $(Event::$event => EventClass::$class,)*
                }
            }
        }
    };
}

events! {
    Set "set" String,
    Append "append" String,
    SetRange "setrange" String,
    IncrBy "incrby" String,
    IncrByFloat "incrbyfloat" String,
    SetBit "setbit" String,
    PfAdd "pfadd" String,
    LPush "lpush" List,
    RPush "rpush" List,
    LPop "lpop" List,
    RPop "rpop" List,
    LInsert "linsert" List,
    LSet "lset" List,
    LRem "lrem" List,
    LTrim "ltrim" List,
    SortStore "sortstore" List,
    SAdd "sadd" Set,
    SRem "srem" Set,
    SPop "spop" Set,
    SInterStore "sinterstore" Set,
    SUnionStore "sunionstore" Set,
    SDiffStore "sdiffstore" Set,
    HSet "hset" Hash,
    HIncrBy "hincrby" Hash,
    HIncrByFloat "hincrbyfloat" Hash,
    HDel "hdel" Hash,
    HExpire "hexpire" Hash,
    HExpired "hexpired" Hash,
    HPersist "hpersist" Hash,
    ZAdd "zadd" SortedSet,
    ZIncr "zincr" SortedSet,
    ZRem "zrem" SortedSet,
    ZRemRangeByScore "zremrangebyscore" SortedSet,
    ZRemRangeByRank "zremrangebyrank" SortedSet,
    ZRemRangeByLex "zremrangebylex" SortedSet,
    ZPopMin "zpopmin" SortedSet,
    ZPopMax "zpopmax" SortedSet,
    ZUnionStore "zunionstore" SortedSet,
    ZInterStore "zinterstore" SortedSet,
    ZDiffStore "zdiffstore" SortedSet,
    ZRangeStore "zrangestore" SortedSet,
    GeoSearchStore "geosearchstore" SortedSet,
    GeoRadiusStore "georadiusstore" SortedSet,
    XAdd "xadd" Stream,
    XTrim "xtrim" Stream,
    XDel "xdel" Stream,
    XSetId "xsetid" Stream,
    XGroupCreate "xgroup-create" Stream,
    XGroupMkStream "xgroup-create" Stream,
    XGroupCreateConsumer "xgroup-createconsumer" Stream,
    XGroupSetId "xgroup-setid" Stream,
    XGroupDestroy "xgroup-destroy" Stream,
    XGroupDelConsumer "xgroup-delconsumer" Stream,
    Del "del" Generic,
    Expire "expire" Generic,
    Persist "persist" Generic,
    RenameFrom "rename_from" Generic,
    RenameTo "rename_to" Generic,
    MoveFrom "move_from" Generic,
    MoveTo "move_to" Generic,
    CopyTo "copy_to" Generic,
    Restore "restore" Generic,
    Expired "expired" Expired,
    Evicted "evicted" Evicted,
    New "new" New,
    KeyMiss "keymiss" KeyMiss,
    /// What is there is written anew, and means the same.
    Rewritten "" Untold,
}

impl Event {
    /// Says it that a key's value, deadline or presence is another one now? `New` comes with the event of the
    /// write that made the key, which says so. What a stream keeps beside its entries counts as no change, as
    /// in Redis: WATCH is about entries.
    pub fn is_change(self) -> bool {
        !matches!(
            self,
            Event::New
                | Event::KeyMiss
                | Event::XSetId
                | Event::XGroupCreate
                | Event::XGroupSetId
                | Event::XGroupDestroy
                | Event::XGroupCreateConsumer
                | Event::XGroupDelConsumer
        )
    }

    /// May a connection that waits for the key get something now? Of what happens to a stream only a new entry
    /// and the end of a group matter, as in Redis: a reader would else bring back the consumer just deleted.
    pub fn may_serve(self) -> bool {
        match self.class() {
            EventClass::Stream => matches!(self, Event::XAdd | Event::XGroupDestroy),
            _ => self.is_change(),
        }
    }
}

/// Somebody who wants to know of every change. Called with the shard locked: what it does must be short and may
/// take no lock but its own.
pub trait Observer: Send + Sync {
    /// `db` is the logical database.
    fn changed(&self, db: u32, key: &[u8], event: Event);
    /// A database was emptied, or all were (`None`). Keys that went are not told one by one.
    fn flushed(&self, db: Option<u32>);
    /// Two databases changed places.
    fn swapped(&self, a: u32, b: u32);
}

/// Why somebody wants to know; see [`Store::listen`](super::Store::listen).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Interest {
    /// Connections wait for keys.
    Waiting = 1,
    Notifications = 2,
    Tracking = 4,
}

/// The way from the shards to the observer, and from an item's database to the logical one.
pub(super) struct Hub {
    interests: AtomicU8,
    observer: OnceLock<Arc<dyn Observer>>,
    /// Logical database → the number that its items carry. `SWAPDB` exchanges two of them.
    pub databases: Box<[AtomicU8]>,
}

impl Hub {
    pub(super) fn new(databases: u8) -> Hub {
        Hub {
            interests: AtomicU8::new(0),
            observer: OnceLock::new(),
            databases: (0..databases).map(AtomicU8::new).collect(),
        }
    }

    pub(super) fn observe(&self, observer: Arc<dyn Observer>) {
        // A store has one observer; a second one would be a mistake in the program.
        assert!(self.observer.set(observer).is_ok(), "the store is observed already");
    }

    pub(super) fn listen(&self, interest: Interest, on: bool) {
        if on {
            self.interests.fetch_or(interest as u8, Ordering::Relaxed);
        } else {
            self.interests.fetch_and(!(interest as u8), Ordering::Relaxed);
        }
    }

    /// Does anybody listen? One relaxed load.
    #[inline]
    pub(super) fn is_listening(&self) -> bool {
        self.interests.load(Ordering::Relaxed) != 0
    }

    #[cold]
    pub(super) fn tell(&self, id: u8, key: &[u8], event: Event) {
        let db = self.databases.iter().position(|db| db.load(Ordering::Relaxed) == id);
        if let (Some(observer), Some(db)) = (self.observer.get(), db) {
            observer.changed(db as u32, key, event);
        }
    }

    pub(super) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.get().filter(|_| self.is_listening()).map(|observer| &**observer)
    }
}

/// The keys of a shard that some client watches, each with a version that changes with the key.
#[derive(Debug, Default)]
pub(super) struct Watched {
    keys: HashMap<(u8, Box<[u8]>), Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    watchers: u32,
    version: u64,
}

impl Watched {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn add(&mut self, db: u8, key: &[u8]) -> u64 {
        let watch = self.keys.entry((db, key.into())).or_default();
        watch.watchers += 1;
        watch.version
    }

    pub(super) fn version(&self, db: u8, key: &[u8]) -> Option<u64> {
        // A key pair cannot be borrowed in parts; WATCH is rare enough for the copy.
        self.keys.get(&(db, key.into())).map(|watch| watch.version)
    }

    pub(super) fn release(&mut self, db: u8, key: &[u8]) {
        let place = (db, key.into());
        if let Some(watch) = self.keys.get_mut(&place) {
            watch.watchers -= 1;
            if watch.watchers == 0 {
                self.keys.remove(&place);
            }
        }
    }

    pub(super) fn changed(&mut self, db: u8, key: &[u8]) {
        if let Some(watch) = self.keys.get_mut(&(db, key.into())) {
            watch.version += 1;
        }
    }

    /// `SWAPDB`: who watches a key watches it in the logical database, whatever lies under it.
    pub(super) fn swap(&mut self, a: u8, b: u8) {
        let keys = std::mem::take(&mut self.keys);
        let other = |db: u8| {
            if db == a {
                b
            } else if db == b {
                a
            } else {
                db
            }
        };
        self.keys = keys.into_iter().map(|((db, key), watch)| ((other(db), key), watch)).collect();
    }

    /// The watched keys of a database, to look at one by one.
    pub(super) fn keys_of(&self, db: u8) -> Vec<Box<[u8]>> {
        self.keys.keys().filter(|(of, _)| *of == db).map(|(_, key)| key.clone()).collect()
    }
}
