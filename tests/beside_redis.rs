//! What needs no server of ours, beside the real `redis-server`: globs, `CONFIG GET` and the words of
//! `CONFIG SET`. Where Redis is not installed, the tests say so on the terminal and compare nothing.

use magpie::config::Config;
use magpie::glob;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A `redis-server` on a Unix socket of its own, gone when dropped.
struct Redis {
    server: Child,
    directory: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Redis {
    /// `None`: not installed.
    fn start(name: &str) -> Option<Redis> {
        let directory =
            std::env::temp_dir().join(format!("magpie-beside-redis-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("the temporary directory is writable");
        let socket = directory.join("redis.sock");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(&directory)
            .stdout(Stdio::null())
            .spawn();
        let Ok(server) = server else {
            // Not eprintln!, which the test harness would keep to itself.
            let _ = writeln!(std::io::stderr(), "redis-server is not installed: {name} compared nothing");
            return None;
        };
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(_) if started.elapsed() < Duration::from_secs(10) => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => panic!("redis-server does not answer: {error}"),
            }
        };
        Some(Redis { server, directory, stream: BufReader::new(stream) })
    }

    fn call(&mut self, command: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).expect("redis-server reads");
        self.reply()
    }

    /// The strings of a reply, flattened.
    fn reply(&mut self) -> Vec<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("redis-server answers");
        let text = line.trim_ascii_end()[1..].to_vec();
        let length = || String::from_utf8_lossy(&text).parse::<usize>().expect("a length");
        match line[0] {
            b'*' => (0..length()).flat_map(|_| self.reply()).collect(),
            b'$' => {
                let mut bytes = vec![0; length() + 2];
                self.stream.read_exact(&mut bytes).expect("redis-server answers");
                bytes.truncate(bytes.len() - 2);
                vec![bytes]
            }
            _ => vec![text],
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Numbers that look random and are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn word(&mut self, letters: &[u8], longest: usize) -> Vec<u8> {
        (0..self.roll(longest + 1)).map(|_| letters[self.roll(letters.len())]).collect()
    }
}

#[test]
fn globs_match_the_same_keys() {
    let Some(mut redis) = Redis::start("globs") else {
        return;
    };
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut keys = BTreeSet::from([Vec::new()]);
    while keys.len() < 400 {
        keys.insert(dice.word(b"abcC-]^\\*\x01\xff", 6));
    }
    for key in &keys {
        redis.call(&[b"SET", key, b""]);
    }
    for _ in 0..4000 {
        let pattern = dice.word(b"aabbcC***??[[]]^^--\\\x01\xff", 9);
        if pattern == b"*" {
            continue; // KEYS does not ask the glob then
        }
        let theirs = BTreeSet::from_iter(redis.call(&[b"KEYS", &pattern]));
        let ours = keys.iter().filter(|key| glob::matches(&pattern, key, false)).cloned();
        assert_eq!(BTreeSet::from_iter(ours), theirs, "{:?}", pattern.escape_ascii().to_string());
    }
}

#[test]
fn config_get_knows_the_same_names() {
    let Some(mut redis) = Redis::start("config-get") else {
        return;
    };
    let config = Config::default();
    let names_of = |pairs: Vec<Vec<u8>>| -> BTreeSet<Vec<u8>> { pairs.into_iter().step_by(2).collect() };
    let known = names_of(redis.call(&[b"CONFIG", b"GET", b"*"]));
    for pattern in ["*", "MAX*", "*-[a-M]*", "s?ve", "hz*", "[^a-r]*", "*slave*", "watch*", "HZ", "nosuch"] {
        let theirs = names_of(redis.call(&[b"CONFIG", b"GET", pattern.as_bytes()]));
        let ours: BTreeSet<Vec<u8>> =
            config.get([pattern.as_bytes()]).into_iter().map(|(name, _)| name.into_bytes()).collect();
        assert!(theirs.is_subset(&ours), "{pattern}");
        // What we have beyond Redis is ours or of a later version.
        let lower = |name: &Vec<u8>| name.to_ascii_lowercase();
        let common = ours.iter().filter(|name| known.contains(&lower(name)));
        assert_eq!(BTreeSet::from_iter(common.cloned()), theirs, "{pattern}");
    }
}

/// The same words for the same mistakes, and the same text for what was accepted. Known to differ, and
/// left out: memory that does not fit into 63 bits, hexadecimal percentiles, what Redis rounds itself
/// (`repl-backlog-size`, `watchdog-period`) and what magpie fixes at start or at a value.
#[test]
fn config_set_answers_in_the_same_words() {
    let Some(mut redis) = Redis::start("config-set") else {
        return;
    };
    let config = Config::default();
    let names = "\
        maxmemory MaxMemory-Clients timeout tcp-keepalive maxmemory-samples hz lfu-log-factor \
        latency-tracking loglevel slowlog-log-slower-than slowlog-max-len \
        latency-monitor-threshold latency-tracking-info-percentiles busy-reply-threshold \
        lua-time-limit hash-max-ziplist-entries hash-max-listpack-value list-max-listpack-size \
        stream-node-max-bytes client-output-buffer-limit proto-max-bulk-len \
        client-query-buffer-limit notify-keyspace-events lazyfree-lazy-eviction \
        active-expire-effort acl-pubsub-default acllog-max-len appendfsync dir dbfilename \
        databases daemonize enable-debug-command replicaof slaveof slave-priority \
        replica-announce-port min-slaves-max-lag repl-backlog-ttl repl-diskless-load \
        sanitize-dump-payload shutdown-on-sigint tracking-table-max-keys cluster-node-timeout \
        auto-aof-rewrite-min-size auto-aof-rewrite-percentage masterauth \
        maxmemory-eviction-tenacity unixsocketperm nosuch";
    let values = [
        "",
        "0",
        "1",
        "-1",
        "-0",
        "01",
        "+1",
        " 1",
        "1 ",
        "0x10",
        "7",
        "11",
        "99",
        "1000",
        "65536",
        "2147483647",
        "2147483648",
        "-2147483649",
        "9223372036854775807",
        "1b",
        "1k",
        "1KB",
        "2m",
        "3Mb",
        "1g",
        "1gb",
        "1tb",
        "1.5gb",
        "5%",
        "100%",
        "101%",
        "-5%",
        "x%",
        "yes",
        "NO",
        "maybe",
        "debug",
        "Warning",
        "normal 0 0 0",
        "normal 1mb 2kb 30 replica 1 1 1",
        "normal 0 0",
        "foo 0 0 0",
        "master 1 0 0",
        "PUBSUB 1x 0 0",
        "normal 1 1 -1",
        "50 99.9",
        "50 101",
        "50 a",
        "100.0 0.1234567890",
        "KEA",
        "KEg",
        "KExe$lshzt",
        "Kq",
        "disabled",
        "swapdb",
        "everysec",
        "allchannels",
        "clients",
        "default",
        "save now",
        "force nosave",
        "save nosave",
        "save x",
        "a b",
        "é",
    ];
    let mut differences = Vec::new();
    for name in names.split_whitespace() {
        for value in values {
            if name == "latency-tracking-info-percentiles" && value == "0x10" {
                continue;
            }
            let ours = match config.set_many(&[(name.as_bytes(), value.as_bytes())], false) {
                Ok(_) => "OK".to_owned(),
                Err(error) => error.to_string(),
            };
            let theirs = redis.call(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]);
            let theirs = String::from_utf8_lossy(&theirs[0]).into_owned();
            if ours != theirs {
                differences.push(format!("CONFIG SET {name} '{value}'\n  {ours}\n  {theirs}"));
            } else if ours == "OK" {
                let ours = config.get([name.as_bytes()]).remove(0).1;
                let theirs = redis.call(&[b"CONFIG", b"GET", name.as_bytes()]).remove(1);
                if ours.as_bytes() != theirs {
                    let theirs = String::from_utf8_lossy(&theirs);
                    differences.push(format!("CONFIG GET {name}, set to '{value}'\n  {ours}\n  {theirs}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "ours, then theirs:\n{}", differences.join("\n"));
}
