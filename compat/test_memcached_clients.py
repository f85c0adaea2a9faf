"""The other memcached clients for Python: python-memcached, libmc and (asyncio) aiomcache."""

import time

import aiomcache
import libmc
import memcache
import pytest


@pytest.fixture
def python_memcached(server):
    client = memcache.Client([server.memcached.address], cache_cas=True)
    yield client
    client.disconnect_all()


@pytest.fixture
def libmc_client(server):
    client = libmc.Client([server.memcached.address])
    client.toggle_flush_all_feature(True)
    return client


@pytest.fixture
async def aio(server):
    client = aiomcache.Client(server.memcached.host, server.memcached.port, pool_size=4)
    yield client
    await client.close()


@pytest.fixture
async def flag_aio(server):
    """aiomcache with client flags, as its documentation shows: flag 1 is text, 0 is bytes."""

    async def get_flags(value):
        return (value.encode(), 1) if isinstance(value, str) else (value, 0)

    async def set_flags(value, flags):
        return value.decode() if flags == 1 else value

    client = aiomcache.FlagClient(
        server.memcached.host, server.memcached.port, get_flag_handler=set_flags, set_flag_handler=get_flags
    )
    yield client
    await client.close()


@pytest.mark.parametrize("value", ["grüße", b"\x00\xff", 42, 2**70, True, 1.5, [1, {"a": None}], "x" * 900_000])
def test_python_memcached_values(python_memcached, value):
    assert python_memcached.set("key", value)
    assert python_memcached.get("key") == value
    assert python_memcached.set("compressed", value, min_compress_len=100)
    assert python_memcached.get("compressed") == value


def test_python_memcached_storage_commands(python_memcached):
    client = python_memcached
    assert not client.replace("key", "x")
    assert client.add("key", "b")
    assert not client.add("key", "x")
    assert client.append("key", "c")
    assert client.prepend("key", "a")
    assert client.get("key") == "abc"
    assert client.delete("key")
    assert client.get("key", default="none") == "none"
    assert not client.delete("key")


def test_python_memcached_counts(python_memcached):
    assert python_memcached.incr("missing") is None
    python_memcached.set("number", "10")
    assert python_memcached.incr("number", 5) == 15
    assert python_memcached.decr("number", 20) == 0
    python_memcached.incr("number", 3, noreply=True)
    assert int(python_memcached.get("number")) == 3


def test_python_memcached_multi(python_memcached):
    values = {f"key{number}": number for number in range(200)}
    assert python_memcached.set_multi(values, key_prefix="p:") == []
    assert python_memcached.get_multi(list(values), key_prefix="p:") == values
    assert python_memcached.delete_multi(["key1"], key_prefix="p:")
    assert python_memcached.get_multi(["p:key1", "p:key2"]) == {"p:key2": 2}


def test_python_memcached_cas(python_memcached):
    python_memcached.set("key", 1)
    assert python_memcached.gets("key") == 1
    assert python_memcached.cas("key", 2)
    python_memcached.set("key", 3)
    python_memcached.gets("key")
    other = memcache.Client([f"{server.address[0]}:{server.address[1]}" for server in python_memcached.servers])
    other.set("key", 4)
    assert not python_memcached.cas("key", 5)
    assert python_memcached.get("key") == 4


def test_python_memcached_times(python_memcached):
    python_memcached.set("short", 1, time=1)
    python_memcached.set("touched", 1, time=1)
    assert python_memcached.touch("touched", 100)
    time.sleep(2.1)
    assert python_memcached.get_multi(["short", "touched"]) == {"touched": 1}


def test_python_memcached_stats_and_flush(python_memcached):
    python_memcached.set("key", 1)
    ((name, stats),) = python_memcached.get_stats()
    assert int(stats["curr_items"]) >= 1
    assert python_memcached.get_stats("settings")
    python_memcached.flush_all()
    assert python_memcached.get("key") is None


@pytest.mark.parametrize("value", ["grüße", b"\x00\xff", 42, True, 1.5, [1, {"a": None}], "x" * 900_000])
def test_libmc_values(libmc_client, value):
    assert libmc_client.set("key", value)
    assert libmc_client.get("key") == value


def test_libmc_commands(libmc_client):
    client = libmc_client
    assert not client.replace("key", "x")
    assert client.add("key", b"b")
    assert not client.add("key", b"x")
    assert client.append("key", b"c")
    assert client.prepend("key", b"a")
    assert client.get("key") == b"abc"
    value, cas = client.gets("key")
    assert client.cas("key", b"new", 0, cas)
    assert not client.cas("key", b"newer", 0, cas)
    assert client.touch("key", 100)
    assert client.delete("key")
    assert client.get("key") is None
    client.set("number", 10)
    assert client.incr("number", 5) == 15
    assert client.decr("number", 1) == 14
    client.set_multi({f"key{n}": n for n in range(100)})
    assert client.get_multi(["key1", "key99", "missing"]) == {"key1": 1, "key99": 99}
    assert client.delete_multi(["key1", "key99"])
    assert client.version()
    assert client.stats()
    assert client.flush_all()
    assert client.get("key2") is None


async def test_aiomcache_storage_commands(aio):
    assert await aio.get(b"key") is None
    assert not await aio.replace(b"key", b"x")
    assert await aio.add(b"key", b"b")
    assert not await aio.add(b"key", b"x")
    assert await aio.append(b"key", b"c")
    assert await aio.prepend(b"key", b"a")
    assert await aio.get(b"key") == b"abc"
    assert await aio.delete(b"key")
    assert not await aio.delete(b"key")


async def test_aiomcache_cas(aio):
    await aio.set(b"key", b"1")
    value, cas = await aio.gets(b"key")
    assert value == b"1"
    assert await aio.cas(b"key", b"2", cas)
    assert not await aio.cas(b"key", b"3", cas)


async def test_aiomcache_multi_get(aio):
    await aio.set(b"a", b"1")
    await aio.set(b"b", b"2")
    assert await aio.multi_get(b"a", b"missing", b"b") == (b"1", None, b"2")


async def test_aiomcache_counts(aio):
    with pytest.raises(aiomcache.ClientException, match="NOT_FOUND"):
        await aio.incr(b"missing")
    await aio.set(b"number", b"10")
    assert await aio.incr(b"number", 5) == 15
    assert await aio.decr(b"number", 20) == 0
    await aio.set(b"text", b"x")
    with pytest.raises(aiomcache.ClientException, match="non-numeric"):
        await aio.incr(b"text")


async def test_aiomcache_times(aio):
    await aio.set(b"short", b"1", exptime=1)
    await aio.set(b"touched", b"1", exptime=1)
    assert await aio.touch(b"touched", 100)
    assert not await aio.touch(b"missing", 100)
    time.sleep(2.1)
    assert await aio.multi_get(b"short", b"touched") == (None, b"1")


async def test_aiomcache_server_commands(aio):
    await aio.set(b"key", b"1")
    assert await aio.version()
    assert int((await aio.stats())[b"curr_items"]) >= 1
    await aio.flush_all()
    assert await aio.get(b"key") is None


async def test_aiomcache_client_flags(flag_aio):
    await flag_aio.set(b"text", "grüße")
    await flag_aio.set(b"bytes", b"\x00\xff")
    assert await flag_aio.get(b"text") == "grüße"
    assert await flag_aio.get(b"bytes") == b"\x00\xff"
