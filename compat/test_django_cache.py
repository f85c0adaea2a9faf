"""Django's cache API on its three backends, each method and the corners of each."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import os
import threading
import time
import uuid
from dataclasses import dataclass

import pylibmc
import pytest
import redis
from pymemcache.exceptions import MemcacheError

DAY = 24 * 60 * 60

# How each client tells that the server answered with an error.
REFUSED = {"PyMemcacheCache": MemcacheError, "PyLibMCCache": pylibmc.Error, "RedisCache": redis.ResponseError}


@dataclass
class Point:
    """Something that only pickle can store."""

    x: int
    y: float


VALUES = {
    "text": "value",
    "empty text": "",
    "unicode": "ascii, ümlaut, 日本語, 🐦, \u0000 and \r\n",
    "bytes": b"bytes",
    "empty bytes": b"",
    "binary with line ends": b"\r\nEND\r\nSTORED\r\n$5\r\n\x00\xff",
    "all bytes": bytes(range(256)) * 4,
    "true": True,
    "false": False,
    "none": None,
    "int": 42,
    "negative int": -42,
    "64 bit": 2**63 - 1,
    "beyond 64 bit": 2**80,
    "float": 3.25,
    "decimal": decimal.Decimal("1.10"),
    "datetime": datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC),
    "uuid": uuid.UUID(int=7),
    "nested": {"list": [1, "two", {"three": (3, None)}], "set": {1, 2}},
    "object": Point(1, 2.5),
    "long text": "magpie " * 1000,
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was(cache, backend, name):
    value = VALUES[name]
    cache.set("key", value)
    found = cache.get("key", "not this")
    assert found == value
    pylibmc_stores_it_as_int = backend == "PyLibMCCache" and isinstance(value, bool)
    assert type(found) is (int if pylibmc_stores_it_as_int else type(value))


@pytest.mark.parametrize("size", [1_000, 100_000, 700_000])
def test_a_large_value_comes_back_as_it_was(cache, size):
    noise = os.urandom(size)  # does not compress
    cache.set("noise", noise)
    cache.set("text", noise.hex()[:size])
    assert cache.get("noise") == noise
    assert cache.get("text") == noise.hex()[:size]


def test_a_value_beyond_one_megabyte(cache, server, backend):
    """The real memcached refuses it and drops the old value; Redis has no such wall, nor has magpie."""
    noise = os.urandom(3_000_000)
    cache.set("key", "old")
    if server.name == "real" and backend != "RedisCache":
        with contextlib.suppress(REFUSED[backend]):  # pylibmc knows memcached's limit, and does not raise
            cache.set("key", noise)
        assert cache.get("key") is None
    else:
        cache.set("key", noise)
        assert cache.get("key") == noise


def test_get_says_when_there_is_nothing(cache):
    assert cache.get("absent") is None
    assert cache.get("absent", "default") == "default"
    cache.set("none", None)
    assert cache.get("none", "default") is None


def test_set_replaces(cache):
    cache.set("key", "first")
    cache.set("key", ["second"])
    assert cache.get("key") == ["second"]


def test_add_keeps_what_is_there(cache):
    assert cache.add("key", "first") is True
    assert cache.add("key", "second") is False
    assert cache.get("key") == "first"
    cache.delete("key")
    assert cache.add("key", "third", timeout=60) is True


def test_an_expired_item_does_not_block_add(cache):
    """The one test here that waits: everything else about time is read off the server's TTL."""
    cache.set("key", "first", timeout=1)
    cache.set("touched", "first", timeout=1)
    cache.touch("touched", timeout=60)
    assert cache.get("key") == "first"
    time.sleep(2.1)  # memcached counts whole seconds
    assert cache.get("key") is None
    assert cache.has_key("key") is False
    assert cache.touch("key") is False
    assert cache.delete("key") is False
    assert cache.add("key", "second") is True
    assert cache.get("touched") == "first"


def test_get_or_set(cache, ttl):
    calls = []
    assert cache.get_or_set("key", "first") == "first"
    assert cache.get_or_set("key", "second") == "first"
    assert cache.get_or_set("called", lambda: calls.append(1) or len(calls), timeout=50) == 1
    assert cache.get_or_set("called", lambda: calls.append(1) or len(calls), timeout=50) == 1
    assert 48 <= ttl(":1:called") <= 50
    assert cache.get_or_set("none", lambda: None) is None
    assert cache.get_or_set("none", "not this") is None
    assert cache.get_or_set("key", "other version", version=2) == "other version"
    with pytest.raises(TypeError):
        cache.get_or_set("key")


def test_delete(cache):
    cache.set("key", "value")
    assert cache.delete("key") is True
    assert cache.delete("key") is False
    assert cache.get("key") is None


def test_has_key(cache):
    cache.set("key", "value")
    cache.set("none", None)
    assert cache.has_key("key") is True
    assert "key" in cache
    assert "none" in cache
    assert "absent" not in cache


def test_touch(cache, ttl):
    cache.set("key", "value", timeout=60)
    assert cache.touch("key", 5000) is True
    assert 4998 <= ttl(":1:key") <= 5000
    assert cache.touch("key") is True  # back to the default of 300 seconds
    assert 298 <= ttl(":1:key") <= 300
    assert cache.touch("key", None) is True
    assert ttl(":1:key") is None
    assert cache.get("key") == "value"
    assert cache.touch("absent", 60) is False
    assert cache.touch("key", 0) is True
    assert cache.get("key") is None


def test_incr_and_decr(cache):
    cache.set("number", 41)
    assert cache.incr("number") == 42
    assert cache.incr("number", 10) == 52
    assert cache.decr("number") == 51
    assert cache.decr("number", 50) == 1
    assert cache.incr("number", -1) == 0
    assert cache.decr("number", -5) == 5
    assert cache.get("number") == 5


def test_decr_below_zero(cache, backend):
    cache.set("number", 3)
    assert cache.decr("number", 10) == (-7 if backend == "RedisCache" else 0)


@pytest.mark.parametrize("method", ["incr", "decr", "incr_version", "decr_version"])
def test_counting_needs_a_key(cache, method):
    with pytest.raises(ValueError):
        getattr(cache, method)("absent")
    assert cache.get("absent") is None


def test_incr_needs_a_number(cache, backend):
    cache.set("text", "not a number")
    with pytest.raises(REFUSED[backend]):
        cache.incr("text")
    assert cache.get("text") == "not a number"


def test_incr_at_64_bits(cache, backend):
    """memcached counts in unsigned 64 bits, Redis in signed ones."""
    if backend == "RedisCache":
        cache.set("number", 2**63 - 2)
        assert cache.incr("number") == 2**63 - 1
        with pytest.raises(REFUSED[backend]):
            cache.incr("number")
        assert cache.get("number") == 2**63 - 1
    else:
        cache.set("number", 2**63 - 1)
        assert cache.incr("number") == 2**63
        assert cache.get("number") == 2**63


def test_incr_keeps_the_timeout(cache, ttl):
    cache.set("number", 1, timeout=1000)
    cache.incr("number")
    assert 998 <= ttl(":1:number") <= 1000


def test_counting_loses_nothing_between_threads(cache):
    from django.core.cache import caches

    def count() -> None:
        own = caches["default"]  # a connection of the thread's own, as in a threaded server
        for _ in range(100):
            own.incr("hits")

    cache.set("hits", 0)
    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.get("hits") == 800


def test_many(cache):
    assert cache.set_many({"a": 1, "b": "two", "c": None, "ü": [3]}) == []
    assert cache.get_many(["a", "b", "c", "ü", "absent"]) == {"a": 1, "b": "two", "c": None, "ü": [3]}
    cache.delete_many(["a", "c", "absent"])
    assert cache.get_many(["a", "b", "c", "ü"]) == {"b": "two", "ü": [3]}
    assert cache.get_many(key for key in ("b", "absent")) == {"b": "two"}


def test_many_of_nothing(cache):
    assert cache.set_many({}) == []
    assert cache.get_many([]) == {}
    cache.delete_many([])


def test_very_many(cache):
    items = {f"key{number}": {"number": number} for number in range(2000)}
    assert cache.set_many(items) == []
    assert cache.get_many(items) == items
    cache.delete_many(list(items)[::2])
    assert cache.get_many(items) == dict(list(items.items())[1::2])


def test_many_large(cache):
    items = {f"key{number}": os.urandom(300_000) for number in range(10)}
    assert cache.set_many(items) == []
    assert cache.get_many(items) == items


def test_set_many_with_a_timeout(cache, ttl):
    cache.set_many({"a": 1, "b": 2}, timeout=100)
    assert 98 <= ttl(":1:a") <= 100
    assert 98 <= ttl(":1:b") <= 100
    cache.set_many({"a": 1}, timeout=None)
    assert ttl(":1:a") is None
    cache.set_many({"a": 1, "b": 2}, timeout=0)
    assert cache.get_many(["a", "b"]) == {}


def test_clear(cache):
    cache.set_many({"a": 1, "b": 2})
    cache.set("a", 1, version=2)
    cache.clear()
    assert cache.get_many(["a", "b"]) == {}
    assert cache.get("a", version=2) is None
    cache.set("a", "after")
    assert cache.get("a") == "after"


# --- Versions and keys ----------------------------------------------------------------------------


def test_versions_are_apart(cache):
    cache.set("key", "one")
    cache.set("key", "two", version=2)
    assert (cache.get("key"), cache.get("key", version=1), cache.get("key", version=2)) == ("one", "one", "two")
    assert cache.add("key", "three", version=3) is True
    assert cache.has_key("key", version=3)
    assert cache.get_many(["key"], version=2) == {"key": "two"}
    assert cache.touch("key", 60, version=2) is True
    assert cache.touch("key", 60, version=9) is False
    cache.set_many({"number": 5}, version=2)
    assert cache.incr("number", version=2) == 6
    assert cache.decr("number", 2, version=2) == 4
    cache.delete_many(["number"], version=2)
    assert cache.get("number", version=2) is None
    assert cache.delete("key", version=2) is True
    assert (cache.get("key"), cache.get("key", version=2), cache.get("key", version=3)) == ("one", None, "three")


def test_incr_version(cache):
    cache.set("key", "value", version=2)
    assert cache.incr_version("key", version=2) == 3
    assert (cache.get("key", version=2), cache.get("key", version=3)) == (None, "value")
    assert cache.incr_version("key", delta=2, version=3) == 5
    assert cache.decr_version("key", version=5) == 4
    assert cache.get("key", version=4) == "value"


def test_the_default_version_is_a_setting(server, configure_caches):
    caches = configure_caches(server, default={"VERSION": 2}, other={})
    caches["default"].set("key", "value")
    assert caches["other"].get("key") is None
    assert caches["other"].get("key", version=2) == "value"
    assert caches["default"].decr_version("key") == 1
    assert caches["other"].get("key") == "value"


def test_key_prefixes_are_apart_on_one_server(server, configure_caches, ttl):
    caches = configure_caches(server, default={"KEY_PREFIX": "blog"}, shop={"KEY_PREFIX": "shop"})
    caches["default"].set("key", "blog's")
    assert caches["shop"].get("key") is None
    caches["shop"].set("key", "shop's", timeout=10)
    assert caches["default"].get("key") == "blog's"
    assert 298 <= ttl("blog:1:key") <= 300
    assert 8 <= ttl("shop:1:key") <= 10


def reversed_key(key: str, prefix: str, version: int) -> str:
    return f"{version}-{prefix}-{key[::-1]}"


@pytest.mark.parametrize("function", [reversed_key, "newsroom.keys.reversed_key"], ids=["callable", "path"])
def test_key_function(server, configure_caches, ttl, function):
    cache = configure_caches(server, default={"KEY_FUNCTION": function, "KEY_PREFIX": "p"})["default"]
    cache.set_many({"abc": 1, "xyz": 2})
    assert cache.get_many(["abc", "xyz"]) == {"abc": 1, "xyz": 2}
    assert ttl("1-p-cba") is not None


@pytest.mark.parametrize("key", ["ü", "日本語", "🐦", "a:b/c?d=e&f", "{tag}[1]*", "x" * 240], ids=ascii)
def test_unusual_keys(cache, key):
    cache.set(key, "value")
    assert cache.get(key) == "value"
    assert cache.get_many([key]) == {key: "value"}
    assert cache.touch(key, 60) is True
    assert cache.delete(key) is True


@pytest.mark.parametrize(
    "key", ["with spaces", "with\nnewline", "with\x00nul", "x" * 251], ids=["space", "newline", "nul", "long"]
)
@pytest.mark.filterwarnings("ignore::django.core.cache.CacheKeyWarning")
def test_keys_memcached_cannot_have(cache, backend, key):
    from django.core.cache import CacheKeyWarning
    from django.core.cache.backends.base import InvalidCacheKey

    if backend == "RedisCache":
        with pytest.warns(CacheKeyWarning):
            cache.set(key, "value")
        assert cache.get(key) == "value"
        assert cache.get_many([key, "absent"]) == {key: "value"}
    else:
        for call in (
            cache.get,
            cache.delete,
            cache.touch,
            cache.incr,
            cache.has_key,
            lambda key: cache.get_many([key]),
        ):
            with pytest.raises(InvalidCacheKey):
                call(key)
        with pytest.raises(InvalidCacheKey):
            cache.set(key, "value")
        with pytest.raises(InvalidCacheKey):
            cache.set_many({key: "value", "other": 1})


# --- Timeouts -------------------------------------------------------------------------------------


def test_the_default_timeout_is_300_seconds(cache, ttl):
    cache.set("set", "value")
    cache.add("added", "value")
    cache.set_many({"many": "value"})
    for key in ("set", "added", "many"):
        assert 298 <= ttl(f":1:{key}") <= 300


@pytest.mark.parametrize(("setting", "seconds"), [(90, 90), (None, None), ("120", 120)])
def test_the_timeout_setting(server, configure_caches, ttl, setting, seconds):
    cache = configure_caches(server, default={"TIMEOUT": setting})["default"]
    cache.set("key", "value")
    found = ttl(":1:key")
    assert found is None if seconds is None else seconds - 2 <= found <= seconds


def test_timeout_none_never_expires(cache, ttl):
    cache.set("set", "value", timeout=None)
    cache.add("added", "value", timeout=None)
    assert (ttl(":1:set"), ttl(":1:added")) == (None, None)


@pytest.mark.parametrize("timeout", [0, -1, -100])
def test_a_timeout_that_is_over_stores_nothing(cache, timeout):
    cache.set("key", "old")
    cache.set("key", "value", timeout=timeout)
    assert cache.get("key") is None
    cache.set_many({"many": "value"}, timeout=timeout)
    assert cache.get("many") is None
    cache.add("added", "value", timeout=timeout)
    assert cache.get("added") is None


@pytest.mark.parametrize("days", [29, 30, 31, 365 * 5])
def test_thirty_days_are_no_wall(cache, ttl, days):
    """In memcached's protocol more than 30 days is a date; Django converts."""
    cache.set("key", "value", timeout=days * DAY)
    assert days * DAY - 3 <= ttl(":1:key") <= days * DAY + 1
    assert cache.get("key") == "value"
    cache.touch("key", days * DAY + 100)
    assert days * DAY + 97 <= ttl(":1:key") <= days * DAY + 101


def test_a_timeout_of_part_of_a_second_is_cut(cache, ttl):
    cache.set("key", "value", timeout=2.9)
    assert 0 < ttl(":1:key") <= 2
    cache.set("key", "value", timeout=0.5)
    assert cache.get("key") is None


# --- asyncio --------------------------------------------------------------------------------------


async def test_every_async_method(cache):
    assert await cache.aget("key", "default") == "default"
    await cache.aset("key", "value", timeout=60)
    assert await cache.aget("key") == "value"
    assert await cache.aadd("key", "second") is False
    assert await cache.ahas_key("key") is True
    assert await cache.atouch("key", 90) is True
    assert await cache.aget_or_set("key", "not this") == "value"
    assert await cache.aget_or_set("made", lambda: "made") == "made"
    await cache.aset("number", 1)
    assert await cache.aincr("number", 4) == 5
    assert await cache.adecr("number") == 4
    assert await cache.aset_many({"a": 1, "b": 2}) == []
    assert await cache.aget_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    await cache.adelete_many(["a"])
    assert await cache.aget_many(["a", "b"]) == {"b": 2}
    assert await cache.aincr_version("key") == 2
    assert await cache.adecr_version("key", version=2) == 1
    assert await cache.adelete("key") is True
    assert await cache.adelete("key") is False
    with pytest.raises(ValueError):
        await cache.aincr("absent")
    await cache.aclear()
    assert await cache.aget("number") is None
    await cache.aclose()
    await cache.aset("after_close", 1)
    assert await cache.aget("after_close") == 1
