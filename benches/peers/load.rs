//! The load: a closed loop that costs less per request than the servers it drives. Each connection sends its
//! requests in one write, waits for all replies, sends again. Runs in a process of its own, so that it can have
//! a processor of its own.

use super::histogram::Histogram;
use super::random::Random;
use super::requests::Template;
use super::wire::{Wire, connect};
use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub port: u16,
    pub wire: Wire,
    pub threads: usize,
    pub connections: usize,
    pub pipeline: usize,
    pub set_percent: u64,
    pub keys: u32,
    pub value: usize,
    /// Keys a request; each counts as an operation.
    pub multi: usize,
    /// A script reads.
    pub script: bool,
    pub seconds: f64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub operations: f64,
    pub seconds: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl Plan {
    /// As words for the process that does it.
    pub fn words(&self) -> Vec<String> {
        let numbers = [
            u64::from(self.port),
            self.threads as u64,
            self.connections as u64,
            self.pipeline as u64,
            self.set_percent,
            u64::from(self.keys),
            self.value as u64,
            self.multi as u64,
            u64::from(self.script),
        ];
        let mut words = vec![self.wire.name().to_owned(), self.seconds.to_string()];
        words.extend(numbers.map(|number| number.to_string()));
        words
    }

    pub fn of(words: &[String]) -> Result<Plan> {
        let [wire, seconds, numbers @ ..] = words else { bail!("load: too few words") };
        let numbers = numbers.iter().map(|word| word.parse()).collect::<Result<Vec<u64>, _>>()?;
        let &[port, threads, connections, pipeline, set_percent, keys, value, multi, script] = &numbers[..]
        else {
            bail!("load: nine numbers are wanted");
        };
        Ok(Plan {
            wire: wire_named(wire).context("load: no such protocol")?,
            seconds: seconds.parse()?,
            port: port.try_into()?,
            threads: threads as usize,
            connections: connections as usize,
            pipeline: pipeline as usize,
            set_percent,
            keys: keys.try_into()?,
            value: value as usize,
            multi: multi as usize,
            script: script != 0,
        })
    }
}

impl Outcome {
    pub fn line(&self) -> String {
        let Outcome { operations, seconds, p50_us, p99_us, p999_us, max_us } = self;
        format!("{operations} {seconds} {p50_us} {p99_us} {p999_us} {max_us}")
    }

    pub fn of(line: &str) -> Result<Outcome> {
        let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let &[operations, seconds, p50_us, p99_us, p999_us, max_us] = &numbers[..] else {
            bail!("load: unexpected outcome {line:?}");
        };
        Ok(Outcome { operations, seconds, p50_us, p99_us, p999_us, max_us })
    }
}

/// Keys drawn beforehand by a bell curve over the middle of the key space (mean n/2, deviation n/6).
fn draws(keys: u32) -> Vec<u32> {
    let mut random = Random(42);
    let mut unit = || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    let mut draw = || loop {
        let normal = (-2.0 * (1.0 - unit()).ln()).sqrt() * (std::f64::consts::TAU * unit()).cos();
        let key = f64::from(keys) / 2.0 + f64::from(keys) / 6.0 * normal;
        if (0.0..f64::from(keys)).contains(&key) {
            return 1 + key as u32;
        }
    };
    (0..1 << 20).map(|_| draw()).collect()
}

struct Link {
    stream: TcpStream,
    /// Which key comes next.
    at: usize,
    /// Bytes that are still to come, and the first of them.
    expected: usize,
    first: Option<u8>,
    sent: Instant,
}

struct Hand<'p> {
    plan: &'p Plan,
    keys: &'p [u32],
    get: Template,
    set: Template,
    random: Random,
    out: Vec<u8>,
    latencies: Histogram,
    operations: u64,
}

impl Hand<'_> {
    fn send(&mut self, link: &mut Link) -> Result<()> {
        self.out.clear();
        (link.expected, link.first) = (0, None);
        for _ in 0..self.plan.pipeline {
            let is_set = self.random.next() % 100 < self.plan.set_percent;
            let template = if is_set { &self.set } else { &self.get };
            template.write(&mut self.out, || {
                link.at = (link.at + 1) % self.keys.len();
                self.keys[link.at]
            });
            link.expected += template.reply;
            link.first.get_or_insert(template.first);
        }
        link.sent = Instant::now();
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            match link.stream.write(rest) {
                Ok(n) => rest = &rest[n..],
                // A batch is smaller than a socket's buffer: rarer than rare.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error).context("sending"),
            }
        }
        Ok(())
    }

    /// Takes what came; answers whether that was all.
    fn receive(&mut self, link: &mut Link, input: &mut [u8]) -> Result<bool> {
        loop {
            let n = match link.stream.read(input) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error).context("receiving"),
            };
            let shown = || String::from_utf8_lossy(&input[..n.min(90)]).into_owned();
            if let Some(first) = link.first.take() {
                ensure!(input[0] == first, "unexpected reply {:?}", shown());
            }
            ensure!(n <= link.expected, "{} bytes too many: {:?}", n - link.expected, shown());
            link.expected -= n;
            if link.expected == 0 {
                ensure!(input[n - 1] == b'\n', "a reply does not end a line: {:?}", shown());
                return Ok(true);
            }
            if n < input.len() {
                return Ok(false);
            }
        }
    }

    fn run(&mut self, connections: usize, number: usize) -> Result<Duration> {
        let mut poll = Poll::new()?;
        let mut links = Vec::new();
        for n in 0..connections {
            let stream = connect(self.plan.port)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(n), Interest::READABLE)?;
            let at = ((number * connections + n) * 7919 * 64) % self.keys.len();
            links.push(Link { stream, at, expected: 0, first: None, sent: Instant::now() });
        }
        let mut input = vec![0; 256 << 10];
        let mut events = Events::with_capacity(256);
        let start = Instant::now();
        for link in &mut links {
            self.send(link)?;
        }
        let end = start + Duration::from_secs_f64(self.plan.seconds);
        while Instant::now() < end {
            poll.poll(&mut events, Some(Duration::from_secs(3)))?;
            ensure!(!events.is_empty(), "no answer for three seconds: a reply was shorter than expected");
            for event in &events {
                let link = &mut links[event.token().0];
                if self.receive(link, &mut input)? {
                    self.latencies.add(link.sent.elapsed().as_nanos() as u64);
                    self.operations += (self.plan.pipeline * self.plan.multi) as u64;
                    self.send(link)?;
                }
            }
        }
        Ok(start.elapsed())
    }
}

pub fn run(plan: &Plan) -> Result<Outcome> {
    let keys = draws(plan.keys);
    let work = |number: usize| -> Result<(Histogram, u64, Duration)> {
        let mut hand = Hand {
            plan,
            keys: &keys,
            get: if plan.script {
                Template::script(plan.value)
            } else {
                Template::get(plan.wire, plan.value, plan.multi)
            },
            set: Template::set(plan.wire, plan.value, 0),
            random: Random(number as u64 + 1),
            out: Vec::new(),
            latencies: Histogram::new(),
            operations: 0,
        };
        let took = hand.run(plan.connections / plan.threads, number)?;
        Ok((hand.latencies, hand.operations, took))
    };
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads).map(|n| scope.spawn(move || work(n))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it does not panic"))
            .collect::<Result<Vec<_>>>()
    })?;
    let (mut latencies, mut outcome) = (Histogram::new(), Outcome::default());
    for (part, operations, took) in &parts {
        latencies.merge(part);
        outcome.operations += *operations as f64;
        outcome.seconds = outcome.seconds.max(took.as_secs_f64());
    }
    outcome.p50_us = latencies.quantile_us(0.5);
    outcome.p99_us = latencies.quantile_us(0.99);
    outcome.p999_us = latencies.quantile_us(0.999);
    outcome.max_us = latencies.max_us();
    Ok(outcome)
}

pub fn wire_named(name: &str) -> Option<Wire> {
    Wire::ALL.into_iter().find(|wire| wire.name().eq_ignore_ascii_case(name))
}
