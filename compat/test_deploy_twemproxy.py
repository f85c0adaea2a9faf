"""twemproxy (Debian's nutcracker) before three servers, on both protocols, by pymemcache, redis-py and the site."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError

from deploy_fixtures import bring_back_empty, cache_addresses, memcached_items, serve_site, started
from deployment import WORKERS, Browser, django_site, paste, start_on_free_ports, wait_until
from run_reports import note_cell, note_logs
from servers import HOST, Endpoint, Process, Server, find, free_port, start_server

POOLS = {"memcached": 7211, "redis": 7379}


class Nutcracker(Process):
    """twemproxy's daemon."""

    endpoints: dict[str, Endpoint]
    stats_port: int

    @classmethod
    def configured(cls, here: Path, servers: dict[str, str]) -> Nutcracker:
        endpoints = {pool: Endpoint(HOST, free_port()) for pool in POOLS}
        pools = {f"127.0.0.1:{port}": endpoints[pool].address for pool, port in POOLS.items()}
        stats_port = free_port()
        command = [find("nutcracker", "on Debian: apt-get install nutcracker")]
        command += [f"--conf-file={paste('nutcracker.yml', here, pools | servers)}"]
        command += [f"--stats-addr={HOST}", f"--stats-port={stats_port}", "--stats-interval=100"]
        process = cls("nutcracker", command, here)
        process.endpoints, process.stats_port = endpoints, stats_port
        return process

    def stats(self) -> dict:
        with socket.create_connection((HOST, self.stats_port), 5) as connection:
            return json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))


@dataclass
class Twemproxy:
    process: Nutcracker
    caches: list[Server]

    def ejections(self, pool: str) -> int:
        """How often a server was taken out, as twemproxy itself counts."""
        return self.process.stats()[pool]["server_ejects"]

    def items(self, pool: str) -> list[int]:
        return [self.items_of(pool, number) for number in range(len(self.caches))]

    def items_of(self, pool: str, number: int) -> int:
        cache = self.caches[number]
        if pool == "redis":
            with redis.Redis(cache.redis.host, cache.redis.port) as client:
                return client.dbsize()
        return memcached_items(cache)


@pytest.fixture(scope="module")
def running_twemproxy(kind, server_directories):
    directory = server_directories("twemproxy")
    with ExitStack() as closing:
        caches = [started(closing, start_server(kind, directory / f"cache{number}")) for number in range(3)]
        addresses = cache_addresses("memcached", *caches) | cache_addresses("redis", *caches)
        servers = {f"{old}:1": f"{new}:1" for old, new in addresses.items()}
        process = start_on_free_ports(
            lambda here: Nutcracker.configured(here, servers), directory / "nutcracker", Nutcracker.stats
        )
        yield Twemproxy(started(closing, process), caches)


@pytest.fixture(params=POOLS)
def pool(request) -> str:
    return request.param


@pytest.fixture
def twemproxy(request, kind, pool, running_twemproxy):
    note_cell(request, kind, "twemproxy", pool)
    bring_back_empty(running_twemproxy.caches)
    note_logs(request, running_twemproxy.process, *(p for c in running_twemproxy.caches for p in c.processes))
    yield running_twemproxy
    assert running_twemproxy.process.is_alive()


class Memcached(Client):
    """pymemcache, with redis-py's name for reading many."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__((endpoint.host, endpoint.port), timeout=10, default_noreply=False)

    def mget(self, keys):
        values = self.get_many(keys)
        return [values.get(key) for key in keys]


def connect(twemproxy: Twemproxy, pool: str):
    endpoint = twemproxy.process.endpoints[pool]
    if pool == "memcached":
        return Memcached(endpoint)
    return redis.Redis(endpoint.host, endpoint.port, retry=None, protocol=2, driver_info=None)


KEYS = [f"article:{number}" for number in range(200)]


def write_all(client) -> bool:
    """Whether every key could be written and read."""
    try:
        for key in KEYS:
            client.set(key, key.upper())
        return client.mget(KEYS) == [key.upper().encode() for key in KEYS]
    except (redis.RedisError, MemcacheError):
        return False


def test_keys_are_spread_and_found(twemproxy, pool):
    client = connect(twemproxy, pool)
    wait_until(lambda: write_all(client), "an answer to every key", [twemproxy.process])
    shares = twemproxy.items(pool)
    assert sum(shares) == len(KEYS) and min(shares) > 0
    assert client.get("article:7") == b"ARTICLE:7"
    assert client.delete("article:7")
    assert client.get("article:7") is None
    client.set("readers", "41")
    assert client.incr("readers", 1) == 42
    assert client.append("article:8", "!")
    assert client.get("article:8") == b"ARTICLE:8!"


def test_one_dies_and_returns(twemproxy, pool):
    client = connect(twemproxy, pool)
    wait_until(lambda: write_all(client), "an answer to every key", [twemproxy.process])
    before = twemproxy.ejections(pool)
    twemproxy.caches[1].stop()
    wait_until(
        lambda: write_all(client) and twemproxy.ejections(pool) > before,
        "an end of errors with one server taken out",
        [twemproxy.process],
    )
    twemproxy.caches[1].start()
    wait_until(lambda: write_all(client) and twemproxy.items_of(pool, 1) > 0, "work for the server that came back")


def test_the_site_behind_it(twemproxy, pool, server_directories, site_database):
    directory = server_directories("twemproxied")
    name, port = {"memcached": ("django_memcached.py", 11211), "redis": ("django_redis_twemproxy.py", 7379)}[pool]
    settings = paste(name, directory, {f"127.0.0.1:{port}": twemproxy.process.endpoints[pool].address})
    with ExitStack() as closing:
        site = django_site(settings, site_database)
        _, address = serve_site(closing, "gunicorn_sync", site, directory / "app")
        ada = Browser(address)
        ada.post("/login/", name="ada", password="lovelace")
        for answer in ada.from_every_worker("/desk/", WORKERS):
            assert answer.json() == {"user": "ada"}
        for path in ("/", "/report/"):
            page = ada.get(path).text
            assert {answer.text for answer in Browser(address).from_every_worker(path, WORKERS)} == {page}
        numbers = [Browser(address).get("/counter/").json()["readers"] for _ in range(20)]
        assert numbers == list(range(1, 21))
