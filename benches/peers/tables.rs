//! The tables in Markdown: as printed, and as README shows them.

use super::measure::{Placement, SCENARIOS, WEIGHTS};
use super::results::Results;
use super::servers::{KERNEL, OURS, SUBJECTS};
use super::wire::Wire;
use anyhow::{Context, Result};
use std::path::Path;

pub const MEMORY: &str = "memory";

pub fn speed_table(wire: Wire, placement: Placement) -> String {
    format!("{} {}", wire.name(), placement.name())
}

pub fn memory_row(value: usize, ttl: u32) -> String {
    format!("{value} B, {}", if ttl == 0 { "no TTL" } else { "TTL" })
}

/// The peer that a protocol's own users have now.
pub fn incumbent(wire: Wire) -> &'static str {
    match wire {
        Wire::Resp => "redis",
        Wire::Memcached => "memcached",
    }
}

/// Subjects of which a table has anything, in their order.
pub fn present(results: &Results, table: &str, rows: &[String]) -> Vec<&'static str> {
    let has = |name: &str| rows.iter().any(|row| results.get(table, row, name).is_some());
    SUBJECTS.iter().map(|subject| subject.name).filter(|name| has(name)).collect()
}

pub fn speed_rows() -> Vec<String> {
    SCENARIOS.iter().map(|scenario| scenario.title.to_owned()).collect()
}

pub fn memory_rows() -> Vec<String> {
    WEIGHTS.iter().map(|&(value, ttl)| memory_row(value, ttl)).collect()
}

pub fn microseconds(value: f64) -> String {
    if value < 1.0 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// One table with a column for each subject, and what ours is to one of them.
fn table(
    results: &Results,
    name: &str,
    figure: &str,
    head: &str,
    rows: &[String],
    base: Option<&str>,
    show: impl Fn(f64) -> String,
) -> String {
    let subjects = present(results, name, rows);
    if subjects.is_empty() {
        return String::new();
    }
    let mut text = format!("\n| {head} |");
    for &subject in &subjects {
        let bold = if subject == OURS { "**" } else { "" };
        text += &format!(" {bold}{subject}{bold} |");
    }
    let base = base.filter(|base| subjects.contains(base));
    if let Some(base) = base {
        text += &format!(" magpie / {base} |");
    }
    text += &format!("\n|---|{}\n", "--:|".repeat(subjects.len() + usize::from(base.is_some())));
    for row in rows {
        let value = |subject: &str| results.value(name, row, subject, figure);
        if subjects.iter().all(|subject| value(subject).is_none()) {
            continue;
        }
        text += &format!("| {row} |");
        for &subject in &subjects {
            let shown = value(subject).map_or_else(|| "–".to_owned(), &show);
            let bold = if subject == OURS { "**" } else { "" };
            text += &format!(" {bold}{shown}{bold} |");
        }
        if let Some(base) = base {
            let ratio = value(OURS).zip(value(base)).map(|(ours, theirs)| ours / theirs);
            text += &ratio.map_or_else(|| " – |".to_owned(), |ratio| format!(" {ratio:.2} |"));
        }
        text += "\n";
    }
    text
}

fn versions(results: &Results) -> String {
    let named = results.versions.iter().filter(|(subject, _)| ![KERNEL, OURS].contains(&subject.as_str()));
    named.map(|(subject, version)| format!("{subject} {version}")).collect::<Vec<_>>().join(", ")
}

/// What README shows.
pub fn summary(results: &Results) -> String {
    let mut text =
        format!("Measured on {} ({}), beside {}.\n", results.dates(), results.machine, versions(results));
    text += "\nProcessor time of the server for an operation, in µs, server and load on a processor each, one worker, 50 \
             connections, values of 100 bytes. \"Kernel limit\" answers without looking: system calls alone.\n";
    for wire in Wire::ALL {
        let table_name = speed_table(wire, Placement::Pinned);
        let rows = speed_rows();
        text +=
            &table(results, &table_name, "cpu_us", wire.name(), &rows, Some(incumbent(wire)), microseconds);
    }
    text += "\nBytes an item takes beside key and value (growth of the process, a million items, keys of 16 bytes).\n";
    text += &table(results, MEMORY, "overhead", "value", &memory_rows(), None, |value| format!("{value:.0}"));
    text
}

/// Everything that was measured.
pub fn everything(results: &Results) -> String {
    let mut text = summary(results);
    for placement in [Placement::Pinned, Placement::Free] {
        for wire in Wire::ALL {
            let name = speed_table(wire, placement);
            for (figure, what) in [
                ("cpu_us", "CPU µs an operation"),
                ("user_us", "of it outside the kernel"),
                ("rate", "operations a second"),
                ("p99_us", "99 % within µs"),
                ("p999_us", "99.9 % within µs"),
            ] {
                let show = |value: f64| match figure {
                    "cpu_us" | "user_us" => microseconds(value),
                    _ => format!("{value:.0}"),
                };
                let head = format!("{name}: {what}");
                text += &table(results, &name, figure, &head, &speed_rows(), Some(incumbent(wire)), show);
            }
        }
    }
    text
}

/// Puts the summary between README's two marks.
pub fn write_into(readme: &Path, results: &Results) -> Result<()> {
    const BEGIN: &str = "<!-- peers: written by `cargo bench --bench peers -- --figures` -->\n";
    const END: &str = "<!-- /peers -->";
    let text = std::fs::read_to_string(readme).context("README.md")?;
    let (before, rest) = text.split_once(BEGIN).context("README.md has no mark where the tables begin")?;
    let (_, after) = rest.split_once(END).context("README.md has no mark where the tables end")?;
    let plots = "\n![Processor time for an operation](benches/figures/cpu.svg)\n\n![Bytes an item](benches/figures/memory.svg)\n";
    std::fs::write(readme, format!("{before}{BEGIN}{}{plots}{END}{after}", summary(results)))?;
    Ok(())
}
