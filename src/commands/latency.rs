//! `LATENCY`. `watch` fills the monitor; the histograms come from the per-command counters.

use super::table::{Arity, Command, CommandSpec, Flag, TABLE};
use super::{Args, CommandError, CommandResult, Ctx, Done};
use crate::config::Param;
use crate::observe::latency::History;
use std::fmt::Write as _;

/// What most subcommands are.
const SUBCOMMAND: CommandSpec = CommandSpec {
    flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
    group: "server",
    since: "2.8.13",
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "latency",
    arity: Arity::AtLeast(2),
    since: "2.8.13",
    group: "server",
    complexity: "Depends on subcommand.",
    summary: "A container for latency diagnostics commands.",
    subcommands: SUBCOMMANDS,
    ..CommandSpec::BASE
}];

const SUBCOMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "doctor",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        summary: "Returns a human-readable latency analysis report.",
        run: doctor,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "graph",
        arity: Arity::Exactly(3),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        summary: "Returns a latency graph for an event.",
        run: graph,
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
        name: "histogram",
        arity: Arity::AtLeast(2),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with latency information being retrieved.",
        summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
        run: histogram,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "history",
        arity: Arity::Exactly(3),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        summary: "Returns timestamp-latency samples for an event.",
        run: history,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "latest",
        arity: Arity::Exactly(2),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        summary: "Returns the latest latency samples for all events.",
        run: latest,
        ..SUBCOMMAND
    },
    CommandSpec {
        name: "reset",
        arity: Arity::AtLeast(2),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        summary: "Resets the latency data for one or more events.",
        run: reset,
        ..SUBCOMMAND
    },
];

/// `LATENCY HISTORY event`
fn history(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let found = ctx.daemon.latency.history(args.bytes()?);
    let samples = found.map(|(_, history)| history.samples).unwrap_or_default();
    ctx.reply.array(samples.len());
    for sample in samples {
        ctx.reply.array(2);
        ctx.reply.int(sample.at);
        ctx.reply.int(sample.ms);
    }
    Ok(Done)
}

/// `LATENCY LATEST`
fn latest(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let events = ctx.daemon.latency.all();
    ctx.reply.array(events.len());
    for (name, history) in events {
        let latest = history.latest();
        ctx.reply.array(4);
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.int(latest.map_or(0, |sample| sample.at));
        ctx.reply.int(latest.map_or(0, |sample| sample.ms));
        ctx.reply.int(history.worst);
    }
    Ok(Done)
}

/// `LATENCY RESET [event …]`
fn reset(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let latency = &ctx.daemon.latency;
    let count = if args.is_empty() {
        latency.reset(None)
    } else {
        args.rest().iter().map(|event| latency.reset(Some(event))).sum()
    };
    ctx.reply.int(count);
    Ok(Done)
}

/// `LATENCY HISTOGRAM [command …]`; a container stands for its subcommands.
fn histogram(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let with_subs = |command: &'static Command| std::iter::once(command).chain(&command.subcommands);
    let chosen: Vec<&Command> = if args.is_empty() {
        TABLE.all().into_iter().flat_map(with_subs).collect()
    } else {
        args.rest().iter().filter_map(|name| TABLE.find_full(name)).flat_map(with_subs).collect()
    };
    let totals = chosen.iter().map(|command| (command, ctx.daemon.command_totals(command.number)));
    let totals: Vec<_> = totals.filter(|(_, totals)| totals.has_histogram()).collect();
    let reply = &mut ctx.reply;
    reply.map(totals.len());
    for (command, totals) in totals {
        let rows = totals.distribution();
        reply.bulk(command.full_name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.int(totals.calls);
        reply.bulk(b"histogram_usec");
        reply.map(rows.len());
        for (micros, calls) in rows {
            reply.int(micros);
            reply.int(calls);
        }
    }
    Ok(Done)
}

/// `LATENCY GRAPH event`: the samples as columns, the oldest at the left, with their age below.
fn graph(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let event = args.bytes()?;
    let Some((name, history)) = ctx.daemon.latency.history(event) else {
        let event = String::from_utf8_lossy(event);
        return Err(CommandError::other(format!("ERR No samples available for event '{event}'")));
    };
    let text = draw(name, &history, ctx.now.secs());
    ctx.reply.verbatim(&text);
    Ok(Done)
}

/// As Redis' `latencyCommandGenSparkeline`: four rows, `#` above `_` of the same cell.
fn draw(name: &str, history: &History, now: u64) -> String {
    const ROWS: u64 = 4;
    /// Marks of a column's top within its row, from low to high, and what is below it.
    const TOPS: &[u8] = b"_o#";
    let times = || history.samples.iter().map(|sample| sample.ms);
    let (high, low) = (times().max().unwrap_or(0), times().min().unwrap_or(0));
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", history.worst);
    text.push_str(&"-".repeat(80));
    text.push('\n');
    let span = (high - low).max(1);
    let steps = ROWS * TOPS.len() as u64;
    let level = |ms: u64| (ms - low) * (steps - 1) / span;
    for row in (0..ROWS).rev() {
        for ms in times() {
            let (column, base) = (level(ms), row * TOPS.len() as u64);
            text.push(if column >= base + TOPS.len() as u64 {
                '|'
            } else if column >= base {
                TOPS[(column - base) as usize].into()
            } else {
                ' '
            });
        }
        let kept = text.trim_end_matches(' ').len();
        text.truncate(kept);
        text.push('\n');
    }
    text.push('\n');
    let ages: Vec<String> = history.samples.iter().map(|sample| age(now.saturating_sub(sample.at))).collect();
    let longest = ages.iter().map(String::len).max().unwrap_or(0);
    for line in 0..longest {
        let letters = ages.iter().map(|age| age.chars().nth(line).unwrap_or(' '));
        text.push_str(letters.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// `LATENCY DOCTOR`
fn doctor(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let events = ctx.daemon.latency.all();
    let mut text = String::new();
    if ctx.daemon.config.number(Param::LatencyMonitorThreshold) == 0 {
        text.push_str(
            "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \
             \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't in a \
             deep space mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n",
        );
    } else if events.is_empty() {
        text.push_str(
            "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest \
             bit. I honestly think you ought to sit down calmly, take a stress pill, and think things over.\n",
        );
    } else {
        text.push_str(
            "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you \
             Dave?\n\n",
        );
        for (number, (name, history)) in events.iter().enumerate() {
            let summary = history.summary(ctx.now.secs());
            let _ = writeln!(
                text,
                "{}. {name}: {} latency spikes (average {}ms, mean deviation {}ms, period {:.2} sec). Worst all \
                 time event {}ms.",
                number + 1,
                summary.samples,
                summary.average,
                summary.mean_deviation,
                summary.period as f64 / summary.samples.max(1) as f64,
                history.worst,
            );
        }
        text.push_str(
            "\nI have a few advices for you:\n\n- Check your Slow Log to understand what are the commands you are \
             running which are too slow to execute. Please check https://redis.io/commands/slowlog for more \
             information.\n",
        );
    }
    ctx.reply.verbatim(&text);
    Ok(Done)
}

/// `LATENCY HELP`
fn help(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    ctx.help("LATENCY", &[
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
        "    If no commands are specified then all histograms are replied.",
    ])
}
