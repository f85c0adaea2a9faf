//! `COMMAND`: the command table, told to clients. Formats are those of Redis 7; differs: `DOCS` knows no
//! `arguments` and no `history`.

use super::categories::categories;
use super::table::{Arity, Begin, Command, CommandSpec, Find, Flag, KeySpec, KeyUse, MIGRATED, TABLE};
use super::{Args, CommandError, CommandResult, Ctx, Done};
use crate::resp::{Argv, Reply};

/// What most subcommands are.
const SUBCOMMAND: CommandSpec = CommandSpec {
    flags: &[Flag::Loading, Flag::Stale],
    acl: &["connection"],
    group: "server",
    since: "2.8.13",
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "command",
    arity: Arity::AtLeast(1),
    flags: &[Flag::Loading, Flag::Stale],
    acl: &["connection"],
    tips: &["nondeterministic_output_order"],
    since: "2.8.13",
    group: "server",
    complexity: "O(N) where N is the total number of Redis commands",
    summary: "Returns detailed information about all commands.",
    subcommands: SUBCOMMANDS,
    run: all,
    ..CommandSpec::BASE
}];

const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "count",
        arity: Arity::Exactly(2),
        summary: "Returns a count of commands.",
        run: count,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "docs",
        arity: Arity::AtLeast(2),
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Returns documentary information about one, multiple or all commands.",
        run: docs,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "getkeys",
        arity: Arity::AtLeast(4),
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extracts the key names from an arbitrary command.",
        run: getkeys,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "getkeysandflags",
        arity: Arity::AtLeast(4),
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extracts the key names and access flags for an arbitrary command.",
        run: getkeysandflags,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        run: help,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "info",
        arity: Arity::AtLeast(2),
        tips: &["nondeterministic_output_order"],
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Returns information about one, multiple or all commands.",
        run: info,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "list",
        arity: Arity::AtLeast(2),
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Returns a list of command names.",
        run: list,
        ..SUBCOMMAND
    },
];

/// `COMMAND`
fn all(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let all = TABLE.all();
    ctx.reply.array(all.len());
    for command in all {
        put_info(&mut ctx.reply, command);
    }
    Ok(Done)
}

/// `COMMAND COUNT`
fn count(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.int(TABLE.len());
    Ok(Done)
}

/// `COMMAND INFO [name …]`
fn info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.is_empty() {
        return all(ctx, args);
    }
    ctx.reply.array(args.len());
    while !args.is_empty() {
        match TABLE.find_full(args.bytes()?) {
            Some(command) => put_info(&mut ctx.reply, command),
            None => ctx.reply.nil(),
        }
    }
    Ok(Done)
}

fn put_info(reply: &mut Reply<'_>, command: &Command) {
    let spec = command.spec;
    reply.array(10);
    reply.bulk(command.full_name.as_bytes());
    reply.int(spec.arity.number());
    let mut flags = spec.flags.to_vec();
    flags.sort_unstable();
    put_words(reply, flags.iter().map(|flag| flag.name()));
    for number in first_last_step(spec.keys) {
        reply.int(number);
    }
    put_words(reply, categories(spec).iter().map(|name| format!("@{name}")));
    reply.set(spec.tips.len());
    for tip in spec.tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(spec.keys.len());
    for keys in spec.keys {
        put_keys(reply, keys);
    }
    // Redis has an array for a container and an empty set for the others.
    if command.subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(command.subcommands.len());
    }
    for sub in &command.subcommands {
        put_info(reply, sub);
    }
}

fn put_words(reply: &mut Reply<'_>, words: impl ExactSizeIterator<Item = impl AsRef<str>>) {
    reply.set(words.len());
    for word in words {
        reply.simple(word.as_ref());
    }
}

/// What older clients know of a command's keys. Several specifications become one where they stand behind
/// each other, as in Redis' `populateCommandLegacyRangeSpec`.
pub(super) fn first_last_step(keys: &[KeySpec]) -> [i64; 3] {
    let range = |keys: &KeySpec| match (keys.begin.index(), keys.find) {
        (Some(first), Find::Range { last, step, .. }) => {
            let (first, last) = (i64::from(first), i64::from(last));
            Some((first, if last >= 0 { first + last } else { last }, i64::from(step)))
        }
        _ => None,
    };
    if let [only] = keys {
        return range(only).map_or([0; 3], |(first, last, step)| [first, last, step]);
    }
    let mut joined: Option<(i64, i64)> = None;
    for (first, last, step) in keys.iter().filter_map(range) {
        if step != 1 {
            return [0; 3];
        }
        joined = Some(match joined {
            None => (first, last),
            Some((from, to)) if to + 1 == first => (from, last),
            Some(_) => return [0; 3],
        });
    }
    joined.map_or([0; 3], |(first, last)| [first, last, 1])
}

fn put_keys(reply: &mut Reply<'_>, keys: &KeySpec) {
    let numbers = |reply: &mut Reply<'_>, fields: &[(&str, i64)]| {
        reply.map(fields.len());
        for (name, number) in fields {
            reply.bulk(name.as_bytes());
            reply.int(*number);
        }
    };
    reply.map(3);
    reply.bulk(b"flags");
    put_words(reply, keys.usage.flags().iter());
    reply.bulk(b"begin_search");
    reply.map(2);
    reply.bulk(b"type");
    match keys.begin {
        Begin::Index(index) => put_index(reply, index),
        Begin::Migrated => put_index(reply, MIGRATED),
        Begin::Streams(from) => put_keyword(reply, "STREAMS", from.into()),
        Begin::GeoStore(word, from) => put_keyword(reply, word, from.into()),
        Begin::MigratedKeys => put_keyword(reply, "KEYS", -2),
        Begin::Unknown(_) => put_unknown(reply),
    }
    reply.bulk(b"find_keys");
    reply.map(2);
    reply.bulk(b"type");
    match keys.find {
        Find::Range { last, step, limit } => {
            reply.bulk(b"range");
            reply.bulk(b"spec");
            let fields = [("lastkey", last.into()), ("keystep", step.into()), ("limit", limit.into())];
            numbers(reply, &fields);
        }
        Find::Count { at, first, step } => {
            reply.bulk(b"keynum");
            reply.bulk(b"spec");
            let fields = [("keynumidx", at.into()), ("firstkey", first.into()), ("keystep", step.into())];
            numbers(reply, &fields);
        }
        Find::Unknown => put_unknown(reply),
    }
}

fn put_index(reply: &mut Reply<'_>, index: u8) {
    reply.bulk(b"index");
    reply.bulk(b"spec");
    reply.map(1);
    reply.bulk(b"index");
    reply.int(index);
}

fn put_keyword(reply: &mut Reply<'_>, word: &str, from: i64) {
    reply.bulk(b"keyword");
    reply.bulk(b"spec");
    reply.map(2);
    reply.bulk(b"keyword");
    reply.bulk(word.as_bytes());
    reply.bulk(b"startfrom");
    reply.int(from);
}

fn put_unknown(reply: &mut Reply<'_>) {
    reply.bulk(b"unknown");
    reply.bulk(b"spec");
    reply.map(0);
}

/// `COMMAND DOCS [name …]`
fn docs(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let chosen = if args.is_empty() {
        TABLE.all()
    } else {
        args.rest().iter().filter_map(|name| TABLE.find_full(name)).collect()
    };
    ctx.reply.map(chosen.len());
    for command in chosen {
        put_docs(&mut ctx.reply, command);
    }
    Ok(Done)
}

fn put_docs(reply: &mut Reply<'_>, command: &Command) {
    let spec = command.spec;
    let texts = [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group),
        ("complexity", spec.complexity),
    ];
    let texts = || texts.iter().filter(|(_, text)| !text.is_empty());
    let deprecation = if spec.deprecated.is_some() { 3 } else { 0 };
    reply.bulk(command.full_name.as_bytes());
    reply.map(texts().count() + deprecation + usize::from(!command.subcommands.is_empty()));
    for (name, text) in texts() {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if let Some((version, replacement)) = spec.deprecated {
        reply.bulk(b"doc_flags");
        put_words(reply, ["deprecated"].iter());
        reply.bulk(b"deprecated_since");
        reply.bulk(version.as_bytes());
        reply.bulk(b"replaced_by");
        reply.bulk(replacement.as_bytes());
    }
    if !command.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        for sub in &command.subcommands {
            put_docs(reply, sub);
        }
    }
}

/// The command whose keys are asked for, with the arity checked.
fn asked_for<'a>(args: &Args<'a>) -> Result<(&'static Command, Argv<'a>), CommandError> {
    let argv = args.rest();
    let invalid = |text: &str| CommandError::other(format!("ERR {text}"));
    let name = argv.get(0).unwrap_or_default();
    let mut command = TABLE.find(name).ok_or_else(|| invalid("Invalid command specified"))?;
    if !command.subcommands.is_empty() {
        let sub = argv.get(1).unwrap_or_default();
        let found =
            command.subcommands.iter().find(|known| known.spec.name.as_bytes().eq_ignore_ascii_case(sub));
        command = found.ok_or_else(|| invalid("Invalid command specified"))?;
    }
    if command.spec.key_specs().next().is_none() {
        return Err(invalid("The command has no key arguments"));
    }
    if !command.spec.arity.allows(argv.len()) {
        return Err(invalid("Invalid number of arguments specified for command"));
    }
    Ok((command, argv))
}

/// `COMMAND GETKEYS command [arg …]`
fn getkeys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (command, argv) = asked_for(args)?;
    let positions = command.key_positions(argv);
    if positions.is_empty() && !command.spec.has(Flag::NoMandatoryKeys) {
        return Err(CommandError::other("ERR Invalid arguments specified for command"));
    }
    ctx.reply.array(positions.len());
    for key in positions.iter().filter_map(|&at| argv.get(at)) {
        ctx.reply.bulk(key);
    }
    Ok(Done)
}

/// `COMMAND GETKEYSANDFLAGS command [arg …]`
fn getkeysandflags(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (command, argv) = asked_for(args)?;
    let keys: Vec<(&[u8], KeyUse)> =
        command.keys(argv).filter_map(|(at, usage)| Some((argv.get(at)?, usage))).collect();
    if keys.is_empty() && !command.spec.has(Flag::NoMandatoryKeys) {
        return Err(CommandError::other("ERR Invalid arguments specified for command"));
    }
    ctx.reply.array(keys.len());
    for (key, usage) in keys {
        ctx.reply.array(2);
        ctx.reply.bulk(key);
        put_words(&mut ctx.reply, usage.flags().iter());
    }
    Ok(Done)
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`
fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    enum By<'a> {
        Module,
        Category(&'a [u8]),
        Pattern(&'a [u8]),
    }
    let mut filter = None;
    if !args.is_empty() {
        if args.len() != 3 || !args.accept("FILTERBY") {
            return Err(CommandError::Syntax);
        }
        filter = Some(if args.accept("MODULE") {
            By::Module
        } else if args.accept("ACLCAT") {
            By::Category(args.bytes()?)
        } else if args.accept("PATTERN") {
            By::Pattern(args.bytes()?)
        } else {
            return Err(CommandError::Syntax);
        });
    }
    let fits = |command: &Command| match &filter {
        None => true,
        Some(By::Module) => false,
        Some(By::Category(category)) => {
            categories(command.spec).iter().any(|name| name.as_bytes().eq_ignore_ascii_case(category))
        }
        Some(By::Pattern(pattern)) => crate::glob::matches(pattern, command.full_name.as_bytes(), true),
    };
    let mut names = Vec::new();
    for command in TABLE.all() {
        names.extend(fits(command).then_some(command.full_name));
        names.extend(command.subcommands.iter().filter(|sub| fits(sub)).map(|sub| sub.full_name));
    }
    ctx.reply.bulks(names.iter().map(|name| name.as_bytes()));
    Ok(Done)
}

/// `COMMAND HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    )
}
