//! The same growth through the daemon, as clients feel it.

use super::MILLION;
use super::histogram::Histogram;
use super::requests::{Template, send_each};
use super::servers::{OURS, SUBJECTS, Server, Setting, Used};
use super::wire::{Wire, connect};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const VALUE: usize = 32;

/// Sets items through one connection, many to a write.
fn set(server: &Server, numbers: std::ops::Range<u32>, ttl: u32) -> Result<()> {
    let request = Template::set(Wire::Resp, VALUE, ttl);
    send_each(server.port(Wire::Resp), &request, numbers, 100, || anyhow::Ok(()))
}

/// Asks for one item at a time, and notes how long each took.
fn probe(server: &Server, stop: &AtomicBool, seen: &Mutex<Histogram>) -> Result<()> {
    let request = Template::get(Wire::Resp, VALUE, 1);
    let mut stream = connect(server.port(Wire::Resp))?;
    let (mut out, mut input) = (Vec::new(), vec![0; request.reply]);
    request.write(&mut out, || 1);
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        stream.write_all(&out)?;
        stream.read_exact(&mut input)?;
        let took = start.elapsed();
        seen.lock().expect("nobody panics with it").add(took.as_nanos() as u64);
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

fn cost(server: &Server, before: Used, operations: u32) -> Result<f64> {
    let after = server.used()?;
    Ok((after.user + after.system - before.user - before.system) / f64::from(operations) * 1e6)
}

pub fn daemon(millions: u32) -> Result<()> {
    let ours = SUBJECTS.iter().find(|subject| subject.name == OURS).context("we are measured")?;
    let server = Server::start(ours, Setting { threads: 2, processor: None, mb: 8192, value: VALUE })?;
    println!(
        "\ndaemon: SETs of new items, a hundred to a write, while another connection asks for one item at a time"
    );
    println!(
        "{:>24} | CPU µs a SET | million/s | one item: µs 99 % | µs 99.9 % | µs 99.99 % | µs max",
        "million"
    );
    let before = server.resident()?;
    set(&server, 0..2, 0)?;
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(Histogram::new()));
    let report = |what: &str, cost: f64, rate: f64| {
        let seen = std::mem::replace(&mut *seen.lock().expect("nobody panics with it"), Histogram::new());
        println!(
            "{what:>24} | {cost:>12.3} | {rate:>9.2} | {:>17.0} | {:>9.0} | {:>10.0} | {:>6.0}",
            seen.quantile_us(0.99),
            seen.quantile_us(0.999),
            seen.quantile_us(0.9999),
            seen.max_us()
        );
    };
    std::thread::scope(|scope| -> Result<()> {
        let asking = scope.spawn(|| probe(&server, &stop, &seen));
        let grow = || -> Result<()> {
            let mut done = 0;
            for million in [1, 2, 5, 10, 20, 30, 40, 50].into_iter().filter(|&m| m <= millions) {
                let (used, start) = (server.used()?, Instant::now());
                let count = (million - done) * MILLION;
                set(&server, done * MILLION..million * MILLION, 0)?;
                let rate = f64::from(count) / 1e6 / start.elapsed().as_secs_f64();
                report(&million.to_string(), cost(&server, used, count)?, rate);
                done = million;
            }
            let items = f64::from(done * MILLION);
            println!(
                "bytes an item beside key and value: {:.1}",
                (server.resident()? - before) / items - 48.0
            );
            // Due within the seconds that it takes to write them: a million and more at once, for sure.
            let (used, start) = (server.used()?, Instant::now());
            let from = 60 * MILLION;
            set(&server, from..from + 2 * MILLION, 8)?;
            report(
                "2 with a TTL of 8 s",
                cost(&server, used, 2 * MILLION)?,
                2.0 / start.elapsed().as_secs_f64(),
            );
            let used = server.used()?;
            std::thread::sleep(Duration::from_secs(12).saturating_sub(start.elapsed()));
            report("while they expire", cost(&server, used, 2 * MILLION)?, 0.0);
            Ok(())
        };
        let result = grow();
        stop.store(true, Ordering::Relaxed);
        asking.join().expect("it does not panic").context("asking")?;
        result
    })
}
