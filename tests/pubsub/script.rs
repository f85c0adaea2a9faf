//! Scripts over several connections. After every step each connection asks a question of its own, and what it
//! read up to the answer belongs to the step: nothing has to be waited for, and nothing can be missed, since
//! what was published before a request is read before its reply.

use crate::support::process::Magpie;
use crate::support::real_redis::{RealRedis, connect};
use crate::support::request;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Plays a script to both servers, in both versions of the protocol. A line is `name: COMMAND argument …`, a new
/// name a new connection; `{name}` is that connection's client id, `name: CLOSE` hangs up, `name: SLEEP 20` waits for so many
/// milliseconds.
pub fn compare(name: &str, script: &str) {
    compare_with(name, &[], script);
}

/// `compare`, with settings for both servers.
pub fn compare_with(name: &str, options: &[&str], script: &str) {
    for resp3 in [false, true] {
        let Some(redis) = RealRedis::start(&format!("{name}-{resp3}"), options) else { return };
        let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), &format!("{name}-{resp3}"), options);
        let mut theirs = Player::new(redis.socket(), resp3);
        let mut ours = Player::new(magpie.socket(), resp3);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (ours, theirs) = (ours.step(line), theirs.step(line));
            assert_eq!(ours, theirs, "ours, then theirs, in RESP{}: {line}", if resp3 { 3 } else { 2 });
        }
    }
}

/// Plays a script to magpie alone: for what is newer than Debian's Redis, or has no like there. What each step
/// is to be answered with stands behind `=>`, the connections that read something after each other.
pub fn play(name: &str, options: &[&str], script: &str) {
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), name, options);
    let mut player = Player::new(magpie.socket(), true);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (line, expected) = line.split_once("=>").unwrap_or((line, ""));
        let read: Vec<String> =
            player.step(line.trim()).into_iter().map(|(name, read)| format!("{name} {read}")).collect();
        assert_eq!(read.join(" "), expected.trim(), "{line}");
    }
}

pub struct Player {
    socket: PathBuf,
    resp3: bool,
    connections: BTreeMap<String, Connection>,
    steps: usize,
}

struct Connection {
    stream: UnixStream,
    id: String,
    in_multi: bool,
    closed: bool,
}

impl Player {
    pub fn new(socket: PathBuf, resp3: bool) -> Player {
        // Servers begin to count their clients at different numbers; from here on they agree.
        while Connection::open(&socket, resp3).id.parse::<u64>().expect("a number") < 20 {}
        Player { socket, resp3, connections: BTreeMap::new(), steps: 0 }
    }

    /// What each connection read because of a step, where it read anything.
    pub fn step(&mut self, line: &str) -> BTreeMap<String, String> {
        let (name, command) = line.split_once(": ").expect("a step names its connection");
        self.steps += 1;
        if command == "CLOSE" {
            self.connections.remove(name);
            // Until the server has noticed.
            std::thread::sleep(Duration::from_millis(100));
        } else if let Some(ms) = command.strip_prefix("SLEEP ") {
            std::thread::sleep(Duration::from_millis(ms.parse().expect("a time in milliseconds")));
        } else {
            if !self.connections.contains_key(name) {
                self.connections.insert(name.to_owned(), Connection::open(&self.socket, self.resp3));
            }
            let words: Vec<Vec<u8>> = command.split(' ').map(|word| self.word(word)).collect();
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            self.connections.get_mut(name).expect("it was opened").send(&words);
        }
        let marker = format!("marker-{}", self.steps);
        // Whoever gave the command first: what it published is on its way when it has its reply.
        let mut names: Vec<String> = self.connections.keys().cloned().collect();
        names.sort_by_key(|other| other != name);
        let mut read = BTreeMap::new();
        for name in names {
            let connection = self.connections.get_mut(&name).expect("it is open");
            let text = connection.read_to(&marker);
            if !text.is_empty() {
                read.insert(name, text);
            }
        }
        read
    }

    fn word(&self, word: &str) -> Vec<u8> {
        let mut word = word.to_owned();
        for (name, connection) in &self.connections {
            word = word.replace(&format!("{{{name}}}"), &connection.id);
        }
        if word == "''" { Vec::new() } else { word.into_bytes() }
    }
}

impl Connection {
    fn open(socket: &Path, resp3: bool) -> Connection {
        let stream = connect(socket);
        let mut connection = Connection { stream, id: String::new(), in_multi: false, closed: false };
        if resp3 {
            connection.send(&[b"HELLO", b"3"]);
        }
        connection.send(&[b"CLIENT", b"ID"]);
        let id = connection.read_to("hello");
        connection.id = id.rsplit(':').next().unwrap_or_default().trim_end_matches("\\r\\n").to_owned();
        connection
    }

    fn send(&mut self, words: &[&[u8]]) {
        self.in_multi = match words[0].to_ascii_uppercase().as_slice() {
            b"MULTI" => true,
            b"EXEC" | b"DISCARD" | b"RESET" => false,
            _ => self.in_multi,
        };
        let _ = self.stream.write_all(&request(words));
    }

    /// Everything up to the answer to a question of its own, which is left out; `<closed>` when the server hangs up.
    fn read_to(&mut self, marker: &str) -> String {
        if self.closed {
            return String::new();
        }
        // In a transaction `PING` would be queued; `MULTI` is refused at once, and does no harm.
        let (question, end) = if self.in_multi {
            (request(&[b"MULTI"]), b"-ERR MULTI calls can not be nested\r\n".to_vec())
        } else {
            let end = format!("${}\r\n{marker}\r\n", marker.len()).into_bytes();
            (request(&[b"PING", marker.as_bytes()]), end)
        };
        let _ = self.stream.write_all(&question);
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        while !read.ends_with(&end) {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.closed = true;
                    return "<closed>".to_owned();
                }
                Ok(count) => read.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    self.closed = true;
                    return "<closed>".to_owned();
                }
                Err(error) => panic!("{error} after {}", read.escape_ascii()),
            }
        }
        read.truncate(read.len() - end.len());
        // A subscriber's PONG in RESP2.
        let pong = b"*2\r\n$4\r\npong\r\n";
        if read.ends_with(pong) {
            read.truncate(read.len() - pong.len());
        }
        read.escape_ascii().to_string()
    }
}
