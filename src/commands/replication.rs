//! What a server that stands alone answers to commands about replicas, clusters and modules.

use super::table::{Arity, CommandSpec, Flag};
use super::{Args, CommandError, CommandResult, Ctx, Done, Outcome, client};
use crate::clock::Millis;
use crate::config::Param;
use std::sync::atomic::Ordering::Relaxed;

/// What most subcommands of CLUSTER are.
const CLUSTER: CommandSpec = CommandSpec {
    flags: &[Flag::Stale],
    since: "3.0.0",
    group: "cluster",
    run: no_cluster,
    ..CommandSpec::BASE
};

/// What most subcommands of MODULE are.
const MODULE: CommandSpec = CommandSpec {
    flags: &[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading],
    since: "4.0.0",
    group: "server",
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "asking",
        arity: Arity::Exactly(1),
        flags: &[Flag::Fast],
        acl: &["connection"],
        since: "3.0.0",
        group: "cluster",
        summary: "Signals that a cluster client is following an -ASK redirect.",
        run: no_cluster,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "cluster",
        arity: Arity::AtLeast(2),
        since: "3.0.0",
        group: "cluster",
        complexity: "Depends on subcommand.",
        summary: "A container for Redis Cluster commands.",
        subcommands: CLUSTER_SUBCOMMANDS,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "module",
        arity: Arity::AtLeast(2),
        since: "4.0.0",
        group: "server",
        complexity: "Depends on subcommand.",
        summary: "A container for module commands.",
        subcommands: MODULE_SUBCOMMANDS,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "readonly",
        arity: Arity::Exactly(1),
        flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
        acl: &["connection"],
        since: "3.0.0",
        group: "cluster",
        summary: "Enables read-only queries for a connection to a Redis Cluster replica node.",
        run: no_cluster,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "readwrite",
        arity: Arity::Exactly(1),
        flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
        acl: &["connection"],
        since: "3.0.0",
        group: "cluster",
        summary: "Enables read-write queries for a connection to a Reids Cluster replica node.",
        run: no_cluster,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "replicaof",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Stale, Flag::NoAsyncLoading],
        since: "5.0.0",
        group: "server",
        summary: "Configures a server as replica of another, or promotes it to a master.",
        run: replicaof,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "role",
        arity: Arity::Exactly(1),
        flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast],
        acl: &["admin", "dangerous"],
        since: "2.8.12",
        group: "server",
        summary: "Returns the replication role.",
        run: role,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "slaveof",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Stale, Flag::NoAsyncLoading],
        group: "server",
        summary: "Sets a Redis server as a replica of another, or promotes it to being a master.",
        deprecated: Some(("5.0.0", "`REPLICAOF`")),
        run: replicaof,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "wait",
        arity: Arity::Exactly(3),
        flags: &[Flag::NoScript],
        acl: &["connection"],
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        since: "3.0.0",
        summary: "Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.",
        run: wait,
        ..CommandSpec::BASE
    },
    CommandSpec {
        name: "waitaof",
        arity: Arity::Exactly(4),
        flags: &[Flag::NoScript],
        acl: &["connection"],
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        since: "7.2.0",
        summary: "Blocks until all of the preceding write commands sent by the connection are written to the append-only file of the master and/or replicas.",
        run: waitaof,
        ..CommandSpec::BASE
    },
];

const CLUSTER_SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "addslots",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        complexity: "O(N) where N is the total number of hash slot arguments",
        summary: "Assigns new hash slots to a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "addslotsrange",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        summary: "Assigns new hash slot ranges to a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "bumpepoch",
        arity: Arity::Exactly(2),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        tips: &["nondeterministic_output"],
        summary: "Advances the cluster config epoch.",
        ..CLUSTER
    },
    CommandSpec {
        name: "count-failure-reports",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::Stale],
        tips: &["nondeterministic_output"],
        complexity: "O(N) where N is the number of failure reports",
        summary: "Returns the number of active failure reports active for a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "countkeysinslot",
        arity: Arity::Exactly(3),
        summary: "Returns the number of keys in a hash slot.",
        ..CLUSTER
    },
    CommandSpec {
        name: "delslots",
        arity: Arity::AtLeast(3),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        complexity: "O(N) where N is the total number of hash slot arguments",
        summary: "Sets hash slots as unbound for a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "delslotsrange",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        summary: "Sets hash slot ranges as unbound for a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "failover",
        arity: Arity::AtLeast(2),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        summary: "Forces a replica to perform a manual failover of its master.",
        ..CLUSTER
    },
    CommandSpec {
        name: "flushslots",
        arity: Arity::Exactly(2),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        summary: "Deletes all slots information from a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "forget",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        summary: "Removes a node from the nodes table.",
        ..CLUSTER
    },
    CommandSpec {
        name: "getkeysinslot",
        arity: Arity::Exactly(4),
        tips: &["nondeterministic_output"],
        complexity: "O(log(N)) where N is the number of requested keys",
        summary: "Returns the key names in a hash slot.",
        ..CLUSTER
    },
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        ..CLUSTER
    },
    CommandSpec {
        name: "info",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output"],
        summary: "Returns information about the state of a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "keyslot",
        arity: Arity::Exactly(3),
        complexity: "O(N) where N is the number of bytes in the key",
        summary: "Returns the hash slot for a key.",
        ..CLUSTER
    },
    CommandSpec {
        name: "links",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output"],
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        summary: "Returns a list of all TCP links to and from peer nodes.",
        ..CLUSTER
    },
    CommandSpec {
        name: "meet",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        summary: "Forces a node to handshake with another node.",
        ..CLUSTER
    },
    CommandSpec { name: "myid", arity: Arity::Exactly(2), summary: "Returns the ID of a node.", ..CLUSTER },
    CommandSpec {
        name: "myshardid",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output"],
        since: "7.2.0",
        summary: "Returns the shard ID of a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "nodes",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output"],
        complexity: "O(N) where N is the total number of Cluster nodes",
        summary: "Returns the cluster configuration for a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "replicas",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::Stale],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        summary: "Lists the replica nodes of a master node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "replicate",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        summary: "Configure a node as replica of a master node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "reset",
        arity: Arity::AtLeast(2),
        flags: &[Flag::Admin, Flag::NoScript, Flag::Stale],
        complexity: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
        summary: "Resets a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "saveconfig",
        arity: Arity::Exactly(2),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        summary: "Forces a node to save the cluster configuration to disk.",
        ..CLUSTER
    },
    CommandSpec {
        name: "set-config-epoch",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        summary: "Sets the configuration epoch for a new node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "setslot",
        arity: Arity::AtLeast(4),
        flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
        summary: "Binds a hash slot to a node.",
        ..CLUSTER
    },
    CommandSpec {
        name: "shards",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output"],
        since: "7.0.0",
        complexity: "O(N) where N is the total number of cluster nodes",
        summary: "Returns the mapping of cluster slots to shards.",
        ..CLUSTER
    },
    CommandSpec {
        name: "slaves",
        arity: Arity::Exactly(3),
        flags: &[Flag::Admin, Flag::Stale],
        tips: &["nondeterministic_output"],
        summary: "Lists the replica nodes of a master node.",
        deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
        ..CLUSTER
    },
    CommandSpec {
        name: "slots",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output"],
        complexity: "O(N) where N is the total number of Cluster nodes",
        summary: "Returns the mapping of cluster slots to nodes.",
        deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
        ..CLUSTER
    },
];

const MODULE_SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "help",
        arity: Arity::Exactly(2),
        flags: &[Flag::Loading, Flag::Stale],
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        run: module_help,
        ..MODULE
    },
    CommandSpec {
        name: "list",
        arity: Arity::Exactly(2),
        flags: &[Flag::Admin, Flag::NoScript],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N) where N is the number of loaded modules.",
        summary: "Returns all loaded modules.",
        run: module_list,
        ..MODULE
    },
    CommandSpec {
        name: "load",
        arity: Arity::AtLeast(3),
        summary: "Loads a module.",
        guard: Some(Param::EnableModuleCommand),
        run: module_load,
        ..MODULE
    },
    CommandSpec {
        name: "loadex",
        arity: Arity::AtLeast(3),
        since: "7.0.0",
        summary: "Loads a module using extended parameters.",
        guard: Some(Param::EnableModuleCommand),
        run: module_load,
        ..MODULE
    },
    CommandSpec {
        name: "unload",
        arity: Arity::Exactly(3),
        summary: "Unloads a module.",
        guard: Some(Param::EnableModuleCommand),
        run: module_load,
        ..MODULE
    },
];

fn no_cluster(_ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    Err(CommandError::other("ERR This instance has cluster support disabled"))
}

/// `MODULE LIST`
fn module_list(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.array(0);
    Ok(Done)
}

/// `MODULE LOAD`, `LOADEX`, `UNLOAD`: the gate is shut, since `enable-module-command` cannot be turned on.
fn module_load(_ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    Err(CommandError::other("ERR magpie loads no modules"))
}

/// `MODULE HELP`
fn module_help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help("MODULE", &["LIST", "    Return a list of loaded modules."])
}

/// `ROLE`: a master without replicas.
fn role(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.array(3);
    ctx.reply.bulk(b"master");
    ctx.reply.int(0);
    ctx.reply.array(0);
    Ok(Done)
}

/// `REPLICAOF host port | NO ONE`
fn replicaof(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    if !(args.accept("NO") && args.accept("ONE")) {
        return Err(CommandError::other("ERR magpie does not replicate"));
    }
    ctx.reply.ok();
    Ok(Done)
}

/// `WAIT numreplicas milliseconds`: no replica will ever acknowledge, so the time runs out.
fn wait(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (replicas, timeout) = (args.int()?, client::timeout(args)?);
    ctx.reply.int(0);
    Ok(wait_for(ctx, replicas > 0, timeout))
}

/// `WAITAOF numlocal numreplicas milliseconds`
fn waitaof(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let local = args.int().ok().filter(|local| (0..=1).contains(local));
    let local =
        local.ok_or_else(|| CommandError::other("ERR value is out of range, value must between 0 and 1"))?;
    let replicas = args.int()?;
    if replicas < 0 {
        return Err(CommandError::NotPositive);
    }
    let timeout = client::timeout(args)?;
    if local > 0 {
        return Err(CommandError::other(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    ctx.reply.array(2);
    ctx.reply.int(0);
    ctx.reply.int(0);
    Ok(wait_for(ctx, replicas > 0, timeout))
}

/// 0 ms: for ever, or until `CLIENT UNBLOCK`. A transaction does not wait.
fn wait_for(ctx: &mut Ctx<'_>, waits: bool, timeout: u64) -> Outcome {
    if !waits || ctx.state.executing {
        return Done;
    }
    ctx.client.blocked.store(true, Relaxed);
    let until = if timeout == 0 { Millis(u64::MAX) } else { ctx.now.saturating_add(timeout) };
    Outcome::Sleep(until)
}
