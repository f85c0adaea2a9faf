//! Does memory that is not needed any more come back, and does the limit hold when values change their size?
//!
//! Two questions to magpie, redis-server and memcached, each in a process of its own:
//!
//! * two million items of 16 + 100 bytes, of which nine in ten are deleted at random: the resident set before, after,
//!   and as it follows for a minute, beside what is left in keys and values;
//! * a limit of 256 MiB, filled beyond it with values of 100 bytes, then with values of 1 KiB under other keys:
//!   the largest resident set on the way, and how much of the limit the keys and values make in the end.

#[path = "support/random.rs"]
mod random;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/servers.rs"]
mod servers;
#[path = "support/wire.rs"]
mod wire;

use anyhow::{Context, Result, bail};
use random::Random;
use requests::{KEY, Template, item_count, send_each};
use servers::{OURS, SUBJECTS, Server, Setting, Subject};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use wire::{Wire, connect};

const MIB: f64 = (1 << 20) as f64;

/// Requests to a write.
const AT_ONCE: usize = 500;

fn start(subject: &Subject, mb: usize) -> Result<(Server, Wire)> {
    let wire = subject.wires[0];
    let server = Server::start(subject, Setting { threads: 2, processor: None, mb, value: 0 })?;
    if subject.name == "redis" {
        server.limit_redis(mb, "allkeys-lru")?;
    }
    Ok((server, wire))
}

fn deletion(subject: &Subject) -> Result<()> {
    const ITEMS: u32 = 2_000_000;
    let (server, wire) = start(subject, 4096)?;
    let empty = server.resident()?;
    let nothing = || anyhow::Ok(());
    let port = server.port(wire);
    send_each(port, &Template::set(wire, 100, 0), 1..=ITEMS, AT_ONCE, nothing)?;
    let full = server.resident()? - empty;
    let mut random = Random(7);
    let goes = (1..=ITEMS).filter(|_| !random.next().is_multiple_of(10));
    send_each(port, &deletion_of(wire), goes, AT_ONCE, nothing)?;
    let start = Instant::now();
    let left = f64::from(item_count(port, wire)?);
    let mut line = format!("{:10} {:>8.0} {:>8.0}", subject.name, full / MIB, left * 116.0 / MIB);
    for second in [0, 1, 5, 15, 30, 60] {
        std::thread::sleep(Duration::from_secs(second).saturating_sub(start.elapsed()));
        line += &format!(" {:>7.0}", (server.resident()? - empty) / MIB);
    }
    println!("{line}");
    Ok(())
}

fn churn(subject: &Subject) -> Result<()> {
    const LIMIT: usize = 256;
    let (server, wire) = start(subject, LIMIT)?;
    let mut largest: f64 = 0.0;
    let mut batches = 0;
    let mut watch = || -> Result<()> {
        batches += 1;
        if batches % 20 == 0 {
            largest = largest.max(server.resident()?);
        }
        Ok(())
    };
    let port = server.port(wire);
    send_each(port, &Template::set(wire, 100, 0), 1..=3_000_000, AT_ONCE, &mut watch)?;
    let small = f64::from(item_count(server.port(wire), wire)?);
    let mut line = format!("{:10} {:>14.1}", subject.name, small * 116.0 / MIB / LIMIT as f64 * 100.0);
    send_each(port, &Template::set(wire, 1024, 0), 10_000_000..10_600_000, AT_ONCE, &mut watch)?;
    // Those of 100 bytes that are left are counted as what they are: by asking for them.
    let held = f64::from(item_count(server.port(wire), wire)?);
    let old = f64::from(count_present(&server, wire, 1..=3_000_000)?);
    let live = old * 116.0 + (held - old) * (KEY.len() + 1024) as f64;
    std::thread::sleep(Duration::from_secs(2));
    line += &format!(
        " {:>14.1} {:>14.0} {:>14.0}",
        live / MIB / LIMIT as f64 * 100.0,
        largest / MIB,
        server.resident()? / MIB
    );
    println!("{line}");
    Ok(())
}

/// Of a key that is there.
fn deletion_of(wire: Wire) -> Template {
    match wire {
        Wire::Resp => Template::answered(format!("*2\r\n$3\r\nDEL\r\n$16\r\n{KEY}\r\n"), b":1\r\n"),
        Wire::Memcached => Template::answered(format!("delete {KEY}\r\n"), b"DELETED\r\n"),
    }
}

/// Is a key there? `:1` or `:0`; `HD` or `EN`.
fn presence(wire: Wire) -> Template {
    match wire {
        Wire::Resp => {
            let text = format!("*2\r\n$6\r\nEXISTS\r\n$16\r\n{KEY}\r\n");
            Template::new(text, 1, ":1\r\n".len(), b':')
        }
        Wire::Memcached => Template::new(format!("mg {KEY}\r\n"), 1, "HD\r\n".len(), b'H'),
    }
}

/// How many of these keys are there: by requests whose replies tell by their length.
fn count_present(server: &Server, wire: Wire, keys: impl Iterator<Item = u32>) -> Result<u32> {
    let request = presence(wire);
    let mut stream = connect(server.port(wire))?;
    let (mut present, mut keys) = (0, keys.peekable());
    while keys.peek().is_some() {
        let mut out = Vec::new();
        let mut sent = 0;
        for key in keys.by_ref().take(AT_ONCE) {
            request.write(&mut out, || key);
            sent += 1;
        }
        stream.write_all(&out)?;
        let mut lines = 0;
        let mut part = vec![0; 64 << 10];
        while lines < sent {
            let n = stream.read(&mut part)?;
            if n == 0 {
                bail!("the server closed the connection");
            }
            lines += part[..n].iter().filter(|&&byte| byte == b'\n').count();
            // `:1` against `:0`, `HD` against `EN`: a byte that only one of them has.
            let mark = if wire == Wire::Resp { b'1' } else { b'H' };
            present += part[..n].iter().filter(|&&byte| byte == mark).count() as u32;
        }
    }
    Ok(present)
}

fn main() -> Result<()> {
    let wanted: Vec<&Subject> =
        SUBJECTS.iter().filter(|subject| [OURS, "redis", "memcached"].contains(&subject.name)).collect();
    let (there, absent): (Vec<&Subject>, Vec<&Subject>) =
        wanted.into_iter().partition(|subject| subject.version().is_some());
    absent.iter().for_each(|subject| println!("{}: NOT MEASURED: it is not on PATH", subject.name));

    println!("Nine in ten of two million items deleted; resident MiB beyond the empty process");
    println!(
        "{:10} {:>8} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "server", "full", "left", "0 s", "1 s", "5 s", "15 s", "30 s", "60 s"
    );
    std::thread::scope(|scope| -> Result<()> {
        let all: Vec<_> =
            there.iter().map(|&subject| (subject.name, scope.spawn(|| deletion(subject)))).collect();
        all.into_iter().try_for_each(|(name, one)| one.join().expect("it does not panic").context(name))
    })?;
    println!(
        "\nA limit of 256 MiB: keys and values as a share of it in percent, resident MiB of the whole process"
    );
    println!(
        "{:10} {:>14} {:>14} {:>14} {:>14}",
        "server", "live at 100 B", "then at 1 KiB", "largest", "in the end"
    );
    there.iter().try_for_each(|subject| churn(subject).context(subject.name))
}
