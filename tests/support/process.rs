//! magpie as a process of its own, for tests that need real sockets.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// On Unix sockets in a folder of its own; gone when dropped.
pub struct Magpie {
    server: Child,
    folder: PathBuf,
}

impl Magpie {
    /// `binary` is `env!("CARGO_BIN_EXE_magpie")`, which only the test itself can ask for.
    pub fn start(binary: &str, name: &str, options: &[&str]) -> Magpie {
        let folder = std::env::temp_dir().join(format!("magpie-own-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        let server = Command::new(binary)
            .args(["--bind", "", "--threads", "2", "--maxmemory", "64mb", "--unixsocket"])
            .arg(folder.join("redis.sock"))
            .arg("--memcached-unixsocket")
            .arg(folder.join("memcached.sock"))
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("magpie was built for this test");
        Magpie { server, folder }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    pub fn memcached_socket(&self) -> PathBuf {
        self.folder.join("memcached.sock")
    }

    pub fn process_id(&self) -> u32 {
        self.server.id()
    }
}

impl Drop for Magpie {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
