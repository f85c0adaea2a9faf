//! Ports for servers that cannot be told to take any.

use std::net::TcpStream;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nobody listens on. It is given once in a process, and lies below those that the system gives to
/// whoever connects (from 32768 on), so that nobody takes it before the server does. That it is free is not found out
/// by listening: a child that another test starts has that socket too until it executes its program, and the server
/// would find the port taken.
pub fn free_port() -> u16 {
    const FROM: u16 = 12_000;
    const MANY: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another process begins elsewhere.
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..1000 {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).into()) % u32::from(MANY);
        let port = FROM + offset as u16;
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
    panic!("no port is free");
}
