//! `CONFIG`: the parameter table as commands. What must follow a change happens in
//! [`Daemon::follow`](crate::daemon::Daemon::follow).

use super::table::{Arity, CommandSpec, Flag};
use super::{Args, CommandError, CommandResult, Ctx, Done};
use crate::acl::Acl;
use crate::config::{ConfigError, Param};
use crate::resp::Argv;

/// What most subcommands are.
const SUBCOMMAND: CommandSpec = CommandSpec {
    flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
    group: "server",
    since: "2.0.0",
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "config",
    arity: Arity::AtLeast(2),
    since: "2.0.0",
    group: "server",
    complexity: "Depends on subcommand.",
    summary: "A container for server configuration commands.",
    subcommands: SUBCOMMANDS,
    ..CommandSpec::BASE
}];

const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "get",
        arity: Arity::AtLeast(3),
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Returns the effective values of configuration parameters.",
        run: get,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        run: help,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "resetstat",
        arity: Arity::Exactly(2),
        summary: "Resets the server's statistics.",
        run: resetstat,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "rewrite",
        arity: Arity::Exactly(2),
        since: "2.8.0",
        summary: "Persists the effective configuration to file.",
        run: rewrite,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "set",
        arity: Arity::AtLeast(4),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Sets configuration parameters in-flight.",
        hides: set_hides,
        run: set,
        ..SUBCOMMAND
    },
];

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> CommandError {
        CommandError::Other(error.to_string())
    }
}

/// `CONFIG GET pattern [pattern …]`
fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let found = ctx.daemon.config.get(args.rest().iter());
    ctx.reply.map(found.len());
    for (name, value) in found {
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.bulk(value.as_bytes());
    }
    Ok(Done)
}

/// `CONFIG SET name value [name value …]`. Clients that are in stay in when the password changes, as in
/// Redis.
fn set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.len() % 2 == 1 {
        return Err(CommandError::Syntax);
    }
    let mut settings = Vec::with_capacity(args.len() / 2);
    while !args.is_empty() {
        settings.push((args.bytes()?, args.bytes()?));
    }
    for param in ctx.daemon.config.set_many(&settings, ctx.client.is_local())? {
        ctx.daemon.follow(param);
    }
    ctx.reply.ok();
    Ok(Done)
}

/// Passwords.
fn set_hides(argv: Argv<'_>, at: usize) -> bool {
    let is_value = at > 2 && at % 2 == 1;
    let name = argv.get(at.saturating_sub(1)).unwrap_or_default();
    is_value && Param::find(name).is_some_and(|(param, _)| param.spec().sensitive)
}

/// `CONFIG RESETSTAT`
fn resetstat(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.db.reset_stats();
    ctx.daemon.reset_stats();
    ctx.reply.ok();
    Ok(Done)
}

/// The users' lines for the config file: none when they have a file of their own, or when there is but the
/// default user as `requirepass` makes it. Differs: Redis writes that one too.
fn users_to_write(ctx: &Ctx<'_>) -> Vec<u8> {
    let config = &ctx.daemon.config;
    let users = ctx.daemon.acl.render();
    let follow = users == Acl::new(&config.text(Param::RequirePass)).render();
    if follow || !config.text(Param::AclFile).is_empty() { Vec::new() } else { users }
}

/// `CONFIG REWRITE`
fn rewrite(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.daemon.config.rewrite(&users_to_write(ctx))?;
    ctx.reply.ok();
    Ok(Done)
}

/// `CONFIG HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    )
}
