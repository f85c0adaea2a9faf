"""pylibmc, the wrapper of libmemcached, in the text protocol: its behaviors, pools and value types."""

import time

import pylibmc
import pytest

BEHAVIORS = {
    "defaults": {},
    "documented": {"tcp_nodelay": True, "ketama": True},
    "cas": {"cas": True},
    "no_block": {"no_block": True, "tcp_nodelay": True},
    "buffer_requests off": {"buffer_requests": False, "verify_keys": True},
    "consistent": {"distribution": "consistent", "hash": "md5"},
    "ketama_weighted": {"ketama_weighted": True, "remove_failed": 4, "retry_timeout": 1, "dead_timeout": 60},
    "timeouts": {
        "connect_timeout": 2000,
        "send_timeout": 2_000_000,
        "receive_timeout": 2_000_000,
        "tcp_keepalive": True,
    },
}


@pytest.fixture(params=BEHAVIORS)
def client(request, server):
    client = pylibmc.Client([server.memcached.address], behaviors=BEHAVIORS[request.param])
    yield client
    client.disconnect_all()


@pytest.fixture
def cas_client(server):
    return pylibmc.Client([server.memcached.address], behaviors={"cas": True})


@pytest.mark.parametrize("value", ["grüße", b"\x00\xff\r\n", 42, True, 1.5, None, [1, {"a": (2,)}], "", b"x" * 900_000])
def test_values_keep_their_type(client, value):
    assert client.set("key", value)
    assert client.get("key") == value


def test_compression_is_marked_in_the_client_flags(client):
    value = "compressible " * 10_000
    assert client.set("key", value, min_compress_len=1000)
    assert client.get("key") == value


def test_add_replace_append_prepend_delete(client):
    assert not client.replace("key", "x")
    assert client.add("key", "b")
    assert not client.add("key", "x")
    assert client.append("key", "c")
    assert client.prepend("key", "a")
    assert client.get("key") == "abc"
    assert client.delete("key")
    assert not client.delete("key")
    assert client.get("key") is None
    assert client.get("key", "default") == "default"


def test_incr_and_decr(client):
    client.set("number", 10)
    assert client.incr("number") == 11
    assert client.incr("number", 5) == 16
    assert client.decr("number", 2) == 14
    assert client.get("number") == 14
    with pytest.raises(pylibmc.NotFound):
        client.incr("missing")


def test_multi(client):
    values = {f"key{number}": number for number in range(500)}
    assert client.set_multi(values, key_prefix="p:") == []
    assert client.get_multi(list(values), key_prefix="p:") == values
    assert client.get("p:key7") == 7
    assert client.incr_multi(["key1", "key2"], key_prefix="p:") is None
    assert client.get_multi(["p:key1", "p:key2"]) == {"p:key1": 2, "p:key2": 3}
    assert client.delete_multi(["key1", "key2"], key_prefix="p:")
    assert client.get_multi(["p:key1", "p:key3"]) == {"p:key3": 3}
    assert client.add_multi({"p:key1": "new"}) == []


def test_times(client):
    client.set("short", 1, time=1)
    client.set("long", 1, time=100)
    client.set("touched", 1, time=1)
    assert client.touch("touched", 100)
    assert not client.touch("missing", 100)
    time.sleep(2.1)
    assert client.get_multi(["short", "long", "touched"]) == {"long": 1, "touched": 1}


def test_gets_and_cas(cas_client):
    assert cas_client.gets("key") == (None, None)
    cas_client.set("key", 1)
    value, token = cas_client.gets("key")
    assert cas_client.cas("key", value + 1, token)
    assert not cas_client.cas("key", 99, token)
    assert cas_client.get("key") == 2


def test_get_stats(client):
    client.set("key", 1)
    ((name, stats),) = client.get_stats()
    assert int(stats["curr_items"]) >= 1
    ((_, settings),) = client.get_stats("settings")
    assert settings


def test_flush_all(client):
    client.set("key", 1)
    assert client.flush_all()
    assert client.get("key") is None


def test_dictionary_style(client):
    client["key"] = 1
    assert "key" in client
    assert client["key"] == 1
    del client["key"]
    assert "key" not in client


def test_pools(client):
    client.set("key", 1)
    pool = pylibmc.ClientPool(client, 4)
    with pool.reserve() as one, pool.reserve() as other:
        assert one.get("key") == other.get("key") == 1
    thread_mapped = pylibmc.ThreadMappedPool(client)
    with thread_mapped.reserve() as one:
        assert one.get("key") == 1


def test_a_key_that_is_too_long(client):
    with pytest.raises((ValueError, pylibmc.Error)):
        client.set("k" * 251, 1)


def test_a_value_over_the_item_limit(kind, make_server):
    server = make_server(kind, magpie_args=("-I", "1m"), memcached_args=("-I", "1m"))
    client = pylibmc.Client([server.memcached.address])
    client.set("key", "old")
    with pytest.raises(pylibmc.TooBig):
        client.set("key", b"x" * 1_100_000)
    assert client.get("key") is None


def test_a_unix_socket(kind, make_server):
    server = make_server(kind, unix_sockets=True)
    client = pylibmc.Client([str(server.memcached.socket)])
    assert client.set("key", 1)
    assert client.get("key") == 1
