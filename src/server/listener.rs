//! Listeners: bind, accept, count, refuse in the protocol's words, back off when the system is out of files.

use super::worker::{Newcomer, Socket, Worker};
use crate::banner::Endpoint;
use crate::clients::Wire;
use crate::config::{Config, Param};
use crate::daemon::Daemon;
use crate::observe::Counter;
use anyhow::{Context as _, anyhow};
use socket2::{SockRef, TcpKeepalive};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

const BACKLOG: u32 = 1024;
/// How long accepting rests when the system has no file or memory left for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);

enum Source {
    Tcp(TcpListener),
    Unix(UnixListener),
}

pub(super) struct Listener {
    pub wire: Wire,
    pub endpoint: Endpoint,
    source: Source,
}

/// Binds everything that the configuration names, and writes free ports that were picked back into it.
pub(super) fn bind_all(config: &Config) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    let ports =
        [(Wire::Resp, Param::Port, "--port"), (Wire::Memcached, Param::MemcachedPort, "--memcached-port")];
    for (wire, param, flag) in ports {
        listeners.extend(bind_port(config, wire, param, flag)?);
    }
    for (wire, param) in [(Wire::Resp, Param::UnixSocket), (Wire::Memcached, Param::MemcachedUnixSocket)] {
        let path = config.text(param);
        if !path.is_empty() {
            listeners.push(bind_unix(config, wire, PathBuf::from(&*path))?);
        }
    }
    Ok(listeners)
}

fn bind_port(config: &Config, wire: Wire, param: Param, flag: &str) -> anyhow::Result<Vec<Listener>> {
    let mut port = u16::try_from(config.number(param)).context("a port is at most 65535")?;
    let mut listeners = Vec::new();
    let mut refused = None;
    for address in config.bind() {
        let resolved: Vec<SocketAddr> = match (&*address.host, port).to_socket_addrs() {
            Ok(addresses) => addresses.collect(),
            Err(_) if address.optional => continue,
            Err(error) => return Err(error).with_context(|| format!("--bind {}", address.host)),
        };
        for at in resolved {
            let at = SocketAddr::new(at.ip(), port);
            match bind_tcp(at) {
                Ok(listener) => {
                    let at = listener.local_addr()?;
                    // A second address listens on the port that the first one got.
                    port = at.port();
                    listeners.push(Listener {
                        wire,
                        endpoint: Endpoint::Tcp(at),
                        source: Source::Tcp(listener),
                    });
                }
                Err(error) if address.optional => {
                    tracing::debug!(%at, %error, "goes on without this address")
                }
                Err(error) => refused = Some((at, error)),
            }
        }
    }
    if let Some((at, error)) = refused {
        let hint = if error.kind() == ErrorKind::AddrInUse {
            format!("; something else listens there: stop it, or choose another port with {flag}")
        } else {
            String::new()
        };
        return Err(anyhow!("cannot listen on {at}: {error}{hint}"));
    }
    config.note_number(param, port.into());
    Ok(listeners)
}

fn bind_tcp(at: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if at.is_ipv6() {
        SockRef::from(&socket).set_only_v6(true)?;
    }
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

fn bind_unix(config: &Config, wire: Wire, path: PathBuf) -> anyhow::Result<Listener> {
    // A file that a killed daemon left behind is in the way; one that somebody listens on is not ours.
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(anyhow!("{}: another process listens there", path.display()));
    }
    let _ = std::fs::remove_file(&path);
    let listener =
        UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
    let mode = config.number(Param::UnixSocketPerm);
    if mode != 0 {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode as u32))
            .with_context(|| format!("cannot set the permissions of {}", path.display()))?;
    }
    Ok(Listener { wire, endpoint: Endpoint::Unix(path), source: Source::Unix(listener) })
}

pub(super) fn remove_socket_files(config: &Config) {
    for param in [Param::UnixSocket, Param::MemcachedUnixSocket] {
        let path = config.text(param);
        if !path.is_empty() {
            let _ = std::fs::remove_file(&*path);
        }
    }
}

impl Listener {
    /// Accepts for ever.
    pub(super) async fn accept(self, daemon: Arc<Daemon>, workers: Arc<Vec<Worker>>) {
        loop {
            let newcomer = match &self.source {
                Source::Tcp(listener) => listener.accept().await.and_then(|(stream, peer)| {
                    stream.set_nodelay(true)?;
                    keep_alive(&stream, &daemon.config);
                    let laddr = stream.local_addr()?;
                    let socket = Socket::Tcp(stream.into_std()?);
                    let stranger = !peer.ip().to_canonical().is_loopback();
                    Ok((
                        Newcomer {
                            socket,
                            wire: self.wire,
                            addr: peer.to_string(),
                            laddr: laddr.to_string(),
                        },
                        stranger,
                    ))
                }),
                Source::Unix(listener) => listener.accept().await.and_then(|(stream, _)| {
                    let name = format!("{}:0", self.endpoint);
                    let socket = Socket::Unix(stream.into_std()?);
                    Ok((Newcomer { socket, wire: self.wire, addr: name.clone(), laddr: name }, false))
                }),
            };
            match newcomer {
                Ok((newcomer, stranger)) => admit(newcomer, stranger, &daemon, &workers),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again shortly");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }
}

fn keep_alive(stream: &tokio::net::TcpStream, config: &Config) {
    if let Ok(secs @ 1..) = u64::try_from(config.number(Param::TcpKeepalive)) {
        let every = TcpKeepalive::new()
            .with_time(Duration::from_secs(secs))
            .with_interval(Duration::from_secs((secs / 3).max(1)))
            .with_retries(3);
        // A socket without keepalive works all the same.
        let _ = SockRef::from(stream).set_tcp_keepalive(&every);
    }
}

/// Hands a connection to the worker with the fewest, or refuses it.
fn admit(newcomer: Newcomer, stranger: bool, daemon: &Daemon, workers: &[Worker]) {
    let load: usize = workers.iter().map(Worker::load).sum();
    let most = usize::try_from(daemon.config.number(Param::MaxClients)).unwrap_or(usize::MAX);
    let refusal: &[u8] = match newcomer.wire {
        _ if stranger && daemon.denies_strangers() => match newcomer.wire {
            Wire::Resp => DENIED,
            Wire::Memcached => {
                b"SERVER_ERROR magpie is in protected mode: set --requirepass or --protected-mode no\r\n"
            }
        },
        Wire::Resp if load >= most => b"-ERR max number of clients reached\r\n",
        Wire::Memcached if load >= most => b"ERROR Too many open connections\r\n",
        _ => {
            if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
                worker.take(newcomer);
            }
            return;
        }
    };
    // The acceptor has no counters of its own; a refusal is rare enough to be counted roughly.
    daemon.counters[0].add(Counter::RejectedConnections, 1);
    let _ = match newcomer.socket {
        Socket::Tcp(mut socket) => socket.write(refusal),
        Socket::Unix(mut socket) => socket.write(refusal),
    };
}

const DENIED: &[u8] = b"-DENIED magpie is running in protected mode because it listens beyond this machine \
and no password is set. Connect from the same machine, or start it with --requirepass, or with \
--protected-mode no if everybody on the network may use it.\r\n";
