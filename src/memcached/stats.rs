//! `stats` and its kin. `protocol.txt`, "Statistics"; names and order as in memcached 1.6.18, so that
//! exporters find every field.
//!
//! Differs: memory is not made of slab pages. `stats slabs` and `stats items` describe the store as
//! one slab class, 1, with real figures; what has no counterpart here is 0. `stats sizes` walks the
//! store when asked instead of keeping a histogram.

use super::admin::{CLASS, SLAB_CLASSES};
use super::dump;
use super::encode;
use super::error::Refusal;
use super::session::Turn;
use super::words::{Args, uint32};
use super::{DATABASE, PROTOCOL_VERSION};
use crate::clients::Wire;
use crate::config::Param;
use crate::observe::Counter;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::Ordering;

/// `STAT` lines, in order.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub rows: Vec<(String, String)>,
}

fn stat(report: &mut Report, name: &str, value: impl Display) {
    report.rows.push((name.to_owned(), value.to_string()));
}

/// The word that asks for a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    General,
    Settings,
    Items,
    Slabs,
    Sizes,
    /// `sizes_enable`, `sizes_disable`
    SwitchSizes(bool),
    Conns,
    /// There is none, and nothing to tell of it.
    Extstore,
}

impl Subject {
    pub(super) fn of(word: &[u8]) -> Option<Subject> {
        Some(match word {
            b"" => Subject::General,
            b"settings" => Subject::Settings,
            b"items" => Subject::Items,
            b"slabs" => Subject::Slabs,
            b"sizes" => Subject::Sizes,
            b"sizes_enable" => Subject::SwitchSizes(true),
            b"sizes_disable" => Subject::SwitchSizes(false),
            b"conns" => Subject::Conns,
            b"extstore" => Subject::Extstore,
            _ => return None,
        })
    }

    /// As memcached, which sends no `END` behind these.
    pub(super) fn has_end(self) -> bool {
        !matches!(self, Subject::SwitchSizes(_))
    }
}

pub(super) fn report(turn: &mut Turn<'_>, subject: Subject) -> Report {
    let mut out = Report::default();
    match subject {
        Subject::General => general(turn, &mut out),
        Subject::Settings => settings(turn, &mut out),
        Subject::Items => items(turn, &mut out),
        Subject::Slabs => slabs(turn, &mut out),
        Subject::Sizes => sizes(turn, &mut out),
        Subject::SwitchSizes(on) => {
            turn.state.sizes.store(on, Ordering::Relaxed);
            stat(&mut out, "sizes_status", if on { "enabled" } else { "disabled" });
        }
        Subject::Conns => conns(turn, &mut out),
        Subject::Extstore => (),
    }
    out
}

/// The text protocol's `stats`.
pub(super) fn run(turn: &mut Turn<'_>, args: &Args<'_>) -> Result<(), Refusal> {
    match args.at(1) {
        b"reset" => {
            reset(turn);
            encode::line(turn.out, "RESET");
        }
        b"detail" => return detail(turn, args.at(2)),
        b"cachedump" => return cachedump(turn, args),
        word => {
            let subject = Subject::of(word).ok_or(Refusal::Unknown)?;
            for (name, value) in report(turn, subject).rows {
                encode::line(turn.out, &format!("STAT {name} {value}"));
            }
            if subject.has_end() {
                turn.out.put(b"END\r\n");
            }
        }
    }
    Ok(())
}

pub(super) fn reset(turn: &Turn<'_>) {
    for counters in &turn.daemon.counters {
        counters.reset();
    }
    turn.daemon.store.reset_stats();
    turn.state.prefixes.reset();
}

pub(super) fn switch_detail(turn: &mut Turn<'_>, on: bool) {
    turn.state.prefixes.switch(on);
    turn.detail = on;
}

fn detail(turn: &mut Turn<'_>, what: &[u8]) -> Result<(), Refusal> {
    match what {
        b"on" | b"off" => {
            switch_detail(turn, what == b"on");
            encode::line(turn.out, "OK");
        }
        b"dump" => turn.out.put(&turn.state.prefixes.dump()),
        _ => return Err(Refusal::DetailUsage),
    }
    Ok(())
}

fn cachedump(turn: &mut Turn<'_>, args: &Args<'_>) -> Result<(), Refusal> {
    if args.count() < 4 {
        return Err(Refusal::BadLine);
    }
    let (class, limit) = uint32(args.at(2)).zip(uint32(args.at(3))).ok_or(Refusal::BadFormat)?;
    match class {
        CLASS => dump::cachedump(turn, limit as usize),
        0..SLAB_CLASSES => turn.out.put(b"END\r\n"),
        _ => return Err(Refusal::IllegalSlab),
    }
    Ok(())
}

/// The process' CPU seconds, in user mode and in the kernel's.
fn cpu_seconds() -> (f64, f64) {
    /// Clock ticks a second in `/proc`, the same on all Linux machines.
    const TICKS: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the program's name, may hold spaces; it ends with the last parenthesis.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = |i: usize| fields.split_whitespace().nth(i).and_then(|field| field.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) / TICKS, ticks(12).unwrap_or(0.0) / TICKS)
}

fn general(turn: &Turn<'_>, out: &mut Report) {
    process(turn, out);
    commands(turn, out);
    let daemon = turn.daemon;
    let stats = daemon.store.stats();
    let config = &daemon.config;
    stat(out, "bytes_read", daemon.count(Counter::BytesRead));
    stat(out, "bytes_written", daemon.count(Counter::BytesWritten));
    stat(out, "limit_maxbytes", daemon.store.limit());
    stat(out, "accepting_conns", 1);
    zeros(out, &["listen_disabled_num", "time_in_listen_disabled_us"]);
    stat(out, "threads", config.number(Param::Threads));
    stat(out, "conn_yields", daemon.count(Counter::ConnYields));
    zeros(out, &["hash_power_level", "hash_bytes", "hash_is_expanding"]);
    zeros(out, &["slab_reassign_rescues", "slab_reassign_chunk_rescues", "slab_reassign_evictions_nomem"]);
    zeros(out, &["slab_reassign_inline_reclaim", "slab_reassign_busy_items", "slab_reassign_busy_deletes"]);
    zeros(out, &["slab_reassign_running", "slabs_moved", "lru_crawler_running", "lru_crawler_starts"]);
    zeros(out, &["lru_maintainer_juggles", "malloc_fails", "log_worker_dropped"]);
    stat(out, "log_worker_written", turn.state.watchers.sent());
    stat(out, "log_watcher_skipped", 0);
    stat(out, "log_watcher_sent", turn.state.watchers.sent());
    stat(out, "log_watchers", turn.state.watchers.count());
    zeros(out, &["unexpected_napi_ids", "round_robin_fallback"]);
    stat(out, "bytes", stats.live + stats.heap);
    stat(out, "curr_items", stats.databases.get(DATABASE as usize).map_or(0, |count| count.items));
    stat(out, "total_items", stats.events.stored);
    stat(out, "slab_global_page_pool", 0);
    stat(out, "expired_unfetched", stats.events.expired_unfetched);
    stat(out, "evicted_unfetched", stats.events.evicted_unfetched);
    stat(out, "evicted_active", 0);
    stat(out, "evictions", stats.events.evicted);
    stat(out, "reclaimed", stats.events.expired);
    stat(out, "crawler_reclaimed", stats.events.expired);
    zeros(out, &["crawler_items_checked", "lrutail_reflocked", "moves_to_cold", "moves_to_warm"]);
    zeros(out, &["moves_within_lru", "direct_reclaims", "lru_bumps_dropped"]);
}

fn zeros(out: &mut Report, names: &[&str]) {
    for name in names {
        stat(out, name, 0);
    }
}

fn process(turn: &Turn<'_>, out: &mut Report) {
    let daemon = turn.daemon;
    let connections = daemon.clients.len();
    let (user, system) = cpu_seconds();
    stat(out, "pid", std::process::id());
    stat(out, "uptime", turn.now.since(daemon.started) / 1000);
    stat(out, "time", turn.now.secs());
    stat(out, "version", PROTOCOL_VERSION);
    stat(out, "pointer_size", usize::BITS);
    stat(out, "rusage_user", format_args!("{user:.6}"));
    stat(out, "rusage_system", format_args!("{system:.6}"));
    stat(out, "max_connections", daemon.config.number(Param::MaxClients));
    stat(out, "curr_connections", connections);
    stat(out, "total_connections", daemon.count(Counter::Connections));
    stat(out, "rejected_connections", daemon.count(Counter::RejectedConnections));
    stat(out, "connection_structures", connections);
    zeros(out, &["response_obj_oom", "response_obj_count", "response_obj_bytes"]);
    zeros(out, &["read_buf_count", "read_buf_bytes", "read_buf_bytes_free", "read_buf_oom", "reserved_fds"]);
}

/// Counted by memcached's commands alone.
const COMMANDS: &[(&str, Counter)] = &[
    ("cmd_get", Counter::CmdGet),
    ("cmd_set", Counter::CmdSet),
    ("cmd_flush", Counter::CmdFlush),
    ("cmd_touch", Counter::CmdTouch),
    ("cmd_meta", Counter::CmdMeta),
    ("get_hits", Counter::GetHits),
    ("get_misses", Counter::GetMisses),
    ("get_expired", Counter::GetExpired),
    ("get_flushed", Counter::GetFlushed),
    ("delete_misses", Counter::DeleteMisses),
    ("delete_hits", Counter::DeleteHits),
    ("incr_misses", Counter::IncrMisses),
    ("incr_hits", Counter::IncrHits),
    ("decr_misses", Counter::DecrMisses),
    ("decr_hits", Counter::DecrHits),
    ("cas_misses", Counter::CasMisses),
    ("cas_hits", Counter::CasHits),
    ("cas_badval", Counter::CasBadval),
    ("touch_hits", Counter::TouchHits),
    ("touch_misses", Counter::TouchMisses),
    ("store_too_large", Counter::StoreTooLarge),
    ("store_no_memory", Counter::StoreNoMemory),
    ("auth_cmds", Counter::AuthCmds),
    ("auth_errors", Counter::AuthErrors),
];

fn commands(turn: &Turn<'_>, out: &mut Report) {
    for &(name, counter) in COMMANDS {
        stat(out, name, turn.daemon.count(counter));
    }
}

fn settings(turn: &Turn<'_>, out: &mut Report) {
    let config = &turn.daemon.config;
    let yes = |on: bool| if on { "yes" } else { "no" };
    let socket = config.text(Param::MemcachedUnixSocket);
    let evictions = if config.choice(Param::MaxMemoryPolicy) == "noeviction" { "off" } else { "on" };
    stat(out, "maxbytes", turn.daemon.store.limit());
    stat(out, "maxconns", config.number(Param::MaxClients));
    stat(out, "tcpport", config.number(Param::MemcachedPort));
    stat(out, "udpport", 0);
    stat(out, "inter", config.text(Param::Bind));
    stat(out, "verbosity", turn.state.verbosity.load(Ordering::Relaxed));
    stat(out, "oldest", 0);
    stat(out, "evictions", evictions);
    stat(out, "domain_socket", if socket.is_empty() { "NULL" } else { &socket });
    stat(out, "umask", 700);
    stat(out, "shutdown_command", yes(config.flag(Param::EnableShutdown)));
    workings(turn, out);
}

/// The settings of what goes on inside; where there is none, what memcached says with it switched off.
fn workings(turn: &Turn<'_>, out: &mut Report) {
    let config = &turn.daemon.config;
    let yes = |on: bool| if on { "yes" } else { "no" };
    let asks_password = yes(!turn.daemon.acl.is_open());
    let protocol = match config.choice(Param::MemcachedProtocol) {
        "auto" => "auto-negotiate",
        one => one,
    };
    stat(out, "growth_factor", "1.00");
    stat(out, "chunk_size", 1);
    stat(out, "num_threads", config.number(Param::Threads));
    stat(out, "num_threads_per_udp", 0);
    stat(out, "stat_key_prefix", ":");
    stat(out, "detail_enabled", yes(turn.state.prefixes.is_on()));
    stat(out, "reqs_per_event", 0);
    stat(out, "cas_enabled", "yes");
    stat(out, "tcp_backlog", config.number(Param::TcpBacklog));
    stat(out, "binding_protocol", protocol);
    stat(out, "auth_enabled_sasl", asks_password);
    stat(out, "auth_enabled_ascii", asks_password);
    stat(out, "item_size_max", config.number(Param::MaxItemSize));
    stat(out, "maxconns_fast", "yes");
    stat(out, "hashpower_init", 0);
    stat(out, "slab_reassign", "no");
    stat(out, "slab_automove", 0);
    stat(out, "slab_automove_ratio", "0.80");
    stat(out, "slab_automove_window", 30);
    stat(out, "slab_chunk_max", config.number(Param::MaxItemSize));
    stat(out, "lru_crawler", yes(turn.state.crawler.load(Ordering::Relaxed)));
    stat(out, "lru_crawler_sleep", 100);
    zeros(out, &["lru_crawler_tocrawl", "tail_repair_time"]);
    stat(out, "flush_enabled", "yes");
    stat(out, "dump_enabled", "yes");
    stat(out, "hash_algorithm", "foldhash");
    stat(out, "lru_maintainer_thread", "no");
    stat(out, "lru_segmented", "no");
    stat(out, "hot_lru_pct", 20);
    stat(out, "warm_lru_pct", 40);
    stat(out, "hot_max_factor", "0.20");
    stat(out, "warm_max_factor", "2.00");
    stat(out, "temp_lru", "no");
    stat(out, "temporary_ttl", 61);
    stat(out, "idle_timeout", config.number(Param::Timeout));
    stat(out, "watcher_logbuf_size", 262_144);
    zeros(out, &["worker_logbuf_size", "read_buf_mem_limit"]);
    stat(out, "track_sizes", yes(turn.state.sizes.load(Ordering::Relaxed)));
    stat(out, "inline_ascii_response", "no");
}

/// As memcached, which tells of no class that holds nothing.
fn items(turn: &Turn<'_>, out: &mut Report) {
    let stats = turn.daemon.store.stats();
    let number = stats.databases.get(DATABASE as usize).map_or(0, |count| count.items);
    if number == 0 {
        return;
    }
    let hits = turn.daemon.count(Counter::GetHits);
    for (name, value) in [
        ("number", number),
        ("number_hot", 0),
        ("number_warm", 0),
        ("number_cold", number),
        ("age_hot", 0),
        ("age_warm", 0),
        ("age", 0),
        ("mem_requested", stats.live as u64),
        ("evicted", stats.events.evicted),
        ("evicted_nonzero", 0),
        ("evicted_time", 0),
        ("outofmemory", turn.daemon.count(Counter::StoreNoMemory)),
        ("tailrepairs", 0),
        ("reclaimed", stats.events.expired),
        ("expired_unfetched", stats.events.expired_unfetched),
        ("evicted_unfetched", stats.events.evicted_unfetched),
        ("evicted_active", 0),
        ("crawler_reclaimed", stats.events.expired),
        ("crawler_items_checked", 0),
        ("lrutail_reflocked", 0),
        ("moves_to_cold", 0),
        ("moves_to_warm", 0),
        ("moves_within_lru", 0),
        ("direct_reclaims", 0),
        ("hits_to_hot", 0),
        ("hits_to_warm", 0),
        ("hits_to_cold", hits),
        ("hits_to_temp", 0),
    ] {
        stat(out, &format!("items:{CLASS}:{name}"), value);
    }
}

fn slabs(turn: &Turn<'_>, out: &mut Report) {
    let daemon = turn.daemon;
    let number = daemon.store.stats().databases.get(DATABASE as usize).map_or(0, |count| count.items);
    let used = daemon.store.used() as u64;
    if let Some(chunk) = used.checked_div(number) {
        for (name, value) in [
            ("chunk_size", chunk.max(1)),
            ("chunks_per_page", number),
            ("total_pages", 1),
            ("total_chunks", number),
            ("used_chunks", number),
            ("free_chunks", 0),
            ("free_chunks_end", 0),
            ("get_hits", daemon.count(Counter::GetHits)),
            ("cmd_set", daemon.count(Counter::CmdSet)),
            ("delete_hits", daemon.count(Counter::DeleteHits)),
            ("incr_hits", daemon.count(Counter::IncrHits)),
            ("decr_hits", daemon.count(Counter::DecrHits)),
            ("cas_hits", daemon.count(Counter::CasHits)),
            ("cas_badval", daemon.count(Counter::CasBadval)),
            ("touch_hits", daemon.count(Counter::TouchHits)),
        ] {
            stat(out, &format!("{CLASS}:{name}"), value);
        }
    }
    stat(out, "active_slabs", u8::from(number > 0));
    stat(out, "total_malloced", used);
}

/// Items by size, in steps of 32 bytes. `O(items)`, in short turns of each lock.
fn sizes(turn: &mut Turn<'_>, out: &mut Report) {
    if !turn.state.sizes.load(Ordering::Relaxed) {
        stat(out, "sizes_status", "disabled");
        return;
    }
    let mut counts = BTreeMap::new();
    turn.db.for_each(&mut |_, item| {
        *counts.entry(item.bytes().div_ceil(32) * 32).or_insert(0u64) += 1;
        true
    });
    for (size, count) in counts {
        stat(out, &size.to_string(), count);
    }
}

fn conns(turn: &Turn<'_>, out: &mut Report) {
    for client in turn.daemon.clients.all() {
        if client.wire != Wire::Memcached {
            continue;
        }
        let scheme = if client.unix { "unix" } else { "tcp" };
        let idle = turn.now.0.saturating_sub(client.last_active.load(Ordering::Relaxed)) / 1000;
        let state = if idle == 0 { "conn_parse_cmd" } else { "conn_read" };
        let fd = client.fd;
        stat(out, &format!("{fd}:addr"), format_args!("{scheme}:{}", client.addr));
        stat(out, &format!("{fd}:listen_addr"), format_args!("{scheme}:{}", client.laddr));
        stat(out, &format!("{fd}:state"), state);
        stat(out, &format!("{fd}:secs_since_last_cmd"), idle);
    }
}
