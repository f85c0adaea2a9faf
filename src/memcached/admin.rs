//! Commands for people who run the daemon: limits, crawler, slabs, watching, shutting down.
//! `protocol.txt`, "Slabs Reassign" to "Watchers".
//!
//! Differs: there is one slab class, 1, and no LRU of memcached's kind. What tunes those (`slabs`,
//! `lru tune`, `lru_crawler sleep` …) is checked and answered as memcached does, and changes nothing.

use super::decode::Admin;
use super::dump::{Dump, Format};
use super::error::Refusal;
use super::session::Turn;
use super::words::{Args, int, real, uint32};
use super::{stats, watch};
use crate::clients::Client;
use crate::config::Param;
use std::sync::atomic::Ordering;

const MEGABYTE: usize = 1024 * 1024;
/// memcached numbers its slab classes from 1 to below this.
pub(super) const SLAB_CLASSES: u32 = 64;
/// The one class that there is here.
pub(super) const CLASS: u32 = 1;

/// How the connection goes on after an admin command.
pub(super) enum Then {
    Go,
    Dump(Dump),
    Watch,
}

pub(super) fn run(
    turn: &mut Turn<'_>,
    client: &Client,
    what: Admin,
    args: &Args<'_>,
) -> Result<Then, Refusal> {
    match what {
        Admin::Stats => stats::run(turn, args)?,
        Admin::CacheMemlimit => cache_memlimit(turn, args)?,
        Admin::LruCrawler => return lru_crawler(turn, args),
        Admin::Lru => lru(turn, args)?,
        Admin::Slabs => slabs(turn, args)?,
        Admin::Extstore => return Err(Refusal::Unknown), // as memcached built without it
        Admin::Watch => {
            watch::start(turn, client, args)?;
            return Ok(Then::Watch);
        }
        Admin::Verbosity => {
            let level = uint32(args.at(1)).ok_or(Refusal::BadFormat)?;
            turn.state.verbosity.store(level.min(9), Ordering::Relaxed);
            turn.out.put(b"OK\r\n");
        }
        Admin::Shutdown => shutdown(turn, args)?,
        Admin::RefreshCerts => return Err(Refusal::NoTls),
        Admin::Config => nodes(turn, args)?,
    }
    Ok(Then::Go)
}

/// Which admin commands keep quiet when their last word is `noreply`.
pub(super) fn heeds_noreply(what: Admin, args: &Args<'_>) -> bool {
    match what {
        Admin::CacheMemlimit | Admin::Lru | Admin::Watch | Admin::Verbosity => true,
        Admin::Slabs => args.at(1) == b"automove",
        Admin::Stats
        | Admin::LruCrawler
        | Admin::Extstore
        | Admin::Shutdown
        | Admin::RefreshCerts
        | Admin::Config => false,
    }
}

/// `config get cluster`: ElastiCache's word for the nodes to use. Unknown, as to memcached, where none are configured.
/// The version grows with every change, over restarts too: it is the second of the last one.
fn nodes(turn: &mut Turn<'_>, args: &Args<'_>) -> Result<(), Refusal> {
    let nodes = turn.daemon.config.text(Param::MemcachedNodes);
    if args.at(1) != b"get" || args.at(2) != b"cluster" || nodes.is_empty() {
        return Err(Refusal::Unknown);
    }
    let text = format!("{}\n{nodes}\n", turn.state.nodes_since.load(Ordering::Relaxed));
    turn.out.put(format!("CONFIG cluster 0 {}\r\n{text}\r\nEND\r\n", text.len()).as_bytes());
    Ok(())
}

/// `cache_memlimit <megabytes>`: another limit for the whole store.
fn cache_memlimit(turn: &mut Turn<'_>, args: &Args<'_>) -> Result<(), Refusal> {
    let megabytes = uint32(args.at(1)).ok_or(Refusal::Unknown)?;
    match megabytes {
        0..8 => return Err(Refusal::LimitTooSmall),
        1_000_000_001.. => return Err(Refusal::LimitNotBytes),
        _ => (),
    }
    let bytes = (megabytes as usize).saturating_mul(MEGABYTE);
    turn.daemon.config.note_number(Param::MaxMemory, i64::try_from(bytes).unwrap_or(i64::MAX));
    turn.daemon.store.set_limit(bytes);
    turn.out.put(b"OK\r\n");
    Ok(())
}

fn lru_crawler(turn: &mut Turn<'_>, args: &Args<'_>) -> Result<Then, Refusal> {
    let enabled = turn.state.crawler.load(Ordering::Relaxed);
    match (args.at(1), args.count()) {
        (b"enable", 2) if enabled => return Err(Refusal::CrawlerRuns),
        (b"enable", 2) => turn.state.crawler.store(true, Ordering::Relaxed),
        (b"disable", 2) => turn.state.crawler.store(false, Ordering::Relaxed),
        (b"crawl" | b"metadump" | b"mgdump", 3) if !enabled => return Err(Refusal::CrawlerDisabled),
        (b"crawl", 3) => {
            classes(args.at(2))?; // expired items go by themselves
        }
        (b"metadump", 3) => return dump(turn, Format::Meta, "metadump", args.at(2)),
        (b"mgdump", 3) => return dump(turn, Format::Get, "mgdump", args.at(2)),
        (b"tocrawl", 3) => {
            uint32(args.at(2)).ok_or(Refusal::BadFormat)?;
        }
        (b"sleep", 3) => {
            if uint32(args.at(2)).ok_or(Refusal::BadFormat)? > 1_000_000 {
                return Err(Refusal::SleepTooLong);
            }
        }
        _ => return Err(Refusal::Unknown),
    }
    turn.out.put(b"OK\r\n");
    Ok(Then::Go)
}

fn dump(turn: &mut Turn<'_>, format: Format, name: &'static str, list: &[u8]) -> Result<Then, Refusal> {
    if !turn.out.is_empty() {
        return Err(Refusal::Pipelined(name));
    }
    if classes(list)? {
        return Ok(Then::Dump(Dump::new(format)));
    }
    turn.out.put(if format == Format::Meta { b"END\r\n" } else { b"EN\r\n" });
    Ok(Then::Go)
}

/// Is our class in `all`, `hash` or a list of classes?
fn classes(list: &[u8]) -> Result<bool, Refusal> {
    if list == b"all" || list == b"hash" {
        return Ok(true);
    }
    let mut classes = Vec::new();
    for class in list.split(|&byte| byte == b',').filter(|class| !class.is_empty()) {
        let class = uint32(class).filter(|class| (1..SLAB_CLASSES).contains(class));
        classes.push(class.ok_or(Refusal::BadClass)?);
    }
    if classes.is_empty() {
        return Err(Refusal::NotStarted);
    }
    Ok(classes.contains(&CLASS))
}

/// `lru <tune|mode|temp_ttl> …`
fn lru(turn: &mut Turn<'_>, args: &Args<'_>) -> Result<(), Refusal> {
    let enough = match args.at(1) {
        b"tune" => 6,
        b"mode" | b"temp_ttl" => 3,
        _ => return Err(Refusal::Unknown),
    };
    if args.count() < enough {
        return Err(Refusal::Unknown);
    }
    match args.at(1) {
        b"tune" => {
            let percents = uint32(args.at(2)).zip(uint32(args.at(3)));
            let factors = real(args.at(4)).zip(real(args.at(5)));
            let ((hot, warm), (hot_factor, factor)) = percents.zip(factors).ok_or(Refusal::Unknown)?;
            if hot.saturating_add(warm) > 80 {
                return Err(Refusal::PercentTooHigh);
            }
            if hot_factor <= 0.0 || factor <= 0.0 {
                return Err(Refusal::FactorTooLow);
            }
        }
        b"mode" if ![b"flat".as_slice(), b"segmented"].contains(&args.at(2)) => {
            return Err(Refusal::Unknown);
        }
        b"temp_ttl" => {
            int(args.at(2)).ok_or(Refusal::Unknown)?;
        }
        _ => (),
    }
    turn.out.put(b"OK\r\n");
    Ok(())
}

/// `slabs reassign <from> <to>`, `slabs automove <0|1|2>|ratio <r>`
fn slabs(turn: &mut Turn<'_>, args: &Args<'_>) -> Result<(), Refusal> {
    match (args.at(1), args.count()) {
        (b"reassign", 4) => {
            let (from, to) = int(args.at(2)).zip(int(args.at(3))).ok_or(Refusal::BadFormat)?;
            let is_class = |class: i32| (0..SLAB_CLASSES as i32).contains(&class);
            return Err(match (from, to) {
                _ if from == to => Refusal::SameClass,
                (-1, to) if is_class(to) => Refusal::NoSparePages,
                (from, to) if is_class(from) && is_class(to) => Refusal::NoSparePages,
                _ => Refusal::BadReassign,
            });
        }
        (b"automove", 3..) if args.at(2) == b"ratio" => {
            real(args.at(3)).ok_or(Refusal::Unknown)?;
        }
        (b"automove", 3..) => {
            if uint32(args.at(2)).ok_or(Refusal::BadFormat)? > 2 {
                return Err(Refusal::Unknown);
            }
        }
        _ => return Err(Refusal::Unknown),
    }
    turn.out.put(b"OK\r\n");
    Ok(())
}

/// `shutdown [graceful]`, alike here. Nothing is answered: the connection closes with the daemon.
fn shutdown(turn: &mut Turn<'_>, args: &Args<'_>) -> Result<(), Refusal> {
    if !turn.daemon.config.flag(Param::EnableShutdown) {
        return Err(Refusal::ShutdownDisabled);
    }
    if args.count() > 2 || (args.count() == 2 && args.at(1) != b"graceful") {
        return Err(Refusal::ShutdownMode);
    }
    turn.daemon.shutdown.ask();
    Ok(())
}
