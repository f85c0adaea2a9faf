//! A real memcached to compare with.

use crate::support::ports::free_port;
use std::ffi::OsStr;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a reply may take on a busy machine; no test waits for that.
const PATIENCE: Duration = Duration::from_secs(20);

/// A memcached on a free port, stopped when dropped.
pub struct Real {
    process: Child,
    port: u16,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Real {
    /// `None`, aloud, when there is no memcached.
    pub fn start(options: &[&str]) -> Option<Real> {
        Real::start_with(options, &[])
    }

    /// The same with variables in its environment.
    pub fn start_with(options: &[&str], environment: &[(&str, &OsStr)]) -> Option<Real> {
        let port = free_port();
        let process = Command::new("memcached")
            .args(["-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-t", "1"])
            .args(options)
            .args(["-p", &port.to_string()])
            .envs(environment.iter().copied())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = process else {
            eprintln!(
                "NOT COMPARED: there is no `memcached` on the PATH (Debian: apt-get install memcached)"
            );
            return None;
        };
        let mut real = Real { process, port };
        for _ in 0..100 {
            let ended = real.process.try_wait().expect("it is our child");
            assert!(ended.is_none(), "memcached could not start on {port}: {ended:?}");
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(real);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("memcached does not listen on {port}");
    }

    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).expect("memcached listens");
        socket.set_nodelay(true).expect("a TCP socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
        socket
    }
}

/// memcached's clock goes on while it is asked, and ours stands still: a second may end in between. What differs for
/// another reason differs every time.
///
/// # Errors
/// What differed the last time.
pub fn thrice(mut compare: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    compare().or_else(|_| compare()).or_else(|_| compare())
}
