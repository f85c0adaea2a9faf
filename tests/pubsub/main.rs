//! Messages between connections: publish and subscribe, keyspace notifications, client-side caching. The same
//! scripts go through real sockets to magpie and to a real `redis-server`, in RESP2 and in RESP3; every
//! connection must read the same bytes.

#[path = "../support/mod.rs"]
mod support;

mod events;
mod script;
mod slow_readers;
mod tracking;

use script::compare;

#[test]
fn messages_reach_who_listens() {
    compare(
        "messages",
        "
        a: SUBSCRIBE one two
        b: SUBSCRIBE two
        c: PSUBSCRIBE t* [a-o]*
        d: PUBLISH one hello
        d: PUBLISH two hello
        d: PUBLISH three hello
        d: PUBLISH zero hello
        d: PUBLISH two
        a: UNSUBSCRIBE two
        d: PUBLISH two again
        c: PUNSUBSCRIBE t*
        d: PUBLISH two again
        d: PUBSUB NUMSUB one two three
        d: PUBSUB NUMPAT
        d: PUBSUB CHANNELS o*
        b: PSUBSCRIBE *
        d: PUBLISH two both
        b: UNSUBSCRIBE
        b: PUNSUBSCRIBE
        d: PUBLISH two nobody
        a: CLOSE
        d: PUBLISH one nobody
        d: PUBSUB CHANNELS
        ",
    );
}

#[test]
fn shard_channels_are_a_name_space_of_their_own() {
    compare(
        "shard-channels",
        "
        a: SSUBSCRIBE one two
        b: SUBSCRIBE one
        b: SSUBSCRIBE one
        c: PSUBSCRIBE *
        d: SPUBLISH one x
        d: PUBLISH one y
        d: PUBSUB SHARDNUMSUB one two
        d: PUBSUB SHARDCHANNELS t*
        d: PUBSUB CHANNELS
        a: SUNSUBSCRIBE one
        d: SPUBLISH one z
        a: SUNSUBSCRIBE
        d: SPUBLISH two z
        b: UNSUBSCRIBE
        b: SUNSUBSCRIBE
        ",
    );
}

#[test]
fn transactions_publish_at_once_and_subscribe_within() {
    compare(
        "transactions",
        "
        a: SUBSCRIBE one
        b: MULTI
        b: PUBLISH one x
        b: SET k v
        b: PUBLISH one y
        b: EXEC
        b: MULTI
        b: SUBSCRIBE two
        b: PSUBSCRIBE t*
        b: EXEC
        c: PUBLISH two z
        b: RESET
        c: PUBLISH two z
        c: PUBSUB CHANNELS
        c: MULTI
        c: SUBSCRIBE x
        c: DISCARD
        c: PUBSUB CHANNELS
        ",
    );
}

#[test]
fn clients_are_known_as_subscribers() {
    compare(
        "client-kill",
        "
        a: SUBSCRIBE one
        b: PSUBSCRIBE two
        c: SSUBSCRIBE three
        d: CLIENT KILL TYPE pubsub
        d: SLEEP 50
        d: PUBSUB CHANNELS
        d: PUBSUB NUMPAT
        d: PUBSUB SHARDCHANNELS
        d: CLIENT KILL TYPE pubsub
        ",
    );
}
