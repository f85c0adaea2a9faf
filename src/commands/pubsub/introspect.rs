//! `PUBSUB`: which channels are listened to, and by how many.

use super::super::table::{Arity, CommandSpec, Flag, wrong_subcommand};
use super::super::{Args, CommandResult, Ctx, Done};
use crate::pubsub::Kind;

const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: Arity::AtLeast(2),
    flags: &[Flag::PubSub, Flag::Loading, Flag::Stale],
    since: "2.8.0",
    group: "pubsub",
    ..CommandSpec::BASE
};

pub(super) const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "channels",
        complexity: "O(N) where N is the number of active channels, and assuming constant time pattern \
            matching (relatively short channels and patterns)",
        summary: "Returns the active channels.",
        run: |ctx, args| channels(ctx, args, Kind::Channel),
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        since: "6.2.0",
        summary: "Returns helpful text about the different subcommands.",
        run: help,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "numpat",
        arity: Arity::Exactly(2),
        summary: "Returns a count of unique pattern subscriptions.",
        run: numpat,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "numsub",
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        summary: "Returns a count of subscribers to channels.",
        run: |ctx, args| numsub(ctx, args, Kind::Channel),
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "shardchannels",
        since: "7.0.0",
        complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern \
            matching (relatively short shard channels).",
        summary: "Returns the active shard channels.",
        run: |ctx, args| channels(ctx, args, Kind::Shard),
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "shardnumsub",
        since: "7.0.0",
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        summary: "Returns the count of subscribers of shard channels.",
        run: |ctx, args| numsub(ctx, args, Kind::Shard),
        ..SUBCOMMAND
    },
];

/// `PUBSUB CHANNELS [pattern]` and `PUBSUB SHARDCHANNELS [pattern]`
fn channels(ctx: &mut Ctx<'_>, args: &mut Args<'_>, kind: Kind) -> CommandResult {
    if args.len() > 1 {
        return Err(wrong_subcommand(args.argv()));
    }
    let pattern = if args.is_empty() { None } else { Some(args.bytes()?) };
    let names = ctx.daemon.pubsub.channels(kind, pattern);
    ctx.reply.bulks(names.iter().map(|name| &**name));
    Ok(Done)
}

/// `PUBSUB NUMSUB [channel …]` and `PUBSUB SHARDNUMSUB [shardchannel …]`
fn numsub(ctx: &mut Ctx<'_>, args: &mut Args<'_>, kind: Kind) -> CommandResult {
    // A map, but an array in RESP3 too, as in Redis.
    ctx.reply.array(args.len() * 2);
    while !args.is_empty() {
        let name = args.bytes()?;
        ctx.reply.bulk(name);
        ctx.reply.int(ctx.daemon.pubsub.subscribers(kind, name));
    }
    Ok(Done)
}

/// `PUBSUB NUMPAT`
fn numpat(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.int(ctx.daemon.pubsub.count(Kind::Pattern));
    Ok(Done)
}

/// `PUBSUB HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
        ],
    )
}
