//! `INFO`: sections and fields of Redis 7, those that describe what magpie does not do (replicas, files,
//! scripts, defragmentation) at the values of a Redis that does not do it either, since monitoring reads them.

use super::memory::{Memory, ratio};
use super::table::{Arity, CommandSpec, Flag, TABLE};
use super::{Args, CommandResult, Ctx, Done, keysizes};
use crate::clients::Wire;
use crate::config::Param;
use crate::observe::{Counter, process};
use crate::pubsub::Kind;
use crate::{MAGPIE_VERSION, REDIS_VERSION};
use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "info",
    arity: Arity::AtLeast(1),
    flags: &[Flag::Loading, Flag::Stale],
    acl: &["dangerous"],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    group: "server",
    summary: "Returns information and statistics about the server.",
    run: info,
    ..CommandSpec::BASE
}];

/// When a section is shown without being asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// By `INFO`
    Always,
    /// By `INFO all`
    InAll,
    /// By `INFO everything`
    InEverything,
}

type Section = (&'static str, Shown, fn(&mut Ctx<'_>, &mut Text));

/// In Redis' order.
const SECTIONS: &[Section] = &[
    ("Server", Shown::Always, server),
    ("Clients", Shown::Always, clients),
    ("Memory", Shown::Always, memory),
    ("Persistence", Shown::Always, persistence),
    ("Stats", Shown::Always, stats),
    ("Replication", Shown::Always, replication),
    ("CPU", Shown::Always, cpu),
    ("Modules", Shown::InEverything, |_, _| ()),
    ("Commandstats", Shown::InAll, command_stats),
    ("Errorstats", Shown::Always, error_stats),
    ("Latencystats", Shown::InAll, latency_stats),
    ("Cluster", Shown::Always, |_, text| text.line("cluster_enabled", 0)),
    ("Keyspace", Shown::Always, keyspace),
    ("Keysizes", Shown::InAll, |ctx, text| {
        keysizes::lines(ctx).into_iter().for_each(|(name, value)| text.line(name, value));
    }),
];

/// `INFO [section …]`
fn info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut text = Text::default();
    let asked: Vec<&[u8]> = args.rest().iter().collect();
    let is_asked = |name: &str| asked.iter().any(|asked| asked.eq_ignore_ascii_case(name.as_bytes()));
    let default = asked.is_empty() || is_asked("default");
    let (all, everything) = (is_asked("all"), is_asked("everything"));
    for (name, shown, write) in SECTIONS {
        let is_shown = match shown {
            Shown::Always => default || all || everything,
            Shown::InAll => all || everything,
            // Redis' default has the modules' list too.
            Shown::InEverything => default || everything,
        };
        if is_shown || is_asked(name) {
            text.section(name);
            write(ctx, &mut text);
        }
    }
    ctx.reply.verbatim(&text.0);
    Ok(Done)
}

/// Lines of `INFO`.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        let _ = write!(self.0, "# {name}\r\n");
    }

    fn line(&mut self, name: impl Display, value: impl Display) {
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// Fields that are 0 here.
    fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.line(name, 0);
        }
    }

    /// Bytes, and the same for people.
    fn bytes(&mut self, name: &str, bytes: usize) {
        self.line(name, bytes);
        self.line(format_args!("{name}_human"), human(bytes));
    }
}

/// As Redis' `bytesToHuman`: `1.18M`.
fn human(bytes: usize) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let power = (bytes.ilog2() / 10).min(UNITS.len() as u32);
    format!("{:.2}{}", bytes as f64 / (1u64 << (10 * power)) as f64, UNITS[power as usize - 1])
}

fn server(ctx: &mut Ctx<'_>, text: &mut Text) {
    let (daemon, config) = (ctx.daemon, &ctx.daemon.config);
    let uptime = ctx.now.since(daemon.started) / 1000;
    text.line("redis_version", REDIS_VERSION);
    text.line("magpie_version", MAGPIE_VERSION);
    text.line("redis_git_sha1", "00000000");
    text.line("redis_git_dirty", 0);
    text.line("redis_build_id", "0");
    text.line("redis_mode", "standalone");
    text.line("os", process::system_name());
    text.line("arch_bits", usize::BITS);
    text.line("monotonic_clock", "POSIX clock_gettime");
    text.line("multiplexing_api", "epoll");
    text.line("atomicvar_api", "c11-builtin");
    text.line("process_id", std::process::id());
    text.line("process_supervised", "no");
    text.line("run_id", &daemon.run_id);
    text.line("tcp_port", config.number(Param::Port));
    text.line("memcached_port", config.number(Param::MemcachedPort));
    text.line("server_time_usec", daemon.clock.micros());
    text.line("uptime_in_seconds", uptime);
    text.line("uptime_in_days", uptime / 86400);
    text.line("hz", config.number(Param::Hz));
    text.line("configured_hz", config.number(Param::Hz));
    text.line("lru_clock", ctx.now.secs() & 0xff_ffff);
    let executable = std::env::current_exe().unwrap_or_default();
    text.line("executable", executable.display());
    text.line("config_file", config.file_name());
    text.line("io_threads_active", 0);
    text.line("worker_threads", daemon.counters.len());
}

fn clients(ctx: &mut Ctx<'_>, text: &mut Text) {
    let clients = ctx.daemon.clients.all();
    let most =
        |bytes: fn(&crate::clients::Client) -> u64| clients.iter().map(|c| bytes(c)).max().unwrap_or(0);
    let count = |is: fn(&crate::clients::Client) -> bool| clients.iter().filter(|c| is(c)).count();
    text.line("connected_clients", count(|client| client.wire == Wire::Resp));
    text.line("memcached_clients", count(|client| client.wire == Wire::Memcached));
    text.line("cluster_connections", 0);
    text.line("maxclients", ctx.daemon.config.number(Param::MaxClients));
    text.line("client_recent_max_input_buffer", most(|client| client.query_bytes.load(Relaxed)));
    text.line("client_recent_max_output_buffer", most(|client| client.output_bytes.load(Relaxed)));
    text.line("blocked_clients", count(|client| client.blocked.load(Relaxed)));
    text.line("tracking_clients", ctx.daemon.tracking.clients());
    text.line("pubsub_clients", count(crate::clients::Client::is_subscriber));
    text.line("watching_clients", count(|client| client.watching.load(Relaxed) > 0));
    text.line("clients_in_timeout_table", 0);
    text.line("total_watched_keys", clients.iter().map(|c| u64::from(c.watching.load(Relaxed))).sum::<u64>());
    text.line("total_blocking_keys", ctx.daemon.waiting.keys());
    text.line("total_blocking_keys_on_nokey", 0);
}

fn memory(ctx: &mut Ctx<'_>, text: &mut Text) {
    let memory = Memory::of(ctx);
    let percent = |part, whole| format!("{:.2}%", ratio(part, whole) * 100.0);
    text.bytes("used_memory", memory.used);
    text.bytes("used_memory_rss", memory.resident);
    text.bytes("used_memory_peak", memory.peak);
    text.line("used_memory_peak_perc", percent(memory.used, memory.peak));
    text.line("used_memory_overhead", memory.overhead());
    text.line("used_memory_startup", memory.startup);
    text.line("used_memory_dataset", memory.dataset());
    text.line("used_memory_dataset_perc", percent(memory.dataset(), memory.used));
    text.line("allocator_allocated", memory.used);
    text.line("allocator_active", memory.used);
    text.line("allocator_resident", memory.resident);
    text.bytes("total_system_memory", process::total_memory());
    let scripts = &ctx.daemon.scripts.figures;
    let vm = scripts.vm_bytes.load(Relaxed) as usize;
    // One VM runs scripts and functions.
    text.line("used_memory_vm_eval", vm);
    text.bytes("used_memory_lua", vm);
    text.line("used_memory_scripts_eval", 0);
    text.line("number_of_cached_scripts", scripts.scripts.load(Relaxed));
    text.line("number_of_functions", scripts.functions.load(Relaxed));
    text.line("number_of_libraries", scripts.libraries.load(Relaxed));
    text.line("used_memory_vm_functions", 0);
    text.bytes("used_memory_vm_total", vm);
    text.line("used_memory_functions", 0);
    text.line("used_memory_scripts", 0);
    text.line("used_memory_scripts_human", "0B");
    text.bytes("maxmemory", ctx.daemon.store.limit());
    text.line("maxmemory_policy", ctx.daemon.store.policy().name());
    let (fragmentation, excess) = memory.fragmentation();
    text.line("allocator_frag_ratio", "1.00");
    text.line("allocator_frag_bytes", 0);
    text.line("allocator_rss_ratio", format_args!("{fragmentation:.2}"));
    text.line("allocator_rss_bytes", excess);
    text.line("rss_overhead_ratio", "1.00");
    text.line("rss_overhead_bytes", 0);
    text.line("mem_fragmentation_ratio", format_args!("{fragmentation:.2}"));
    text.line("mem_fragmentation_bytes", excess);
    text.zeros(&[
        "mem_not_counted_for_evict",
        "mem_replication_backlog",
        "mem_total_replication_buffers",
        "mem_clients_slaves",
    ]);
    text.line("mem_clients_normal", memory.clients);
    text.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    text.line("mem_allocator", "jemalloc-5.3.0");
    text.zeros(&["active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"]);
    text.line("store_dead_bytes", memory.dead);
}

fn persistence(ctx: &mut Ctx<'_>, text: &mut Text) {
    text.zeros(&["loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    text.line("current_fork_perc", "0.00");
    text.zeros(&[
        "current_save_keys_processed",
        "current_save_keys_total",
        "rdb_changes_since_last_save",
        "rdb_bgsave_in_progress",
    ]);
    text.line("rdb_last_save_time", ctx.daemon.started.secs());
    text.line("rdb_last_bgsave_status", "ok");
    text.line("rdb_last_bgsave_time_sec", -1);
    text.line("rdb_current_bgsave_time_sec", -1);
    text.zeros(&[
        "rdb_saves",
        "rdb_last_cow_size",
        "rdb_last_load_keys_expired",
        "rdb_last_load_keys_loaded",
        "aof_enabled",
        "aof_rewrite_in_progress",
        "aof_rewrite_scheduled",
    ]);
    text.line("aof_last_rewrite_time_sec", -1);
    text.line("aof_current_rewrite_time_sec", -1);
    text.line("aof_last_bgrewrite_status", "ok");
    text.zeros(&["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    text.line("aof_last_write_status", "ok");
    text.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
}

fn stats(ctx: &mut Ctx<'_>, text: &mut Text) {
    let events = ctx.db.stats().events;
    let daemon = ctx.daemon;
    let count = |counter| daemon.count(counter);
    let rates = daemon.rates.per_second();
    text.line("total_connections_received", count(Counter::Connections));
    text.line("total_commands_processed", count(Counter::Commands));
    text.line("instantaneous_ops_per_sec", rates.commands as u64);
    text.line("total_net_input_bytes", count(Counter::BytesRead));
    text.line("total_reads_processed", count(Counter::Reads));
    text.line("total_writes_processed", count(Counter::Writes));
    text.line("total_net_output_bytes", count(Counter::BytesWritten));
    text.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    text.line("instantaneous_input_kbps", format_args!("{:.2}", rates.bytes_in / 1024.0));
    text.line("instantaneous_output_kbps", format_args!("{:.2}", rates.bytes_out / 1024.0));
    text.line("instantaneous_input_repl_kbps", "0.00");
    text.line("instantaneous_output_repl_kbps", "0.00");
    text.line("rejected_connections", count(Counter::RejectedConnections));
    text.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    text.line("expired_keys", events.expired);
    text.line("expired_stale_perc", "0.00");
    text.zeros(&["expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"]);
    text.line("evicted_keys", events.evicted);
    text.line("evicted_scripts", ctx.daemon.scripts.figures.evicted.load(Relaxed));
    text.zeros(&["evicted_clients", "total_eviction_exceeded_time", "current_eviction_exceeded_time"]);
    text.line("keyspace_hits", count(Counter::KeyspaceHits));
    text.line("keyspace_misses", count(Counter::KeyspaceMisses));
    text.line("pubsub_channels", daemon.pubsub.count(Kind::Channel));
    text.line("pubsub_patterns", daemon.pubsub.count(Kind::Pattern));
    text.line("pubsubshard_channels", daemon.pubsub.count(Kind::Shard));
    text.zeros(&[
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ]);
    text.line("tracking_total_keys", daemon.tracking.keys());
    text.line("tracking_total_items", daemon.tracking.items());
    text.line("tracking_total_prefixes", daemon.tracking.prefixes());
    text.zeros(&["unexpected_error_replies"]);
    text.line("total_error_replies", count(Counter::ErrorReplies));
    text.zeros(&[
        "dump_payload_sanitizations",
        "io_threaded_reads_processed",
        "io_threaded_writes_processed",
        "reply_buffer_shrinks",
        "reply_buffer_expands",
        "eventloop_cycles",
        "eventloop_duration_sum",
        "eventloop_duration_cmd_sum",
        "instantaneous_eventloop_cycles_per_sec",
        "instantaneous_eventloop_duration_usec",
    ]);
    text.line("client_query_buffer_limit_disconnections", count(Counter::InputBufferKills));
    text.line("client_output_buffer_limit_disconnections", count(Counter::OutputBufferKills));
    text.line("acl_access_denied_auth", count(Counter::AuthErrors));
    text.line("acl_access_denied_cmd", count(Counter::AclCommandDenied));
    text.line("acl_access_denied_key", count(Counter::AclKeyDenied));
    text.line("acl_access_denied_channel", count(Counter::AclChannelDenied));
}

fn replication(ctx: &mut Ctx<'_>, text: &mut Text) {
    text.line("role", "master");
    text.line("connected_slaves", 0);
    text.line("master_failover_state", "no-failover");
    text.line("master_replid", ctx.daemon.replication_id.lock());
    text.line("master_replid2", "0".repeat(40));
    text.line("master_repl_offset", 0);
    text.line("second_repl_offset", -1);
    text.line("repl_backlog_active", 0);
    text.line("repl_backlog_size", ctx.daemon.config.number(Param::ReplBacklogSize));
    text.zeros(&["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}

fn cpu(_ctx: &mut Ctx<'_>, text: &mut Text) {
    let (all, main) = (process::cpu(), process::cpu_of_main_thread());
    let mut seconds = |name: &str, seconds: f64| text.line(name, format_args!("{seconds:.6}"));
    seconds("used_cpu_sys", all.system);
    seconds("used_cpu_user", all.user);
    seconds("used_cpu_sys_children", 0.0);
    seconds("used_cpu_user_children", 0.0);
    seconds("used_cpu_sys_main_thread", main.system);
    seconds("used_cpu_user_main_thread", main.user);
}

/// Names and figures of the commands that were asked for. Times of quick ones are told from samples.
fn command_stats(ctx: &mut Ctx<'_>, text: &mut Text) {
    for number in 0..TABLE.numbers() {
        let totals = ctx.daemon.command_totals(number);
        if let Some(name) = TABLE.name_of(number).filter(|_| totals.is_used()) {
            text.line(
                format_args!("cmdstat_{name}"),
                format_args!(
                    "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                    totals.calls,
                    totals.micros(),
                    totals.micros_per_call(),
                    totals.rejected,
                    totals.failed
                ),
            );
        }
    }
}

fn error_stats(ctx: &mut Ctx<'_>, text: &mut Text) {
    for (code, count) in ctx.daemon.errors.all() {
        text.line(format_args!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn latency_stats(ctx: &mut Ctx<'_>, text: &mut Text) {
    let percentiles = ctx.daemon.config.text(Param::LatencyTrackingInfoPercentiles);
    let percentiles: Vec<f64> = percentiles.split(' ').filter_map(|word| word.parse().ok()).collect();
    for number in 0..TABLE.numbers() {
        let totals = ctx.daemon.command_totals(number);
        if let Some(name) = TABLE.name_of(number).filter(|_| totals.has_histogram()) {
            let figure = |percent: &f64| format!("p{percent}={:.3}", totals.percentile(*percent));
            let figures: Vec<String> = percentiles.iter().map(figure).collect();
            text.line(format_args!("latency_percentiles_usec_{name}"), figures.join(","));
        }
    }
}

fn keyspace(ctx: &mut Ctx<'_>, text: &mut Text) {
    let selected = ctx.db.index();
    for (index, count) in (0..).zip(ctx.db.stats().databases) {
        if count.items > 0 {
            ctx.db.select(index);
            let ttl = if count.volatile > 0 { average_ttl(ctx) } else { 0 };
            text.line(
                format_args!("db{index}"),
                format_args!("keys={},expires={},avg_ttl={ttl},subexpiry=0", count.items, count.volatile),
            );
        }
    }
    ctx.db.select(selected);
}

/// In milliseconds, of the first items that a scan meets: hashed order, so a fair sample.
fn average_ttl(ctx: &mut Ctx<'_>) -> u64 {
    const SAMPLE: usize = 64;
    let (mut sum, mut count, now) = (0u64, 0u64, ctx.now);
    ctx.db.scan(0, SAMPLE, &mut |_, item| {
        if let Some(deadline) = item.deadline() {
            sum = sum.saturating_add(deadline.ttl_ms(now));
            count += 1;
        }
    });
    sum.checked_div(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_shown_as_redis_shows_them() {
        for (bytes, text) in [(0, "0B"), (1023, "1023B"), (1_237_272, "1.18M"), (32768, "32.00K")] {
            assert_eq!(super::human(bytes), text);
        }
    }
}
