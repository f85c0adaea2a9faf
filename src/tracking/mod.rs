//! Client-side caching: who is to be told that a key it may have cached has changed. See
//! <https://redis.io/docs/latest/develop/reference/client-side-caching/>.
//!
//! **No invalidation is lost.** A command of a client that tracks runs with the shards of its keys held, and they
//! are remembered before the shards are let go; a write is announced under the same lock. So a change comes
//! either before the read, and is read, or finds the client in the table. The message goes to the client's
//! mailbox, which its connection empties behind the reply: a client never caches what it was told to forget before.
//!
//! Everything here may be called with shards locked. Locks are taken one at a time, but for those of mailboxes.

mod broadcast;
mod table;

use crate::clients::{Client, TrackingNote};
use broadcast::Broadcast;
use dashmap::DashMap;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use table::Table;

/// How a client tracks: what `CLIENT TRACKING ON` was told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The client that is told in its place; it may be gone by now.
    pub redirect: Option<Arc<Client>>,
    pub broadcast: bool,
    pub choice: Choice,
    /// It is not told of its own changes.
    pub no_loop: bool,
    /// Of keys that are broadcast.
    pub prefixes: BTreeSet<Vec<u8>>,
}

/// Which keys count as read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    #[default]
    All,
    /// Those of commands behind `CLIENT CACHING YES`.
    OptIn,
    /// All but those of commands behind `CLIENT CACHING NO`.
    OptOut,
}

#[derive(Debug)]
struct Tracker {
    client: Arc<Client>,
    redirect: Option<Arc<Client>>,
    broadcast: bool,
    no_loop: bool,
}

/// The value of an invalidation: keys, or everything.
enum Stale<'k> {
    Keys(&'k [&'k [u8]]),
    All,
}

/// The channel on which redirected invalidations reach a client that speaks RESP2.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// How many keys one step of trimming lets go.
const TRIM: usize = 64;

thread_local! {
    /// The client whose requests this thread executes; 0: none.
    static ACTING: Cell<u64> = const { Cell::new(0) };
}

/// While it lives, the changes that this thread makes are a client's, for `NOLOOP`.
pub struct Acting {
    before: u64,
}

impl Acting {
    #[inline]
    pub fn as_client(id: u64) -> Acting {
        Acting { before: ACTING.replace(id) }
    }
}

impl Drop for Acting {
    #[inline]
    fn drop(&mut self) {
        ACTING.set(self.before);
    }
}

/// Who tracks, and what they have read.
#[derive(Debug, Default)]
pub struct Tracking {
    /// By client id. A client that has gone, or stopped, may still be in the table.
    trackers: DashMap<u64, Tracker>,
    /// How many trackers there are. Held while the store's attention is turned on or off.
    count: Mutex<usize>,
    table: Table,
    broadcast: Mutex<Broadcast>,
    /// Prefixes that are broadcast.
    prefixes: AtomicUsize,
    /// Keys wait to be broadcast.
    has_news: AtomicBool,
    /// Most keys in the table; 0: no limit.
    max_keys: AtomicUsize,
    /// Bytes of messages that a client may leave unread; 0: no limit.
    limit: AtomicUsize,
}

impl Tracking {
    /// `tracking-table-max-keys`
    pub fn set_max_keys(&self, keys: usize) {
        self.max_keys.store(keys, Ordering::Relaxed);
    }

    /// A client that leaves more unread is closed. Differs: Redis bounds it only by the limit of clients that do
    /// not subscribe, which is none unless set.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    pub fn clients(&self) -> usize {
        *self.count.lock()
    }

    pub fn keys(&self) -> usize {
        self.table.keys()
    }

    pub fn items(&self) -> usize {
        self.table.items()
    }

    pub fn prefixes(&self) -> usize {
        self.prefixes.load(Ordering::Relaxed)
    }

    /// The client tracks from now on, or in another way. `listen` is called when it is the first.
    pub fn start(&self, client: &Arc<Client>, options: &Options, listen: impl FnOnce()) {
        let tracker = Tracker {
            client: client.clone(),
            redirect: options.redirect.clone(),
            broadcast: options.broadcast,
            no_loop: options.no_loop,
        };
        let mut count = self.count.lock();
        if self.trackers.insert(client.id, tracker).is_none() {
            *count += 1;
            if *count == 1 {
                listen();
            }
        }
        drop(count);
        self.change_prefixes(options, |broadcast, prefix| broadcast.join(prefix, client.id));
        *client.tracking.lock() = TrackingNote {
            is_on: true,
            broadcasts: options.broadcast,
            is_broken: false,
            redirect: options.redirect.as_ref().map_or(0, |client| client.id),
        };
    }

    /// The client does not track any more. `unlisten` is called when it was the last; then all is forgotten.
    pub fn stop(&self, client: &Client, options: &Options, unlisten: impl FnOnce()) {
        self.change_prefixes(options, |broadcast, prefix| broadcast.leave(prefix, client.id));
        let mut count = self.count.lock();
        if self.trackers.remove(&client.id).is_some() {
            *count -= 1;
            if *count == 0 {
                unlisten();
                self.table.clear();
            }
        }
        drop(count);
        *client.tracking.lock() = TrackingNote::default();
    }

    fn change_prefixes(&self, options: &Options, mut change: impl FnMut(&mut Broadcast, &[u8])) {
        if options.broadcast {
            let mut broadcast = self.broadcast.lock();
            options.prefixes.iter().for_each(|prefix| change(&mut broadcast, prefix));
            self.prefixes.store(broadcast.len(), Ordering::Relaxed);
        }
    }

    /// The client has read a key, whose shard the caller holds. `O(log clients that have read it)`.
    pub fn remember(&self, key: &[u8], client: &Client) {
        self.table.remember(key, client.id);
        self.trim();
    }

    /// While too many keys are remembered some go at random, at most [`TRIM`] in a call: who has read them is
    /// told that they changed.
    pub fn trim(&self) {
        let most = self.max_keys.load(Ordering::Relaxed);
        for _ in 0..TRIM {
            if most == 0 || self.table.keys() <= most {
                return;
            }
            let Some((key, ids)) = self.table.forget_any() else { return };
            self.invalidate(&key, &ids);
        }
    }

    /// A key has changed; its shard is locked.
    pub fn changed(&self, key: &[u8]) {
        if self.prefixes() > 0 {
            let mut broadcast = self.broadcast.lock();
            if broadcast.note(key, ACTING.get()) {
                self.has_news.store(true, Ordering::Relaxed);
            }
        }
        let ids = self.table.forget(key);
        self.invalidate(key, &ids);
    }

    fn invalidate(&self, key: &[u8], ids: &[u64]) {
        for id in ids {
            if let Some(tracker) = self.trackers.get(id)
                && !tracker.broadcast
                && !(tracker.no_loop && *id == ACTING.get())
            {
                self.send(&tracker, &Stale::Keys(&[key]));
            }
        }
    }

    /// Everything has changed: a flush.
    pub fn changed_all(&self) {
        self.table.clear();
        for tracker in &self.trackers {
            self.send(&tracker, &Stale::All);
        }
    }

    /// Sends what is to be broadcast. Whoever has let keys change calls it before the replies go out. One
    /// load when there is nothing.
    #[inline]
    pub fn tell_news(&self) {
        if self.has_news.load(Ordering::Relaxed) {
            self.tell_news_now();
        }
    }

    #[cold]
    fn tell_news_now(&self) {
        // Another thread may be telling ours: then its lock is waited for, so that nobody replies before all is told.
        let mut broadcast = self.broadcast.lock();
        for news in broadcast.news() {
            let keys: Vec<&[u8]> = news.keys.keys().map(|key| &**key).collect();
            for id in &news.listeners {
                let Some(tracker) = self.trackers.get(id) else { continue };
                if !tracker.no_loop {
                    self.send(&tracker, &Stale::Keys(&keys));
                    continue;
                }
                let others = news.keys.iter().filter(|(_, by)| *by != id).map(|(key, _)| &**key);
                let others: Vec<&[u8]> = others.collect();
                if !others.is_empty() {
                    self.send(&tracker, &Stale::Keys(&others));
                }
            }
        }
        self.has_news.store(false, Ordering::Relaxed);
    }

    fn send(&self, tracker: &Tracker, stale: &Stale<'_>) {
        let limit = self.limit.load(Ordering::Relaxed);
        let Some(redirect) = &tracker.redirect else {
            // In RESP2 there is nothing that is not a reply.
            tracker.client.push_with(limit, |resp3, mail| {
                if resp3 {
                    invalidation(mail, stale);
                }
            });
            return;
        };
        if redirect.is_gone.load(Ordering::Relaxed) {
            tracker.client.tracking.lock().is_broken = true;
            tracker.client.push_with(limit, |resp3, mail| {
                if resp3 {
                    mail.extend_from_slice(b">2\r\n");
                    bulk(mail, b"tracking-redir-broken");
                    head(mail, b':', redirect.id);
                }
            });
            return;
        }
        redirect.push_with(limit, |resp3, mail| {
            if resp3 {
                invalidation(mail, stale);
            } else if redirect.is_subscriber() {
                message(mail, stale);
            }
        });
    }
}

fn head(out: &mut Vec<u8>, kind: u8, number: impl itoa::Integer) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    head(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// RESP3's push.
fn invalidation(out: &mut Vec<u8>, stale: &Stale<'_>) {
    out.extend_from_slice(b">2\r\n");
    bulk(out, b"invalidate");
    value(out, stale, b"_\r\n");
}

/// A message that looks as if it had been published, in RESP2.
fn message(out: &mut Vec<u8>, stale: &Stale<'_>) {
    out.extend_from_slice(b"*3\r\n");
    bulk(out, b"message");
    bulk(out, CHANNEL);
    value(out, stale, b"$-1\r\n");
}

fn value(out: &mut Vec<u8>, stale: &Stale<'_>, everything: &[u8]) {
    match stale {
        Stale::All => out.extend_from_slice(everything),
        Stale::Keys(keys) => {
            head(out, b'*', keys.len());
            keys.iter().for_each(|key| bulk(out, key));
        }
    }
}
