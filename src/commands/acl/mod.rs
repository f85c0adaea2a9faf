//! `ACL`: users over the wire. What they mean is in [`crate::acl`]; here are the words.

mod log;
mod users;

use super::categories::{CATEGORIES, categories};
use super::table::{Arity, CommandSpec, Flag, TABLE};
use super::{Args, CommandError, CommandResult, Ctx, Done};

/// What most subcommands are.
const SUBCOMMAND: CommandSpec = CommandSpec {
    flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
    since: "6.0.0",
    group: "server",
    ..CommandSpec::BASE
};

/// What those are that anybody may use.
const HARMLESS: CommandSpec =
    CommandSpec { flags: &[Flag::NoScript, Flag::Loading, Flag::Stale], ..SUBCOMMAND };

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "acl",
    arity: Arity::AtLeast(2),
    since: "6.0.0",
    group: "server",
    complexity: "Depends on subcommand.",
    summary: "A container for Access List Control commands.",
    subcommands: SUBCOMMANDS,
    ..CommandSpec::BASE
}];

const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "cat",
        arity: Arity::AtLeast(2),
        complexity: "O(1) since the categories and commands are a fixed set.",
        summary: "Lists the ACL categories, or the commands inside a category.",
        run: cat,
        ..HARMLESS
    },
    CommandSpec {
        name: "deluser",
        arity: Arity::AtLeast(3),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        complexity: "O(1) amortized time considering the typical user.",
        summary: "Deletes ACL users, and terminates their connections.",
        hides: |_, at| at > 1,
        run: users::deluser,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "dryrun",
        arity: Arity::AtLeast(4),
        since: "7.0.0",
        complexity: "O(1).",
        summary: "Simulates the execution of a command by a user, without executing the command.",
        run: users::dryrun,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "genpass",
        arity: Arity::AtLeast(2),
        summary: "Generates a pseudorandom, secure password that can be used to identify ACL users.",
        run: genpass,
        ..HARMLESS
    },
    CommandSpec {
        name: "getuser",
        arity: Arity::Exactly(3),
        complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
        summary: "Lists the ACL rules of a user.",
        hides: |_, at| at > 1,
        run: users::getuser,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        summary: "Returns helpful text about the different subcommands.",
        run: help,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "list",
        arity: Arity::Exactly(2),
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Dumps the effective rules in ACL file format.",
        run: users::list,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "load",
        arity: Arity::Exactly(2),
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Reloads the rules from the configured ACL file.",
        run: users::load,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "log",
        arity: Arity::AtLeast(2),
        complexity: "O(N) with N being the number of entries shown.",
        summary: "Lists recent security events generated due to ACL rules.",
        run: log::log,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "save",
        arity: Arity::Exactly(2),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Saves the effective ACL rules in the configured ACL file.",
        run: users::save,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "setuser",
        arity: Arity::AtLeast(3),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        complexity: "O(N). Where N is the number of rules provided.",
        summary: "Creates and modifies an ACL user and its rules.",
        hides: |_, at| at > 1,
        run: users::setuser,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "users",
        arity: Arity::Exactly(2),
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Lists all ACL users.",
        run: users::users,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "whoami",
        arity: Arity::Exactly(2),
        summary: "Returns the authenticated username of the current connection.",
        run: users::whoami,
        ..HARMLESS
    },
];

/// `ACL CAT [category]`
fn cat(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.is_empty() {
        ctx.reply.bulks(CATEGORIES.iter().map(|name| name.as_bytes()));
        return Ok(Done);
    }
    let given = args.bytes()?;
    args.finish().map_err(|_| super::table::wrong_subcommand(args.argv()))?;
    let category = CATEGORIES.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(given));
    let category =
        category.ok_or_else(|| CommandError::quoting("ERR Unknown category '", given, 128, "'"))?;
    let mut names = Vec::new();
    for command in TABLE.all() {
        for command in std::iter::once(command).chain(&command.subcommands) {
            if categories(command.spec).contains(category) {
                names.push(command.full_name.as_bytes());
            }
        }
    }
    ctx.reply.bulks(names.into_iter());
    Ok(Done)
}

/// `ACL GENPASS [bits]`
fn genpass(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    const MOST_BITS: i64 = 4096;
    let bits = if args.is_empty() { 256 } else { args.int()? };
    args.finish().map_err(|_| super::table::wrong_subcommand(args.argv()))?;
    if !(1..=MOST_BITS).contains(&bits) {
        return Err(CommandError::other(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {MOST_BITS}"
        )));
    }
    let mut random = [0; MOST_BITS as usize / 8];
    getrandom::fill(&mut random)
        .map_err(|error| CommandError::other(format!("ERR no random numbers: {error}")))?;
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    ctx.reply.bulk(&digits.as_bytes()[..(bits as usize).div_ceil(4)]);
    Ok(Done)
}

/// `ACL HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "ACL",
        &[
            "CAT [<category>]",
            "    List all commands that belong to <category>, or all command categories",
            "    when no category is specified.",
            "DELUSER <username> [<username> ...]",
            "    Delete a list of users.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Returns whether the user can execute the given command without executing the command.",
            "GETUSER <username>",
            "    Get the user's details.",
            "GENPASS [<bits>]",
            "    Generate a secure 256-bit user password. The optional `bits` argument can",
            "    be used to specify a different size.",
            "LIST",
            "    Show users details in config file format.",
            "LOAD",
            "    Reload users from the ACL file.",
            "LOG [<count> | RESET]",
            "    Show the ACL log entries.",
            "SAVE",
            "    Save the current config to the ACL file.",
            "SETUSER <username> <attribute> [<attribute> ...]",
            "    Create or modify a user with the specified attributes.",
            "USERS",
            "    List all the registered usernames.",
            "WHOAMI",
            "    Return the current connection username.",
        ],
    )
}
