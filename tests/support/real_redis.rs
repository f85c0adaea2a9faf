//! A `redis-server` of the tests' own, and reading its replies.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// On a Unix socket in a folder of its own; gone when dropped.
pub struct RealRedis {
    server: Child,
    folder: PathBuf,
}

impl RealRedis {
    /// `None`, aloud, when there is none on the PATH.
    pub fn start(name: &str, options: &[&str]) -> Option<RealRedis> {
        let folder = std::env::temp_dir().join(format!("magpie-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no", "--unixsocket"])
            .arg(folder.join("redis.sock"))
            .arg("--dir")
            .arg(&folder)
            .args(options)
            .stdout(Stdio::null())
            .spawn();
        let Ok(server) = server else {
            // Not eprintln!, which the test harness would keep to itself.
            let _ = writeln!(
                std::io::stderr(),
                "NOT COMPARED ({name}): there is no `redis-server` on the PATH (Debian: apt-get install redis-server)"
            );
            return None;
        };
        Some(RealRedis { server, folder })
    }

    pub fn connect(&self) -> RealClient {
        RealClient::to(&self.socket())
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }
}

/// Connects to a server that may still be starting.
pub fn connect(socket: &Path) -> UnixStream {
    let started = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
                return stream;
            }
            Err(_) if started.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("the server does not answer: {error}"),
        }
    }
}

impl Drop for RealRedis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub struct RealClient(BufReader<UnixStream>);

impl RealClient {
    /// Connects to whatever listens there.
    pub fn to(socket: &Path) -> RealClient {
        RealClient(BufReader::new(connect(socket)))
    }

    /// The bytes of the one reply to a request.
    pub fn call(&mut self, args: &[&[u8]]) -> Vec<u8> {
        self.0.get_mut().write_all(&super::request(args)).expect("redis-server reads");
        let mut reply = Vec::new();
        self.read_into(&mut reply);
        reply
    }

    fn read_into(&mut self, reply: &mut Vec<u8>) {
        let from = reply.len();
        self.0.read_until(b'\n', reply).expect("redis-server answers");
        let line = String::from_utf8_lossy(&reply[from..]).into_owned();
        let (kind, rest) = line.split_at(1);
        let count = rest.trim_end().parse::<i64>().unwrap_or(-1);
        match kind {
            "$" | "=" if count >= 0 => {
                let at = reply.len();
                reply.resize(at + count as usize + 2, 0);
                self.0.read_exact(&mut reply[at..]).expect("redis-server answers");
            }
            "*" | "~" | ">" => (0..count).for_each(|_| self.read_into(reply)),
            "%" => (0..count * 2).for_each(|_| self.read_into(reply)),
            _ => {}
        }
    }
}

/// A reply taken apart as far as comparing needs it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parsed {
    /// A whole reply that holds no others, as it came.
    Leaf(Vec<u8>),
    /// The sign of an aggregate, and what it holds.
    Many(u8, Vec<Parsed>),
}

impl Parsed {
    /// # Panics
    /// The bytes are not exactly one reply.
    pub fn whole(bytes: &[u8]) -> Parsed {
        let mut rest = bytes;
        let parsed = Parsed::take(&mut rest);
        match parsed {
            Some(parsed) if rest.is_empty() => parsed,
            _ => panic!("not one reply: {}", bytes.escape_ascii()),
        }
    }

    fn take(rest: &mut &[u8]) -> Option<Parsed> {
        let line = rest.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let count: Option<i64> =
            std::str::from_utf8(&rest[1..line - 2]).ok().and_then(|text| text.parse().ok());
        let leaf = |rest: &mut &[u8], len: usize| {
            let (head, tail) = rest.split_at_checked(len)?;
            *rest = tail;
            Some(Parsed::Leaf(head.to_vec()))
        };
        let (kind, count) = (rest[0], count.unwrap_or(-1));
        match kind {
            b'$' | b'=' if count >= 0 => leaf(rest, line + count as usize + 2),
            b'*' | b'~' | b'>' | b'%' if count >= 0 => {
                *rest = &rest[line..];
                let items = if kind == b'%' { count * 2 } else { count };
                (0..items)
                    .map(|_| Parsed::take(rest))
                    .collect::<Option<Vec<_>>>()
                    .map(|all| Parsed::Many(kind, all))
            }
            _ => leaf(rest, line),
        }
    }

    /// Sorts what comes in any order.
    pub fn sorted(self) -> Parsed {
        match self {
            Parsed::Many(kind, mut items) => {
                items.sort();
                Parsed::Many(kind, items)
            }
            leaf => leaf,
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Parsed::Leaf(bytes) => {
                let text = bytes.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
                std::str::from_utf8(text).ok()?.parse().ok()
            }
            Parsed::Many(..) => None,
        }
    }
}

impl std::fmt::Debug for Parsed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Parsed::Leaf(bytes) => write!(out, "{}", bytes.escape_ascii()),
            Parsed::Many(_, items) => out.debug_list().entries(items).finish(),
        }
    }
}
