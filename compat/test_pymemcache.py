"""pymemcache: Client, PooledClient, HashClient and RetryingClient in the ways its documentation shows."""

import json
import threading
import time

import pytest
from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.client.retrying import RetryingClient
from pymemcache.exceptions import (
    MemcacheClientError,
    MemcacheIllegalInputError,
    MemcacheServerError,
    MemcacheUnknownCommandError,
)

CLIENTS = {
    "Client": lambda address, **options: Client(address, **options),
    "PooledClient": lambda address, **options: PooledClient(address, max_pool_size=4, **options),
    "HashClient": lambda address, **options: HashClient([address], **options),
    "pooled HashClient": lambda address, **options: HashClient([address], use_pooling=True, **options),
    "RetryingClient": lambda address, **options: RetryingClient(
        Client(address, **options), attempts=3, retry_delay=0.01
    ),
}


@pytest.fixture(params=CLIENTS)
def make_client(request, server):
    address = (server.memcached.host, server.memcached.port)
    clients = []

    def make(**options):
        # By default storage commands ask for no reply, and their outcome could not be checked.
        clients.append(CLIENTS[request.param](address, **{"default_noreply": False} | options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def plain(server):
    """The plain client, for what HashClient does not offer."""
    client = Client((server.memcached.host, server.memcached.port), default_noreply=False)
    yield client
    client.close()


def test_set_and_get(client):
    assert client.get("key") is None
    assert client.get("key", default=b"none") == b"none"
    assert client.set("key", "value")
    assert client.get("key") == b"value"


def test_add_and_replace(client):
    assert not client.replace("key", "1")
    assert client.add("key", "1")
    assert not client.add("key", "2")
    assert client.replace("key", "3")
    assert client.get("key") == b"3"


def test_append_and_prepend(client):
    assert not client.append("key", "x")
    assert not client.prepend("key", "x")
    client.set("key", "b")
    assert client.append("key", "c")
    assert client.prepend("key", "a")
    assert client.get("key") == b"abc"


def test_gets_and_cas(client):
    assert client.cas("key", "x", "1") is None
    client.set("key", "1")
    value, cas = client.gets("key")
    assert value == b"1"
    assert client.cas("key", "2", cas) is True
    assert client.cas("key", "3", cas) is False
    assert client.get("key") == b"2"


def test_delete(client):
    assert not client.delete("key")
    client.set("key", "1")
    assert client.delete("key")
    assert client.get("key") is None


def test_incr_and_decr(client):
    assert client.incr("number", 1) is None
    client.set("number", "10")
    assert client.incr("number", 5) == 15
    assert client.decr("number", 20) == 0
    client.set("number", str(2**64 - 1))
    assert client.incr("number", 2) == 1


def test_incr_of_text_is_an_error(plain):
    plain.set("text", "abc")
    with pytest.raises(MemcacheClientError, match="non-numeric"):
        plain.incr("text", 1)
    assert plain.get("text") == b"abc"


def test_touch(client):
    assert not client.touch("key", 10)
    client.set("key", "1", expire=1)
    assert client.touch("key", 100)
    time.sleep(2.1)
    assert client.get("key") == b"1"


def test_gat_and_gats(plain):
    """This pymemcache has no methods for them yet and passes them on."""
    assert plain.raw_command("gat 10 key", "END\r\n") == b""
    plain.set("key", "1", expire=1)
    assert plain.raw_command("gat 100 key", "END\r\n") == b"VALUE key 0 1\r\n1\r\n"
    _, cas = plain.gets("key")
    assert plain.raw_command("gats 100 key", "END\r\n") == b"VALUE key 0 1 %b\r\n1\r\n" % cas
    time.sleep(2.1)
    assert plain.get("key") == b"1"


def test_many_keys(client):
    values = {f"key{number}": str(number).encode() for number in range(300)}
    assert client.set_many(values) == []
    assert client.get_many([*values, "missing"]) == values
    assert {key: value for key, (value, _cas) in client.gets_many(list(values)).items()} == values
    assert client.delete_many(list(values)[:150])
    assert len(client.get_many(list(values))) == 150


def test_expire(client):
    client.set("short", "1", expire=1)
    client.set("long", "1", expire=100)
    client.set("forever", "1", expire=0)
    client.set("past", "1", expire=-1)
    client.set("date", "1", expire=int(time.time()) + 100)
    client.set("yesterday", "1", expire=int(time.time()) - 86400)
    assert client.get_many(["past", "yesterday"]) == {}
    time.sleep(2.1)
    assert set(client.get_many(["short", "long", "forever", "date"])) == {"long", "forever", "date"}


def test_flush_all(plain):
    plain.set("key", "1")
    assert plain.flush_all()
    assert plain.get("key") is None


def test_flush_all_with_a_delay(plain):
    plain.set("key", "1")
    assert plain.flush_all(delay=3)
    assert plain.get("key") == b"1"
    time.sleep(3.2)
    assert plain.get("key") is None


def test_noreply_is_the_default_and_takes_effect(make_client):
    client = make_client(default_noreply=True)
    client.set("key", "1")
    client.add("key", "2")
    client.append("key", "0")
    client.touch("key", 100)
    client.incr("key", 5, noreply=True)
    client.decr("key", 1, noreply=True)
    assert client.get("key") == b"14"
    client.delete("key")
    assert client.get("key") is None


@pytest.mark.parametrize("serializer", [serde.pickle_serde, serde.compressed_serde], ids=["pickle", "compressed"])
def test_serializers_keep_types_in_client_flags(make_client, serializer):
    client = make_client(serde=serializer)
    values = {"text": "grüße", "bytes": b"\x00\xff", "int": 42, "list": [1, {"a": None}], "long": "x" * 5000}
    client.set_many(values)
    assert client.get_many(list(values)) == values


def test_a_serde_of_ones_own(make_client):
    class JsonSerde:
        def serialize(self, key, value):
            return (value.encode(), 1) if isinstance(value, str) else (json.dumps(value).encode(), 2)

        def deserialize(self, key, value, flags):
            return value.decode() if flags == 1 else json.loads(value)

    client = make_client(serde=JsonSerde())
    client.set("text", "a")
    client.set("list", [1, 2])
    assert (client.get("text"), client.get("list")) == ("a", [1, 2])


@pytest.mark.parametrize("size", [0, 1, 4095, 65536, 1_000_000])
def test_values_of_many_sizes(client, size):
    value = bytes(range(256)) * (size // 256) + b"\r\n" * (size % 256 // 2)
    assert client.set("key", value)
    assert client.get("key") == value


def test_unicode_keys(make_client):
    client = make_client(allow_unicode_keys=True)
    client.set("schlüssel✓", "1")
    assert client.get("schlüssel✓") == b"1"


def test_key_prefix(make_client, plain):
    client = make_client(key_prefix=b"site:")
    client.set("key", "1")
    assert plain.get("site:key") == b"1"


def test_the_client_itself_refuses_bad_keys(plain):
    for key in ("a b", "a\nb", "k" * 251):
        with pytest.raises(MemcacheIllegalInputError):
            plain.set(key, "1")


def test_version_and_quit(plain):
    assert plain.version()
    plain.quit()
    assert plain.get("key") is None  # on a new connection


def test_cache_memlimit(plain):
    assert plain.cache_memlimit(256)


def test_stats(plain):
    plain.set("key", "1")
    plain.get("key")
    stats = plain.stats()
    assert stats[b"curr_items"] >= 1
    assert stats[b"get_hits"] >= 1
    assert stats[b"pid"] > 0
    assert isinstance(plain.stats("settings")[b"maxconns"], int)
    assert b"items:1:number" in plain.stats("items")
    assert b"1:chunk_size" in plain.stats("slabs")


def test_stats_cachedump(plain):
    """Debugging tools list keys through it: those of slab class 1, as far as the server knows."""
    plain.set("key", "1")
    deadline = time.monotonic() + 5
    # memcached shows items that a flush has invalidated until its crawler comes by: an earlier test's.
    while b"key" not in (dump := plain.stats("cachedump", "1", "10")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert b"key" in dump


def test_raw_command(plain):
    plain.set("key", "1", expire=100)
    assert plain.raw_command("mg key t").startswith(b"HD t")
    assert plain.raw_command("mn") == b"MN"
    assert plain.raw_command(b"mg key v") in (b"VA 1", b"VA 1\r\n1")


def test_raw_command_with_an_end_token(plain):
    plain.set("key", "1")
    assert plain.raw_command("stats settings", "END\r\n").startswith(b"STAT ")


def test_an_unknown_raw_command(plain):
    with pytest.raises(MemcacheUnknownCommandError):
        plain.raw_command("nonsense")
    assert plain.version()


def test_dictionary_style(plain):
    plain["key"] = "1"
    assert plain["key"] == b"1"
    del plain["key"]
    with pytest.raises(KeyError):
        plain["key"]


def test_a_pool_serves_many_threads(server):
    client = PooledClient((server.memcached.host, server.memcached.port), max_pool_size=8, default_noreply=False)
    client.set("number", "0")

    def count():
        for _ in range(100):
            client.incr("number", 1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("number") == b"800"


def test_a_client_reconnects_after_a_restart(kind, make_server):
    server = make_server(kind)
    client = RetryingClient(
        Client((server.memcached.host, server.memcached.port), default_noreply=False), attempts=3, retry_delay=0.05
    )
    assert client.set("key", "1")
    server.restart()
    assert client.get("key") is None
    assert client.set("key", "2")


def test_a_unix_socket(kind, make_server):
    server = make_server(kind, unix_sockets=True)
    client = Client(f"unix:{server.memcached.socket}", default_noreply=False)
    assert client.set("key", "1")
    assert client.get("key") == b"1"


def test_a_value_over_the_item_limit_is_refused_and_drops_the_old_one(kind, make_server):
    server = make_server(kind, magpie_args=("-I", "1m"), memcached_args=("-I", "1m"))
    client = Client((server.memcached.host, server.memcached.port), default_noreply=False)
    client.set("key", "old")
    with pytest.raises(MemcacheServerError, match="object too large for cache"):
        client.set("key", "x" * 1_100_000)
    assert client.get("key") is None
