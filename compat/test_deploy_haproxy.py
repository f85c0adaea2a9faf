"""HAProxy before two cache servers, with the health checks that its documentation shows for Redis and memcached."""

from __future__ import annotations

import csv
import io
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheUnexpectedCloseError

from deploy_fixtures import cache_addresses, started
from deployment import paste, start_on_free_ports, wait_until
from run_reports import note_cell, note_logs
from servers import HOST, Process, Server, find, free_port, start_server

LISTENERS = {"redis": 7379, "redis-primary": 7380, "memcached": 7211}


class Haproxy(Process):
    """HAProxy with the two servers behind it."""

    caches: list[Server]
    ports: dict[str, int]

    @classmethod
    def configured(cls, here: Path, addresses: dict[str, str]) -> Haproxy:
        ports = {listener: free_port() for listener in LISTENERS}
        listeners = {f"127.0.0.1:{port}": f"{HOST}:{ports[listener]}" for listener, port in LISTENERS.items()}
        config = paste("haproxy.cfg", here, listeners | addresses)
        settings = here / "global.cfg"  # as in Debian's own haproxy.cfg, in the test's directory
        settings.write_text(f"global\n    stats socket {here}/admin.sock mode 660 level admin\n    log stderr local0\n")
        command = [find("haproxy", "on Debian: apt-get install haproxy"), "-db", "-f", str(settings), "-f", str(config)]
        process = cls("haproxy", command, here)
        process.ports = ports
        return process

    def states(self) -> dict[tuple[str, str], str]:
        """What its administration socket says: (listener, server) to UP, DOWN, or on the way there."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.directory / "admin.sock"))
            connection.sendall(b"show stat\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        rows = csv.DictReader(io.StringIO(answer.removeprefix("# ")))
        return {(row["pxname"], row["svname"]): row["status"] for row in rows if row["svname"].startswith("magpie")}

    def wait_for(self, server: str, state: str) -> None:
        wait_until(
            lambda: {now for (_, name), now in self.states().items() if name == server} == {state},
            f"{server} {state}",
            [self],
        )

    def who_answers(self, listener: str) -> Counter:
        """Asks on ten new connections for the key `who`."""
        return Counter(self._ask(listener) for _ in range(10))

    def _ask(self, listener: str) -> bytes:
        if listener == "memcached":
            client = Client((HOST, self.ports[listener]), timeout=10)
        else:
            client = redis.Redis(HOST, self.ports[listener], retry=None, socket_timeout=10)
        answer = client.get("who")
        client.close()
        return answer


@pytest.fixture(scope="module")
def running_haproxy(kind, server_directories):
    directory: Path = server_directories("haproxy")
    with ExitStack() as closing:
        caches = [started(closing, start_server(kind, directory / f"cache{number}")) for number in (1, 2)]
        addresses = cache_addresses("memcached", *caches) | cache_addresses("redis", *caches)
        process = start_on_free_ports(
            lambda here: Haproxy.configured(here, addresses), directory / "haproxy", Haproxy.states
        )
        process.caches = caches
        yield started(closing, process)


@pytest.fixture
def haproxy(request, kind, listener, running_haproxy):
    """HAProxy with both servers up and, in each, its name under the key `who`."""
    note_cell(request, kind, "haproxy", listener)
    note_logs(request, running_haproxy, *(p for cache in running_haproxy.caches for p in cache.processes))
    for number, cache in enumerate(running_haproxy.caches, 1):
        if not cache.is_alive():
            cache.start()
        running_haproxy.wait_for(f"magpie{number}", "UP")
        name_server(cache, number)
    yield running_haproxy
    assert running_haproxy.is_alive()


def name_server(cache: Server, number: int) -> None:
    cache.flush()
    redis.Redis(HOST, cache.redis.port).set("who", f"server {number}")
    client = Client((HOST, cache.memcached.port))
    client.set("who", f"server {number}", noreply=False)
    client.close()


@pytest.fixture(params=LISTENERS)
def listener(request) -> str:
    return request.param


def balanced(listener: str) -> set[bytes]:
    """Who answers while both are up: the primary alone where the other one is its backup."""
    return {b"server 1"} if listener == "redis-primary" else {b"server 1", b"server 2"}


def test_both_are_up_and_share_the_work(haproxy, listener):
    assert set(haproxy.who_answers(listener)) == balanced(listener)


def test_one_that_stops_is_taken_out_and_comes_back(haproxy, listener):
    haproxy.caches[0].stop()
    haproxy.wait_for("magpie1", "DOWN")
    assert haproxy.who_answers(listener) == {b"server 2": 10}
    haproxy.caches[0].start()
    name_server(haproxy.caches[0], 1)
    haproxy.wait_for("magpie1", "UP")
    assert set(haproxy.who_answers(listener)) == balanced(listener)


def test_one_that_hangs_is_taken_out_and_comes_back(haproxy, listener):
    for process in haproxy.caches[0].processes:
        process.popen.send_signal(signal.SIGSTOP)
    try:
        haproxy.wait_for("magpie1", "DOWN")
        assert haproxy.who_answers(listener) == {b"server 2": 10}
    finally:
        for process in haproxy.caches[0].processes:
            process.popen.send_signal(signal.SIGCONT)
    haproxy.wait_for("magpie1", "UP")
    assert set(haproxy.who_answers(listener)) == balanced(listener)


def test_the_second_alone_and_then_nobody(haproxy, listener):
    haproxy.caches[1].stop()
    haproxy.wait_for("magpie2", "DOWN")
    assert haproxy.who_answers(listener) == {b"server 1": 10}
    haproxy.caches[0].stop()
    haproxy.wait_for("magpie1", "DOWN")
    with pytest.raises((redis.ConnectionError, MemcacheUnexpectedCloseError, OSError)):
        haproxy.who_answers(listener)
