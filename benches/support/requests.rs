//! Requests of both protocols and the exact size of their replies: every key is there, every value as long as
//! every other, so a reply need not be parsed to be checked.

#![allow(dead_code, reason = "every bench is a crate of its own, and takes its part of this")]

use super::wire::{Wire, connect};
use std::io::{Error, Read, Write};

/// Keys are `key:1` and eleven digits.
pub const KEY: &str = "key:100000000000";
pub const DIGITS: usize = 11;

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
    /// The reply itself, where it is always the same.
    whole: Option<&'static [u8]>,
}

impl Template {
    pub fn new(text: String, keys: usize, reply: usize, first: u8) -> Template {
        let places: Vec<usize> = text.match_indices(KEY).map(|(at, _)| at + KEY.len() - DIGITS).collect();
        let step = places.get(1).map_or(0, |second| second - places[0]);
        Template {
            key_at: places[0],
            key_step: step,
            bytes: text.into_bytes(),
            keys,
            reply,
            first,
            whole: None,
        }
    }

    /// A request with one key that is always answered alike.
    pub fn answered(text: String, reply: &'static [u8]) -> Template {
        Template { whole: Some(reply), ..Template::new(text, 1, reply.len(), reply[0]) }
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
                Template::answered(text, b"+OK\r\n")
            }
            Wire::Memcached => {
                Template::answered(format!("set {KEY} 0 {ttl} {value}\r\n{data}\r\n"), b"STORED\r\n")
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

    /// A script that reads, in RESP.
    pub fn script(value: usize) -> Template {
        const SCRIPT: &str = "return redis.call('GET', KEYS[1])";
        let text =
            format!("*4\r\n$4\r\nEVAL\r\n${}\r\n{SCRIPT}\r\n$1\r\n1\r\n$16\r\n{KEY}\r\n", SCRIPT.len());
        Template::new(text, 1, Template::get(Wire::Resp, value, 1).reply, b'$')
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

/// Sends a request that is always answered alike for each of these keys, `at_once` to a write, and looks at every
/// reply. What `meanwhile` does is done between writes.
///
/// # Errors
/// The connection fails, a reply is another one, or what `meanwhile` says.
pub fn send_each<E: From<Error>>(
    port: u16,
    request: &Template,
    keys: impl IntoIterator<Item = u32>,
    at_once: usize,
    mut meanwhile: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let expected = request.whole.expect("a request that is always answered alike");
    let mut stream = connect(port)?;
    let (mut out, mut input) = (Vec::new(), Vec::new());
    let mut keys = keys.into_iter().peekable();
    while keys.peek().is_some() {
        out.clear();
        let mut sent = 0;
        for key in keys.by_ref().take(at_once) {
            request.write(&mut out, || key);
            sent += 1;
        }
        stream.write_all(&out)?;
        input.resize(expected.len() * sent, 0);
        stream.read_exact(&mut input)?;
        if let Some(other) = input.chunks(expected.len()).find(|reply| *reply != expected) {
            return Err(unexpected(other).into());
        }
        meanwhile()?;
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
