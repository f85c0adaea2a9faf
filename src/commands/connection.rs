//! Commands about the connection itself: who it is, which protocol and database it speaks to.

use super::session::Replies;
use super::table::{Arity, CommandSpec, Flag};
use super::{
    Args, CommandError, CommandResult, Ctx, Done, Outcome, client, monitor, permission, transaction,
};
use crate::REDIS_VERSION;
use crate::acl::{self, Login};
use crate::resp::Argv;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "auth",
        arity: Arity::AtLeast(2),
        flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth, Flag::AllowBusy],
        acl: &["connection"],
        group: "connection",
        complexity: "O(N) where N is the number of passwords defined for the user",
        summary: "Authenticates the connection.",
        hides: |_, at| at > 0,
        run: auth,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "echo",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
        acl: &["connection"],
        group: "connection",
        summary: "Returns the given string.",
        run: echo,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "hello",
        arity: Arity::AtLeast(1),
        flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth, Flag::AllowBusy],
        acl: &["connection"],
        since: "6.0.0",
        group: "connection",
        summary: "Handshakes with the Redis server.",
        hides: hello_hides,
        run: hello,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "ping",
        arity: Arity::AtLeast(1),
        flags: &[Flag::Fast],
        acl: &["connection"],
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        group: "connection",
        summary: "Returns the server's liveliness response.",
        run: ping,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "quit",
        arity: Arity::AtLeast(1),
        flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth, Flag::AllowBusy],
        acl: &["connection"],
        group: "connection",
        summary: "Closes the connection.",
        deprecated: Some(("7.2.0", "just closing the connection")),
        run: quit,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "reset",
        arity: Arity::Exactly(1),
        flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth, Flag::AllowBusy],
        acl: &["connection"],
        since: "6.2.0",
        group: "connection",
        summary: "Resets the connection.",
        run: reset,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "select",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
        acl: &["connection"],
        group: "connection",
        summary: "Changes the selected database.",
        run: select,
        ..CommandSpec::BASE
    },
];

const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// `AUTH [username] password`
fn auth(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.len() > 2 {
        return Err(CommandError::Syntax);
    }
    let user = if args.len() == 2 { Some(args.bytes()?) } else { None };
    if user.is_none() && ctx.daemon.acl.default_user().takes_any_password() {
        return Err(CommandError::other(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure \
             your configuration is correct?",
        ));
    }
    log_in(ctx, args.argv(), user.unwrap_or(acl::DEFAULT), args.bytes()?)?;
    ctx.reply.ok();
    Ok(Done)
}

fn log_in(ctx: &mut Ctx<'_>, argv: Argv<'_>, user: &[u8], password: &[u8]) -> Result<(), CommandError> {
    match ctx.daemon.acl.authenticate(user, password) {
        Some(found) => {
            ctx.state.login.become_user(found);
            ctx.client.become_user(ctx.state.login.user());
            Ok(())
        }
        None => {
            permission::note_failed_login(ctx, argv.get(0).unwrap_or_default(), user);
            Err(CommandError::other(WRONG_PASS))
        }
    }
}

/// Becomes the default user, as a client that has just come.
pub(super) fn log_out(ctx: &mut Ctx<'_>) {
    ctx.state.login = Login::new(&ctx.daemon.acl);
    ctx.client.become_user(ctx.state.login.user());
}

/// `HELLO [protover [AUTH username password] [SETNAME clientname]]`
fn hello(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut resp3 = ctx.state.resp3;
    if !args.is_empty() {
        resp3 = match args.int() {
            Ok(2) => false,
            Ok(3) => true,
            Ok(_) => return Err(CommandError::other("NOPROTO unsupported protocol version")),
            Err(_) => {
                return Err(CommandError::other("ERR Protocol version is not an integer or out of range"));
            }
        };
    }
    let (mut login, mut name) = (None, None);
    while let Some(option) = args.peek() {
        if args.len() >= 3 && args.accept("AUTH") {
            login = Some((args.bytes()?, args.bytes()?));
        } else if args.len() >= 2 && args.accept("SETNAME") {
            name = Some(args.bytes()?);
            client::check_word(name.unwrap_or_default(), "Client names")?;
        } else {
            let option = String::from_utf8_lossy(option);
            return Err(CommandError::other(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = login {
        log_in(ctx, args.argv(), user, password)?;
    }
    if ctx.state.login.is_stranger(&ctx.daemon.acl) {
        return Err(CommandError::other(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same \
             time",
        ));
    }
    if let Some(name) = name {
        client::set_name(ctx, name);
    }
    set_resp3(ctx, resp3);
    ctx.reply.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        ctx.reply.bulk(field.as_bytes());
        ctx.reply.bulk(value.as_bytes());
    }
    ctx.reply.bulk(b"proto");
    ctx.reply.int(if resp3 { 3 } else { 2 });
    ctx.reply.bulk(b"id");
    ctx.reply.int(ctx.client.id);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        ctx.reply.bulk(field.as_bytes());
        ctx.reply.bulk(value.as_bytes());
    }
    ctx.reply.bulk(b"modules");
    ctx.reply.array(0);
    Ok(Done)
}

/// The user and the password behind `AUTH`.
fn hello_hides(argv: Argv<'_>, at: usize) -> bool {
    let is_auth = |at: usize| argv.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(b"AUTH"));
    (at > 2 && is_auth(at - 1)) || (at > 3 && is_auth(at - 2))
}

fn set_resp3(ctx: &mut Ctx<'_>, resp3: bool) {
    ctx.client.speak(resp3);
    if !ctx.state.executing {
        ctx.take_messages();
    }
    ctx.state.resp3 = resp3;
    ctx.reply.set_resp3(resp3);
}

/// `PING [message]`. In RESP2 the answer to a subscriber looks like a message.
fn ping(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if !ctx.state.resp3 && !ctx.state.subscriptions.is_empty() && args.len() <= 1 {
        ctx.reply.bulks([&b"pong"[..], args.peek().unwrap_or_default()].into_iter());
        return Ok(Done);
    }
    match args.len() {
        0 => ctx.reply.simple("PONG"),
        1 => ctx.reply.bulk(args.bytes()?),
        _ => return Err(CommandError::Arity("ping".into())),
    }
    Ok(Done)
}

/// `ECHO message`
fn echo(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    ctx.reply.bulk(args.bytes()?);
    Ok(Done)
}

/// `SELECT index`
fn select(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let index = args.database(ctx.daemon.store.databases())?;
    select_db(ctx, index);
    ctx.reply.ok();
    Ok(Done)
}

fn select_db(ctx: &mut Ctx<'_>, index: u32) {
    ctx.db.select(index);
    ctx.state.db = index;
    ctx.client.db.store(index, Relaxed);
}

/// `QUIT`
fn quit(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.ok();
    Ok(Outcome::Close)
}

/// `RESET`: as if the client had just come. What it said of its library stays, as in Redis.
fn reset(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    transaction::end(ctx);
    monitor::stop(ctx);
    ctx.state.subscriptions.end(ctx.daemon, ctx.client);
    ctx.state.tracking.stop(ctx.daemon, ctx.client);
    select_db(ctx, 0);
    set_resp3(ctx, false);
    client::set_name(ctx, b"");
    client::set_no_touch(ctx, false);
    ctx.client.no_evict.store(false, Relaxed);
    log_out(ctx);
    ctx.state.replies = Replies::On;
    ctx.reply.simple("RESET");
    Ok(Done)
}
