"""Clients of memcached's binary protocol, with SASL: pylibmc as Django's and Flask-Caching's documentation set it up,
python-binary-memcached, libmemcached's memcapable; and a client that finds its servers by auto-discovery."""

from __future__ import annotations

import glob
import multiprocessing
import os
import re
import subprocess
import traceback

# pylibmc's wheel looks for SASL's mechanisms where Red Hat keeps them.
os.environ.setdefault("SASL_PATH", ":".join(glob.glob("/usr/lib*/*/sasl2")))

import bmemcached
import pylibmc
import pytest
from flask_caching.backends.memcache import SASLMemcachedCache, SpreadSASLMemcachedCache

from servers import HOST, find
from sites.flask_app import create_app

USER, PASSWORD = "web", "sesame"
CREDENTIALS = {"username": USER, "password": PASSWORD}


@pytest.fixture(scope="module")
def guarded_servers(server_directories):
    from servers import start_server

    started = {}

    def get(kind):
        if kind not in started:
            started[kind] = start_server(kind, server_directories(kind), sasl=(USER, PASSWORD))
        return started[kind]

    yield get
    for server in started.values():
        server.stop()


@pytest.fixture
def guarded(kind, guarded_servers):
    """A server whose memcached clients must log in; empty."""
    server = guarded_servers(kind)
    assert bmemcached.Client((server.memcached.address,), USER, PASSWORD).flush_all()
    yield server
    assert server.is_alive(), server.logs()


def alone(body) -> None:
    """Runs `body` in a process of its own, as a site has one: libmemcached's SASL is state of the process, and a client
    whose log-in failed spoils it for some of those that come later, on any server."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run():
        try:
            body()
            theirs.send("")
        except BaseException:
            theirs.send(traceback.format_exc())

    process = context.Process(target=run)
    process.start()
    theirs.close()
    try:
        error = ours.recv()
    except EOFError:
        error = "the process ended without a word"
    process.join()
    assert not error, error


# --- pylibmc ----------------------------------------------------------------------------------------------------------

BEHAVIORS = {
    "defaults": {},
    "documented": {"tcp_nodelay": True, "ketama": True},
    "cas": {"cas": True},
    "no_block": {"no_block": True, "tcp_nodelay": True},
}


@pytest.fixture(params=BEHAVIORS)
def client(request, server):
    client = pylibmc.Client([server.memcached.address], binary=True, behaviors=BEHAVIORS[request.param])
    yield client
    client.disconnect_all()


@pytest.mark.parametrize("value", ["grüße", b"\x00\xff\r\n", 42, True, 1.5, None, [1, {"a": (2,)}], "", b"x" * 900_000])
def test_values_keep_their_type(client, value):
    assert client.set("key", value)
    assert client.get("key") == value


def test_storage_commands(client):
    with pytest.raises(pylibmc.NotFound):
        client.replace("key", "x")
    assert client.add("key", "b")
    assert not client.add("key", "x")
    assert client.append("key", "c")
    assert client.prepend("key", "a")
    assert client.get("key") == "abc"
    assert client.touch("key", 100)
    assert client.delete("key")
    assert not client.delete("key")
    assert client.get("key", "default") == "default"


def test_keys_may_hold_any_bytes(client):
    assert client.set("a key\r\n", 1)
    assert client.get_multi(["a key\r\n", "other"]) == {"a key\r\n": 1}


def test_incr_and_decr(client):
    client.set("number", 10)
    assert client.incr("number", 5) == 15
    assert client.decr("number", 20) == 0
    with pytest.raises(pylibmc.NotFound):
        client.incr("missing")


def test_multi(client):
    values = {f"key{number}": number for number in range(500)}
    assert client.set_multi(values, key_prefix="p:") == []
    assert client.get_multi(list(values), key_prefix="p:") == values
    assert client.delete_multi(list(values), key_prefix="p:")
    assert client.get_multi(list(values), key_prefix="p:") == {}


def test_cas(server):
    client = pylibmc.Client([server.memcached.address], binary=True, behaviors={"cas": True})
    client.set("key", "old")
    value, unique = client.gets("key")
    assert value == "old"
    assert client.cas("key", "new", unique)
    assert not client.cas("key", "late", unique)
    assert client.get("key") == "new"


def test_statistics(server):
    client = pylibmc.Client([server.memcached.address], binary=True)  # with no_block it waits for ever, on any server
    ((_, stats),) = client.get_stats()
    assert {"pid", "version", "curr_items"} <= set(stats)


# --- Django -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["PyLibMCCache"], indirect=True)
def test_django_logs_in(guarded, configure_caches):
    """The options of Django's documentation, "Caching", for the pylibmc-based backend."""
    options = {"binary": True, **CREDENTIALS, "behaviors": {"ketama": True}}
    caches = configure_caches(
        guarded,
        default={"OPTIONS": options},
        wrong={"OPTIONS": options | {"password": "wrong"}},
        nobody={"OPTIONS": {"binary": True}},
    )

    def works():
        cache = caches["default"]
        cache.set_many({"a": 1, "b": [2], "c": "ü"}, timeout=300)
        assert cache.get_many(["a", "b", "c", "d"]) == {"a": 1, "b": [2], "c": "ü"}
        assert cache.incr("a", 2) == 3
        assert cache.add("d", 4) and not cache.add("d", 5)
        assert cache.touch("a", 100)
        assert cache.get_or_set("e", lambda: "made") == "made"
        cache.delete_many(["a", "b"])
        assert cache.get_many(["a", "b", "c"]) == {"c": "ü"}
        cache.clear()
        assert cache.get("c") is None

    def fails(alias):
        with pytest.raises(pylibmc.Error):
            caches[alias].set("key", 1)

    alone(works)
    alone(lambda: fails("wrong"))
    alone(lambda: fails("nobody"))


# --- Flask-Caching ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache_type", ["SASLMemcachedCache", "SpreadSASLMemcachedCache"])
def test_flask_caching_logs_in(guarded, cache_type):
    alone(lambda: flask_caching_works(guarded, cache_type))


def flask_caching_works(guarded, cache_type):
    app, cache = create_app(
        {
            "CACHE_TYPE": cache_type,
            "CACHE_MEMCACHED_SERVERS": [guarded.memcached.address],
            "CACHE_MEMCACHED_USERNAME": USER,
            "CACHE_MEMCACHED_PASSWORD": PASSWORD,
            "CACHE_KEY_PREFIX": "site:",
        }
    )
    assert type(cache.cache) is {"SASLMemcachedCache": SASLMemcachedCache}.get(cache_type, SpreadSASLMemcachedCache)
    with app.test_request_context():
        browser = app.test_client()
        assert [browser.get("/cached").text for _ in range(3)] == ["1", "1", "1"]
        cache.set("key", {"a": [1, 2]})
        assert cache.get("key") == {"a": [1, 2]}
        cache.delete("key")
        assert cache.get("key") is None


def test_a_value_spread_over_many_keys(guarded):
    def works():
        cache = SpreadSASLMemcachedCache(servers=[guarded.memcached.address], **CREDENTIALS)
        value = os.urandom(4_000_000)
        cache.set("large", value)
        assert cache.get("large") == value

    alone(works)


# --- python-binary-memcached ------------------------------------------------------------------------------------------


@pytest.fixture(params=["open", "guarded"])
def bclient(request, kind):
    server = request.getfixturevalue("server" if request.param == "open" else "guarded")
    credentials = (USER, PASSWORD) if request.param == "guarded" else ()
    client = bmemcached.Client((server.memcached.address,), *credentials)
    yield client
    client.disconnect_all()


def test_bmemcached(bclient):
    assert bclient.set("key", "value", 100) and bclient.get("key") == "value"
    assert bclient.add("new", {"a": 1}) and not bclient.add("new", 2)
    assert bclient.replace("new", 3) and not bclient.replace("missing", 3)
    assert bclient.set_multi({"a": 1, "b": b"\x00", "c": "x" * 100_000}) in ([], True)
    assert bclient.get_multi(["a", "b", "c", "d"]) == {"a": 1, "b": b"\x00", "c": "x" * 100_000}
    assert bclient.incr("n", 5, default=10) == 10 and bclient.incr("n", 5) == 15 and bclient.decr("n", 1) == 14
    value, unique = bclient.gets("key")
    assert bclient.cas("key", "other", unique) and not bclient.cas("key", "late", unique)
    assert bclient.delete("key") and bclient.get("key") is None
    assert bclient.delete_multi(["a", "b"])
    (stats,) = bclient.stats().values()
    assert "curr_items" in stats
    assert bclient.flush_all() and bclient.get("c") is None


def test_bmemcached_with_a_wrong_password(guarded):
    # Not its InvalidCredentials: that waits for a status which memcached does not send.
    with pytest.raises(bmemcached.exceptions.MemcachedException, match="Auth failure"):
        bmemcached.Client((guarded.memcached.address,), USER, "wrong").get("key")


# --- memcapable -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol, tests", [("-a", 27), ("-b", 27)])
def test_memcapable(server, protocol, tests):
    program = find("memccapable", "on Debian: apt-get install libmemcached-tools")
    options = ["-h", HOST, "-p", str(server.memcached.port), "-v"]
    run = subprocess.run([program, *options, protocol], capture_output=True, text=True, timeout=60, check=False)
    results = dict(re.findall(r"^(\w+ .*?) +\[(\w+)\]$", run.stdout, re.MULTILINE))
    assert len(results) == tests, run.stdout + run.stderr
    assert set(results.values()) == {"pass"}, run.stdout + run.stderr
    assert run.returncode == 0
    for name in results:
        alone = subprocess.run([program, *options, "-T", name], capture_output=True, text=True, timeout=60, check=False)
        # By itself this one fails on every server: memcapable has not connected yet when it says quit.
        expected = name != "ascii quit"
        assert ("[pass]" in alone.stdout) is expected, name + alone.stdout + alone.stderr


# --- Auto-discovery ---------------------------------------------------------------------------------------------------


def test_a_client_finds_its_servers(magpie, make_server, override_settings):
    """django-elastipymemcache, whose client is pymemcache's for ElastiCache; memcached itself has no such command."""
    nodes = [magpie, make_server("magpie")]
    addresses = [node.memcached.address for node in nodes]
    endpoint = make_server("magpie", magpie_args=("--memcached-nodes", *addresses))
    override_settings(
        CACHES={
            "default": {
                "BACKEND": "django_elastipymemcache.backend.ElastiPymemcache",
                "LOCATION": endpoint.memcached.address,
            }
        }
    )
    from django.core.cache import cache

    values = {f"key{number}": number for number in range(100)}
    assert cache.set_many(values) == []
    assert cache.get_many(values) == values
    stored = [int(node.redis.talk(b"DBSIZE\r\n").strip(b":\r\n")) for node in nodes]
    assert sum(stored) == 100 and all(stored), stored
    endpoint.redis.talk(f"CONFIG SET memcached-nodes {addresses[0]}\r\n".encode())
    answer = endpoint.memcached.talk(b"config get cluster\r\n", b"END\r\n")
    assert answer.endswith(f"\n{HOST}|{HOST}|{nodes[0].memcached.port}\n\r\nEND\r\n".encode())
