//! What replicas and their keepers send. magpie has none and is none: there is nothing to follow, and nothing to
//! fail over to.

use super::table::{Arity, CommandSpec, Flag};
use super::{Args, CommandError, CommandResult, Ctx};

/// What a replica sends to its master.
const REPLICA: CommandSpec = CommandSpec {
    flags: &[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading, Flag::NoMulti],
    group: "server",
    complexity: "",
    run: no_replicas,
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "failover",
        arity: Arity::AtLeast(1),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Stale],
        since: "6.2.0",
        group: "server",
        summary: "Starts a coordinated failover from a server to one of its replicas.",
        run: failover,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "psync",
        arity: Arity::AtLeast(3),
        since: "2.8.0",
        summary: "An internal command used in replication.",
        ..REPLICA
    },
    CommandSpec {
        name: "replconf",
        arity: Arity::AtLeast(1),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale, Flag::AllowBusy],
        since: "3.0.0",
        complexity: "O(1)",
        summary: "An internal configuration command for replication.",
        ..REPLICA
    },
    CommandSpec {
        name: "sync",
        arity: Arity::Exactly(1),
        summary: "An internal command used in replication.",
        ..REPLICA
    },
];

/// `PSYNC`, `SYNC`, `REPLCONF`. Differs: a replica is told at once that it came to the wrong place.
fn no_replicas(_ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    Err(CommandError::other("ERR magpie does not replicate"))
}

/// `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]`: there are no replicas.
fn failover(_ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if args.len() == 1 && args.accept("ABORT") {
        return Err(CommandError::other("ERR No failover in progress."));
    }
    let (mut has_timeout, mut has_target, mut is_forced) = (false, false, false);
    while !args.is_empty() {
        if !has_timeout && args.len() > 1 && args.accept("TIMEOUT") {
            has_timeout = true;
            if args.int()? <= 0 {
                return Err(CommandError::other("ERR FAILOVER timeout must be greater than 0"));
            }
        } else if !has_target && args.len() > 2 && args.accept("TO") {
            has_target = true;
            args.bytes()?;
            args.int()?;
        } else if !is_forced && args.accept("FORCE") {
            is_forced = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Err(CommandError::other("ERR FAILOVER requires connected replicas."))
}
