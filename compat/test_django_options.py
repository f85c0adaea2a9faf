"""CACHES as sites write it: passwords, databases, sockets, several servers, options; and a restart."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pylibmc
import pytest
import redis
from pymemcache.exceptions import MemcacheUnexpectedCloseError

from django_fixtures import BACKENDS, SITE, endpoint_of, location_of

only_redis = pytest.mark.parametrize("backend", ["RedisCache"], indirect=True)
only_memcached = pytest.mark.parametrize("backend", ["PyMemcacheCache", "PyLibMCCache"], indirect=True)

# What the clients raise when they cannot reach their server, or lose it.
CLIENT_ERRORS = (OSError, MemcacheUnexpectedCloseError, pylibmc.Error, redis.ConnectionError)


def works(cache) -> bool:
    cache.set_many({"a": 1, "b": "two"})
    return cache.get_many(["a", "b", "c"]) == {"a": 1, "b": "two"} and cache.incr("a") == 2


@only_redis
@pytest.mark.parametrize("user", ["", "default"])
def test_password_in_the_url(kind, make_server, configure_caches, user):
    server = make_server(kind, password="pass-word")
    url = f"redis://{user}:pass-word@{server.redis.address}"
    caches = configure_caches(server, default={"LOCATION": url}, wrong={"LOCATION": url.replace("pass-", "no-")})
    assert works(caches["default"])
    with pytest.raises(redis.AuthenticationError):
        caches["wrong"].get("a")


@only_redis
def test_password_as_an_option(kind, make_server, configure_caches):
    server = make_server(kind, password="secret")
    location = f"redis://{server.redis.address}"
    caches = configure_caches(server, default={"LOCATION": location, "OPTIONS": {"password": "secret"}})
    assert works(caches["default"])


@only_redis
def test_databases_are_apart(server, configure_caches):
    caches = configure_caches(
        server,
        default={},
        by_url={"LOCATION": server.redis.url(db=7)},
        by_option={"OPTIONS": {"db": "15"}},
        by_query={"LOCATION": f"redis://{server.redis.address}?db=7"},
    )
    caches["by_url"].set("key", "seven")
    caches["by_option"].set("key", "fifteen")
    assert caches["default"].get("key") is None
    assert caches["by_query"].get("key") == "seven"
    caches["by_url"].clear()
    assert caches["by_query"].get("key") is None
    assert caches["by_option"].get("key") == "fifteen"


@only_redis
def test_a_list_of_servers_is_a_leader_and_its_readers(server, configure_caches):
    """Django writes to the first and reads from the others; here all are the same server."""
    caches = configure_caches(server, default={"LOCATION": [server.redis.url()] * 3})
    assert works(caches["default"])


@only_redis
@pytest.mark.parametrize(
    "options",
    [
        {"protocol": 2},
        {"protocol": 3},
        {"parser_class": "redis._parsers._RESP2Parser", "protocol": 2},
        {"parser_class": "redis._parsers._RESP3Parser", "protocol": 3},
        {"client_name": "site"},
        {"health_check_interval": 1},
        {"max_connections": 2},
        {"socket_timeout": 5, "socket_connect_timeout": 5, "socket_keepalive": True, "retry_on_timeout": True},
        {"pool_class": "redis.BlockingConnectionPool"},
    ],
    ids=lambda options: next(iter(options)) + str(options.get("protocol", "")),
)
def test_redis_options(server, configure_caches, options):
    assert works(configure_caches(server, default={"OPTIONS": options})["default"])


class JSONSerializer:
    def dumps(self, value) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes):
        return json.loads(data)


@only_redis
def test_serializer(server, configure_caches):
    """Another serializer, and what it wrote is there for others to read."""
    cache = configure_caches(server, default={"OPTIONS": {"serializer": JSONSerializer}})["default"]
    cache.set("key", {"title": "ü"})
    assert cache.get("key") == {"title": "ü"}
    assert redis.Redis.from_url(server.redis.url()).get(":1:key") == b'{"title": "\\u00fc"}'


@only_memcached
def test_several_servers(kind, make_server, configure_caches):
    """The client spreads the keys over the servers, and takes care of each server's part."""
    servers = [make_server(kind), make_server(kind)]
    locations = [server.memcached.address for server in servers]
    for location in (locations, ";".join(locations)):
        cache = configure_caches(servers[0], default={"LOCATION": location})["default"]
        items = {f"key{number}": number for number in range(100)}
        assert cache.set_many(items) == []
        assert cache.get_many(items) == items
        for server in servers:
            assert 10 < int(stat(server, "curr_items")) < 90
        cache.clear()
        assert cache.get_many(items) == {}
        assert works(cache)
        cache.clear()


def stat(server, name: str) -> str:
    lines = server.memcached.talk(b"stats\r\n", b"END\r\n").decode().split("\r\n")
    (value,) = [line.split()[2] for line in lines if line.startswith(f"STAT {name} ")]
    return value


MEMCACHED_OPTIONS = {
    "PyMemcacheCache": [
        {"no_delay": True, "ignore_exc": True, "max_pool_size": 4, "use_pooling": True},
        {"use_pooling": False},
        {"default_noreply": True},
        {"connect_timeout": 2, "timeout": 2},
    ],
    "PyLibMCCache": [
        {"behaviors": {"ketama": True, "tcp_nodelay": True}},
        {"behaviors": {"no_block": True, "cas": True}},
        {"behaviors": {"remove_failed": 1, "retry_timeout": 1, "dead_timeout": 1}},
    ],
}


@pytest.mark.parametrize(
    ("backend", "options"),
    [(backend, options) for backend, each in MEMCACHED_OPTIONS.items() for options in each],
    indirect=["backend"],
)
def test_memcached_options(server, configure_caches, options):
    cache = configure_caches(server, default={"OPTIONS": options})["default"]
    assert works(cache)
    cache.set("large", "x" * 500_000)
    assert cache.get("large") == "x" * 500_000
    assert cache.delete("large") in (True, None)  # None: told not to wait for an answer


def test_unix_socket(kind, make_server, configure_caches, backend):
    server = make_server(kind, unix_sockets=True)
    path = endpoint_of(server, backend).socket
    locations = {"PyMemcacheCache": f"unix:{path}", "PyLibMCCache": str(path), "RedisCache": f"unix://{path}?db=1"}
    assert works(configure_caches(server, default={"LOCATION": locations[backend]})["default"])


def test_a_cache_outlives_a_restart_of_its_server(kind, make_server, configure_caches, backend):
    """As a cache it comes back empty, and the site's connections recover by themselves."""
    server = make_server(kind)
    cache = configure_caches(server, default={})["default"]
    cache.set("before", 1)
    server.restart()
    deadline = time.monotonic() + 10
    while True:
        try:
            assert works(cache)
            break
        except CLIENT_ERRORS:  # a broken connection, and then pylibmc retries a failed server after 2 seconds
            assert time.monotonic() < deadline, "did not recover"
            cache.close()  # as at the end of each request
            time.sleep(0.2)
    assert cache.get("before") is None


def test_an_unreachable_server_is_an_error_and_no_hang(kind, make_server, configure_caches, backend):
    server = make_server(kind)
    cache = configure_caches(server, default={})["default"]
    cache.set("key", 1)
    server.stop()
    began = time.monotonic()
    with pytest.raises(CLIENT_ERRORS):
        cache.set("key", 2)
    assert time.monotonic() - began < 10


def test_two_processes_share_one_cache(server, configure_caches, backend):
    """A management command of the site, run as a program, reads and writes what this process does."""
    cache = configure_caches(server, default={})["default"]
    cache.set("from_the_test", {"number": 1})
    code = (
        "from django.core.cache import cache; cache.set('from_the_command', [cache.get('from_the_test')], 60);"
        "print(cache.incr('counter', 5))"
    )
    cache.set("counter", 10)
    completed = subprocess.run(
        [sys.executable, "manage.py", "shell", "--command", code],
        cwd=SITE,
        env={"CACHE_BACKEND": BACKENDS[backend], "CACHE_LOCATION": location_of(server, backend)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout.splitlines()[-1] == "15"
    assert cache.get("from_the_command") == [{"number": 1}]
    assert cache.get("counter") == 15
