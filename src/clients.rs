//! The connected clients: what `CLIENT LIST`, `stats conns` and `MONITOR` know of them, and the
//! mailbox through which one connection reaches another, on whatever worker it lives.

use crate::acl::User;
use crate::clock::Millis;
use crate::mailbox::Mailbox;
use dashmap::DashMap;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::Waker;

/// Which listener a client came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Resp,
    Memcached,
}

/// What the client told us or chose; changes rarely, read by introspection.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub name: String,
    pub lib_name: String,
    pub lib_ver: String,
    pub user: String,
}

/// What `CLIENT LIST` tells of a client that tracks.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrackingNote {
    pub is_on: bool,
    pub broadcasts: bool,
    /// The client that it redirects to has gone.
    pub is_broken: bool,
    /// The id of that client; 0: none.
    pub redirect: u64,
}

/// One connection as others see it. Its own task alone writes the atomics.
#[derive(Debug)]
pub struct Client {
    pub id: u64,
    pub wire: Wire,
    pub addr: String,
    pub laddr: String,
    pub fd: i32,
    pub unix: bool,
    pub worker: usize,
    pub created: Millis,
    pub last_active: AtomicU64,
    pub profile: Mutex<Profile>,
    /// The id of its user.
    pub user: AtomicU64,
    /// Somebody has hung up on it: to others it is gone.
    pub is_closing: AtomicBool,
    /// The last command: its number, as its protocol counts its commands, plus 1; 0: none yet.
    pub last_command: AtomicU32,
    pub db: AtomicU32,
    /// 2 or 3; changed by `speak`.
    pub resp: AtomicU8,
    pub in_multi: AtomicBool,
    /// Queued commands while in MULTI.
    pub queued: AtomicU32,
    /// Bytes that those take.
    pub queued_bytes: AtomicU64,
    pub watching: AtomicU32,
    /// How many channels, patterns and shard channels it listens to (`pubsub::Kind`); the registry counts them.
    pub subscriptions: [AtomicU32; 3],
    pub tracking: Mutex<TrackingNote>,
    pub monitor: AtomicBool,
    /// It is not connected any more.
    pub is_gone: AtomicBool,
    pub no_evict: AtomicBool,
    pub no_touch: AtomicBool,
    /// The client waits inside a command (`CLIENT UNBLOCK` may end that).
    pub blocked: AtomicBool,
    /// Bytes of unfinished requests, and of replies not yet sent.
    pub query_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    pub commands: AtomicU64,
    pub net_in: AtomicU64,
    pub net_out: AtomicU64,
    mailbox: Mailbox<Mail>,
}

/// What others want of a connection.
#[derive(Debug, Default)]
pub struct Mail {
    /// Bytes to send as they are: MONITOR lines, pub/sub messages.
    pub push: Vec<u8>,
    pub close: bool,
    /// More was unread than is allowed: nothing is pushed any more, and the connection ends.
    pub overflowed: bool,
    pub unblock: Option<Unblock>,
}

/// How `CLIENT UNBLOCK` ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    Timeout,
    Error,
}

impl Client {
    /// On this machine: a Unix socket or a loopback address.
    pub fn is_local(&self) -> bool {
        let host = self.addr.rsplit_once(':').map_or(&*self.addr, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.unix || host.parse::<std::net::IpAddr>().is_ok_and(|host| host.to_canonical().is_loopback())
    }

    /// Lets others know who the connection is.
    pub fn become_user(&self, user: &User) {
        self.user.store(user.id(), Ordering::Relaxed);
        self.profile.lock().user = String::from_utf8_lossy(&user.name).into_owned();
    }

    /// Has mail come since the last `take_mail`? One load.
    #[inline]
    pub fn wants_attention(&self) -> bool {
        self.mailbox.wants_attention()
    }

    /// The bytes to send count as the client's output from now on.
    pub fn take_mail(&self) -> Mail {
        self.mailbox.take(|waiting| {
            let mail = std::mem::take(waiting);
            self.output_bytes.fetch_add(mail.push.len() as u64, Ordering::Relaxed);
            mail
        })
    }

    /// `take_mail`, but the bytes to send stay: the connection owes a reply that they must not overtake. When it
    /// has it, it calls `look_again`.
    pub fn take_mail_but_messages(&self) -> Mail {
        self.mailbox.take(|waiting| {
            let push = std::mem::take(&mut waiting.push);
            std::mem::replace(waiting, Mail { push, ..Mail::default() })
        })
    }

    /// Asks for attention again if bytes to send were left.
    pub fn look_again(&self) {
        self.mailbox.look_again(|mail| !mail.push.is_empty());
    }

    /// Takes the bytes to send alone, for a connection that is in the middle of executing requests.
    pub fn take_messages(&self) -> Vec<u8> {
        self.mailbox.with(|mail| std::mem::take(&mut mail.push))
    }

    /// Messages take the form of RESP3, or of RESP2, from now on. Those that wait have the other: the connection
    /// takes them before it answers. Under the mailbox's lock, so that none comes between.
    pub fn speak(&self, resp3: bool) {
        self.mailbox.with(|_| self.resp.store(if resp3 { 3 } else { 2 }, Ordering::Relaxed));
    }

    /// Is it a client of the class `pubsub`?
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions.iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// The connection's task leaves its waker once, at its start.
    pub fn set_waker(&self, waker: Waker) {
        self.mailbox.set_waker(waker);
    }

    /// Sends bytes as they are. A client that does not read them and lets more than `limit` bytes
    /// pile up, replies not yet sent included, is closed (0: no limit).
    pub fn push(&self, bytes: &[u8], limit: usize) {
        self.push_with(limit, |_, mail| mail.extend_from_slice(bytes));
    }

    /// `push` of a message, an array in RESP2. Its first byte is the one that RESP3 has another for.
    pub fn push_message(&self, message: &[u8], limit: usize) {
        self.push_with(limit, |resp3, mail| {
            let at = mail.len();
            mail.extend_from_slice(message);
            if resp3 {
                mail[at] = b'>';
            }
        });
    }

    /// `push` of what `write` appends, which is told whether the client speaks RESP3.
    pub fn push_with(&self, limit: usize, write: impl FnOnce(bool, &mut Vec<u8>)) {
        self.mailbox.post(|mail| {
            if mail.close || mail.overflowed {
                return;
            }
            write(self.resp.load(Ordering::Relaxed) == 3, &mut mail.push);
            let unsent = mail.push.len() + self.output_bytes.load(Ordering::Relaxed) as usize;
            if limit != 0 && unsent > limit {
                mail.push = Vec::new();
                mail.overflowed = true;
            }
        });
    }

    /// Hangs up on it, as soon as its task gets to it; at once in the eyes of others.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.mailbox.post(|mail| mail.close = true);
    }

    pub fn unblock(&self, how: Unblock) {
        self.mailbox.post(|mail| mail.unblock = Some(how));
    }

    /// Wakes the connection's task without any mail, so that it looks at shared state again.
    pub fn nudge(&self) {
        self.mailbox.post(|_| ());
    }
}

/// What a new connection is known by.
#[derive(Debug)]
pub struct Arrival {
    pub wire: Wire,
    pub addr: String,
    pub laddr: String,
    pub fd: i32,
    pub unix: bool,
    pub worker: usize,
    pub now: Millis,
}

/// All connected clients by id. `dashmap` guards are held for one access at a time.
#[derive(Debug, Default)]
pub struct Clients {
    by_id: DashMap<u64, Arc<Client>>,
    last_id: AtomicU64,
    /// How many clients are in MONITOR mode: dispatch looks at this alone.
    pub monitors: AtomicU32,
    monitoring: Mutex<Vec<Arc<Client>>>,
    /// Until when `CLIENT PAUSE` holds commands back, in Unix milliseconds; 0: not paused.
    pub paused_until: AtomicU64,
    /// A pause of writes only.
    pub pause_writes_only: AtomicBool,
}

impl Clients {
    pub fn register(&self, arrival: Arrival) -> Arc<Client> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(Client {
            id,
            wire: arrival.wire,
            addr: arrival.addr,
            laddr: arrival.laddr,
            fd: arrival.fd,
            unix: arrival.unix,
            worker: arrival.worker,
            created: arrival.now,
            last_active: AtomicU64::new(arrival.now.0),
            profile: Mutex::new(Profile { user: "default".into(), ..Profile::default() }),
            user: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            last_command: AtomicU32::new(0),
            db: AtomicU32::new(0),
            resp: AtomicU8::new(2),
            in_multi: AtomicBool::new(false),
            queued: AtomicU32::new(0),
            queued_bytes: AtomicU64::new(0),
            watching: AtomicU32::new(0),
            subscriptions: Default::default(),
            tracking: Mutex::default(),
            monitor: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            query_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            net_in: AtomicU64::new(0),
            net_out: AtomicU64::new(0),
            mailbox: Mailbox::default(),
        });
        self.by_id.insert(id, client.clone());
        client
    }

    pub fn forget(&self, client: &Client) {
        client.is_gone.store(true, Ordering::Relaxed);
        self.stop_monitor(client);
        self.by_id.remove(&client.id);
    }

    /// Puts a client into MONITOR mode.
    pub fn start_monitor(&self, client: &Arc<Client>) {
        if !client.monitor.swap(true, Ordering::Relaxed) {
            self.monitoring.lock().push(client.clone());
            self.monitors.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn stop_monitor(&self, client: &Client) {
        if client.monitor.swap(false, Ordering::Relaxed) {
            self.monitoring.lock().retain(|monitor| monitor.id != client.id);
            self.monitors.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Sends a line to all clients in MONITOR mode; one that lets `limit` bytes pile up is closed.
    pub fn tell_monitors(&self, line: &[u8], limit: usize) {
        for monitor in self.monitoring.lock().iter() {
            monitor.push(line, limit);
        }
    }

    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.by_id.get(&id).map(|client| client.clone())
    }

    /// All clients, oldest first; a copy, so nothing is locked while the caller works.
    pub fn all(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.by_id.iter().map(|client| client.clone()).collect();
        clients.sort_unstable_by_key(|client| client.id);
        clients
    }

    /// Closes all connections of these users, but not that of client `but`.
    pub fn close_users(&self, users: &[u64], but: u64) {
        for client in self.by_id.iter() {
            if client.id != but && users.contains(&client.user.load(Ordering::Relaxed)) {
                client.close();
            }
        }
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Bytes of unfinished requests, of queued ones and of replies not yet sent, over all clients. `O(clients)`.
    pub fn buffered(&self) -> usize {
        let bytes = |client: &Client| {
            [&client.query_bytes, &client.queued_bytes, &client.output_bytes]
                .iter()
                .map(|bytes| bytes.load(Ordering::Relaxed))
                .sum::<u64>()
        };
        self.by_id.iter().map(|client| bytes(&client) as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
