//! What does a request cost end to end, over loopback, one at a time and sixteen at once?
//!
//! Starts the release binary with one worker, and `redis-server` and `memcached` (one thread) where they are
//! installed; fills each with 100,000 items of 20 + 100 bytes, then sends nine gets to a set of keys by Zipf's
//! law through one raw socket. Rounds alternate between the servers, so that a slow moment of the machine hits all;
//! shown are the medians of requests a second and of the server's processor time a request
//! (`/proc/PID/stat`, in ticks of 10 ms: rounds are long enough for that). Not a criterion bench, since the
//! figure of interest is another process's.

#[path = "support/random.rs"]
mod random;
#[path = "support/zipf.rs"]
mod zipf;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ITEMS: u64 = 100_000;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(1500);
const DEPTHS: [usize; 2] = [1, 16];

#[derive(Clone, Copy, PartialEq)]
enum Wire {
    Resp,
    Memcached,
}

/// A server that ends with its owner.
struct Server {
    name: &'static str,
    wire: Wire,
    port: u16,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    listener.local_addr().expect("it is bound").port()
}

fn quietly(command: &mut Command) -> std::io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

impl Server {
    fn start(name: &'static str, wire: Wire) -> Option<Server> {
        let (port, spare) = (free_port().to_string(), free_port().to_string());
        let mut command = match (name, wire) {
            ("magpie", _) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_magpie"));
                let (resp, memcached) = if wire == Wire::Resp { (&port, &spare) } else { (&spare, &port) };
                command.args(["--port", resp, "--memcached-port", memcached, "--threads", "1"]);
                command
            }
            ("redis", _) => {
                let mut command = Command::new("redis-server");
                command.args(["--port", &port, "--save", "", "--appendonly", "no"]);
                command
            }
            _ => {
                let mut command = Command::new("memcached");
                command.args([
                    "-p",
                    &port,
                    "-U",
                    "0",
                    "-l",
                    "127.0.0.1",
                    "-t",
                    "1",
                    "-m",
                    "256",
                    "-u",
                    "nobody",
                ]);
                command
            }
        };
        let child = match quietly(&mut command) {
            Ok(child) => child,
            Err(error) => {
                println!("{name}: NOT MEASURED: {error}");
                return None;
            }
        };
        Some(Server { name, wire, port: port.parse().expect("it was a number"), child })
    }

    fn connect(&self) -> TcpStream {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => {
                    stream.set_nodelay(true).expect("a TCP socket");
                    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a TCP socket");
                    return stream;
                }
                Err(error) if Instant::now() > deadline => panic!("{}: {error}", self.name),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Processor time so far.
    fn processor_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = std::fs::read_to_string(path).expect("the server runs");
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // Fields 14 and 15 (utime, stime); the first here is the third. 100 ticks a second on every Linux.
        let ticks: u64 = fields[11..13].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }
}

fn key(n: u32) -> String {
    format!(":1:page:{n:012}")
}

fn set(wire: Wire, n: u32) -> (String, usize) {
    let value = "x".repeat(100);
    match wire {
        Wire::Resp => {
            (format!("*3\r\n$3\r\nSET\r\n$20\r\n{}\r\n$100\r\n{value}\r\n", key(n)), "+OK\r\n".len())
        }
        Wire::Memcached => (format!("set {} 0 0 100\r\n{value}\r\n", key(n)), "STORED\r\n".len()),
    }
}

/// The request and the length of its answer: all keys are there.
fn get(wire: Wire, n: u32) -> (String, usize) {
    match wire {
        Wire::Resp => (format!("*2\r\n$3\r\nGET\r\n$20\r\n{}\r\n", key(n)), "$100\r\n".len() + 102),
        Wire::Memcached => {
            let head = format!("VALUE {} 0 100\r\n", key(n)).len();
            (format!("get {}\r\n", key(n)), head + 102 + "END\r\n".len())
        }
    }
}

/// Requests written at once, and how many bytes come back for them.
type Batch = (Vec<u8>, usize);

fn batch(requests: impl Iterator<Item = (String, usize)>) -> Batch {
    let (texts, lengths): (Vec<String>, Vec<usize>) = requests.unzip();
    (texts.concat().into_bytes(), lengths.iter().sum())
}

fn exchange(stream: &mut TcpStream, (request, reply): &Batch, buffer: &mut [u8]) {
    stream.write_all(request).expect("the server reads");
    stream.read_exact(&mut buffer[..*reply]).expect("the server answers");
}

/// One round: (requests a second, server's µs a request).
fn round(server: &Server, batches: &[Batch], depth: usize) -> (f64, f64) {
    let mut stream = server.connect();
    let mut buffer = vec![0; 64 << 10];
    let (before, start, mut sent) = (server.processor_time(), Instant::now(), 0);
    for batch in batches.iter().cycle() {
        exchange(&mut stream, batch, &mut buffer);
        sent += depth;
        if sent % (16 * 64) == 0 && start.elapsed() > ROUND {
            break;
        }
    }
    let used = server.processor_time() - before;
    (sent as f64 / start.elapsed().as_secs_f64(), used.as_secs_f64() * 1e6 / sent as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let wanted = [
        ("magpie", Wire::Resp),
        ("redis", Wire::Resp),
        ("magpie", Wire::Memcached),
        ("memcached", Wire::Memcached),
    ];
    let servers: Vec<Server> = wanted.iter().filter_map(|&(name, wire)| Server::start(name, wire)).collect();
    let mut buffer = vec![0; 64 << 10];
    for server in &servers {
        let mut stream = server.connect();
        for from in (0..ITEMS as u32).step_by(100) {
            exchange(&mut stream, &batch((from..from + 100).map(|n| set(server.wire, n))), &mut buffer);
        }
    }
    let keys = zipf::draws(ITEMS, 64_000, 1);
    println!(
        "{:10} {:10} {:>8} {:>14} {:>22}",
        "server", "protocol", "pipeline", "requests/s", "server µs a request"
    );
    for depth in DEPTHS {
        let batches = [Wire::Resp, Wire::Memcached].map(|wire| -> Vec<Batch> {
            let request =
                |(n, &key): (usize, &u32)| if n % 10 == 9 { set(wire, key) } else { get(wire, key) };
            keys.chunks(depth * 10)
                .flat_map(|part| part.iter().enumerate().map(request).collect::<Vec<_>>())
                .collect::<Vec<_>>()
                .chunks_exact(depth)
                .map(|part| batch(part.iter().cloned()))
                .collect()
        });
        let mut results = vec![(Vec::new(), Vec::new()); servers.len()];
        for _ in 0..ROUNDS {
            for (server, (rates, costs)) in servers.iter().zip(&mut results) {
                let (rate, cost) =
                    round(server, &batches[usize::from(server.wire == Wire::Memcached)], depth);
                rates.push(rate);
                costs.push(cost);
            }
        }
        for (server, (rates, costs)) in servers.iter().zip(results) {
            let wire = if server.wire == Wire::Resp { "RESP" } else { "memcached" };
            let (rate, cost) = (median(rates), median(costs));
            println!("{:10} {wire:10} {depth:>8} {rate:>14.0} {cost:>22.2}", server.name);
        }
    }
}
