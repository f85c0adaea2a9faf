"""Crowds, idlers and farewells: what a daemon has to bear, and how it starts and stops."""

import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis

from servers import HOST, Process, free_port, magpie_binary
from wire import Wire

PROTOCOLS = ["memcached", "redis"]
# Flags that the README and the issue promise.
FLAGS = """--port --memcached-port --bind --threads --maxmemory --maxclients --unixsocket --memcached-unixsocket
    --requirepass --max-item-size --protected-mode --maxmemory-policy --enable-debug-command
    --enable-protected-configs -p -l -t -m -c -s -I --help --version""".split()
TOO_MANY = b"ERROR Too many open connections\r\n"  # memcached's words; Redis' are in the test


@pytest.fixture
def many_files():
    """Lifts the limit of open files; what is started meanwhile inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident_mb(process: Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def test_five_thousand_connections_to_each_port(kind, make_server, many_files):
    assert many_files > 12_000, "this machine allows too few open files for the test"
    server = make_server(
        kind, magpie_args=("-c", "12000"), redis_args=("--maxclients", "6000"), memcached_args=("-c", "6000")
    )
    wires = [Wire(server, protocol, timeout=30) for protocol in PROTOCOLS for _ in range(5000)]
    try:
        assert all(wire.is_open() for wire in wires)
        assert redis.Redis.from_url(server.redis.url()).info("clients")["connected_clients"] >= 5000
    finally:
        for wire in wires:
            wire.close()
    with Wire(server, "redis") as late, Wire(server, "memcached") as later:
        assert late.is_open() and later.is_open()


def test_connections_over_maxclients_are_told_so(kind, make_server):
    """Redis says why; so does memcached."""
    server = make_server(kind)
    client = redis.Redis.from_url(server.redis.url(), single_connection_client=True)
    client.config_set("maxclients", 5)
    admitted = [Wire(server, "redis") for _ in range(4)]
    assert all(wire.is_open() for wire in admitted)
    with Wire(server, "redis") as refused:
        assert refused.read_to_end() == b"-ERR max number of clients reached\r\n"
    assert client.info("stats")["rejected_connections"] >= 1
    admitted.pop().close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with Wire(server, "redis") as admitted_late:
            if admitted_late.is_open():
                break
    else:
        pytest.fail("a place that became free was not given to the next client")
    for wire in admitted:
        wire.close()


def test_memcached_connections_over_the_limit_are_told_so(kind, make_server):
    server = make_server(kind, magpie_args=("-c", "50"), memcached_args=("-c", "50"))
    wires = []
    try:
        for _ in range(100):
            wires.append(Wire(server, "memcached"))
        answers = {wire.ask(b"mn\r\n") for wire in wires}
    except ConnectionError:
        answers = {b"MN\r\n", TOO_MANY}
    finally:
        for wire in wires:
            wire.close()
    assert answers <= {b"MN\r\n", TOO_MANY, b""}
    assert b"MN\r\n" in answers and len(answers) > 1


def test_idle_clients_are_disconnected_after_timeout(kind, make_server):
    server = make_server(kind)
    redis.Redis.from_url(server.redis.url()).config_set("timeout", 1)
    with Wire(server, "redis") as idle, Wire(server, "redis") as busy:
        assert idle.is_open()
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            assert busy.is_open()
            time.sleep(0.2)
        assert idle.read_to_end() == b""
        assert busy.is_open()


def test_idle_clients_stay_without_timeout(server):
    with Wire(server, "redis") as idle, Wire(server, "memcached") as other:
        time.sleep(2)
        assert idle.is_open() and other.is_open()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_clients_that_never_read_hold_nobody_up(kind, make_server, protocol):
    server = make_server(kind)
    redis.Redis.from_url(server.redis.url()).set("big", b"x" * 100_000)
    with Wire(server, "memcached") as wire:
        wire.exchange(b"set big 0 0 100000\r\n" + b"x" * 100_000 + b"\r\n")
    deaf = [Wire(server, protocol, timeout=0.2) for _ in range(20)]
    try:
        for wire in deaf:
            wire.send(b"get big\r\n" * 50)
        for other in PROTOCOLS:
            with Wire(server, other) as wire:
                assert wire.is_open()
    finally:
        for wire in deaf:
            wire.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_clients_that_never_read_are_not_paid_for_without_limit(make_server, protocol, magpie):
    """20 clients ask for 100 MB each and read nothing: output waits in their sockets, or they are cut off."""
    server = make_server("magpie", maxmemory="64mb")
    redis.Redis.from_url(server.redis.url()).set("big", b"x" * 1_000_000)
    deaf = [Wire(server, protocol, timeout=0.2) for _ in range(20)]
    try:
        for wire in deaf:
            wire.send(b"get big\r\n" * 100)
        time.sleep(0.5)
        assert resident_mb(server.processes[0]) < 400
        with Wire(server, protocol) as wire:
            assert wire.is_open()
    finally:
        for wire in deaf:
            wire.close()


def test_clients_that_send_half_of_large_requests_are_not_paid_for_in_advance(make_server, magpie, many_files):
    """1,000 announcements of 100 MB cost what was sent, not what was announced."""
    server = make_server("magpie", maxmemory="64mb")
    wires = [Wire(server, PROTOCOLS[number % 2]) for number in range(1000)]
    try:
        for wire in wires:
            wire.send(b"set a 0 0 100000000\r\nabc" if wire.protocol == "memcached" else b"*1\r\n$100000000\r\nabc")
        time.sleep(0.5)
        assert resident_mb(server.processes[0]) < 300
    finally:
        for wire in wires:
            wire.close()


def test_connections_come_and_go_without_a_trace(kind, make_server):
    server = make_server(kind)
    client = redis.Redis.from_url(server.redis.url())
    for _ in range(2000):
        for protocol in PROTOCOLS:
            with Wire(server, protocol) as wire:
                wire.send(b"PING\r\n" if protocol == "redis" else b"mn\r\n")
    deadline = time.monotonic() + 10
    while client.info("clients")["connected_clients"] > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.info("clients")["connected_clients"] == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0_while_clients_are_connected(kind, make_server, signum):
    server = make_server(kind)
    wires = [Wire(server, protocol) for protocol in PROTOCOLS for _ in range(20)]
    assert all(wire.is_open() for wire in wires)
    assert server.stop(signum) == [0] * len(server.processes)
    assert all(wire.read_to_end() == b"" for wire in wires)


def test_it_comes_back_on_the_same_ports(kind, make_server):
    server = make_server(kind)
    for _ in range(3):
        with Wire(server, "redis") as wire, Wire(server, "memcached") as other:
            assert wire.is_open() and other.is_open()
            server.restart()  # with clients connected, whose side of the connection lingers


# --- starting magpie ------------------------------------------------------------------------------


def run_magpie(*arguments: str, timeout: float = 10) -> subprocess.CompletedProcess:
    """Runs it to its end, for what ends by itself."""
    return subprocess.run([magpie_binary(), *arguments], capture_output=True, text=True, timeout=timeout)


@pytest.fixture
def start_magpie(tmp_path):
    """Starts it with exactly these arguments and returns the process; what it prints is in its log."""
    processes = []

    def start(*arguments: str) -> Process:
        process = Process("magpie", [magpie_binary(), *arguments], tmp_path)
        process.start()
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.stop()


def wait_for_log(process: Process, pattern: str) -> str:
    deadline = time.monotonic() + 10
    while not re.search(pattern, process.log_tail(), re.DOTALL):
        assert process.is_alive() and time.monotonic() < deadline, process.log_tail()
        time.sleep(0.02)
    return process.log_tail()


def talk(port: int, request: bytes) -> bytes:
    with socket.create_connection((HOST, port), 5) as connection:
        connection.sendall(request)
        return connection.recv(100)


def test_help_mentions_every_flag(magpie):
    done = run_magpie("--help")
    assert done.returncode == 0
    missing = [flag for flag in FLAGS if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", done.stdout)]
    assert not missing


def test_version(magpie):
    assert re.search(r"\d+\.\d+\.\d+", run_magpie("--version").stdout)


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--port", "x"], ["--maxmemory", "much"], ["--threads", "x"]])
def test_flags_that_make_no_sense_are_refused_with_a_reason(magpie, arguments):
    done = run_magpie(*arguments)
    assert done.returncode not in (0, 101), done.stderr  # 101 is a panic
    assert arguments[0] in done.stderr


def test_port_0_takes_free_ports_and_prints_them(magpie, start_magpie):
    process = start_magpie("--port", "0", "--memcached-port", "0")
    log = wait_for_log(process, r"127\.0\.0\.1:([1-9]\d*)\b.*127\.0\.0\.1:(?!\1\b)[1-9]\d*")
    answers = {talk(int(port), b"version\r\n")[:8] for port in set(re.findall(r"127\.0\.0\.1:([1-9]\d*)", log))}
    assert answers == {b"VERSION ", b"-ERR unk"}


def test_the_start_says_what_a_django_site_needs(magpie, start_magpie):
    port, memcached_port = free_port(), free_port()
    process = start_magpie("--port", str(port), "-p", str(memcached_port), "--maxmemory", "100mb")
    log = wait_for_log(process, "CACHES")
    assert f"127.0.0.1:{port}" in log and f"127.0.0.1:{memcached_port}" in log
    assert re.search(r"100\s?(mb|MB|MiB)", log)


def test_a_port_that_is_taken_ends_it_with_a_sentence(magpie):
    done = run_magpie("--port", str(magpie.redis.port), "--memcached-port", "0")
    assert done.returncode not in (0, 101)
    assert str(magpie.redis.port) in done.stderr + done.stdout
    assert "in use" in (done.stderr + done.stdout).lower()


def test_binding_wider_without_a_password_is_refused_and_says_what_to_do(magpie):
    done = run_magpie("--bind", "0.0.0.0", "--port", "0", "--memcached-port", "0")
    said = done.stderr + done.stdout
    assert done.returncode not in (0, 101)
    assert "--requirepass" in said and "--protected-mode no" in said


def test_who_insists_binds_wider(magpie, start_magpie):
    port = free_port()
    start = start_magpie("--bind", "0.0.0.0", "--port", str(port), "--memcached-port", "0", "--protected-mode", "no")
    wait_for_log(start, rf"0\.0\.0\.0:{port}")
    assert talk(port, b"PING\r\n") == b"+PONG\r\n"


def test_it_listens_on_loopback_only_by_default(magpie, start_magpie):
    port = free_port()
    process = start_magpie("--port", str(port), "--memcached-port", "0")
    wait_for_log(process, rf"127\.0\.0\.1:{port}")
    listening = Path(f"/proc/{process.pid}/net/tcp").read_text() + Path(f"/proc/{process.pid}/net/tcp6").read_text()
    assert re.search(rf"0100007F:{port:04X} 00000000:0000 0A", listening)
    assert not re.search(rf"\b0{{8,32}}:{port:04X} ", listening)
