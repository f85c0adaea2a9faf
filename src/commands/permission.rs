//! What the users of `acl` may run: the gate before a command, and what is noted of those it stops.

use super::table::Command;
use super::{CommandError, Ctx, client};
use crate::acl::{Denial, Denied, Origin, Reason};
use crate::config::Param;
use crate::observe::Counter;
use crate::resp::Argv;

/// May this connection's user run the command? A denial is logged (`ACL LOG`) and counted. Costs a load and a
/// comparison for a user who may do everything.
///
/// # Errors
/// What is denied; the words for it depend on where the command came from.
#[inline]
pub(super) fn check(
    ctx: &mut Ctx<'_>,
    command: &Command,
    argv: Argv<'_>,
    origin: Origin,
) -> Result<(), Denied> {
    // Who was deleted this moment has its connection closed; until then it may do nothing.
    let is_there = ctx.state.login.refresh(&ctx.daemon.acl).is_ok();
    if is_there && ctx.state.login.is_unrestricted() {
        return Ok(());
    }
    let result = match is_there {
        true => ctx.state.login.user().may_run(command, argv),
        false => Err(Denied { reason: Reason::Command, at: 0 }),
    };
    result.inspect_err(|denied| note(ctx, command, argv, origin, *denied))
}

/// The same for a command of its own or of a transaction that is being queued.
///
/// # Errors
/// `NOPERM`, as the client reads it.
#[inline]
pub(super) fn gate(ctx: &mut Ctx<'_>, command: &Command, argv: Argv<'_>) -> Result<(), CommandError> {
    let origin = if ctx.state.transaction.is_some() { Origin::Multi } else { Origin::Toplevel };
    check(ctx, command, argv, origin).map_err(|denied| {
        let text = ctx.state.login.user().denial(denied.reason, command.full_name, None);
        CommandError::Quoting([b"NOPERM ", &*text].concat())
    })
}

/// The same for a command of a transaction that is being executed: rules may have changed since it was queued.
///
/// # Errors
/// `NOPERM`, as the client reads it.
pub(super) fn gate_again(ctx: &mut Ctx<'_>, command: &Command, argv: Argv<'_>) -> Result<(), CommandError> {
    check(ctx, command, argv, Origin::Multi).map_err(|denied| {
        let reason = match denied.reason {
            Reason::Key => "no permission to touch the specified keys",
            Reason::Channel => "no permission to access one of the channels used as arguments to the command",
            Reason::Command | Reason::Auth => "no permission to execute the command or subcommand",
        };
        CommandError::other(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {reason}"
        ))
    })
}

#[cold]
fn note(ctx: &mut Ctx<'_>, command: &Command, argv: Argv<'_>, origin: Origin, denied: Denied) {
    let (counter, object) = match denied.reason {
        Reason::Key => (Counter::AclKeyDenied, argv.get(denied.at).unwrap_or_default()),
        Reason::Channel => (Counter::AclChannelDenied, argv.get(denied.at).unwrap_or_default()),
        Reason::Command | Reason::Auth => (Counter::AclCommandDenied, command.full_name.as_bytes()),
    };
    ctx.counters.add(counter, 1);
    let user = ctx.state.login.user().name.to_vec();
    log(ctx, denied.reason, origin, object, user);
}

/// A log-in failed; `word` is the command that tried it.
pub(super) fn note_failed_login(ctx: &mut Ctx<'_>, word: &[u8], user: &[u8]) {
    ctx.counters.add(Counter::AuthErrors, 1);
    let origin = if ctx.state.executing { Origin::Multi } else { Origin::Toplevel };
    log(ctx, Reason::Auth, origin, word, user.to_vec());
}

fn log(ctx: &Ctx<'_>, reason: Reason, origin: Origin, object: &[u8], user: Vec<u8>) {
    let client = client::line(ctx.client, ctx.now);
    let denial = Denial { reason, origin, object: object.to_vec(), user, client };
    ctx.daemon.acl.log.lock().add(denial, ctx.now, ctx.daemon.config.size(Param::AclLogMaxLen));
}
