"""Starts and stops the daemons under test: magpie, redis-server and memcached.

Every daemon, and every server that `deployment.py` puts before them, runs in the foreground as our child,
on a free loopback port, in a directory of its own with its output in a log there; it is stopped by its
process id and nothing else.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 20
STOP_SECONDS = 30  # Apache gives its own children nine seconds; killed itself, it would leave them behind
# A port that was free may be taken by the time the daemon binds it; then another one is tried.
START_ATTEMPTS = 5

BINARY_QUIT = b"\x80\x07" + bytes(22)

ALL_KINDS = ["magpie", "real"]
KINDS = [os.environ["MAGPIE_COMPAT"]] if os.environ.get("MAGPIE_COMPAT") else ALL_KINDS
if not set(KINDS) <= set(ALL_KINDS):
    raise ValueError(f"MAGPIE_COMPAT must be one of {ALL_KINDS}, not {KINDS[0]!r}")


class ServerError(RuntimeError):
    """A daemon is missing, did not start or died; the message holds the end of its log."""


@dataclass(frozen=True)
class Endpoint:
    """Where one protocol is served: a TCP address, and a unix socket when one was asked for."""

    host: str
    port: int
    password: str | None = None
    socket: Path | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def url(self, db: int = 0) -> str:
        credentials = f":{self.password}@" if self.password else ""
        return f"redis://{credentials}{self.address}/{db}"

    def talk(self, request: bytes, terminator: bytes = b"\r\n", timeout: float = 5) -> bytes:
        """Sends raw bytes on a new connection and returns the answer up to `terminator`."""
        with self._connect(timeout) as connection:
            connection.sendall(request)
            answer = b""
            while not answer.endswith(terminator):
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
            return answer

    def _connect(self, timeout: float) -> socket.socket:
        # memcached listens either on TCP or on a unix socket, never on both.
        if self.port:
            return socket.create_connection((self.host, self.port), timeout)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(str(self.socket))
        return connection


@dataclass
class Process:
    """One running daemon."""

    name: str
    command: list[str]
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    popen: subprocess.Popen | None = None

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int:
        return self.popen.pid

    def is_alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self, signum: int = signal.SIGTERM) -> int | None:
        """Ends the daemon and returns its exit status; a daemon that ignores the signal is killed."""
        if self.popen is None:
            return None
        if self.is_alive():
            self.popen.send_signal(signum)
            try:
                self.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode

    def log_tail(self, lines: int = 40) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Server:
    """What a site sees: a memcached endpoint and a Redis endpoint, served by one daemon or by two.

    `name` is `magpie` or `real`; `restart()` brings the same daemons back on the same ports.
    """

    name: str
    memcached: Endpoint
    redis: Endpoint
    processes: list[Process] = field(default_factory=list)

    def start(self) -> None:
        for process in self.processes:
            process.start()
        self._wait_until_ready()

    def stop(self, signum: int = signal.SIGTERM) -> list[int | None]:
        return [process.stop(signum) for process in self.processes]

    def restart(self) -> None:
        self.stop()
        self.start()

    def is_alive(self) -> bool:
        return all(process.is_alive() for process in self.processes)

    def flush(self) -> None:
        """Empties both sides. Errors are raised: a test must not start on another test's data."""
        password = self.redis.password if self.name == "magpie" else ""
        credentials = f"default {password}".encode()
        login = b"set auth 0 0 %d\r\n%s\r\n" % (len(credentials), credentials) if password else b""
        answer = self.memcached.talk(login + b"flush_all\r\n", b"OK\r\n")
        if answer.removeprefix(b"STORED\r\n") != b"OK\r\n":
            raise ServerError(f"{self.name}: flush_all answered {answer!r}")
        login = f"AUTH {self.redis.password}\r\n".encode() if self.redis.password else b""
        answer = self.redis.talk(login + b"FLUSHALL\r\n", b"+OK\r\n" * (2 if login else 1))
        if not answer.endswith(b"+OK\r\n"):
            raise ServerError(f"{self.name}: FLUSHALL answered {answer!r}")

    def logs(self) -> str:
        return "\n".join(f"--- {process.name} ({process.log})\n{process.log_tail()}" for process in self.processes)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        # A quit of the binary protocol is answered by a memcached with SASL too, which knows no text.
        questions = [(self.memcached, BINARY_QUIT, b"never ends like this"), (self.redis, b"PING\r\n", b"\r\n")]
        while questions:
            endpoint, *question = questions[0]
            try:
                # Any answer will do: with a password PING is refused, and the daemon is ready all the same.
                if endpoint.talk(*question, timeout=1):
                    questions.pop(0)
                    continue
            except OSError:
                pass
            if not self.is_alive() or time.monotonic() > deadline:
                what = "did not answer in time" if self.is_alive() else "ended while starting"
                raise ServerError(f"{self.name} {what}\n{self.logs()}")
            time.sleep(0.02)


def start_server(
    kind: str,
    directory: Path,
    *,
    password: str | None = None,
    unix_sockets: bool = False,
    sasl: tuple[str, str] | None = None,
    maxmemory: str = "256mb",
    threads: int = 2,
    magpie_args: tuple[str, ...] = (),
    redis_args: tuple[str, ...] = (),
    memcached_args: tuple[str, ...] = (),
) -> Server:
    """Starts `magpie`, or `real`: a redis-server and a memcached.

    `password` guards the Redis side. `sasl`, a user and a password, guards the memcached side, which clients of the
    binary protocol log in to; in magpie it guards both. `unix_sockets` adds a socket to each side (`endpoint.socket`);
    memcached then has no TCP port, as its manual says. The `*_args` are added to that daemon's command.
    """
    build = {"magpie": _magpie, "real": _real}[kind]
    for attempt in range(1, START_ATTEMPTS + 1):
        here = directory / f"attempt-{attempt}"
        here.mkdir(parents=True)
        redis = Endpoint(HOST, free_port(), password, here / "redis.sock" if unix_sockets else None)
        memcached = Endpoint(HOST, free_port(), socket=here / "memcached.sock" if unix_sockets else None)
        environment = {}
        if sasl and kind == "magpie":
            (here / "users").write_text(":".join(sasl) + "\n")
            magpie_args = (*magpie_args, "-S", "-Y", str(here / "users"))
        elif sasl:
            memcached_args = (*memcached_args, "-S")
            environment = _sasl_database(here, *sasl)
        extra = {"magpie": magpie_args, "redis-server": redis_args, "memcached": memcached_args}
        server = build(memcached, redis, maxmemory, threads, here, extra)
        server.processes[-1].environment = environment
        try:
            server.start()
            return server
        except ServerError as error:
            died = not server.is_alive()
            server.stop()
            if not died or "in use" not in str(error).lower() or attempt == START_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _sasl_database(here: Path, user: str, password: str) -> dict[str, str]:
    """Makes the files of a memcached with SASL; gives the variables that lead it there."""
    tool = find("saslpasswd2", "on Debian: apt-get install sasl2-bin")
    database = here / "sasldb"
    # A user without a realm belongs to the one that memcached is started in: its host.
    options = ["-p", "-c", "-a", "memcached", "-u", socket.gethostname(), "-f", str(database)]
    subprocess.run([tool, *options, user], input=password.encode(), check=True)
    (here / "memcached.conf").write_text(
        f"mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\n"
    )
    return {"SASL_CONF_PATH": str(here)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def magpie_binary() -> str:
    return os.environ.get("MAGPIE_BIN", str(ROOT / "target" / "release" / "magpie"))


def _magpie(memcached: Endpoint, redis: Endpoint, maxmemory: str, threads: int, here: Path, extra: dict) -> Server:
    command = [
        find(magpie_binary(), "build it with `cargo build --release`, or set MAGPIE_BIN"),
        *("--bind", HOST, "--port", str(redis.port), "--memcached-port", str(memcached.port)),
        *("--maxmemory", maxmemory, "-t", str(threads), "--enable-debug-command", "yes"),
    ]
    if redis.password:
        command += ["--requirepass", redis.password]
    if redis.socket:
        command += ["--unixsocket", str(redis.socket), "--memcached-unixsocket", str(memcached.socket)]
    process = Process("magpie", command + list(extra["magpie"]), here)
    return Server("magpie", memcached, redis, [process])


def _real(memcached: Endpoint, redis: Endpoint, maxmemory: str, threads: int, here: Path, extra: dict) -> Server:
    redis_command = [
        find("redis-server", "on Debian: apt-get install redis-server"),
        *("--bind", HOST, "--port", str(redis.port), "--save", "", "--appendonly", "no", "--daemonize", "no"),
        *("--maxmemory", maxmemory, "--enable-debug-command", "yes"),
    ]
    memcached_command = [
        find("memcached", "on Debian: apt-get install memcached"),
        *("-t", str(threads), "-m", str(int(maxmemory.lower().removesuffix("mb")))),
    ]
    if os.getuid() == 0:
        memcached_command += ["-u", "root"]  # memcached refuses to run as root without being told so
    if redis.password:
        redis_command += ["--requirepass", redis.password]
    if redis.socket:
        redis_command += ["--unixsocket", str(redis.socket)]
        memcached_command += ["-s", str(memcached.socket)]
        memcached = Endpoint(HOST, 0, socket=memcached.socket)
    else:
        memcached_command += ["-l", HOST, "-p", str(memcached.port), "-U", "0"]
    processes = [
        Process("redis-server", redis_command + list(extra["redis-server"]), here),
        Process("memcached", memcached_command + list(extra["memcached"]), here),
    ]
    return Server("real", memcached, redis, processes)


def find(program: str, advice: str) -> str:
    # Debian puts servers where only root's PATH leads.
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if path is None:
        raise ServerError(f"{program} is not installed or not built: {advice}")
    return path
