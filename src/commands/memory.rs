//! `MEMORY`.

use super::table::{Arity, CommandSpec, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done};
use crate::clients::Client;
use crate::observe::process;
use crate::store::DbCount;
use std::sync::atomic::Ordering::Relaxed;

/// What most subcommands are.
const SUBCOMMAND: CommandSpec = CommandSpec { group: "server", since: "4.0.0", ..CommandSpec::BASE };

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "memory",
    arity: Arity::AtLeast(2),
    since: "4.0.0",
    group: "server",
    complexity: "Depends on subcommand.",
    summary: "A container for memory diagnostics commands.",
    subcommands: SUBCOMMANDS,
    ..CommandSpec::BASE
}];

const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "doctor",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        summary: "Outputs a memory problems report.",
        run: doctor,
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
        name: "malloc-stats",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Returns the allocator statistics.",
        run: malloc_stats,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "purge",
        arity: Arity::Exactly(2),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Asks the allocator to release memory.",
        run: purge,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "stats",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        summary: "Returns details about memory usage.",
        run: stats,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "usage",
        arity: Arity::AtLeast(3),
        flags: &[Flag::ReadOnly],
        keys: &[KeySpec::one(2, KeyUse::Look)],
        complexity: "O(N) where N is the number of samples.",
        summary: "Estimates the memory usage of a key.",
        run: usage,
        ..SUBCOMMAND
    },
];

/// `MEMORY USAGE key [SAMPLES count]`: what the item is charged with. Nothing is sampled, so that `count` is
/// checked and then of no effect.
fn usage(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    while !args.is_empty() {
        let is_option = args.accept("SAMPLES") && !args.is_empty();
        if !is_option || args.int()? < 0 {
            return Err(CommandError::Syntax);
        }
    }
    let bytes = ctx.db.entry(key).item().map(|item| item.bytes());
    match bytes {
        Some(bytes) => ctx.reply.int(bytes),
        None => ctx.reply.nil(),
    }
    Ok(Done)
}

/// What the daemon knows of its memory, in bytes; `INFO` shows the same.
pub(super) struct Memory {
    pub used: usize,
    pub peak: usize,
    pub resident: usize,
    /// Resident before there was any data.
    pub startup: usize,
    /// Of connections: what they have not yet executed or sent.
    pub clients: usize,
    /// In the store, and waiting for compaction.
    pub dead: usize,
    pub items: u64,
    pub databases: Vec<DbCount>,
}

impl Memory {
    pub fn of(ctx: &mut Ctx<'_>) -> Memory {
        let (used, stats) = (ctx.daemon.store.used(), ctx.db.stats());
        let buffers = |client: &Client| client.query_bytes.load(Relaxed) + client.output_bytes.load(Relaxed);
        let clients = ctx.daemon.clients.all();
        let buffers: u64 = clients.iter().map(|client| buffers(client)).sum();
        Memory {
            used,
            peak: ctx.daemon.rates.peak(used),
            resident: process::resident(),
            startup: ctx.daemon.startup_resident,
            clients: clients.len() * size_of::<Client>() + buffers as usize,
            dead: stats.dead.min(used),
            items: stats.items(),
            databases: stats.databases,
        }
    }

    pub fn dataset(&self) -> usize {
        self.used - self.dead
    }

    /// Resident memory beyond what is accounted for, as a ratio and in bytes.
    pub fn fragmentation(&self) -> (f64, i64) {
        let accounted = self.used + self.startup + self.clients;
        (ratio(self.resident, accounted), self.resident as i64 - accounted as i64)
    }

    pub fn overhead(&self) -> usize {
        self.dead + self.clients
    }
}

/// `part / whole`, 0 of nothing.
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// `MEMORY STATS`. magpie's allocator figures are those of the process: resident memory beside what is charged.
fn stats(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let memory = Memory::of(ctx);
    let used = memory.databases.iter().enumerate().filter(|(_, count)| count.items > 0);
    let databases: Vec<usize> = used.map(|(index, _)| index).collect();
    let per_key = memory.dataset() / usize::try_from(memory.items.max(1)).unwrap_or(usize::MAX);
    let (fragmentation, excess) = memory.fragmentation();
    let before = [
        ("peak.allocated", memory.peak),
        ("total.allocated", memory.used),
        ("startup.allocated", memory.startup),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", memory.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    let reply = &mut ctx.reply;
    reply.map(before.len() + databases.len() + 18);
    for (name, value) in before {
        reply.bulk(name.as_bytes());
        reply.int(value);
    }
    for index in databases {
        reply.bulk(format!("db.{index}").as_bytes());
        reply.map(3);
        for part in ["main", "expires", "slot-to-keys"] {
            reply.bulk(format!("overhead.hashtable.{part}").as_bytes());
            reply.int(0);
        }
    }
    for (name, value) in [
        ("overhead.total", memory.overhead()),
        ("keys.count", usize::try_from(memory.items).unwrap_or(usize::MAX)),
        ("keys.bytes-per-key", if memory.items == 0 { 0 } else { per_key }),
        ("dataset.bytes", memory.dataset()),
    ] {
        reply.bulk(name.as_bytes());
        reply.int(value);
    }
    let percentages = [
        ("dataset.percentage", ratio(memory.dataset(), memory.used) * 100.0),
        ("peak.percentage", ratio(memory.used, memory.peak) * 100.0),
    ];
    for (name, value) in percentages {
        reply.bulk(name.as_bytes());
        reply.double(value);
    }
    for (name, value) in [
        ("allocator.allocated", memory.used),
        ("allocator.active", memory.used),
        ("allocator.resident", memory.resident),
    ] {
        reply.bulk(name.as_bytes());
        reply.int(value);
    }
    let overheads = [
        ("allocator-fragmentation", 1.0, 0),
        ("allocator-rss", fragmentation, excess),
        ("rss-overhead", 1.0, 0),
    ];
    for (name, ratio, bytes) in overheads {
        reply.bulk(format!("{name}.ratio").as_bytes());
        reply.double(ratio);
        reply.bulk(format!("{name}.bytes").as_bytes());
        reply.int(bytes);
    }
    reply.bulk(b"fragmentation");
    reply.double(fragmentation);
    reply.bulk(b"fragmentation.bytes");
    reply.int(excess);
    reply.bulk(b"store.dead.bytes");
    reply.int(memory.dead);
    Ok(Done)
}

/// `MEMORY DOCTOR`, in the words of Redis' `getMemoryDoctorReport`.
fn doctor(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    const LITTLE: usize = 5 << 20;
    let memory = Memory::of(ctx);
    let text = if memory.used < LITTLE {
        "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in \
         these conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam \
         and I will be back to our programming as soon as I finished rebooting.\n"
            .to_owned()
    } else if ratio(memory.peak, memory.used) > 1.5 {
        "Sam, I detected a few issues in this Magpie instance memory implants:\n\n * Peak memory: In the past \
         this instance used more than 150% the memory that is currently using. The memory that was given back \
         may show up as fragmentation until the allocator has returned it to the system; MEMORY PURGE asks \
         it to.\n\nI'm here to keep you safe, Sam. I want to help you.\n"
            .to_owned()
    } else {
        "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this \
         base.\n"
            .to_owned()
    };
    ctx.reply.verbatim(&text);
    Ok(Done)
}

/// `MEMORY PURGE`: tidies the store up now; the allocator returns pages by itself.
fn purge(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    // Inside a transaction we would wait for locks that we hold ourselves.
    if !ctx.state.executing {
        ctx.daemon.store.maintain(0, 1, ctx.now, false);
    }
    ctx.reply.ok();
    Ok(Done)
}

/// `MEMORY MALLOC-STATS`
fn malloc_stats(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.reply.verbatim("Stats not supported for the current allocator");
    Ok(Done)
}

/// `MEMORY HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help(
        "MEMORY",
        &[
            "DOCTOR",
            "    Return memory problems reports.",
            "MALLOC-STATS",
            "    Return internal statistics report from the memory allocator.",
            "PURGE",
            "    Attempt to purge dirty pages for reclamation by the allocator.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
        ],
    )
}
