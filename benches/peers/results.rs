//! Results as they are kept: a text file with a line for each figure, so that a run may measure some of the cells
//! and leave the others as they were.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a line is about: a table (`RESP pinned`, `memory`, ...), a row of it, a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub table: String,
    pub row: String,
    pub subject: String,
}

impl Cell {
    pub fn new(table: &str, row: &str, subject: &str) -> Cell {
        Cell { table: table.to_owned(), row: row.to_owned(), subject: subject.to_owned() }
    }
}

/// The figures of a cell by name, with the day they are of.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub date: String,
    pub values: BTreeMap<String, f64>,
}

impl Figures {
    pub fn of(values: &[(&str, f64)]) -> Figures {
        let values = values.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        Figures { date: today(), values }
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }
}

fn today() -> String {
    let output = std::process::Command::new("date").arg("+%F").output();
    output.map_or_else(|_| "?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub struct Results {
    path: Option<PathBuf>,
    pub machine: String,
    pub versions: BTreeMap<String, String>,
    cells: BTreeMap<Cell, Figures>,
}

impl Results {
    /// What an earlier run left in this folder; nothing is read or kept without one.
    pub fn load(folder: Option<&Path>) -> Result<Results> {
        let path = folder.map(|folder| folder.join("peers.tsv"));
        let mut results =
            Results { path, machine: machine(), versions: BTreeMap::new(), cells: BTreeMap::new() };
        let Some(text) = results.path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) else {
            return Ok(results);
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["version", subject, version] => {
                    results.versions.insert(subject.to_owned(), version.to_owned());
                }
                ["machine", machine] if machine != results.machine => {
                    println!("figures of another machine ({machine}) are left out");
                    results.cells.clear();
                    results.versions.clear();
                    break;
                }
                ["machine", _] => {}
                [table, row, subject, date, name, value] => {
                    let value = value.parse().with_context(|| format!("in {line:?}"))?;
                    let figures = results.cells.entry(Cell::new(table, row, subject)).or_default();
                    figures.date = date.to_owned();
                    figures.values.insert(name.to_owned(), value);
                }
                _ => anyhow::bail!("peers.tsv: what does {line:?} mean?"),
            }
        }
        Ok(results)
    }

    pub fn put(&mut self, cell: Cell, figures: Figures) {
        self.cells.insert(cell, figures);
    }

    pub fn get(&self, table: &str, row: &str, subject: &str) -> Option<&Figures> {
        self.cells.get(&Cell::new(table, row, subject))
    }

    pub fn value(&self, table: &str, row: &str, subject: &str, name: &str) -> Option<f64> {
        self.get(table, row, subject)?.get(name)
    }

    /// `2026-11-22`, or `2026-11-22 to 2026-11-24`.
    pub fn dates(&self) -> String {
        let mut dates: Vec<&str> = self.cells.values().map(|figures| &figures.date[..]).collect();
        dates.sort_unstable();
        match (dates.first(), dates.last()) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(first), _) => (*first).to_owned(),
            _ => String::new(),
        }
    }

    pub fn save(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut text = String::from(
            "# Written by `cargo bench --bench peers -- --figures`; tables and plots follow from it.\n",
        );
        text += &format!("machine\t{}\n", self.machine);
        for (subject, version) in &self.versions {
            text += &format!("version\t{subject}\t{version}\n");
        }
        for (Cell { table, row, subject }, figures) in &self.cells {
            for (name, value) in &figures.values {
                text += &format!("{table}\t{row}\t{subject}\t{}\t{name}\t{value:.4}\n", figures.date);
            }
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// `AMD EPYC, 2 processors, 24 GiB, Linux 6.1`.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| -> String {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(|c: char| c == ':' || c.is_whitespace()).to_owned()
    };
    let model = after(&read("/proc/cpuinfo"), "model name");
    let kib: f64 = after(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/proc/sys/kernel/osrelease");
    let kernel = release.trim().split('.').take(2).collect::<Vec<_>>().join(".");
    format!("{model}, {processors} processors, {:.0} GiB, Linux {kernel}", kib / (1 << 20) as f64)
}
