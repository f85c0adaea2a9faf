//! Values of megabytes through real sockets: they are kept in the buffer that they came in, and must neither change with
//! it nor with what comes behind them.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use support::process::Magpie;
use support::real_redis::connect;
use support::{Dice, request};

/// Bytes that tell where they belong.
fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 1000) as u8 ^ at as u8 ^ seed).collect()
}

fn bulk(value: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
}

/// Sends the bytes in pieces of any size and reads as many as are expected.
fn exchange(socket: &mut UnixStream, bytes: &[u8], expected: &[u8], dice: &mut Dice) {
    let mut reader = socket.try_clone().expect("a socket");
    let len = expected.len();
    let reading = std::thread::spawn(move || {
        let mut reply = vec![0; len];
        reader.read_exact(&mut reply).map(|()| reply)
    });
    let mut rest = bytes;
    while !rest.is_empty() {
        let most = if dice.chance(30) { 100 } else { 700_000 };
        let len = (1 + dice.roll(most)).min(rest.len());
        socket.write_all(&rest[..len]).expect("the server reads");
        rest = &rest[len..];
    }
    let reply = reading.join().expect("it does not panic").expect("the server answers");
    assert!(reply == expected, "another reply: {} ...", reply[..len.min(60)].escape_ascii());
}

#[test]
fn large_values_are_what_was_sent() {
    let server = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "large", &[]);
    let mut resp = connect(&server.socket());
    let mut memcached = connect(&server.memcached_socket());
    let mut dice = Dice(42);
    for round in 0..12 {
        let (first, second) =
            (pattern(round, 1 + dice.roll(4_000_000)), pattern(!round, 1 + dice.roll(2_000_000)));
        let changed = [&first[..], b"tail"].concat();
        let piece = &first[first.len() / 2..];
        // In one pipeline: what follows a large value shares its buffer, or not.
        let requests = [
            request(&[b"SET", b"first", &first]),
            request(&[b"SET", b"small", b"value"]),
            request(&[b"GET", b"first"]),
            request(&[b"MSET", b"second", &second, b"third", piece]),
            request(&[b"APPEND", b"first", b"tail"]),
            request(&[b"GET", b"first"]),
            request(&[b"SETRANGE", b"second", b"0", b"!"]),
            request(&[b"GET", b"third"]),
            request(&[b"GET", b"small"]),
        ];
        let replies = [
            b"+OK\r\n+OK\r\n".to_vec(),
            bulk(&first),
            b"+OK\r\n".to_vec(),
            format!(":{}\r\n", changed.len()).into_bytes(),
            bulk(&changed),
            format!(":{}\r\n", second.len()).into_bytes(),
            bulk(piece),
            bulk(b"value"),
        ];
        exchange(&mut resp, &requests.concat(), &replies.concat(), &mut dice);
        // Above memcached's `max-item-size` nothing can be set there.
        let item = &first[..first.len().min(1_000_000)];
        let set = [format!("set item 0 0 {}\r\n", item.len()).as_bytes(), item, b"\r\nget item\r\n"].concat();
        let value =
            [format!("STORED\r\nVALUE item 0 {}\r\n", item.len()).as_bytes(), item, b"\r\nEND\r\n"].concat();
        exchange(&mut memcached, &set, &value, &mut dice);
        let mut after = second.clone();
        after[0] = b'!';
        let (ask, replies) = (
            [request(&[b"GET", b"second"]), request(&[b"GET", b"item"]), request(&[b"GET", b"first"])]
                .concat(),
            [bulk(&after), bulk(item), bulk(&changed)].concat(),
        );
        exchange(&mut resp, &ask, &replies, &mut dice);
    }
}
