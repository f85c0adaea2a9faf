//! The first lines that magpie prints: where it listens, what it may use, what to paste.

use crate::clients::Wire;
use crate::config::{Config, Param, human_bytes};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where a listener is bound, with the port that it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => address.fmt(f),
            Endpoint::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Endpoint {
    /// As a client on this machine writes it.
    fn seen_from_here(&self) -> Endpoint {
        match self {
            Endpoint::Tcp(address) if address.ip().is_unspecified() => {
                let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
                Endpoint::Tcp(SocketAddr::new(loopback, address.port()))
            }
            same => same.clone(),
        }
    }

    fn django_location(&self, wire: Wire, password: bool) -> String {
        match (wire, self.seen_from_here()) {
            (Wire::Resp, Endpoint::Tcp(address)) => {
                let secret = if password { ":PASSWORD@" } else { "" };
                format!("redis://{secret}{address}")
            }
            (Wire::Resp, Endpoint::Unix(path)) => {
                let secret = if password { ":PASSWORD@" } else { "" };
                format!("unix://{secret}{}", path.display())
            }
            (Wire::Memcached, Endpoint::Tcp(address)) => address.to_string(),
            (Wire::Memcached, Endpoint::Unix(path)) => format!("unix:{}", path.display()),
        }
    }
}

/// A line `redis on 127.0.0.1:6379` or `memcached on …` for each listener, which tests and scripts
/// may parse; then the memory limit, and Django's `CACHES` for the first listener of each protocol.
pub fn banner(config: &Config, listeners: &[(Wire, Endpoint)]) -> String {
    let mut lines = vec![format!("magpie {}", env!("CARGO_PKG_VERSION"))];
    for (wire, endpoint) in listeners {
        let protocol = match wire {
            Wire::Resp => "redis",
            Wire::Memcached => "memcached",
        };
        lines.push(format!("{protocol} on {endpoint}"));
    }
    let limit = match config.number(Param::MaxMemory) {
        0 => "no memory limit".to_owned(),
        bytes => format!("memory limit {}", human_bytes(bytes)),
    };
    let policy = config.choice(Param::MaxMemoryPolicy);
    lines.push(format!("{limit}, policy {policy}"));
    let password = !config.asks_no_password();
    let mut caches = Vec::new();
    for (wanted, backend) in
        [(Wire::Resp, "redis.RedisCache"), (Wire::Memcached, "memcached.PyMemcacheCache")]
    {
        if let Some((wire, endpoint)) = listeners.iter().find(|(wire, _)| *wire == wanted) {
            let location = endpoint.django_location(*wire, password);
            caches.push(format!(
                "CACHES = {{\"default\": {{\"BACKEND\": \"django.core.cache.backends.{backend}\", \
                 \"LOCATION\": \"{location}\"}}}}"
            ));
        }
    }
    if !caches.is_empty() {
        lines.push(format!("In Django's settings:\n  {}", caches.join("\n  or\n  ")));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Endpoint {
        Endpoint::Tcp(address.parse().expect("an address"))
    }

    #[test]
    fn it_says_where_and_what_to_paste() {
        let config = Config::with(&[("maxmemory", "1gb")]).expect("a config");
        let listeners = [(Wire::Resp, tcp("127.0.0.1:7001")), (Wire::Memcached, tcp("0.0.0.0:7002"))];
        let banner = banner(&config, &listeners);
        let lines: Vec<&str> = banner.lines().collect();
        assert!(lines.contains(&"redis on 127.0.0.1:7001"));
        assert!(lines.contains(&"memcached on 0.0.0.0:7002"));
        assert!(lines.contains(&"memory limit 1gb, policy allkeys-s3fifo"));
        assert!(banner.contains("redis.RedisCache\", \"LOCATION\": \"redis://127.0.0.1:7001\""));
        assert!(banner.contains("PyMemcacheCache\", \"LOCATION\": \"127.0.0.1:7002\""));
    }

    #[test]
    fn it_does_not_tell_the_password() {
        let config = Config::with(&[("requirepass", "hunter2")]).expect("a config");
        let listeners = [(Wire::Resp, Endpoint::Unix("/run/magpie.sock".into()))];
        let banner = banner(&config, &listeners);
        assert!(banner.contains("redis on /run/magpie.sock"));
        assert!(banner.contains("unix://:PASSWORD@/run/magpie.sock") && !banner.contains("hunter2"));
    }
}
