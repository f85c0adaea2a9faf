//! `MIGRATE` through real sockets: to a magpie, to a real `redis-server`, from that one to us, and to servers that
//! behave badly.

mod support;

use magpie::clock::Millis;
use magpie::daemon::Daemon;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use support::ports::free_port;
use support::process::Magpie;
use support::real_redis::{RealClient, RealRedis};
use support::{Peer, Resp, daemon};

/// A magpie that listens on TCP.
fn magpie(name: &str) -> (Magpie, u16) {
    let port = free_port();
    let options = ["--bind", "127.0.0.1", "--port", &port.to_string(), "--memcached-port", "0"];
    let server = Magpie::start(env!("CARGO_BIN_EXE_magpie"), name, &options);
    RealClient::to(&server.socket()).call(&[b"PING"]);
    (server, port)
}

/// A real one; `None`, aloud, where there is none.
fn redis(name: &str) -> Option<(RealRedis, u16)> {
    let port = free_port();
    let server = RealRedis::start(name, &["--port", &port.to_string()])?;
    server.connect().call(&[b"PING"]);
    Some((server, port))
}

/// Sends a request and waits for its reply.
fn ask(client: &mut Resp<'_>, words: &str) -> String {
    let mut reply = client.ask(words);
    let started = Instant::now();
    while reply.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "no reply to {words}");
        std::thread::sleep(Duration::from_millis(1));
        reply = String::from_utf8_lossy(&client.send(b"")).into_owned();
    }
    reply.trim_end().to_owned()
}

/// One key of every type and size of encoding.
const FILL: &[&str] = &[
    "SET string value",
    "SET number 12345",
    "RPUSH list a b 3",
    "SADD set a b c",
    "SADD ints 1 2 3",
    "HSET hash f v g w",
    "ZADD zset 1.5 a -2 b",
    "XADD stream 1-1 f v",
    "XGROUP CREATE stream group 0",
    "PFADD hll a b c",
    "SETBIT bits 100 1",
];
const KEYS: &str = "string number list set ints hash zset stream hll bits";

/// What shows that a key is the same on both sides.
const SHOW: &[&str] = &[
    "GET string",
    "GET number",
    "LRANGE list 0 -1",
    "SISMEMBER set b",
    "SCARD set",
    "SMEMBERS ints",
    "HGETALL hash",
    "ZRANGE zset 0 -1 WITHSCORES",
    "XRANGE stream - +",
    "XINFO GROUPS stream",
    "PFCOUNT hll",
    "BITCOUNT bits",
];

fn tell(client: &mut RealClient, words: &str) -> String {
    let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    String::from_utf8_lossy(&client.call(&args)).trim_end().to_owned()
}

/// Every type arrives, with its deadline, and is gone here.
fn everything_arrives(port: u16, target: &mut RealClient) {
    let daemon = daemon(&[]);
    let mut source = Resp::connect(&daemon);
    for words in FILL {
        ask(&mut source, words);
    }
    let large = "x".repeat(3_000_000);
    ask(&mut source, &format!("SET large {large}"));
    ask(&mut source, "PEXPIRE string 60000");
    let shown: Vec<String> = SHOW.iter().map(|words| ask(&mut source, words)).collect();
    assert_eq!(
        ask(&mut source, &format!("MIGRATE 127.0.0.1 {port}  3 5000 KEYS nosuch {KEYS} large")),
        "+OK"
    );
    assert_eq!(ask(&mut source, "DBSIZE"), ":0");
    tell(target, "SELECT 3");
    for (words, expected) in SHOW.iter().zip(shown) {
        assert_eq!(tell(target, words), expected, "{words}");
    }
    assert_eq!(tell(target, "STRLEN large"), ":3000000");
    let ttl: i64 = tell(target, "PTTL string")[1..].parse().expect("a number");
    assert!((1..=60_000).contains(&ttl), "{ttl}");
    assert_eq!(tell(target, "PTTL list"), ":-1");
}

#[test]
fn everything_arrives_at_a_magpie() {
    let (server, port) = magpie("migrate-to");
    everything_arrives(port, &mut RealClient::to(&server.socket()));
}

#[test]
fn everything_arrives_at_a_redis() {
    let Some((server, port)) = redis("migrate-to") else { return };
    everything_arrives(port, &mut server.connect());
}

/// The real server's own MIGRATE, to us.
#[test]
fn everything_arrives_from_a_redis() {
    let Some((server, _)) = redis("migrate-from") else { return };
    let (ours, port) = magpie("migrate-from");
    let (mut source, mut target) = (server.connect(), RealClient::to(&ours.socket()));
    for words in FILL {
        tell(&mut source, words);
    }
    let shown: Vec<String> = SHOW.iter().map(|words| tell(&mut source, words)).collect();
    assert_eq!(tell(&mut source, &format!("MIGRATE 127.0.0.1 {port}  0 5000 KEYS {KEYS}")), "+OK");
    assert_eq!(tell(&mut source, "DBSIZE"), ":0");
    for (words, expected) in SHOW.iter().zip(shown) {
        assert_eq!(tell(&mut target, words), expected, "{words}");
    }
}

/// The same requests, to us and to a real server, both with a magpie as the other one.
#[test]
fn the_words_are_those_of_redis() {
    let Some((server, _)) = redis("migrate-words") else { return };
    let (target, port) = magpie("migrate-words");
    let mut there = RealClient::to(&target.socket());
    tell(&mut there, "CONFIG SET requirepass secret");
    tell(&mut there, "AUTH secret");
    let daemon = daemon(&[]);
    let (mut ours, mut theirs) = (Resp::connect(&daemon), server.connect());
    let closed = free_port();
    let scenes = [
        format!("MIGRATE 127.0.0.1 {port} nosuch 0 1000"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 AUTH wrong"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 AUTH2 nobody secret"),
        format!("MIGRATE 127.0.0.1 {port} a 99 1000 AUTH secret"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 COPY AUTH secret"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 AUTH secret"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 REPLACE AUTH2 default secret"),
        format!("MIGRATE 127.0.0.1 {port}  0 1000 AUTH secret KEYS a b c"),
        format!("MIGRATE 127.0.0.1 {port}  0 1000 REPLACE AUTH secret KEYS b b nosuch"),
        format!("MIGRATE 127.0.0.1 {port}  0 1000 REPLACE AUTH secret KEYS"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 KEYS a"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 NONSENSE"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 AUTH"),
        format!("MIGRATE 127.0.0.1 {port} a 0 1000 AUTH2 x"),
        format!("MIGRATE 127.0.0.1 {port} a x 1000"),
        format!("MIGRATE 127.0.0.1 {port} a 0 x"),
        format!("MIGRATE 127.0.0.1 {port} a 0"),
        format!("MIGRATE 127.0.0.1 {closed} a 0 1000"),
        "MIGRATE 127.0.0.1 nonsense a 0 1000".to_owned(),
        format!("COMMAND GETKEYS MIGRATE h {port} a 0 1000 REPLACE"),
        format!("COMMAND GETKEYS MIGRATE h {port}  0 1000 COPY AUTH keys KEYS a b"),
        format!("COMMAND GETKEYS MIGRATE h {port} a 0 1000 KEYS b"),
        "COMMAND INFO MIGRATE".to_owned(),
    ];
    for scene in &scenes {
        // What is at the target is the same for both.
        let mut stage = |ask: &mut dyn FnMut(&str) -> String| {
            for words in ["FLUSHALL", "SET a theirs"] {
                tell(&mut there, words);
            }
            ask("MSET a 1 b 2 c 3");
            let reply = ask(scene);
            (reply, ask("MGET a b c"), tell(&mut there, "MGET a b c"))
        };
        let expected = stage(&mut |words| tell(&mut theirs, words));
        assert_eq!(stage(&mut |words| ask(&mut ours, words)), expected, "{scene}");
    }
}

/// A server that does with its one client what it is told to.
fn fake(serve: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || serve(listener.accept().expect("somebody comes").0));
    port
}

/// Reads until `end` has come.
fn read_to(stream: &mut TcpStream, end: &[u8]) {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(end) && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        seen.push(byte[0]);
    }
}

#[test]
fn bad_servers_cost_no_key() {
    const READING: &str = "-IOERR error or timeout reading to target instance";
    let daemon = daemon(&[]);
    let mut client = Resp::connect(&daemon);
    let mut scene = |serve: fn(TcpStream), expected: &str| {
        ask(&mut client, "MSET a 1 b 2");
        let port = fake(serve);
        assert_eq!(ask(&mut client, &format!("MIGRATE 127.0.0.1 {port}  0 200 KEYS a b")), expected);
        ask(&mut client, "MGET a b")
    };
    let both = "*2\r\n$1\r\n1\r\n$1\r\n2";
    assert_eq!(scene(drop, READING), both, "it hangs up");
    assert_eq!(scene(|mut stream| read_to(&mut stream, b"nothing"), READING), both, "it says nothing");
    let junk = |mut stream: TcpStream| {
        read_to(&mut stream, b"RESTORE");
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        read_to(&mut stream, b"nothing");
    };
    assert_eq!(scene(junk, READING), both);
    let endless = |mut stream: TcpStream| {
        read_to(&mut stream, b"RESTORE");
        let _ = stream.write_all(&[b'+'; 100_000]);
        read_to(&mut stream, b"nothing");
    };
    assert_eq!(scene(endless, READING), both);
    // What has been acknowledged has arrived.
    let half = |mut stream: TcpStream| {
        read_to(&mut stream, b"RESTORE");
        let _ = stream.write_all(b"+OK\r\n+OK\r\n");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        read_to(&mut stream, b"nothing");
    };
    assert_eq!(scene(half, READING), "*2\r\n$-1\r\n$1\r\n2");
    let refuses_one = |mut stream: TcpStream| {
        read_to(&mut stream, b"RESTORE");
        let _ = stream.write_all(b"+OK\r\n-OOM no room\r\n+OK\r\n");
        read_to(&mut stream, b"nothing");
    };
    assert_eq!(
        scene(refuses_one, "-ERR Target instance replied with error: OOM no room"),
        "*2\r\n$1\r\n1\r\n$-1"
    );
}

/// While keys are on their way the server serves others, and what they write is not lost.
#[test]
fn what_is_written_meanwhile_stays() {
    let daemon = daemon(&[]);
    let (mut client, mut other) = (Resp::connect(&daemon), Resp::connect(&daemon));
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let port = fake(move |mut stream| {
        let _ = wait.recv();
        let _ = stream.write_all(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
        read_to(&mut stream, b"nothing");
    });
    ask(&mut other, "MSET a 1 b 2 c 3");
    assert_eq!(client.ask(&format!("MIGRATE 127.0.0.1 {port}  0 10000 KEYS a b c")), "", "it waits");
    assert_eq!(client.ask("PING"), "", "and what follows with it");
    assert_eq!(other.ask("INCR a"), ":2\r\n");
    assert_eq!(other.ask("DEL b"), ":1\r\n");
    go.send(()).expect("it waits");
    let mut replies = String::new();
    while !replies.ends_with("+PONG\r\n") {
        std::thread::sleep(Duration::from_millis(1));
        replies += &String::from_utf8_lossy(&client.send(b""));
    }
    assert!(replies.starts_with("-ERR A key was changed while it was sent."), "{replies}");
    assert_eq!(ask(&mut other, "MGET a b c"), "*3\r\n$1\r\n2\r\n$-1\r\n$-1");
    assert_eq!(watched(&daemon), 0);
}

/// A client that leaves takes nothing along.
#[test]
fn a_client_that_leaves_keeps_its_keys() {
    let daemon = daemon(&[]);
    let port = fake(|mut stream| read_to(&mut stream, b"nothing"));
    let mut client = Resp::connect(&daemon);
    ask(&mut client, "SET a 1");
    assert_eq!(client.ask(&format!("MIGRATE 127.0.0.1 {port} a 0 300")), "");
    drop(client);
    let mut other = Resp::connect(&daemon);
    assert_eq!(ask(&mut other, "GET a"), "$1\r\n1");
    assert_eq!(watched(&daemon), 0);
}

#[test]
fn neither_transactions_nor_scripts_may_wait_for_another_server() {
    let daemon = daemon(&[]);
    let mut client = Resp::connect(&daemon);
    ask(&mut client, "SET a 1");
    assert_eq!(ask(&mut client, "MULTI"), "+OK");
    assert_eq!(ask(&mut client, "MIGRATE 127.0.0.1 1 a 0 100"), "+QUEUED");
    assert_eq!(ask(&mut client, "EXEC"), "*1\r\n-ERR MIGRATE is not allowed in transactions and scripts");
}

/// Keys of database 0 that somebody watches.
fn watched(daemon: &Daemon) -> usize {
    let mut db = daemon.store.db(0, Millis(0));
    ["a", "b", "c"].iter().filter(|key| db.entry(key.as_bytes()).watched_version().is_some()).count()
}
