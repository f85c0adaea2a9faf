//! The log: `tracing` events as lines on standard error or in a file, at Redis' levels.

use crate::config::{Config, Param};
use anyhow::Context as _;
use std::fs::OpenOptions;
use std::io::IsTerminal as _;
use std::sync::{Mutex, OnceLock};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts the log as `loglevel` and `logfile` say; the environment's `RUST_LOG` overrides the level.
/// Errors: the file cannot be opened, or a log has been started before.
pub fn start(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(directive(config.choice(Param::LogLevel))));
    let (filter, handle) = reload::Layer::new(filter);
    let path = config.text(Param::LogFile);
    let to_file = !path.is_empty();
    let colours = !to_file && std::io::stderr().is_terminal();
    let writer = if to_file {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&*path)
            .with_context(|| format!("cannot open the log file {path}"))?;
        BoxMakeWriter::new(Mutex::new(file))
    } else {
        BoxMakeWriter::new(std::io::stderr)
    };
    let lines = fmt::layer().with_writer(writer).with_target(false).with_ansi(colours);
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    // A second start has failed above.
    let _ = FILTER.set(handle);
    Ok(())
}

/// Follows `CONFIG SET loglevel`.
pub fn set_level(config: &Config) {
    let filter = EnvFilter::new(directive(config.choice(Param::LogLevel)));
    if let Some(Err(error)) = FILTER.get().map(|handle| handle.reload(filter)) {
        tracing::error!("cannot change the log level: {error}");
    }
}

/// Redis' `notice` is what an operator wants to see of a healthy server: our `info`.
fn directive(level: &str) -> &'static str {
    match level {
        "debug" => "trace",
        "verbose" => "debug",
        "warning" => "warn",
        _ => "info",
    }
}
