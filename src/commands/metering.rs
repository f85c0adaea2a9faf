//! What is noted of every command that runs: calls and time for `INFO commandstats`, the slow log, the
//! latency monitor, MONITOR.
//!
//! GET and SET must not pay for it. They take no clock reads, but for one call in 128 (see
//! [`crate::observe::commands`]) and while somebody asks for times that small (`Daemon::times_all`). So
//! a quick command that was held up by something else (a lock, a page fault) is seldom in the slow log.

use super::session::State;
use super::table::{Command, Flag};
use super::{CommandResult, Ctx, Outcome};
use crate::config::{ClientClass, Param};
use crate::observe::slowlog::{SlowCommand, shortened};
use crate::resp::Argv;
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Before a command runs: counts it, and starts the clock if it is to be timed.
#[inline]
pub(super) fn begin(ctx: &Ctx<'_>, command: &Command, argv: Argv<'_>) -> Option<Instant> {
    /// With more arguments than these no command is quick.
    const FEW: usize = 16;
    ctx.client.last_command.store(command.number as u32 + 1, Relaxed);
    let is_sample = ctx.counters.commands.count(command.number);
    let is_timed = !command.is_quick || argv.len() > FEW || is_sample || ctx.daemon.times_all.load(Relaxed);
    is_timed.then(Instant::now)
}

/// After it ran.
#[inline]
pub(super) fn end(
    ctx: &mut Ctx<'_>,
    command: &Command,
    argv: Argv<'_>,
    elapsed: Option<Duration>,
    result: &CommandResult,
) {
    if result.is_err() {
        ctx.counters.commands.fail(command.number);
    }
    if let Some(elapsed) = elapsed {
        ctx.spent += elapsed;
        timed(ctx, command, argv, elapsed, result);
    }
    if ctx.daemon.clients.monitors.load(Relaxed) != 0 {
        tell_monitors(ctx, command, argv);
    }
}

fn timed(
    ctx: &mut Ctx<'_>,
    command: &Command,
    argv: Argv<'_>,
    mut elapsed: Duration,
    result: &CommandResult,
) {
    // DEBUG SLEEP would have kept a Redis busy; a command that blocks (WAIT) counts without its waiting.
    if let Ok(Outcome::Sleep(until)) = result
        && !ctx.client.blocked.load(Relaxed)
    {
        elapsed += Duration::from_millis(until.since(ctx.now));
    }
    let config = &ctx.daemon.config;
    let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    ctx.counters.commands.time(command.number, nanos, config.flag(Param::LatencyTracking));
    let micros = nanos / 1000;
    let threshold = config.number(Param::SlowlogLogSlowerThan);
    // Of a script the slow log shows the whole.
    if !ctx.state.scripted
        && u64::try_from(threshold).is_ok_and(|threshold| micros >= threshold)
        && !command.spec.has(Flag::SkipSlowlog)
    {
        let hidden = Hidden::of(command, argv);
        let entry = SlowCommand {
            id: 0,
            at: ctx.now.secs(),
            micros,
            args: shortened(hidden.args().into_iter()),
            addr: ctx.client.addr.clone(),
            client_name: ctx.client.profile.lock().name.clone(),
        };
        ctx.daemon.slowlog.add(entry, config.size(Param::SlowlogMaxLen));
    }
    let latency = config.number(Param::LatencyMonitorThreshold);
    let ms = micros / 1000;
    if latency > 0 && u64::try_from(latency).is_ok_and(|latency| ms >= latency) {
        let event = if command.spec.has(Flag::Fast) { "fast-command" } else { "command" };
        ctx.daemon.latency.add(event, ctx.now.secs(), ms);
    }
}

/// A command's arguments with its secrets blacked out, as Redis does.
struct Hidden<'a> {
    command: &'a Command,
    argv: Argv<'a>,
}

impl<'a> Hidden<'a> {
    fn of(command: &'a Command, argv: Argv<'a>) -> Hidden<'a> {
        Hidden { command, argv }
    }

    fn args(&self) -> Vec<&'a [u8]> {
        let hides = self.command.spec.hides;
        let shown =
            |(at, arg): (usize, &'a [u8])| if hides(self.argv, at) { &b"(redacted)"[..] } else { arg };
        self.argv.iter().enumerate().map(shown).collect()
    }
}

/// Sends the command to the clients in MONITOR mode. Administration is not shown, as in Redis.
#[cold]
fn tell_monitors(ctx: &Ctx<'_>, command: &Command, argv: Argv<'_>) {
    if command.is_hidden_from_monitor {
        return;
    }
    let now = ctx.daemon.clock.micros();
    let place = place_of(ctx.state, ctx);
    let mut line = format!("+{}.{:06} [{place}]", now / 1_000_000, now % 1_000_000);
    for arg in Hidden::of(command, argv).args() {
        line.push(' ');
        quote(&mut line, arg);
    }
    line.push_str("\r\n");
    // Differs: Redis lets lines for a monitor that does not read them pile up without a bound.
    let limit = ctx.daemon.config.output_limit(ClientClass::Pubsub).hard_bytes;
    ctx.daemon.clients.tell_monitors(line.as_bytes(), usize::try_from(limit).unwrap_or(usize::MAX));
}

fn place_of(state: &State, ctx: &Ctx<'_>) -> String {
    if state.scripted {
        return format!("{} lua", state.db);
    }
    if ctx.client.unix {
        return format!("{} unix:{}", state.db, ctx.daemon.config.text(Param::UnixSocket));
    }
    format!("{} {}", state.db, ctx.client.addr)
}

/// As Redis' `sdscatrepr` writes a string.
fn quote(line: &mut String, arg: &[u8]) {
    line.push('"');
    for &byte in arg {
        match byte {
            b'\\' | b'"' => {
                line.push('\\');
                line.push(byte.into());
            }
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x07 => line.push_str("\\a"),
            0x08 => line.push_str("\\b"),
            b' '..=b'~' => line.push(byte.into()),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    #[test]
    fn monitor_quotes_as_redis_does() {
        let mut line = String::new();
        super::quote(&mut line, b"a \"b\"\\\r\n\t\x07\x08\x00\xff");
        assert_eq!(line, r#""a \"b\"\\\r\n\t\a\b\x00\xff""#);
    }
}
