//! Requests of both protocols and the exact size of their replies: every key is there, every value as long as
//! every other, so a reply need not be parsed to be checked.

#![allow(dead_code)] // each bench uses its part

use std::io::{Error, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Keys are `key:1` and eleven digits.
pub const KEY: &str = "key:100000000000";
pub const DIGITS: usize = 11;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Resp,
    Memcached,
}

impl Wire {
    pub const ALL: [Wire; 2] = [Wire::Resp, Wire::Memcached];

    pub fn name(self) -> &'static str {
        match self {
            Wire::Resp => "RESP",
            Wire::Memcached => "memcached",
        }
    }

    pub fn of(name: &str) -> Option<Wire> {
        Wire::ALL.into_iter().find(|wire| wire.name().eq_ignore_ascii_case(name))
    }
}

/// One request with places for its keys.
pub struct Template {
    pub bytes: Vec<u8>,
    /// Where the digits of the first key are, and how far apart those of the next.
    key_at: usize,
    key_step: usize,
    pub keys: usize,
    /// Bytes of the reply, and the first of them.
    pub reply: usize,
    pub first: u8,
}

impl Template {
    fn new(text: String, keys: usize, reply: usize, first: u8) -> Template {
        let places: Vec<usize> = text.match_indices(KEY).map(|(at, _)| at + KEY.len() - DIGITS).collect();
        let step = places.get(1).map_or(0, |second| second - places[0]);
        Template { key_at: places[0], key_step: step, bytes: text.into_bytes(), keys, reply, first }
    }

    pub fn set(wire: Wire, value: usize, ttl: u32) -> Template {
        let data = "x".repeat(value);
        match wire {
            Wire::Resp => {
                let (args, expiry) = match ttl {
                    0 => (3, String::new()),
                    _ => (5, format!("$2\r\nEX\r\n${}\r\n{ttl}\r\n", ttl.to_string().len())),
                };
                let text = format!("*{args}\r\n$3\r\nSET\r\n$16\r\n{KEY}\r\n${value}\r\n{data}\r\n{expiry}");
                Template::new(text, 1, "+OK\r\n".len(), b'+')
            }
            Wire::Memcached => {
                let text = format!("set {KEY} 0 {ttl} {value}\r\n{data}\r\n");
                Template::new(text, 1, "STORED\r\n".len(), b'S')
            }
        }
    }

    /// `keys` above one: MGET, or `get` of several.
    pub fn get(wire: Wire, value: usize, keys: usize) -> Template {
        let digits = value.to_string().len();
        match wire {
            Wire::Resp => {
                let item = 1 + digits + 2 + value + 2;
                let key = format!("$16\r\n{KEY}\r\n");
                if keys == 1 {
                    return Template::new(format!("*2\r\n$3\r\nGET\r\n{key}"), 1, item, b'$');
                }
                let text = format!("*{}\r\n$4\r\nMGET\r\n{}", keys + 1, key.repeat(keys));
                Template::new(text, keys, format!("*{keys}\r\n").len() + keys * item, b'*')
            }
            Wire::Memcached => {
                let item = "VALUE ".len() + KEY.len() + " 0 ".len() + digits + 2 + value + 2;
                let text = format!("get{}\r\n", format!(" {KEY}").repeat(keys));
                Template::new(text, keys, keys * item + "END\r\n".len(), b'V')
            }
        }
    }

    /// Of a key that is there.
    pub fn delete(wire: Wire) -> Template {
        match wire {
            Wire::Resp => {
                Template::new(format!("*2\r\n$3\r\nDEL\r\n$16\r\n{KEY}\r\n"), 1, ":1\r\n".len(), b':')
            }
            Wire::Memcached => Template::new(format!("delete {KEY}\r\n"), 1, "DELETED\r\n".len(), b'D'),
        }
    }

    /// Is a key there? A line of unknown length over memcached (`HD` or `EN`).
    pub fn presence(wire: Wire) -> Template {
        match wire {
            Wire::Resp => {
                let text = format!("*2\r\n$6\r\nEXISTS\r\n$16\r\n{KEY}\r\n");
                Template::new(text, 1, ":1\r\n".len(), b':')
            }
            Wire::Memcached => Template::new(format!("mg {KEY}\r\n"), 1, "HD\r\n".len(), b'H'),
        }
    }

    /// Appends the request for the keys that `next` draws.
    pub fn write(&self, to: &mut Vec<u8>, mut next: impl FnMut() -> u32) {
        let start = to.len() + self.key_at;
        to.extend_from_slice(&self.bytes);
        for key in 0..self.keys {
            let at = start + key * self.key_step;
            put_digits(&mut to[at..at + DIGITS], next());
        }
    }
}

fn put_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn unexpected(what: &[u8]) -> Error {
    let shown = String::from_utf8_lossy(&what[..what.len().min(80)]).into_owned();
    Error::other(format!("unexpected reply {shown:?}"))
}

pub fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// Stores items 1..=count through one connection, many to a write; every reply is looked at.
pub fn fill(port: u16, wire: Wire, count: u32, value: usize, ttl: u32) -> std::io::Result<()> {
    let set = Template::set(wire, value, ttl);
    let expected: &[u8] = if wire == Wire::Resp { b"+OK\r\n" } else { b"STORED\r\n" };
    let at_once = ((256 << 10) / set.bytes.len()).clamp(16, 2000) as u32;
    let mut stream = connect(port)?;
    let (mut out, mut input, mut key) = (Vec::new(), Vec::new(), 0);
    while key < count {
        let batch = at_once.min(count - key);
        out.clear();
        for _ in 0..batch {
            set.write(&mut out, || {
                key += 1;
                key
            });
        }
        stream.write_all(&out)?;
        input.resize(expected.len() * batch as usize, 0);
        stream.read_exact(&mut input)?;
        if let Some(other) = input.chunks(expected.len()).find(|reply| *reply != expected) {
            return Err(unexpected(other));
        }
    }
    Ok(())
}

/// How many items the server says that it has.
pub fn item_count(port: u16, wire: Wire) -> std::io::Result<u32> {
    let mut stream = connect(port)?;
    let (request, end): (&[u8], &[u8]) = match wire {
        Wire::Resp => (b"*1\r\n$6\r\nDBSIZE\r\n", b"\r\n"),
        Wire::Memcached => (b"stats\r\n", b"END\r\n"),
    };
    stream.write_all(request)?;
    let mut reply = Vec::new();
    let mut part = [0; 4096];
    while !reply.ends_with(end) {
        match stream.read(&mut part)? {
            0 => return Err(unexpected(&reply)),
            n => reply.extend_from_slice(&part[..n]),
        }
    }
    let text = String::from_utf8_lossy(&reply);
    let number = match wire {
        Wire::Resp => text.trim().strip_prefix(':'),
        Wire::Memcached => text.lines().find_map(|line| line.trim().strip_prefix("STAT curr_items ")),
    };
    number.and_then(|number| number.parse().ok()).ok_or_else(|| unexpected(&reply))
}

/// Does a server answer on this port?
pub fn answers(port: u16, wire: Wire) -> bool {
    let (request, reply): (&[u8], &[u8]) = match wire {
        Wire::Resp => (b"*1\r\n$4\r\nPING\r\n", b"+PONG"),
        Wire::Memcached => (b"version\r\n", b"VERSION"),
    };
    let ask = || -> std::io::Result<bool> {
        let mut stream = connect(port)?;
        stream.write_all(request)?;
        let mut buffer = vec![0; reply.len()];
        stream.read_exact(&mut buffer)?;
        Ok(buffer == reply)
    };
    ask().unwrap_or(false)
}
