//! The two protocols, and connections that speak them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

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
}

pub fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
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
