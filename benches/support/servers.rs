//! The servers that are measured: how they are started, where they run, what they have used.

#![allow(dead_code, reason = "every bench is a crate of its own, and takes its part of this")]

use super::wire::{Wire, answers, connect};
use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The name of what is no server but the floor under all of them.
pub const KERNEL: &str = "kernel limit";
pub const OURS: &str = "magpie";

#[derive(Clone, Copy, Debug)]
pub struct Subject {
    pub name: &'static str,
    program: &'static str,
    pub wires: &'static [Wire],
    /// `{port}` for RESP, `{mc}` for memcached; one that has a single port for both names `{port}`.
    args: &'static str,
}

const REDIS: &str = "--port {port} --bind 127.0.0.1 --save  --appendonly no --io-threads 1";

/// In the order of the tables.
pub const SUBJECTS: &[Subject] = &[
    Subject { name: KERNEL, program: "", wires: &Wire::ALL, args: "echo {port} {value}" },
    Subject {
        name: OURS,
        program: "",
        wires: &Wire::ALL,
        args: "--port {port} --memcached-port {mc} --threads {threads} --maxmemory {mb}mb",
    },
    Subject {
        name: "pogocache",
        program: "pogocache",
        wires: &Wire::ALL,
        args: "-h 127.0.0.1 -p {port} --threads {threads} --maxmemory {mb}M",
    },
    Subject { name: "redis", program: "redis-server", wires: &[Wire::Resp], args: REDIS },
    Subject { name: "valkey", program: "valkey-server", wires: &[Wire::Resp], args: REDIS },
    Subject {
        name: "dragonfly",
        program: "dragonfly",
        wires: &Wire::ALL,
        args: "--port {port} --memcached_port {mc} --bind 127.0.0.1 --proactor_threads {threads} --dbfilename  --maxmemory {mb}mb",
    },
    Subject {
        name: "memcached",
        program: "memcached",
        wires: &[Wire::Memcached],
        args: "-u nobody -l 127.0.0.1 -p {mc} -U 0 -c 4096 -t {threads} -m {mb}",
    },
];

impl Subject {
    fn program(&self) -> std::path::PathBuf {
        match self.name {
            KERNEL => std::env::current_exe().expect("this program has a path"),
            OURS => env!("CARGO_BIN_EXE_magpie").into(),
            _ => self.program.into(),
        }
    }

    /// What the program says of its version; `None`: it is not on PATH.
    pub fn version(&self) -> Option<String> {
        if self.name == KERNEL {
            return Some(String::new());
        }
        let output = Command::new(self.program()).arg("--version").stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The first word that looks like a version: programs wrap it in their own sentence.
        let words = text.split(|c: char| c.is_whitespace() || c == '=');
        let version = words
            .map(|word| word.trim_start_matches('v'))
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
        Some(version.unwrap_or("?").to_owned())
    }
}

/// What a server is given.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub threads: usize,
    /// The processor it is kept on; `None`: any.
    pub processor: Option<usize>,
    pub mb: usize,
    /// Bytes of a value: only the floor wants to know.
    pub value: usize,
}

/// A server that ends with its owner.
pub struct Server {
    child: Child,
    ports: [u16; 2],
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts a process on one processor: what a thread starts inherits the thread's own.
pub fn spawn_on(processor: Option<usize>, command: &mut Command) -> Result<Child> {
    let Some(processor) = processor else { return Ok(command.spawn()?) };
    let before = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).with_context(|| format!("there is no processor {processor}"))?;
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    Ok(child?)
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub user: f64,
    pub system: f64,
}

impl Server {
    pub fn start(subject: &Subject, setting: Setting) -> Result<Server> {
        let port = free_port()?;
        let has_both = subject.args.contains("{mc}");
        let mc = if has_both { free_port()? } else { port };
        let values = [
            ("{port}", port.to_string()),
            ("{mc}", mc.to_string()),
            ("{threads}", setting.threads.to_string()),
            ("{mb}", setting.mb.to_string()),
            ("{value}", setting.value.to_string()),
        ];
        // By single blanks: redis' `--save` wants an empty word.
        let words = subject
            .args
            .split(' ')
            .map(|word| values.iter().fold(word.to_owned(), |word, (name, value)| word.replace(name, value)));
        let mut command = Command::new(subject.program());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir(std::env::temp_dir());
        let mut server = Server { child: spawn_on(setting.processor, &mut command)?, ports: [port, mc] };
        let deadline = Instant::now() + Duration::from_secs(20);
        for &wire in subject.wires {
            while !answers(server.port(wire), wire) {
                if let Some(status) = server.child.try_wait()? {
                    bail!("it ended at once, with {status}");
                }
                if Instant::now() > deadline {
                    bail!("no answer over {} within 20 s", wire.name());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(server)
    }

    pub fn port(&self, wire: Wire) -> u16 {
        self.ports[usize::from(wire == Wire::Memcached)]
    }

    /// Redis has no limit by default, and its default policy would refuse writes.
    pub fn limit_redis(&self, mb: usize, policy: &str) -> Result<()> {
        let mut stream = connect(self.port(Wire::Resp))?;
        for (name, value) in [("maxmemory", format!("{mb}mb")), ("maxmemory-policy", policy.to_owned())] {
            stream.write_all(format!("CONFIG SET {name} {value}\r\n").as_bytes())?;
            let mut reply = [0; 5];
            stream.read_exact(&mut reply)?;
            ensure!(&reply == b"+OK\r\n", "CONFIG SET {name}: {}", String::from_utf8_lossy(&reply));
        }
        Ok(())
    }

    fn proc_file(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(path).context("the server is gone")
    }

    /// Of all its threads so far.
    pub fn used(&self) -> Result<Used> {
        let stat = self.proc_file("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // utime and stime are fields 14 and 15, and the first here is the third. 100 ticks a second on every Linux.
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("stat without times")?;
        Ok(Used { user: user / 100.0, system: system / 100.0 })
    }

    /// Resident bytes.
    pub fn resident(&self) -> Result<f64> {
        let status = self.proc_file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0)
    }
}
