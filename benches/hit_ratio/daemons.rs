//! The traces once more, end to end: three servers under the same limit, each in a process of its own.

use crate::servers::{OURS, SUBJECTS, Server, Setting, Subject};
use crate::traces::{Request, Trace};
use crate::wire::{Wire, connect};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

struct Client {
    wire: Wire,
    stream: BufReader<TcpStream>,
    line: String,
    value: Vec<u8>,
}

impl Client {
    fn read_line(&mut self) -> Result<&str> {
        self.line.clear();
        self.stream.read_line(&mut self.line)?;
        Ok(self.line.trim_end())
    }

    fn skip(&mut self, bytes: usize) -> Result<()> {
        self.value.resize(bytes, 0);
        self.stream.read_exact(&mut self.value).context("a value")
    }

    /// Was it a hit?
    fn get(&mut self, key: &str) -> Result<bool> {
        let request = match self.wire {
            Wire::Resp => format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len()),
            Wire::Memcached => format!("get {key}\r\n"),
        };
        self.stream.get_mut().write_all(request.as_bytes())?;
        let line = self.read_line()?.to_owned();
        if line == "$-1" || line == "END" {
            return Ok(false);
        }
        let length = line.rsplit([' ', '$']).next().unwrap_or_default();
        let length: usize = length.parse().with_context(|| format!("unexpected reply {line:?}"))?;
        self.skip(length + 2)?;
        if self.wire == Wire::Memcached {
            self.read_line()?;
        }
        Ok(true)
    }

    /// Was it stored? What is too large for a server is not, and will be asked for in vain.
    fn set(&mut self, key: &str, value: &str) -> Result<bool> {
        let (lk, lv) = (key.len(), value.len());
        let request = match self.wire {
            Wire::Resp => format!("*3\r\n$3\r\nSET\r\n${lk}\r\n{key}\r\n${lv}\r\n{value}\r\n"),
            Wire::Memcached => format!("set {key} 0 0 {lv}\r\n{value}\r\n"),
        };
        self.stream.get_mut().write_all(request.as_bytes())?;
        match self.read_line()? {
            "+OK" | "STORED" => Ok(true),
            line if line.starts_with("-OOM") || line.starts_with("SERVER_ERROR") => Ok(false),
            line => bail!("unexpected reply {line:?}"),
        }
    }
}

/// Hit ratio in percent, and the largest resident MiB seen.
fn replay(
    subject: &Subject,
    policy: Option<&str>,
    trace: &Trace,
    mb: usize,
    size: &dyn Fn(&Request) -> usize,
) -> Result<(f64, f64)> {
    let wire = subject.wires[0];
    let server = Server::start(subject, Setting { threads: 1, processor: None, mb, value: 0 })?;
    if let Some(policy) = policy {
        server.limit_redis(mb, policy)?;
    }
    let stream = BufReader::new(connect(server.port(wire))?);
    let mut client = Client { wire, stream, line: String::new(), value: Vec::new() };
    let filler = "x".repeat(trace.requests.iter().map(size).max().unwrap_or(0));
    let (mut hits, mut resident) = (0, 0.0_f64);
    for (n, request) in trace.requests.iter().enumerate() {
        let key = format!("object:{:09}", request.id);
        if client.get(&key)? {
            hits += 1;
        } else {
            client.set(&key, &filler[..size(request)])?;
        }
        if n % 1024 == 0 {
            resident = resident.max(server.resident()?);
        }
    }
    Ok((hits as f64 * 100.0 / trace.requests.len() as f64, resident / f64::from(1 << 20)))
}

/// Servers in the order of the columns; Redis once with each of the policies that a cache would take.
const COLUMNS: [(&str, Option<&str>); 4] =
    [(OURS, None), ("redis", Some("allkeys-lru")), ("redis", Some("allkeys-lfu")), ("memcached", None)];

pub fn compare(web: &Trace, orm: &Trace, cdn: &Trace) {
    println!("\nEqual limits, end to end: hit ratio in percent (largest resident MiB of the process).");
    println!("{:14} {:>8} {:>6}", "trace", "value", "limit");
    const VALUE: usize = 4000;
    let recorded = |request: &Request| request.size as usize;
    let same = |_: &Request| VALUE;
    type Size<'s> = &'s dyn Fn(&Request) -> usize;
    let rows: [(&Trace, Size<'_>, &str, usize); 6] = [
        (web, &same, "4000 B", 8),
        (web, &same, "4000 B", 16),
        (orm, &same, "4000 B", 8),
        (orm, &same, "4000 B", 16),
        (cdn, &recorded, "recorded", 16),
        (cdn, &recorded, "recorded", 64),
    ];
    for (trace, size, sizes, mb) in rows {
        print!("{:14} {sizes:>8} {mb:>3} MiB", trace.name);
        for (name, policy) in COLUMNS {
            let subject = SUBJECTS.iter().find(|subject| subject.name == name).expect("it is in the table");
            let label = policy.map_or(name.to_owned(), |policy| format!("{name} {policy}"));
            if subject.version().is_none() {
                print!(" | {label}: NOT MEASURED, it is not on PATH");
                continue;
            }
            match replay(subject, policy, trace, mb, size) {
                Ok((ratio, resident)) => print!(" | {label} {ratio:.2} ({resident:.0})"),
                Err(error) => print!(" | {label}: FAILED: {error:#}"),
            }
        }
        println!();
    }
}
