//! What the kernel alone charges for a request and its reply: one thread, one wait for many connections, one
//! `recv` and one `send` for each that is ready. It stores nothing and looks nothing up. The beginning of a
//! request tells its shape, line ends are counted until it is complete, and the reply is as long as a real
//! server's would be if every key were there. Only fewer system calls can cost less.

use super::requests::KEY;
use anyhow::{Context, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

const INPUT: usize = 64 << 10;
const LISTENER: Token = Token(usize::MAX);

#[derive(Clone, Copy)]
enum Shape {
    Pong,
    Bulks(usize),
    Ok,
    Stored,
    Values(usize),
    Version,
}

/// One ready-made value in either protocol.
struct Values {
    bulk: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Default)]
struct Link {
    /// Lines that the request at hand still lacks.
    lines: usize,
    shape: Option<Shape>,
    /// The beginning of a line that the last read cut in two.
    carry: Vec<u8>,
    out: Vec<u8>,
}

/// The shape of a request by its first line, and how many lines follow.
fn classify(line: &[u8]) -> (Shape, usize) {
    match line.first() {
        Some(b'*') => {
            let number = String::from_utf8_lossy(&line[1..]);
            let args: usize = number.trim_end().parse().unwrap_or(1);
            let shape = match args {
                1 => Shape::Pong,
                3 => Shape::Ok,
                _ => Shape::Bulks(args - 1),
            };
            (shape, 2 * args)
        }
        Some(b's') => (Shape::Stored, 1),
        Some(b'g') => (Shape::Values((line.len() - 3) / (KEY.len() + 1)), 0),
        _ => (Shape::Version, 0),
    }
}

impl Link {
    fn reply(&mut self, shape: Shape, values: &Values) {
        match shape {
            Shape::Pong => self.out.extend_from_slice(b"+PONG\r\n"),
            Shape::Ok => self.out.extend_from_slice(b"+OK\r\n"),
            Shape::Stored => self.out.extend_from_slice(b"STORED\r\n"),
            Shape::Version => self.out.extend_from_slice(b"VERSION limit\r\n"),
            Shape::Bulks(count) => {
                if count > 1 {
                    let _ = write!(self.out, "*{count}\r\n");
                }
                (0..count).for_each(|_| self.out.extend_from_slice(&values.bulk));
            }
            Shape::Values(count) => {
                (0..count).for_each(|_| self.out.extend_from_slice(&values.value));
                self.out.extend_from_slice(b"END\r\n");
            }
        }
    }

    /// Answers every request that is complete, and keeps a first line that is not.
    fn feed(&mut self, mut input: &[u8], values: &Values) {
        while let Some(end) = memchr::memchr(b'\n', input) {
            if self.lines == 0 {
                let (shape, lines) = classify(&input[..end]);
                (self.shape, self.lines) = (Some(shape), lines);
            } else {
                self.lines -= 1;
            }
            if self.lines == 0
                && let Some(shape) = self.shape.take()
            {
                self.reply(shape, values);
            }
            input = &input[end + 1..];
        }
        if self.lines == 0 {
            self.carry.extend_from_slice(input);
        }
    }

    /// `false`: the connection has ended.
    fn serve(&mut self, stream: &mut TcpStream, input: &mut [u8], values: &Values) -> bool {
        loop {
            let kept = self.carry.len();
            input[..kept].copy_from_slice(&self.carry);
            self.carry.clear();
            let room = INPUT - kept;
            let n = match stream.read(&mut input[kept..]) {
                Ok(0) => return false,
                Ok(n) => n,
                Err(error) => {
                    self.carry.extend_from_slice(&input[..kept]);
                    return error.kind() == ErrorKind::WouldBlock;
                }
            };
            self.feed(&input[..kept + n], values);
            let mut rest = &self.out[..];
            while !rest.is_empty() {
                match stream.write(rest) {
                    Ok(n) => rest = &rest[n..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                    Err(_) => return false,
                }
            }
            self.out.clear();
            if n < room {
                return true;
            }
        }
    }
}

/// Serves until it is killed.
pub fn run(port: u16, value: usize) -> Result<()> {
    let data = "x".repeat(value);
    let values = Values {
        bulk: format!("${value}\r\n{data}\r\n").into_bytes(),
        value: format!("VALUE {KEY} 0 {value}\r\n{data}\r\n").into_bytes(),
    };
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into()).context("listening")?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut input = vec![0; INPUT];
    let (mut links, mut next) = (HashMap::<Token, (TcpStream, Link)>::new(), 0);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(next);
                    next += 1;
                    poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    links.insert(token, (stream, Link::default()));
                }
            } else if let Some((stream, link)) = links.get_mut(&event.token())
                && !link.serve(stream, &mut input, &values)
            {
                links.remove(&event.token());
            }
        }
    }
}
