//! Subscribers that do not read.

use crate::support::process::Magpie;
use crate::support::real_redis::connect;
use crate::support::request;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

fn call(stream: &mut UnixStream, words: &[&[u8]], expected: &str) -> String {
    stream.write_all(&request(words)).expect("magpie reads");
    let mut read = Vec::new();
    let mut buffer = [0; 65536];
    while !String::from_utf8_lossy(&read).ends_with(expected) {
        let count = stream.read(&mut buffer).expect("magpie answers");
        assert!(count > 0, "hung up after {}", read.escape_ascii());
        read.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn info(stream: &mut UnixStream, field: &str) -> u64 {
    let text = call(stream, &[b"INFO", b"stats"], "acl_access_denied_channel:0\r\n\r\n");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {field}"))
}

/// Resident memory, in bytes.
fn resident(magpie: &Magpie) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/statm", magpie.process_id())).expect("Linux");
    status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
}

fn is_closed(stream: &mut UnixStream) -> bool {
    let mut buffer = [0; 65536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn one_that_does_not_read_is_cut_at_the_hard_limit_and_harms_nobody() {
    let options = ["--client-output-buffer-limit", "pubsub 2mb 0 0"];
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "hard-limit", &options);
    let (mut slow, mut quick) = (connect(&magpie.socket()), connect(&magpie.socket()));
    let mut publisher = connect(&magpie.socket());
    call(&mut slow, &[b"SUBSCRIBE", b"c"], ":1\r\n");
    call(&mut quick, &[b"SUBSCRIBE", b"c"], ":1\r\n");
    let before = resident(&magpie);
    let message = vec![b'x'; 64 * 1024];
    let mut most = 0;
    for _ in 0..1000 {
        call(&mut publisher, &[b"PUBLISH", b"c", &message], "\r\n");
        call(&mut quick, &[b"PING", b"p"], "pong\r\n$1\r\np\r\n");
        most = most.max(resident(&magpie));
    }
    assert!(is_closed(&mut slow));
    assert!(most - before < 16 * MIB, "{} MiB", (most - before) / MIB);
    assert_eq!(info(&mut publisher, "client_output_buffer_limit_disconnections"), 1);
    assert_eq!(call(&mut publisher, &[b"PUBLISH", b"c", b"last"], "\r\n"), ":1\r\n");
    call(&mut quick, &[b"PING", b"p"], "last\r\n*2\r\n$4\r\npong\r\n$1\r\np\r\n");
}

#[test]
fn one_that_stays_beyond_the_soft_limit_is_cut_in_time() {
    let options = ["--client-output-buffer-limit", "pubsub 64mb 1mb 1"];
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "soft-limit", &options);
    let (mut slow, mut late) = (connect(&magpie.socket()), connect(&magpie.socket()));
    let mut publisher = connect(&magpie.socket());
    for stream in [&mut slow, &mut late] {
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
        call(stream, &[b"SUBSCRIBE", b"c"], ":1\r\n");
    }
    let message = vec![b'x'; 64 * 1024];
    for _ in 0..64 {
        call(&mut publisher, &[b"PUBLISH", b"c", &message], "\r\n");
    }
    // One wakes up in time and reads all.
    assert!(!is_closed(&mut late));
    let started = Instant::now();
    while info(&mut publisher, "client_output_buffer_limit_disconnections") == 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "beyond the soft limit for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_closed(&mut slow));
    assert!(!is_closed(&mut late));
    assert_eq!(call(&mut publisher, &[b"PUBLISH", b"c", b"last"], "\r\n"), ":1\r\n");
}
