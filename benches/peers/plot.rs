//! Bar charts as SVG: a panel for each row of a table, since their scales differ by a factor of fifty.

use super::measure::Placement;
use super::results::Results;
use super::servers::{KERNEL, OURS};
use super::tables::{MEMORY, memory_rows, microseconds, present, speed_rows, speed_table};
use super::wire::Wire;
use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;

const NAME_WIDTH: f64 = 86.0;
const BAR_WIDTH: f64 = 170.0;
const PANEL_WIDTH: f64 = NAME_WIDTH + BAR_WIDTH + 64.0;
const BAR: f64 = 15.0;
const STEP: f64 = 19.0;
const MARGIN: f64 = 16.0;

struct Panel {
    title: String,
    /// (name, value, value as shown)
    bars: Vec<(&'static str, f64, String)>,
}

fn colour(name: &str) -> &'static str {
    match name {
        OURS => "#1b6ca8",
        KERNEL => "#c9ced6",
        _ => "#8a93a0",
    }
}

fn panel(svg: &mut String, panel: &Panel, x: f64, y: f64) {
    let most = panel.bars.iter().map(|bar| bar.1).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let _ =
        writeln!(svg, "<text x=\"{x}\" y=\"{:.0}\" font-weight=\"bold\">{}</text>", y + 12.0, panel.title);
    for (n, (name, value, shown)) in panel.bars.iter().enumerate() {
        let top = y + 20.0 + n as f64 * STEP;
        let (text_y, length) = (top + 11.5, (value / most * BAR_WIDTH).max(1.0));
        let left = x + NAME_WIDTH;
        let weight = if *name == OURS { " font-weight=\"bold\"" } else { "" };
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{text_y:.1}\" text-anchor=\"end\"{weight}>{name}</text>",
            left - 6.0
        );
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.0}\" y=\"{top:.0}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{}\"/>",
            colour(name)
        );
        let _ =
            writeln!(svg, "<text x=\"{:.1}\" y=\"{text_y:.1}\"{weight}>{shown}</text>", left + length + 5.0);
    }
}

/// Columns of panels under a heading each.
fn chart(title: &str, columns: &[(String, Vec<Panel>)]) -> String {
    let height_of = |panel: &Panel| 32.0 + panel.bars.len() as f64 * STEP;
    let tallest =
        columns.iter().map(|(_, panels)| panels.iter().map(height_of).sum::<f64>()).fold(0.0, f64::max);
    let (width, height) = (columns.len() as f64 * PANEL_WIDTH + 2.0 * MARGIN, tallest + 76.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#fff\"/>\n"
    );
    let _ =
        writeln!(svg, "<text x=\"{MARGIN}\" y=\"28\" font-size=\"15\" font-weight=\"bold\">{title}</text>");
    for (n, (heading, panels)) in columns.iter().enumerate() {
        let x = MARGIN + n as f64 * PANEL_WIDTH;
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"52\" font-size=\"13\" fill=\"#555\">{heading}</text>");
        let mut y = 66.0;
        for one in panels {
            panel(&mut svg, one, x, y);
            y += height_of(one);
        }
    }
    svg + "</svg>\n"
}

fn panels(
    results: &Results,
    table: &str,
    figure: &str,
    rows: &[String],
    show: impl Fn(f64) -> String,
) -> Vec<Panel> {
    let subjects = present(results, table, rows);
    let of_row = |row: &String| {
        let bar = |&name: &&'static str| {
            let value = results.value(table, row, name, figure)?;
            Some((name, value, show(value)))
        };
        Panel { title: row.clone(), bars: subjects.iter().filter_map(bar).collect() }
    };
    rows.iter().map(of_row).filter(|panel| !panel.bars.is_empty()).collect()
}

/// `cpu.svg` and `memory.svg`.
pub fn draw(folder: &Path, results: &Results) -> Result<()> {
    let cpu: Vec<_> = Wire::ALL
        .map(|wire| {
            let table = speed_table(wire, Placement::Pinned);
            (
                format!("{} protocol", wire.name()),
                panels(results, &table, "cpu_us", &speed_rows(), microseconds),
            )
        })
        .into_iter()
        .filter(|(_, panels)| !panels.is_empty())
        .collect();
    std::fs::write(
        folder.join("cpu.svg"),
        chart("Processor time of the server for an operation, in µs (less is better)", &cpu),
    )?;
    let memory = panels(results, MEMORY, "overhead", &memory_rows(), |value| format!("{value:.0}"));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for panel in memory {
        if panel.title.ends_with("no TTL") { without.push(panel) } else { with.push(panel) }
    }
    let columns = [("values without a TTL".to_owned(), without), ("with a TTL".to_owned(), with)];
    std::fs::write(
        folder.join("memory.svg"),
        chart("Bytes that an item takes beside key and value (less is better)", &columns),
    )?;
    Ok(())
}
