//! `MONITOR`: every command that runs, as it runs. Lines come from `watch`.

use super::table::{Arity, CommandSpec, Flag};
use super::{Args, CommandError, CommandResult, Ctx, Done};

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "monitor",
    arity: Arity::Exactly(1),
    flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
    group: "server",
    complexity: "",
    summary: "Listens for all requests received by the server in real-time.",
    run: monitor,
    ..CommandSpec::BASE
}];

/// `MONITOR`
fn monitor(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    if ctx.state.executing {
        return Err(CommandError::other("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    ctx.state.monitors = true;
    ctx.daemon.clients.start_monitor(ctx.client);
    ctx.reply.ok();
    Ok(Done)
}

pub(super) fn stop(ctx: &mut Ctx<'_>) {
    if std::mem::take(&mut ctx.state.monitors) {
        ctx.daemon.clients.stop_monitor(ctx.client);
    }
}
