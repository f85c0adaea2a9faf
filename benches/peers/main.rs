//! magpie beside every other cache server on this machine: what does a request cost, what does an item weigh?
//!
//! Starts magpie's release binary and each peer found on PATH (redis-server, memcached, valkey-server, dragonfly,
//! pogocache) with one worker on the first processor, and a load of fifty connections on the second; reads
//! utime + stime of `/proc/PID/stat` before and after. That figure hardly depends on how fast the load is or
//! whether a neighbour is busy, so it is the one to trust. Rounds alternate (A B C, B C A, ...), shown are
//! medians; a run that others disturbed is repeated and the quietest attempt kept, and what was disturbed all the
//! same is shown but does not enter the figures. `kernel limit` is a loop of
//! our own that answers without looking (`echo.rs`): the floor under every server. A second pass with two
//! workers and nothing pinned tells what a small machine delivers.
//!
//! ```text
//! cargo bench --bench peers                             everything, some ten minutes
//! cargo bench --bench peers -- --wires RESP --scenarios get1,mget --placements pinned
//! cargo bench --bench peers -- --figures                keeps what was measured in benches/figures, draws the plots,
//!                                                       puts the tables into README.md
//! ```

mod echo;
#[path = "../support/histogram.rs"]
mod histogram;
mod load;
mod measure;
mod plot;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/requests.rs"]
mod requests;
mod results;
#[path = "../support/servers.rs"]
mod servers;
mod tables;
#[path = "../support/wire.rs"]
mod wire;

use anyhow::{Context, Result, bail};
use clap::Parser;
use measure::{Placement, Run, SCENARIOS, Scenario, WEIGHTS};
use results::{Cell, Figures, Results};
use servers::{KERNEL, SUBJECTS, Subject};
use std::path::Path;
use wire::Wire;

#[derive(Parser)]
#[command(about = "magpie beside every other cache server on this machine")]
struct Options {
    /// Which protocols
    #[arg(long, value_delimiter = ',', default_values = ["RESP", "memcached"])]
    wires: Vec<String>,
    /// Which requests: get1, get16, set1, big1, mget, eval1
    #[arg(long, value_delimiter = ',', default_values = ["get1", "get16", "set1", "big1", "mget", "eval1"])]
    scenarios: Vec<String>,
    /// pinned: one worker, a processor for server and load each; free: two workers anywhere
    #[arg(long, value_delimiter = ',', default_values = ["pinned", "free"])]
    placements: Vec<String>,
    /// Which servers, by name as in the tables; all that are there without it
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of load a run
    #[arg(long, default_value_t = 1.2)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Leaves the requests out, or the items
    #[arg(long)]
    no_speed: bool,
    #[arg(long)]
    no_memory: bool,
    /// Keeps the results in benches/figures, draws the plots and writes README's tables
    #[arg(long)]
    figures: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// Above this share of a processor used by others, a run is repeated.
const DISTURBED: f64 = 0.15;
/// Half the distance between the quartiles of the rounds, as a share of the median: above it the host was busy.
const SPREAD: f64 = 0.1;
const ATTEMPTS: usize = 3;

fn quietest(measure: impl Fn() -> Result<Run>) -> Result<Run> {
    let mut best: Option<Run> = None;
    for _ in 0..ATTEMPTS {
        let run = measure()?;
        if best.is_none_or(|best| run.foreign < best.foreign) {
            best = Some(run);
        }
        if run.foreign <= DISTURBED {
            break;
        }
    }
    best.context("no attempt")
}

fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    quantile(runs, figure, 0.5)
}

fn quantile(runs: &[Run], figure: impl Fn(&Run) -> f64, share: f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

fn figures_of(runs: &[Run]) -> Figures {
    let cost = |run: &Run| run.cpu_us;
    let between = quantile(runs, cost, 0.75) - quantile(runs, cost, 0.25);
    Figures::of(&[
        ("cpu_us", median(runs, cost)),
        ("user_us", median(runs, |run| run.user_us)),
        ("rate", median(runs, |run| run.rate)),
        ("p50_us", median(runs, |run| run.p50_us)),
        ("p99_us", median(runs, |run| run.p99_us)),
        ("p999_us", median(runs, |run| run.p999_us)),
        ("spread", between / 2.0 / median(runs, cost)),
        ("foreign", median(runs, |run| run.foreign)),
    ])
}

fn speed(
    options: &Options,
    subjects: &[&Subject],
    (wire, scenario, placement): (Wire, &Scenario, Placement),
    results: &mut Results,
) {
    let able: Vec<&Subject> =
        subjects.iter().filter(|subject| scenario.suits(subject, wire)).copied().collect();
    if able.is_empty() {
        return;
    }
    let table = tables::speed_table(wire, placement);
    println!("\n{table}, {}", scenario.title);
    let mut runs = vec![Vec::new(); able.len()];
    for round in 0..options.rounds {
        for turn in 0..able.len() {
            let at = (round + turn) % able.len();
            match quietest(|| measure::speed(able[at], wire, scenario, placement, options.seconds)) {
                Ok(run) => {
                    println!(
                        "  {:12} {:8.3} µs ({:.3} user) {:10.0}/s  p99 {:6.0} µs  p99.9 {:6.0} µs  others {:.0} %",
                        able[at].name,
                        run.cpu_us,
                        run.user_us,
                        run.rate,
                        run.p99_us,
                        run.p999_us,
                        run.foreign * 100.0
                    );
                    runs[at].push(run);
                }
                Err(error) => println!("  {:12} FAILED: {error:#}", able[at].name),
            }
        }
    }
    for (subject, runs) in able.iter().zip(&runs).filter(|(_, runs)| !runs.is_empty()) {
        let figures = figures_of(runs);
        let (foreign, spread) = (figures.get("foreign").unwrap_or(1.0), figures.get("spread").unwrap_or(1.0));
        if options.figures && (foreign > DISTURBED || spread > SPREAD) {
            println!(
                "  {:12} NOT KEPT: others used {:.0} % of a processor, rounds differ by ±{:.0} %",
                subject.name,
                foreign * 100.0,
                spread * 100.0
            );
            continue;
        }
        results.put(Cell::new(&table, scenario.title, subject.name), figures);
    }
}

fn memory(subjects: &[&Subject], results: &mut Results) {
    println!("\nbytes an item, beside key and value");
    for &(value, ttl) in WEIGHTS {
        for subject in subjects.iter().filter(|subject| subject.name != KERNEL) {
            let row = tables::memory_row(value, ttl);
            match measure::overhead(subject, value, ttl) {
                Ok(bytes) => {
                    println!("  {row:16} {:12} {bytes:7.1}", subject.name);
                    let cell = Cell::new(tables::MEMORY, &row, subject.name);
                    results.put(cell, Figures::of(&[("overhead", bytes)]));
                }
                Err(error) => println!("  {row:16} {:12} FAILED: {error:#}", subject.name),
            }
        }
    }
}

fn choose<T>(words: &[String], known: impl Fn(&str) -> Option<T>, what: &str) -> Result<Vec<T>> {
    words.iter().map(|word| known(word).with_context(|| format!("there is no {what} {word:?}"))).collect()
}

fn run(options: &Options) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("benches/figures");
    let mut results = Results::load(options.figures.then_some(&folder))?;
    let wires = choose(&options.wires, load::wire_named, "protocol")?;
    let scenarios =
        choose(&options.scenarios, |id| SCENARIOS.iter().find(|scenario| scenario.id == id), "scenario")?;
    let known = |name: &str| [Placement::Pinned, Placement::Free].into_iter().find(|one| one.name() == name);
    let placements = choose(&options.placements, known, "placement")?;
    choose(&options.only, |name| SUBJECTS.iter().find(|subject| subject.name == name), "server")?;

    let mut subjects = Vec::new();
    for subject in SUBJECTS {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == subject.name) {
            continue;
        }
        match subject.version() {
            Some(version) => {
                println!("{:12} {version}", subject.name);
                results.versions.insert(subject.name.to_owned(), version);
                subjects.push(subject);
            }
            None => println!("{:12} NOT MEASURED: it is not on PATH", subject.name),
        }
    }
    if !options.no_speed {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        for &placement in &placements {
            if placement == Placement::Pinned && processors < 2 {
                println!("pinned: NOT MEASURED: server and load want a processor each");
                continue;
            }
            for &wire in &wires {
                for scenario in &scenarios {
                    speed(options, &subjects, (wire, scenario, placement), &mut results);
                    results.save()?;
                }
            }
        }
    }
    if !options.no_memory {
        memory(&subjects, &mut results);
    }
    println!("\n{}", tables::everything(&results));
    if options.figures {
        results.save()?;
        plot::draw(&folder, &results)?;
        tables::write_into(&root.join("README.md"), &results)?;
    }
    Ok(())
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [what, rest @ ..] if what == "load" => {
            println!("{}", load::run(&load::Plan::of(rest)?)?.line());
            Ok(())
        }
        [what, port, value] if what == "echo" => echo::run(port.parse()?, value.parse()?),
        [what, ..] if what == "echo" => bail!("echo PORT VALUE_SIZE"),
        _ => run(&Options::parse()),
    }
}
