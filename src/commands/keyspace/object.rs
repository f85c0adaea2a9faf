//! OBJECT: what lies behind a key.

use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::commands::args::parse_int;
use crate::commands::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use crate::config::Param;
use crate::store::Item;

const ABOUT: CommandSpec = CommandSpec {
    arity: Arity::Exactly(3),
    flags: &[Flag::ReadOnly],
    keys: &[KeySpec::one(2, KeyUse::Look)],
    tips: &["nondeterministic_output"],
    since: "2.2.3",
    ..super::GENERIC
};

pub(super) const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "encoding",
        summary: "Returns the internal encoding of a Redis object.",
        run: encoding,
        ..ABOUT
    },
    CommandSpec {
        name: "freq",
        since: "4.0.0",
        summary: "Returns the logarithmic access frequency counter of a Redis object.",
        run: freq,
        ..ABOUT
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        since: "6.2.0",
        summary: "Returns helpful text about the different subcommands.",
        run: help,
        ..super::GENERIC
    },
    CommandSpec {
        name: "idletime",
        summary: "Returns the time since the last access to a Redis object.",
        run: idletime,
        ..ABOUT
    },
    CommandSpec {
        name: "refcount",
        summary: "Returns the reference count of a value of a key.",
        run: refcount,
        ..ABOUT
    },
];

/// Replies with what `tell` says of the item, or nil when there is none.
fn about(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    tell: impl FnOnce(&mut crate::resp::Reply<'_>, &Item<'_>) -> CommandResult,
) -> CommandResult {
    let entry = ctx.db.entry(args.key()?);
    match lookup::inspect(ctx.counters, &entry) {
        Some(item) => tell(&mut ctx.reply, &item),
        None => {
            ctx.reply.nil();
            Ok(Done)
        }
    }
}

/// `OBJECT ENCODING key`.
///
/// Differs: it is told from the value alone. Redis remembers how a value came about: a short string that
/// was appended to is `raw` there.
fn encoding(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    about(ctx, args, |reply, item| {
        reply.bulk(encoding_of(item).as_bytes());
        Ok(Done)
    })
}

/// The name of an item's layout.
pub(in crate::commands) fn encoding_of(item: &Item<'_>) -> &'static str {
    match item.string() {
        Some(text) => encoding_of_string(text),
        None => item.object().map_or("", |object| object.encoding()),
    }
}

/// How Redis would store a string.
fn encoding_of_string(text: &[u8]) -> &'static str {
    const EMBEDDED_MAX: usize = 44;
    match text.len() {
        ..=20 if parse_int(text).is_some() => "int",
        ..=EMBEDDED_MAX => "embstr",
        _ => "raw",
    }
}

/// `OBJECT FREQ key`
fn freq(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let decay = u32::try_from(ctx.daemon.config.number(Param::LfuDecayTime)).unwrap_or(u32::MAX);
    let (now, is_lfu) = (ctx.now, ctx.daemon.store.policy().is_lfu());
    about(ctx, args, |reply, item| {
        if !is_lfu {
            return Err(CommandError::other(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
                 when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        reply.int(item.frequency(now, decay));
        Ok(Done)
    })
}

/// `OBJECT IDLETIME key`
fn idletime(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (now, is_lfu) = (ctx.now, ctx.daemon.store.policy().is_lfu());
    about(ctx, args, |reply, item| {
        if is_lfu {
            return Err(CommandError::other(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        reply.int(item.idle_secs(now));
        Ok(Done)
    })
}

/// `OBJECT REFCOUNT key`.
///
/// Differs: no value is shared between keys, so it is always 1. Redis shares the numbers up to 9999.
fn refcount(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    about(ctx, args, |reply, _| {
        reply.int(1);
        Ok(Done)
    })
}

/// `OBJECT HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    ];
    ctx.reply.array(LINES.len());
    for line in LINES {
        ctx.reply.simple(line);
    }
    Ok(Done)
}

#[cfg(test)]
mod tests {
    use super::encoding_of_string;

    #[test]
    fn encodings_are_those_redis_would_choose() {
        for (text, expected) in [
            ("12", "int"),
            ("-9223372036854775808", "int"),
            ("9223372036854775808", "embstr"),
            ("012", "embstr"),
            ("", "embstr"),
            (&"a".repeat(44), "embstr"),
            (&"a".repeat(45), "raw"),
        ] {
            assert_eq!(encoding_of_string(text.as_bytes()), expected, "{text}");
        }
    }
}
