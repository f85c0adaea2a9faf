//! Keyspace notifications: every change of a key, published to the channels `__keyspace@<db>__:<key>` and
//! `__keyevent@<db>__:<event>`, as `notify-keyspace-events` chooses. See
//! <https://redis.io/docs/latest/develop/use/keyspace-notifications/>.

use crate::config::events;
use crate::pubsub::PubSub;
use crate::store::{Event, EventClass};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Publishes what the store tells of changes. The store tells nothing while nothing is chosen.
pub struct Notifications {
    /// Bits of [`events`].
    chosen: AtomicI64,
    pubsub: Arc<PubSub>,
}

fn bit(class: EventClass) -> i64 {
    match class {
        EventClass::Generic => events::GENERIC,
        EventClass::String => events::STRING,
        EventClass::List => events::LIST,
        EventClass::Set => events::SET,
        EventClass::Hash => events::HASH,
        EventClass::SortedSet => events::ZSET,
        EventClass::Stream => events::STREAM,
        EventClass::Expired => events::EXPIRED,
        EventClass::Evicted => events::EVICTED,
        EventClass::New => events::NEW,
        EventClass::KeyMiss => events::KEY_MISS,
        EventClass::Untold => 0,
    }
}

impl Notifications {
    pub fn new(pubsub: Arc<PubSub>) -> Notifications {
        Notifications { chosen: AtomicI64::new(0), pubsub }
    }

    /// Takes the value of `notify-keyspace-events`. Is anything to be published from now on?
    pub fn choose(&self, bits: i64) -> bool {
        const CHANNELS: i64 = events::KEYSPACE | events::KEYEVENT;
        let is_wanted = bits & CHANNELS != 0 && bits & !CHANNELS != 0;
        self.chosen.store(if is_wanted { bits } else { 0 }, Ordering::Relaxed);
        is_wanted
    }

    /// Called with the key's shard locked. `O(subscribers + patterns)`, and next to nothing without any.
    pub fn changed(&self, db: u32, key: &[u8], event: Event) {
        let chosen = self.chosen.load(Ordering::Relaxed);
        if chosen & bit(event.class()) == 0 || !self.pubsub.has_subscribers() {
            return;
        }
        let name = event.name().as_bytes();
        if chosen & events::KEYSPACE != 0 {
            self.publish("keyspace", db, key, name);
        }
        if chosen & events::KEYEVENT != 0 {
            self.publish("keyevent", db, name, key);
        }
    }

    fn publish(&self, kind: &str, db: u32, of: &[u8], message: &[u8]) {
        let mut channel = format!("__{kind}@{db}__:").into_bytes();
        channel.extend_from_slice(of);
        self.pubsub.publish(&channel, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wanted_without_a_channel_and_a_class() {
        let notifications = Notifications::new(Arc::default());
        for (bits, wanted) in [
            (0, false),
            (events::KEYSPACE, false),
            (events::ALL, false),
            (events::KEYEVENT | events::EXPIRED, true),
            (events::KEYSPACE | events::NEW, true),
        ] {
            assert_eq!(notifications.choose(bits), wanted, "{bits:b}");
        }
    }
}
