//! Does big work stall the others?
//!
//! Starts the release binary with two workers, and `redis-server` where it is installed. Two clients, one on each
//! worker, send a small `GET` every two milliseconds, while a third one has a collection of millions deleted or
//! expired, asks for all `KEYS`, reads a value of 100 MB and the like. Shown is how long the two waited, from the moment
//! a request was due: half of the requests, one in a thousand, the worst. Not a criterion bench, since what is timed is
//! not what is done. What an idle server shows is the machine's own noise.
//!
//! `cargo bench --bench stalls [-- WORD...]` shows only the rows that have one of these words in them; `magpie` or
//! `redis` among them stands for that server alone. `MAGPIE=PATH` measures another binary, an older one for instance.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MEMBERS: usize = 2_000_000;
const MANY: usize = 10_000_000;
const KEYS: usize = 2_000_000;
const LARGE: usize = 100 << 20;
const ROOM: &str = "4gb";
/// How often a client asks: seldom enough to be served once between two of another's commands that take a millisecond.
const PACE: Duration = Duration::from_millis(2);
/// A row lasts this long at least: what is done behind the reply counts, too.
const ROW: Duration = Duration::from_millis(4000);

/// A server that ends with its owner.
struct Server {
    name: &'static str,
    port: u16,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// `None`, aloud, where the program is not installed.
    fn start(name: &'static str, program: &str, args: &str) -> Option<Server> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("loopback is there").port();
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string()]);
        // By single blanks: redis' `--save` wants an empty word.
        command.args(args.split(' ')).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => Some(Server { name, port, child }),
            Err(error) => {
                println!("{name}: NOT MEASURED: {error}");
                None
            }
        }
    }

    fn connect(&self) -> Client {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => {
                    stream.set_nodelay(true).expect("a TCP socket");
                    let mut client = Client(BufReader::with_capacity(1 << 16, stream));
                    client.ask(&["PING"]);
                    return client;
                }
                Err(error) if Instant::now() > deadline => panic!("{}: {error}", self.name),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

struct Client(BufReader<TcpStream>);

fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the server reads");
    }

    /// Reads one reply and drops it. Errors end the bench.
    fn skip_reply(&mut self) {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the server answers");
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "$" => {
                // Of what is not there nothing follows.
                let len = rest.parse::<u64>().map_or(0, |len| len + 2);
                std::io::copy(&mut (&mut self.0).take(len), &mut std::io::sink())
                    .expect("the server answers");
            }
            "*" => (0..rest.parse().unwrap_or(0)).for_each(|_| self.skip_reply()),
            "+" | ":" => {}
            _ => panic!("the server says {line}"),
        }
    }

    fn ask(&mut self, words: &[&str]) {
        self.send(&request(words));
        self.skip_reply();
    }

    /// `command KEY member...`, 500 members at once. `member` says what comes for each.
    fn fill(&mut self, command: &str, count: usize, member: impl Fn(usize) -> Vec<String>) {
        const AT_ONCE: usize = 500;
        const AHEAD: usize = 20;
        let mut unread = 0;
        for first in (0..count).step_by(AT_ONCE) {
            let members: Vec<String> = (first..first + AT_ONCE).flat_map(&member).collect();
            let words: Vec<&str> = command.split(' ').chain(members.iter().map(String::as_str)).collect();
            self.send(&request(&words));
            unread += 1;
            if unread == AHEAD {
                (0..unread).for_each(|_| self.skip_reply());
                unread = 0;
            }
        }
        (0..unread).for_each(|_| self.skip_reply());
    }
}

/// Asks at a steady pace until told to stop; returns how long each request took from when it was due.
fn watch(mut client: Client, stop: &AtomicBool) -> Vec<Duration> {
    let get = request(&["GET", "small"]);
    let mut waits = Vec::new();
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        client.send(&get);
        client.skip_reply();
        waits.push(due.elapsed());
        due += PACE;
    }
    waits
}

/// What is done, and what is set up before without being timed.
struct Row {
    name: &'static str,
    prepare: fn(&mut Client),
    act: fn(&mut Client),
}

fn nothing(_: &mut Client) {}

fn member(n: usize) -> Vec<String> {
    vec![format!("member-{n:08}")]
}

fn pair(n: usize) -> Vec<String> {
    vec![format!("field-{n:08}"), format!("value-{n:08}")]
}

fn scored(n: usize) -> Vec<String> {
    vec![(n * 7919 % MEMBERS).to_string(), format!("member-{n:08}")]
}

fn delete(client: &mut Client) {
    client.ask(&["DEL", "big"]);
}

/// The store is full, and `limit` is less than it holds. Then there is room again.
fn shrink(client: &mut Client, limit: &str) {
    client.ask(&["CONFIG", "SET", "maxmemory", limit]);
    std::thread::sleep(ROW);
    client.ask(&["CONFIG", "SET", "maxmemory", ROOM]);
}

const ROWS: &[Row] = &[
    Row { name: "nothing", prepare: nothing, act: nothing },
    Row {
        name: "SADD of 2 million",
        prepare: nothing,
        act: |client| client.fill("SADD big", MEMBERS, member),
    },
    Row { name: "SMEMBERS of that set", prepare: nothing, act: |client| client.ask(&["SMEMBERS", "big"]) },
    Row { name: "DEL of that set", prepare: nothing, act: delete },
    Row {
        name: "DEL of a set of 10 million",
        prepare: |client| client.fill("SADD big", MANY, member),
        act: delete,
    },
    Row {
        name: "a set of 10 million expires",
        prepare: |client| client.fill("SADD big", MANY, member),
        act: |client| client.ask(&["PEXPIRE", "big", "100"]),
    },
    Row {
        name: "a set of 2 million is evicted",
        prepare: |client| client.fill("SADD big", MEMBERS, member),
        act: |client| shrink(client, "50mb"),
    },
    Row {
        name: "RENAME over a set of 2 million",
        prepare: |client| {
            client.fill("SADD big", MEMBERS, member);
            client.ask(&["SET", "other", "value"]);
        },
        act: |client| client.ask(&["RENAME", "other", "big"]),
    },
    Row {
        name: "HGETALL of 2 million",
        prepare: |client| {
            delete(client);
            client.fill("HSET big", MEMBERS, pair);
        },
        act: |client| client.ask(&["HGETALL", "big"]),
    },
    Row { name: "UNLINK of that hash", prepare: nothing, act: |client| client.ask(&["UNLINK", "big"]) },
    Row {
        name: "ZADD of 2 million",
        prepare: nothing,
        act: |client| client.fill("ZADD big", MEMBERS, scored),
    },
    Row {
        name: "ZRANGE of that sorted set",
        prepare: nothing,
        act: |client| client.ask(&["ZRANGE", "big", "0", "-1"]),
    },
    Row { name: "DEL of that sorted set", prepare: nothing, act: delete },
    Row {
        name: "LRANGE of a list of 2 million",
        prepare: |client| client.fill("RPUSH big", MEMBERS, member),
        act: |client| client.ask(&["LRANGE", "big", "0", "-1"]),
    },
    Row { name: "DEL of that list", prepare: nothing, act: delete },
    Row {
        name: "SET of 100 MB, three times",
        prepare: nothing,
        act: |client| {
            let set = request(&["SET", "large", &"x".repeat(LARGE)]);
            for _ in 0..3 {
                client.send(&set);
                client.skip_reply();
            }
        },
    },
    Row {
        name: "GET of 100 MB, five times",
        prepare: nothing,
        act: |client| (0..5).for_each(|_| client.ask(&["GET", "large"])),
    },
    Row {
        name: "KEYS * of 2 million",
        prepare: |client| client.fill("MSET", KEYS, |n| vec![format!("key:{n:08}"), "value".to_owned()]),
        act: |client| client.ask(&["KEYS", "*"]),
    },
    Row {
        name: "KEYS nothing* of 2 million",
        prepare: nothing,
        act: |client| client.ask(&["KEYS", "nothing*"]),
    },
    Row {
        name: "half a million keys expire",
        prepare: nothing,
        act: |client| {
            let at = std::time::SystemTime::now() + Duration::from_millis(1500);
            let at =
                at.duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_millis().to_string();
            for first in (0..KEYS / 4).step_by(500) {
                let requests: Vec<u8> = (first..first + 500)
                    .flat_map(|n| request(&["PEXPIREAT", &format!("key:{n:08}"), &at]))
                    .collect();
                client.send(&requests);
                (0..500).for_each(|_| client.skip_reply());
            }
        },
    },
    Row { name: "FLUSHALL of 1.5 million keys", prepare: nothing, act: |client| client.ask(&["FLUSHALL"]) },
    Row {
        name: "maxmemory is halved",
        prepare: |client| client.fill("MSET", KEYS, |n| vec![format!("key:{n:08}"), "value".repeat(20)]),
        act: |client| shrink(client, "128mb"),
    },
    Row { name: "FLUSHALL of the rest", prepare: nothing, act: |client| client.ask(&["FLUSHALL"]) },
];

fn measure(row: &Row, server: &Server) -> Vec<Vec<Duration>> {
    // First and second connection go to different workers, the third to that of the first.
    let others = [server.connect(), server.connect()];
    let mut client = server.connect();
    (row.prepare)(&mut client);
    client.ask(&["SET", "small", "value"]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        let watchers = others.map(|other| scope.spawn(move || watch(other, stop)));
        let started = Instant::now();
        std::thread::sleep(Duration::from_millis(100));
        (row.act)(&mut client);
        std::thread::sleep(ROW.saturating_sub(started.elapsed()));
        stop.store(true, Ordering::Relaxed);
        watchers.map(|watcher| watcher.join().expect("the server answers")).into()
    })
}

/// Of sorted waits, in milliseconds.
fn quantile(waits: &[Duration], part: f64) -> f64 {
    let at = ((waits.len() as f64 * part) as usize).min(waits.len() - 1);
    waits[at].as_secs_f64() * 1000.0
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let (names, words): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|word| ["magpie", "redis"].contains(&word.as_str()));
    let is_asked =
        |words: &[String], name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let servers = [
        Server::start(
            "magpie",
            &std::env::var("MAGPIE").unwrap_or(env!("CARGO_BIN_EXE_magpie").to_owned()),
            &format!("--memcached-port 0 --threads 2 --maxmemory {ROOM}"),
        ),
        Server::start(
            "redis",
            "redis-server",
            &format!("--save  --appendonly no --maxmemory-policy allkeys-lru --maxmemory {ROOM}"),
        ),
    ];
    println!("Milliseconds that other clients waited: half of them, 1 in 1000, the worst; on either worker.");
    for server in servers.iter().flatten().filter(|server| is_asked(&names, server.name)) {
        for row in ROWS.iter().filter(|row| is_asked(&words, row.name)) {
            print!("{:8} {:30}", server.name, row.name);
            for mut waits in measure(row, server) {
                waits.sort_unstable();
                let [half, tail, worst] = [0.5, 0.999, 1.0].map(|part| quantile(&waits, part));
                print!(" | {half:7.2} {tail:7.2} {worst:7.2}");
            }
            println!();
        }
    }
}
