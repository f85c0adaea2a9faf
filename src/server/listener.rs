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
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpSocket;

const BACKLOG: u32 = 1024;
/// How long accepting rests when the system has no file or memory left for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What accepts. tokio watches them as files: what its own listeners accept, it would watch here, only to be told to
/// forget it again when the connection goes to its worker.
enum Source {
    Tcp(AsyncFd<std::net::TcpListener>),
    Unix(AsyncFd<std::os::unix::net::UnixListener>),
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
                    let source = Source::Tcp(watched(listener)?);
                    listeners.push(Listener { wire, endpoint: Endpoint::Tcp(at), source });
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

fn bind_tcp(at: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if at.is_ipv6() {
        SockRef::from(&socket).set_only_v6(true)?;
    }
    // What it accepts has the options of the listener, on Linux and elsewhere.
    socket.set_nodelay(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)?.into_std()
}

fn bind_unix(config: &Config, wire: Wire, path: PathBuf) -> anyhow::Result<Listener> {
    // A file that a killed daemon left behind is in the way; one that somebody listens on is not ours.
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(anyhow!("{}: another process listens there", path.display()));
    }
    let _ = std::fs::remove_file(&path);
    let listener = std::os::unix::net::UnixListener::bind(&path)
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    let mode = config.number(Param::UnixSocketPerm);
    if mode != 0 {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode as u32))
            .with_context(|| format!("cannot set the permissions of {}", path.display()))?;
    }
    listener.set_nonblocking(true)?;
    Ok(Listener { wire, endpoint: Endpoint::Unix(path), source: Source::Unix(watched(listener)?) })
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
        let mut keepalive = 0;
        loop {
            let newcomer = match &self.source {
                Source::Tcp(listener) => {
                    let wanted = daemon.config.number(Param::TcpKeepalive);
                    if wanted != keepalive {
                        keep_alive(listener.get_ref(), wanted);
                        keepalive = wanted;
                    }
                    accepted(listener, std::net::TcpListener::accept).await.and_then(|(stream, peer)| {
                        stream.set_nonblocking(true)?;
                        let laddr = match self.endpoint {
                            Endpoint::Tcp(at) if !at.ip().is_unspecified() => at,
                            _ => stream.local_addr()?,
                        };
                        let stranger = !peer.ip().to_canonical().is_loopback();
                        let (addr, laddr) = (peer.to_string(), laddr.to_string());
                        Ok((Newcomer { socket: Socket::Tcp(stream), wire: self.wire, addr, laddr }, stranger))
                    })
                }
                Source::Unix(listener) => accepted(listener, std::os::unix::net::UnixListener::accept)
                    .await
                    .and_then(|(stream, _)| {
                        stream.set_nonblocking(true)?;
                        let name = format!("{}:0", self.endpoint);
                        let socket = Socket::Unix(stream);
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

/// Has tokio tell when there is somebody to accept.
fn watched<L: AsRawFd>(listener: L) -> std::io::Result<AsyncFd<L>> {
    #[allow(
        deprecated,
        reason = "its successor is unsafe for what std's listeners keep: one descriptor, their own"
    )]
    AsyncFd::new(listener)
}

/// Waits for a connection.
async fn accepted<L: AsRawFd, T>(
    listener: &AsyncFd<L>,
    accept: impl Fn(&L) -> std::io::Result<T>,
) -> std::io::Result<T> {
    loop {
        let mut ready = listener.readable().await?;
        // An error here is that there is none any more.
        if let Ok(accepted) = ready.try_io(|listener| accept(listener.get_ref())) {
            return accepted;
        }
    }
}

/// Has what a listener accepts send keepalives after `secs` of silence; 0: not at all.
fn keep_alive(listener: &std::net::TcpListener, secs: i64) {
    let socket = SockRef::from(listener);
    // A socket without keepalive works all the same.
    let _ = match u64::try_from(secs) {
        Ok(secs @ 1..) => {
            let every = TcpKeepalive::new()
                .with_time(Duration::from_secs(secs))
                .with_interval(Duration::from_secs((secs / 3).max(1)))
                .with_retries(3);
            socket.set_tcp_keepalive(&every)
        }
        _ => socket.set_keepalive(false),
    };
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
