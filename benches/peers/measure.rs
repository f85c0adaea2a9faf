//! The measurements: what a request costs, and what an item weighs.

use super::load::{Outcome, Plan};
use super::requests::{KEY, Template, item_count, send_each};
use super::servers::{KERNEL, Server, Setting, Subject, spawn_on};
use super::wire::Wire;
use anyhow::{Context, Result, ensure};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One row of the tables of speed.
pub struct Scenario {
    pub id: &'static str,
    pub title: &'static str,
    pub pipeline: usize,
    pub set_percent: u64,
    pub value: usize,
    pub multi: usize,
    pub keys: u32,
    /// What reads is a script, which only servers of RESP run.
    pub script: bool,
}

impl Scenario {
    /// Can this server be asked?
    pub fn suits(&self, subject: &Subject, wire: Wire) -> bool {
        subject.wires.contains(&wire) && !(self.script && (wire != Wire::Resp || subject.name == KERNEL))
    }
}

const PLAIN: Scenario = Scenario {
    id: "",
    title: "",
    pipeline: 1,
    set_percent: 10,
    value: 100,
    multi: 1,
    keys: 200_000,
    script: false,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { id: "get1", title: "GET:SET 9:1, pipeline 1", ..PLAIN },
    Scenario { id: "get16", title: "the same, pipeline 16", pipeline: 16, ..PLAIN },
    Scenario { id: "set1", title: "SET only, pipeline 1", set_percent: 100, ..PLAIN },
    Scenario { id: "big1", title: "4 KiB values, 9:1, pipeline 1", value: 4096, keys: 20_000, ..PLAIN },
    Scenario { id: "mget", title: "64 keys a request, per key", set_percent: 0, multi: 64, ..PLAIN },
    Scenario { id: "eval1", title: "EVAL of a GET, pipeline 1", set_percent: 0, script: true, ..PLAIN },
];

/// Where server and load run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The server on the first processor with one worker, the load on the second: what a request costs.
    Pinned,
    /// Two workers, nothing pinned: what a small machine delivers.
    Free,
}

impl Placement {
    pub fn name(self) -> &'static str {
        match self {
            Placement::Pinned => "pinned",
            Placement::Free => "free",
        }
    }

    fn threads(self) -> usize {
        match self {
            Placement::Pinned => 1,
            Placement::Free => 2,
        }
    }

    fn processor(self, number: usize) -> Option<usize> {
        (self == Placement::Pinned).then_some(number)
    }
}

/// One run of the load against one server.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Processor time of the server for an operation, in µs; and its part outside the kernel.
    pub cpu_us: f64,
    pub user_us: f64,
    pub rate: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    /// Share of a processor that others used meanwhile.
    pub foreign: f64,
}

pub fn speed(
    subject: &Subject,
    wire: Wire,
    scenario: &Scenario,
    placement: Placement,
    seconds: f64,
) -> Result<Run> {
    let Scenario { pipeline, set_percent, value, multi, keys, script, .. } = *scenario;
    let threads = placement.threads();
    let setting = Setting { threads, processor: placement.processor(0), mb: 8192, value };
    let server = Server::start(subject, setting)?;
    let port = server.port(wire);
    if subject.name != KERNEL {
        fill(port, wire, keys, value, 0).context("filling")?;
    }
    let connections = 50;
    let plan =
        Plan { port, wire, threads, connections, pipeline, set_percent, keys, value, multi, script, seconds };
    let mut load = Command::new(std::env::current_exe()?);
    load.arg("load").args(plan.words()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (before, busy, start) = (server.used()?, machine_busy()? - children_used()?, Instant::now());
    let output = spawn_on(placement.processor(1), &mut load)?.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let after = server.used()?;
    let (user, system) = (after.user - before.user, after.system - before.system);
    let others = machine_busy()? - children_used()? - busy - user - system;
    let Outcome { operations, seconds, p50_us, p99_us, p999_us, .. } =
        Outcome::of(&String::from_utf8_lossy(&output.stdout))?;
    Ok(Run {
        cpu_us: (user + system) / operations * 1e6,
        user_us: user / operations * 1e6,
        rate: operations / seconds,
        p50_us,
        p99_us,
        p999_us,
        foreign: others.max(0.0) / start.elapsed().as_secs_f64(),
    })
}

/// Value size and TTL in seconds (0: none) of the rows of the table of memory.
pub const WEIGHTS: &[(usize, u32)] =
    &[(32, 0), (32, 86_400), (100, 0), (100, 86_400), (1024, 0), (1024, 86_400)];

/// Bytes that an item takes beside key and value: growth of the resident set, a million items.
pub fn overhead(subject: &Subject, value: usize, ttl: u32) -> Result<f64> {
    const ITEMS: u32 = 1_000_000;
    let server = Server::start(subject, Setting { threads: 2, processor: None, mb: 8192, value })?;
    let wire = subject.wires[0];
    let before = server.resident()?;
    fill(server.port(wire), wire, ITEMS, value, ttl).context("filling")?;
    // What a server frees a little later is not an item's.
    std::thread::sleep(Duration::from_millis(1500));
    let held = item_count(server.port(wire), wire)?;
    ensure!(held == ITEMS, "it holds {held} of {ITEMS} items");
    Ok((server.resident()? - before) / f64::from(ITEMS) - (KEY.len() + value) as f64)
}

/// Seconds in which the machine's processors were not idle, all together.
fn machine_busy() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("an empty /proc/stat")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    Ok((ticks.iter().sum::<f64>() - ticks[3] - ticks[4]) / 100.0)
}

/// What finished children of this process have used, in seconds.
fn children_used() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok(fields[13..15].iter().filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

/// Stores items 1..=count, many to a write.
fn fill(port: u16, wire: Wire, count: u32, value: usize, ttl: u32) -> Result<()> {
    let set = Template::set(wire, value, ttl);
    let at_once = ((256 << 10) / set.bytes.len()).clamp(16, 2000);
    send_each(port, &set, 1..=count, at_once, || Ok(()))
}
