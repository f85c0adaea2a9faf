//! Publish and subscribe. The replies of the subscribing commands are messages themselves, one for each
//! channel; what comes after, the publishers put into the subscriber's mailbox (see [`crate::pubsub`]).

mod introspect;

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done};
use crate::clients::Client;
use crate::daemon::Daemon;
use crate::pubsub::{Kind, Name};
use std::collections::HashSet;
use std::sync::Arc;

const SUBSCRIBING: CommandSpec = CommandSpec {
    arity: Arity::AtLeast(2),
    flags: &[Flag::PubSub, Flag::NoScript, Flag::Loading, Flag::Stale],
    since: "2.0.0",
    group: "pubsub",
    ..CommandSpec::BASE
};

const UNSUBSCRIBING: CommandSpec = CommandSpec { arity: Arity::AtLeast(1), ..SUBSCRIBING };

const PUBLISHING: CommandSpec = CommandSpec {
    arity: Arity::Exactly(3),
    flags: &[Flag::PubSub, Flag::Loading, Flag::Stale, Flag::Fast],
    ..SUBSCRIBING
};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "psubscribe",
        complexity: "O(N) where N is the number of patterns to subscribe to.",
        summary: "Listens for messages published to channels that match one or more patterns.",
        run: |ctx, args| subscribe(ctx, args, Kind::Pattern),
        ..SUBSCRIBING
    },
    CommandSpec {
        name: "publish",
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is \
            the total number of subscribed patterns (by any client).",
        summary: "Posts a message to a channel.",
        run: publish,
        ..PUBLISHING
    },
    CommandSpec {
        name: "pubsub",
        arity: Arity::AtLeast(2),
        since: "2.8.0",
        group: "pubsub",
        complexity: "Depends on subcommand.",
        summary: "A container for Pub/Sub commands.",
        subcommands: introspect::SUBCOMMANDS,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "punsubscribe",
        complexity: "O(N) where N is the number of patterns to unsubscribe.",
        summary: "Stops listening to messages published to channels that match one or more patterns.",
        run: |ctx, args| unsubscribe(ctx, args, Kind::Pattern),
        ..UNSUBSCRIBING
    },
    CommandSpec {
        name: "spublish",
        keys: &[KeySpec::one(1, KeyUse::NotKey)],
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        summary: "Post a message to a shard channel",
        run: spublish,
        ..PUBLISHING
    },
    CommandSpec {
        name: "ssubscribe",
        keys: &[KeySpec::range(1, -1, 1, KeyUse::NotKey)],
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        summary: "Listens for messages published to shard channels.",
        run: ssubscribe,
        ..SUBSCRIBING
    },
    CommandSpec {
        name: "subscribe",
        complexity: "O(N) where N is the number of channels to subscribe to.",
        summary: "Listens for messages published to channels.",
        run: |ctx, args| subscribe(ctx, args, Kind::Channel),
        ..SUBSCRIBING
    },
    CommandSpec {
        name: "sunsubscribe",
        keys: &[KeySpec::range(1, -1, 1, KeyUse::NotKey)],
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to unsubscribe.",
        summary: "Stops listening to messages posted to shard channels.",
        run: |ctx, args| unsubscribe(ctx, args, Kind::Shard),
        ..UNSUBSCRIBING
    },
    CommandSpec {
        name: "unsubscribe",
        complexity: "O(N) where N is the number of channels to unsubscribe.",
        summary: "Stops listening to messages posted to channels.",
        run: |ctx, args| unsubscribe(ctx, args, Kind::Channel),
        ..UNSUBSCRIBING
    },
];

/// What a connection has subscribed to, by [`Kind`].
#[derive(Default)]
pub struct Subscriptions([HashSet<Name>; 3]);

impl Subscriptions {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(HashSet::is_empty)
    }

    /// As the messages of (un)subscribing count: channels and patterns together, shard channels by themselves.
    fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.0[Kind::Shard as usize].len(),
            Kind::Channel | Kind::Pattern => {
                self.0[Kind::Channel as usize].len() + self.0[Kind::Pattern as usize].len()
            }
        }
    }

    /// Without a word to the client: it resets its connection, or is gone.
    pub(super) fn end(&mut self, daemon: &Daemon, client: &Client) {
        for kind in Kind::ALL {
            for name in self.0[kind as usize].drain() {
                daemon.pubsub.unsubscribe(kind, &name, client);
            }
        }
    }
}

/// `PUBLISH channel message`
fn publish(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let sent = ctx.daemon.pubsub.publish(args.bytes()?, args.bytes()?);
    ctx.reply.int(sent);
    Ok(Done)
}

/// `SPUBLISH shardchannel message`
fn spublish(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let sent = ctx.daemon.pubsub.publish_to_shard(args.bytes()?, args.bytes()?);
    ctx.reply.int(sent);
    Ok(Done)
}

/// `SSUBSCRIBE shardchannel [shardchannel …]`
fn ssubscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if ctx.state.executing {
        return Err(CommandError::other("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    subscribe(ctx, args, Kind::Shard)
}

/// `SUBSCRIBE channel [channel …]` and its kin.
fn subscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>, kind: Kind) -> CommandResult {
    let word = ["subscribe", "psubscribe", "ssubscribe"][kind as usize];
    while !args.is_empty() {
        let name = args.bytes()?;
        if !ctx.state.subscriptions.0[kind as usize].contains(name) {
            let name: Name = Arc::from(name);
            ctx.daemon.pubsub.subscribe(kind, &name, ctx.client);
            ctx.state.subscriptions.0[kind as usize].insert(name);
        }
        tell(ctx, word, kind, Some(name));
    }
    Ok(Done)
}

/// `UNSUBSCRIBE [channel …]` and its kin; without any, all go.
fn unsubscribe(ctx: &mut Ctx<'_>, args: &mut Args<'_>, kind: Kind) -> CommandResult {
    if !args.is_empty() {
        while !args.is_empty() {
            unsubscribe_one(ctx, kind, args.bytes()?);
        }
        return Ok(Done);
    }
    let all: Vec<Name> = ctx.state.subscriptions.0[kind as usize].iter().cloned().collect();
    for name in &all {
        unsubscribe_one(ctx, kind, name);
    }
    if all.is_empty() {
        tell(ctx, word_for_leaving(kind), kind, None);
    }
    Ok(Done)
}

fn unsubscribe_one(ctx: &mut Ctx<'_>, kind: Kind, name: &[u8]) {
    if ctx.state.subscriptions.0[kind as usize].remove(name) {
        ctx.daemon.pubsub.unsubscribe(kind, name, ctx.client);
        // What was sent before comes before the last word on it. Within EXEC it must wait, for the reply is one.
        if !ctx.state.executing {
            ctx.take_messages();
        }
    }
    tell(ctx, word_for_leaving(kind), kind, Some(name));
}

fn word_for_leaving(kind: Kind) -> &'static str {
    ["unsubscribe", "punsubscribe", "sunsubscribe"][kind as usize]
}

/// The message that answers for one channel, or pattern.
fn tell(ctx: &mut Ctx<'_>, word: &str, kind: Kind, name: Option<&[u8]>) {
    ctx.reply.push(3);
    ctx.reply.bulk(word.as_bytes());
    match name {
        Some(name) => ctx.reply.bulk(name),
        None => ctx.reply.nil(),
    }
    let count = ctx.state.subscriptions.count(kind);
    ctx.reply.int(count);
}
