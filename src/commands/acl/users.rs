//! Users: making, showing, deleting, trying them; the ACL file.

use crate::acl::{DEFAULT, Denied, Selector, SetUserError, User, has_blanks};
use crate::commands::table::TABLE;
use crate::commands::{Args, CommandError, CommandResult, Ctx, Done, Outcome, connection};
use crate::config::Param;
use crate::pubsub::Kind;
use crate::resp::Reply;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

/// `ACL SETUSER username [rule …]`: all rules or none.
pub(super) fn setuser(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let name = args.bytes()?;
    if has_blanks(name) {
        return Err(CommandError::other("ERR Usernames can't contain spaces or null characters"));
    }
    let rules: Vec<&[u8]> = args.rest().iter().collect();
    let daemon = ctx.daemon;
    let old = daemon.acl.set_user(name, &rules, daemon.new_users_have_all_channels())?;
    if let Some(old) = old {
        let user = daemon.acl.get(&old.name).filter(|user| user.id() == old.id());
        user.iter().for_each(|user| close_subscribers(ctx, user));
    }
    ctx.reply.ok();
    Ok(Done)
}

/// Closes the connections of a user that subscribe to what it may not listen to any more.
fn close_subscribers(ctx: &Ctx<'_>, user: &User) {
    if user.may_access_all_channels() {
        return;
    }
    ctx.daemon.pubsub.each_subscription(|kind, name, client| {
        if client.user.load(Relaxed) == user.id() && !user.may_access_channel(name, kind == Kind::Pattern) {
            client.close();
        }
    });
}

impl From<SetUserError> for CommandError {
    fn from(error: SetUserError) -> CommandError {
        CommandError::Quoting([b"ERR ", &*error.text()].concat())
    }
}

/// `ACL DELUSER username [username …]`: their connections are closed, the caller's own when it has its reply.
pub(super) fn deluser(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.rest().iter().any(|name| name == DEFAULT) {
        return Err(CommandError::other("ERR The 'default' user cannot be removed"));
    }
    let deleted = ctx.daemon.acl.delete(args.rest().iter());
    ctx.reply.int(deleted.len());
    Ok(close(ctx, &deleted))
}

/// Closes the connections of users who are gone.
fn close(ctx: &mut Ctx<'_>, users: &[u64]) -> Outcome {
    ctx.daemon.clients.close_users(users, ctx.client.id);
    if !users.contains(&ctx.state.login.user().id()) {
        return Done;
    }
    // Inside EXEC what follows is run as the default user, as in Redis.
    connection::log_out(ctx);
    Outcome::Close
}

/// `ACL GETUSER username`
pub(super) fn getuser(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let Some(user) = ctx.daemon.acl.get(args.bytes()?) else {
        ctx.reply.nil();
        return Ok(Done);
    };
    let reply = &mut ctx.reply;
    reply.map(6);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    for hash in user.passwords() {
        reply.bulk(hash.to_string().as_bytes());
    }
    put_selector(reply, user.root());
    reply.bulk(b"selectors");
    reply.array(user.further_selectors().len());
    for selector in user.further_selectors() {
        reply.map(3);
        put_selector(reply, selector);
    }
    Ok(Done)
}

fn put_selector(reply: &mut Reply<'_>, selector: &Selector) {
    reply.bulk(b"commands");
    reply.bulk(&selector.show_commands());
    reply.bulk(b"keys");
    reply.bulk(&selector.show_keys());
    reply.bulk(b"channels");
    reply.bulk(&selector.show_channels());
}

/// `ACL LIST`
pub(super) fn list(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let users = ctx.daemon.acl.all();
    ctx.reply.array(users.len());
    for user in users {
        ctx.reply.bulk(&user.describe());
    }
    Ok(Done)
}

/// `ACL USERS`
pub(super) fn users(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let users = ctx.daemon.acl.all();
    ctx.reply.bulks(users.iter().map(|user| &*user.name));
    Ok(Done)
}

/// `ACL WHOAMI`
pub(super) fn whoami(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.bulk(&ctx.state.login.user().name);
    Ok(Done)
}

/// `ACL DRYRUN username command [arg …]`: `OK`, or what would be denied, with the key's or channel's name.
pub(super) fn dryrun(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let name = args.bytes()?;
    let user = ctx.daemon.acl.get(name);
    let user = user.ok_or_else(|| CommandError::quoting("ERR User '", name, usize::MAX, "' not found"))?;
    let argv = args.rest();
    let word = argv.get(0).unwrap_or_default();
    let not_found = || CommandError::quoting("ERR Command '", word, usize::MAX, "' not found");
    let mut command = TABLE.find(word).ok_or_else(not_found)?;
    if let Some(sub) = argv.get(1)
        && !command.subcommands.is_empty()
    {
        let known = |sub: &[u8]| {
            command.subcommands.iter().find(|known| known.spec.name.as_bytes().eq_ignore_ascii_case(sub))
        };
        command = known(sub).ok_or_else(not_found)?;
    }
    if !command.spec.arity.allows(argv.len()) {
        return Err(CommandError::Arity(command.full_name.to_owned()));
    }
    match user.may_run(command, argv) {
        Ok(()) => ctx.reply.ok(),
        Err(Denied { reason, at }) => ctx.reply.bulk(&user.denial(reason, command.full_name, argv.get(at))),
    }
    Ok(Done)
}

/// The ACL file.
fn file(ctx: &Ctx<'_>) -> Result<PathBuf, CommandError> {
    let path = ctx.daemon.config.text(Param::AclFile);
    if path.is_empty() {
        return Err(CommandError::other(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the \
             ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file \
             set) in order to store users in the Redis configuration.",
        ));
    }
    Ok(PathBuf::from(&*path))
}

/// `ACL LOAD`: all the file's users or, when one line is wrong, none. Connections of users who are not in it are
/// closed.
pub(super) fn load(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let daemon = ctx.daemon;
    let gone = daemon
        .acl
        .load(&file(ctx)?, daemon.new_users_have_all_channels())
        .map_err(|errors| CommandError::Quoting([b"ERR ", &*errors].concat()))?;
    ctx.reply.ok();
    for user in daemon.acl.all() {
        close_subscribers(ctx, &user);
    }
    Ok(close(ctx, &gone))
}

/// `ACL SAVE`
pub(super) fn save(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.daemon.acl.save(&file(ctx)?).map_err(|error| {
        tracing::warn!("cannot write the ACL file: {error}");
        CommandError::other(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    ctx.reply.ok();
    Ok(Done)
}
