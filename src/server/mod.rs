//! Sockets and tasks; knows no command. One thread accepts and hands each connection to the worker with
//! the fewest; there it stays. A worker is a thread with a single-threaded tokio runtime, which
//! tells it whose socket is ready; it serves these connections together, in rounds ([`round`]).

mod connection;
mod listener;
mod protocol;
mod ready;
mod round;
mod transport;
mod worker;

use crate::banner::banner;
use crate::config::{Config, Param};
use crate::daemon::Daemon;
use anyhow::Context as _;
use listener::Listener;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use worker::Worker;

/// How long a stop waits for replies that clients do not take.
const GRACE: Duration = Duration::from_secs(5);

/// Binds, starts the workers, prints where it listens, and serves until it is told to stop.
///
/// # Errors
/// An address cannot be bound, or a thread cannot be started.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Signals first: from here on a stop is a graceful one.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listeners = listener::bind_all(&config)?;
    raise_file_limit(&config);
    let workers = usize::try_from(config.number(Param::Threads)).unwrap_or(1).max(1);
    let daemon = Arc::new(Daemon::new(config, workers));
    daemon.load_users().map_err(anyhow::Error::msg).context("cannot take the users")?;
    if daemon.config.flag(Param::Scripting) {
        crate::commands::start_scripts(&daemon).context("cannot start the thread for scripts")?;
    }
    let workers = (0..workers)
        .map(|number| Worker::start(number, workers, daemon.clone()))
        .collect::<anyhow::Result<Vec<Worker>>>()?;
    let endpoints: Vec<_> =
        listeners.iter().map(|listener| (listener.wire, listener.endpoint.clone())).collect();
    print!("{}", banner(&daemon.config, &endpoints));
    // Redis' words: tools that start a server wait for them.
    tracing::info!("Ready to accept connections");
    let workers = Arc::new(workers);
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener: Listener| tokio::spawn(listener.accept(daemon.clone(), workers.clone())))
        .collect();
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        () = daemon.shutdown.asked() => tracing::info!("a client asked to shut down: stopping"),
    }
    daemon.shutdown.ask();
    for task in accepting {
        task.abort();
    }
    for client in daemon.clients.all() {
        client.nudge();
    }
    let until = tokio::time::Instant::now() + GRACE;
    while !daemon.clients.is_empty() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    listener::remove_socket_files(&daemon.config);
    Ok(())
}

/// Every client is an open file: lets the process have as many as it is configured for.
fn raise_file_limit(config: &Config) {
    const OTHERS: u64 = 64;
    let wanted = u64::try_from(config.number(Param::MaxClients)).unwrap_or(0) + OTHERS;
    match rlimit::increase_nofile_limit(wanted.max(1024)) {
        Ok(limit) if limit < wanted => tracing::warn!(
            "the system allows {limit} open files, so fewer than maxclients can connect; raise it with `ulimit -n {wanted}`"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!("cannot raise the limit of open files: {error}"),
    }
}
