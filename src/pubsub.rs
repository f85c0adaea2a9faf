//! Who listens to which channel: what SUBSCRIBE and PUBLISH, keyspace notifications and redirected
//! invalidations work on.
//!
//! Channels, shard channels and patterns are three name spaces. Channels lie in sharded maps, so that publishing
//! locks the part of the map that the channel is in and nothing else. That part is locked for writing, and while
//! there are patterns a lock of the channel's besides: two messages to a channel reach all who hear it, under its
//! name or by a pattern, in the same order, as from a Redis with its one thread. Locks
//! here are taken with a shard of the store locked (keyspace notifications), so none of the store's may be
//! taken under them; only the subscribers' mailboxes are.

use crate::clients::Client;
use crate::glob;
use dashmap::DashMap;
use foldhash::quality::RandomState;
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a client subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];
}

/// The name of a channel, or a pattern; the registry and the subscribers share its bytes.
pub type Name = Arc<[u8]>;

/// By client id.
type Subscribers = HashMap<u64, Arc<Client>, RandomState>;

/// The registry of subscriptions.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: Channels,
    shard_channels: Channels,
    patterns: RwLock<HashMap<Name, Subscribers, RandomState>>,
    /// How many patterns there are: who publishes looks at this first.
    pattern_count: AtomicUsize,
    /// Who publishes where there are patterns holds the one that the channel's hash chooses.
    order: Order,
    /// Subscriptions to channels and patterns.
    subscriptions: AtomicUsize,
    /// A client that lets more bytes of messages pile up is closed; 0: no limit.
    limit: AtomicUsize,
}

#[derive(Debug, Default)]
struct Order {
    turns: [Mutex<()>; 32],
    hasher: RandomState,
}

impl Order {
    fn turn(&self, channel: &[u8]) -> MutexGuard<'_, ()> {
        self.turns[self.hasher.hash_one(channel) as usize % self.turns.len()].lock()
    }
}

#[derive(Debug, Default)]
struct Channels(DashMap<Name, Subscribers, RandomState>);

impl Channels {
    fn subscribe(&self, name: &Name, client: &Arc<Client>) {
        self.0.entry(name.clone()).or_default().insert(client.id, client.clone());
    }

    fn unsubscribe(&self, name: &[u8], client: &Client) {
        self.0.remove_if_mut(name, |_, subscribers| {
            subscribers.remove(&client.id);
            subscribers.is_empty()
        });
    }

    /// `encode` is called only if somebody listens.
    fn publish(&self, name: &[u8], limit: usize, encode: impl FnOnce() -> Vec<u8>) -> usize {
        let Some(subscribers) = self.0.get_mut(name) else { return 0 };
        send(&subscribers, &encode(), limit)
    }

    fn count(&self, name: &[u8]) -> usize {
        self.0.get(name).map_or(0, |subscribers| subscribers.len())
    }

    fn matching(&self, pattern: Option<&[u8]>) -> Vec<Name> {
        let fits = |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, false));
        self.0.iter().map(|entry| entry.key().clone()).filter(|name| fits(name)).collect()
    }
}

fn send(subscribers: &Subscribers, message: &[u8], limit: usize) -> usize {
    for client in subscribers.values() {
        client.push_message(message, limit);
    }
    subscribers.len()
}

/// A message of bulk strings as RESP2 sends it. That of RESP3 begins with another sign; the mailbox knows.
pub fn encode(parts: &[&[u8]]) -> Vec<u8> {
    const HEAD: usize = 24;
    let mut message = Vec::with_capacity(parts.iter().map(|part| part.len() + HEAD).sum::<usize>() + HEAD);
    let head = |message: &mut Vec<u8>, kind: u8, len: usize| {
        message.push(kind);
        message.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
        message.extend_from_slice(b"\r\n");
    };
    head(&mut message, b'*', parts.len());
    for part in parts {
        head(&mut message, b'$', part.len());
        message.extend_from_slice(part);
        message.extend_from_slice(b"\r\n");
    }
    message
}

impl PubSub {
    /// The client must not be subscribed to it already.
    pub fn subscribe(&self, kind: Kind, name: &Name, client: &Arc<Client>) {
        match kind {
            Kind::Channel => self.channels.subscribe(name, client),
            Kind::Shard => self.shard_channels.subscribe(name, client),
            Kind::Pattern => {
                let mut patterns = self.patterns.write();
                patterns.entry(name.clone()).or_default().insert(client.id, client.clone());
                self.pattern_count.store(patterns.len(), Ordering::Relaxed);
            }
        }
        client.subscriptions[kind as usize].fetch_add(1, Ordering::Relaxed);
        if kind != Kind::Shard {
            self.subscriptions.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// When this returns, no message that the subscription is the reason for reaches the client's mailbox any
    /// more. The client must be subscribed to it.
    pub fn unsubscribe(&self, kind: Kind, name: &[u8], client: &Client) {
        match kind {
            Kind::Channel => self.channels.unsubscribe(name, client),
            Kind::Shard => self.shard_channels.unsubscribe(name, client),
            Kind::Pattern => {
                let mut patterns = self.patterns.write();
                if let Some(subscribers) = patterns.get_mut(name) {
                    subscribers.remove(&client.id);
                    if subscribers.is_empty() {
                        patterns.remove(name);
                    }
                }
                self.pattern_count.store(patterns.len(), Ordering::Relaxed);
            }
        }
        client.subscriptions[kind as usize].fetch_sub(1, Ordering::Relaxed);
        if kind != Kind::Shard {
            self.subscriptions.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The hard limit of `client-output-buffer-limit pubsub`.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Does anybody listen to any channel or pattern? One relaxed load.
    pub fn has_subscribers(&self) -> bool {
        self.subscriptions.load(Ordering::Relaxed) > 0
    }

    /// Sends a message to the subscribers of a channel and of the patterns that match it. How often it was
    /// sent. `O(subscribers + patterns)`.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        let (limit, has_patterns) = (self.limit(), self.count(Kind::Pattern) > 0);
        let _turn = has_patterns.then(|| self.order.turn(channel));
        let to_channel = self.channels.publish(channel, limit, || encode(&[b"message", channel, message]));
        to_channel + if has_patterns { self.publish_to_patterns(channel, message, limit) } else { 0 }
    }

    /// `publish` in the name space of shard channels, for which there are no patterns. `O(subscribers)`.
    pub fn publish_to_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        self.shard_channels.publish(channel, self.limit(), || encode(&[b"smessage", channel, message]))
    }

    fn publish_to_patterns(&self, channel: &[u8], message: &[u8], limit: usize) -> usize {
        let patterns = self.patterns.read();
        let matching = patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel, false));
        matching
            .map(|(pattern, subscribers)| {
                send(subscribers, &encode(&[b"pmessage", pattern, channel, message]), limit)
            })
            .sum()
    }

    /// Channels, or shard channels, that somebody listens to. `O(channels)`.
    pub fn channels(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Name> {
        self.of(kind).matching(pattern)
    }

    /// Subscribers of a channel, or a shard channel; those of patterns do not count.
    pub fn subscribers(&self, kind: Kind, channel: &[u8]) -> usize {
        self.of(kind).count(channel)
    }

    /// Shows every subscription, under locks: `visit` may reach for mailboxes and nothing else. `O(subscriptions)`.
    pub fn each_subscription(&self, mut visit: impl FnMut(Kind, &Name, &Client)) {
        for kind in [Kind::Channel, Kind::Shard] {
            for entry in &self.of(kind).0 {
                entry.values().for_each(|client| visit(kind, entry.key(), client));
            }
        }
        for (name, subscribers) in self.patterns.read().iter() {
            subscribers.values().for_each(|client| visit(Kind::Pattern, name, client));
        }
    }

    /// How many channels, shard channels or patterns somebody listens to.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Pattern => self.pattern_count.load(Ordering::Relaxed),
            kind => self.of(kind).0.len(),
        }
    }

    fn of(&self, kind: Kind) -> &Channels {
        if kind == Kind::Shard { &self.shard_channels } else { &self.channels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::{Arrival, Clients, Wire};
    use crate::clock::Millis;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn client(clients: &Clients) -> Arc<Client> {
        clients.register(Arrival {
            wire: Wire::Resp,
            addr: String::new(),
            laddr: String::new(),
            fd: 0,
            unix: false,
            worker: 0,
            now: Millis(0),
        })
    }

    fn name(text: &str) -> Name {
        text.as_bytes().into()
    }

    fn mail(client: &Client) -> String {
        String::from_utf8(client.take_mail().push).expect("tests publish text")
    }

    #[test]
    fn channels_shard_channels_and_patterns_are_apart() {
        let (clients, pubsub) = (Clients::default(), PubSub::default());
        let listeners = Kind::ALL.map(|kind| {
            let listener = client(&clients);
            pubsub.subscribe(kind, &name("a"), &listener);
            listener
        });
        assert_eq!(pubsub.publish(b"a", b"x"), 2);
        assert_eq!(pubsub.publish_to_shard(b"a", b"y"), 1);
        assert_eq!(pubsub.publish(b"b", b"z"), 0);
        let mails = listeners.each_ref().map(|listener| mail(listener));
        assert_eq!(mails[0], "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
        assert_eq!(mails[1], "*4\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\na\r\n$1\r\nx\r\n");
        assert_eq!(mails[2], "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\ny\r\n");
    }

    #[test]
    fn a_message_takes_the_form_of_its_reader() {
        let (clients, pubsub) = (Clients::default(), PubSub::default());
        let (old, new) = (client(&clients), client(&clients));
        new.speak(true);
        for listener in [&old, &new] {
            pubsub.subscribe(Kind::Channel, &name("c"), listener);
        }
        pubsub.publish(b"c", b"1");
        pubsub.publish(b"c", b"2");
        assert_eq!(mail(&new), mail(&old).replace("*3", ">3"));
    }

    #[test]
    fn who_lets_messages_pile_up_is_closed_and_forgets_them() {
        let (clients, pubsub) = (Clients::default(), PubSub::default());
        let (slow, quick) = (client(&clients), client(&clients));
        for listener in [&slow, &quick] {
            pubsub.subscribe(Kind::Channel, &name("c"), listener);
        }
        pubsub.set_limit(1000);
        let mut read = 0;
        for _ in 0..100 {
            pubsub.publish(b"c", &[b'x'; 100]);
            read += quick.take_mail().push.len();
            quick.output_bytes.store(0, Ordering::Relaxed); // all is sent
        }
        let left = slow.take_mail();
        assert!(left.overflowed && left.push.is_empty());
        assert!(read > 100 * 100 && !quick.take_mail().overflowed);
    }

    /// Two who publish to one channel at once: whoever listens, and however, reads the same.
    #[test]
    fn all_hear_a_channel_in_one_order() {
        const MESSAGES: usize = 5000;
        let (clients, pubsub) = (Clients::default(), PubSub::default());
        let listeners =
            [(Kind::Channel, "c"), (Kind::Pattern, "c"), (Kind::Pattern, "*")].map(|(kind, text)| {
                let listener = client(&clients);
                pubsub.subscribe(kind, &name(text), &listener);
                listener
            });
        std::thread::scope(|scope| {
            for publisher in ["a", "b"] {
                let pubsub = &pubsub;
                scope.spawn(move || {
                    for number in 0..MESSAGES {
                        pubsub.publish(b"c", format!("{publisher}{number}").as_bytes());
                    }
                });
            }
        });
        let heard = listeners.map(|listener| {
            let is_message = |line: &&str| line.starts_with(['a', 'b']);
            mail(&listener).lines().filter(is_message).map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(heard[0].len(), 2 * MESSAGES);
        assert!(heard[0] == heard[1] && heard[0] == heard[2]);
    }

    proptest! {
        /// The registry agrees with a plain set of (kind, name, client), whoever comes and goes.
        #[test]
        fn agrees_with_a_set_of_subscriptions(
            steps in prop::collection::vec((0usize..3, 0usize..4, 0usize..3), 1..100),
        ) {
            const NAMES: [&str; 4] = ["a", "b", "a*", "*"];
            let (clients, pubsub) = (Clients::default(), PubSub::default());
            let listeners: Vec<_> = (0..3).map(|_| client(&clients)).collect();
            let mut model = BTreeSet::new();
            for (kind, at, who) in steps {
                let (text, listener) = (NAMES[at], &listeners[who]);
                if model.remove(&(kind, text, who)) {
                    pubsub.unsubscribe(Kind::ALL[kind], text.as_bytes(), listener);
                } else {
                    model.insert((kind, text, who));
                    pubsub.subscribe(Kind::ALL[kind], &name(text), listener);
                }
                for channel in NAMES {
                    let direct = |kind| model.iter().filter(|of| of.0 == kind && of.1 == channel).count();
                    let patterns = model
                        .iter()
                        .filter(|of| of.0 == 1 && glob::matches(of.1.as_bytes(), channel.as_bytes(), false))
                        .count();
                    prop_assert_eq!(pubsub.publish(channel.as_bytes(), b""), direct(0) + patterns);
                    prop_assert_eq!(pubsub.publish_to_shard(channel.as_bytes(), b""), direct(2));
                }
                for kind in Kind::ALL {
                    let names: BTreeSet<_> =
                        model.iter().filter(|of| of.0 == kind as usize).map(|of| of.1).collect();
                    prop_assert_eq!(pubsub.count(kind), names.len());
                    for (who, listener) in listeners.iter().enumerate() {
                        let own = model.iter().filter(|of| of.0 == kind as usize && of.2 == who).count();
                        let counted = listener.subscriptions[kind as usize].load(Ordering::Relaxed);
                        prop_assert_eq!(counted as usize, own);
                    }
                }
            }
        }
    }
}
