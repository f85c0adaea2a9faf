"""Messages through redis-py and valkey-py: publish and subscribe, keyspace notifications, redis-py's client-side cache."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
import redis
import redis.asyncio
import valkey
from redis.cache import CacheConfig
from redis_clients import ResponseError, connect, r  # noqa: F401

WAIT = 10


def next_message(pubsub):
    """The next message, (un)subscriptions included, without waiting for ever."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        message = pubsub.get_message(timeout=1)
        if message is not None:
            return message["type"], message["pattern"], message["channel"], message["data"]
    raise AssertionError("no message came")


@pytest.fixture
def pubsub(r):
    with r.pubsub() as pubsub:
        yield pubsub


# --- Publish and subscribe ---


def test_messages_reach_subscribers(r, pubsub):
    pubsub.subscribe("one", "two")
    assert {next_message(pubsub), next_message(pubsub)} == {
        ("subscribe", None, "one", 1),
        ("subscribe", None, "two", 2),
    }
    assert r.publish("one", "hello") == 1
    assert next_message(pubsub) == ("message", None, "one", "hello")
    assert r.publish("elsewhere", "hello") == 0
    pubsub.unsubscribe("one")
    assert next_message(pubsub) == ("unsubscribe", None, "one", 1)
    assert r.publish("one", "hello") == 0
    pubsub.unsubscribe()
    assert next_message(pubsub) == ("unsubscribe", None, "two", 0)
    assert not pubsub.subscribed


def test_patterns_and_channels_each_get_the_message(r, pubsub):
    pubsub.psubscribe("n*s", "new?")
    pubsub.subscribe("news")
    for _ in range(3):
        next_message(pubsub)
    assert r.publish("news", "x") == 3
    got = {next_message(pubsub) for _ in range(3)}
    assert got == {
        ("message", None, "news", "x"),
        ("pmessage", "n*s", "news", "x"),
        ("pmessage", "new?", "news", "x"),
    }


def test_any_bytes_go_through(connect):
    sender, receiver = connect(), connect().pubsub()
    channel, message = b"\x00\xff\r\n", bytes(range(256)) * 1000
    receiver.subscribe(channel)
    next_message(receiver)
    sender.publish(channel, message)
    assert next_message(receiver) == ("message", None, channel, message)
    receiver.close()


def test_a_ping_is_answered_while_subscribed(connect):
    # As bytes: redis-py takes RESP3's answer apart wrongly when it is decoded.
    with connect().pubsub() as pubsub:
        pubsub.subscribe("one")
        next_message(pubsub)
        pubsub.ping("are you there?")
        assert next_message(pubsub)[::3] == ("pong", b"are you there?")


def test_handlers_and_a_thread(r, pubsub):
    got, done = [], threading.Event()

    def handler(message):
        got.append(message["data"])
        if len(got) == 1000:
            done.set()

    pubsub.subscribe(channel=handler)
    thread = pubsub.run_in_thread(sleep_time=0.01)
    try:
        while r.pubsub_numsub("channel")[0][1] == 0:
            time.sleep(0.01)
        with r.pipeline(transaction=False) as pipe:
            for number in range(1000):
                pipe.publish("channel", number)
            assert pipe.execute() == [1] * 1000
        assert done.wait(WAIT)
    finally:
        thread.stop()
        thread.join()
    assert got == [str(number) for number in range(1000)]


def test_a_reconnected_subscriber_subscribes_again(r, pubsub):
    pubsub.subscribe("one")
    next_message(pubsub)
    assert r.client_kill_filter(_type="pubsub", skipme=True) == 1
    with pytest.raises((redis.ConnectionError, valkey.ConnectionError)):
        next_message(pubsub)
    assert next_message(pubsub) == ("subscribe", None, "one", 1)
    r.publish("one", "again")
    assert next_message(pubsub) == ("message", None, "one", "again")


def test_introspection(r, pubsub):
    pubsub.subscribe("news.art", "news.music", "weather")
    pubsub.psubscribe("n*")
    for _ in range(4):
        next_message(pubsub)
    assert sorted(r.pubsub_channels()) == ["news.art", "news.music", "weather"]
    assert sorted(r.pubsub_channels("news.*")) == ["news.art", "news.music"]
    assert r.pubsub_numsub("weather", "nothing") == [("weather", 1), ("nothing", 0)]
    assert r.pubsub_numpat() == 1
    (listed,) = r.client_list(_type="pubsub")
    assert (listed["sub"], listed["psub"]) == ("3", "1")
    assert "P" in listed["flags"]
    info = r.info("stats")
    assert (info["pubsub_channels"], info["pubsub_patterns"]) == (3, 1)


def test_shard_channels(r, pubsub):
    pubsub.ssubscribe("shard")
    assert next_message(pubsub) == ("ssubscribe", None, "shard", 1)
    assert r.execute_command("SPUBLISH", "shard", "x") == 1
    assert r.publish("shard", "y") == 0
    message = pubsub.get_sharded_message(timeout=WAIT)
    assert (message["type"], message["channel"], message["data"]) == ("smessage", "shard", "x")
    assert r.pubsub_shardchannels() == ["shard"]
    pubsub.sunsubscribe("shard")
    assert next_message(pubsub) == ("sunsubscribe", None, "shard", 0)


def test_a_transaction_publishes(r, pubsub):
    pubsub.subscribe("one")
    next_message(pubsub)
    with r.pipeline() as pipe:
        assert pipe.set("key", "value").publish("one", "written").execute() == [True, 1]
    assert next_message(pubsub) == ("message", None, "one", "written")


async def test_asyncio_fan_out(server):
    """A hundred subscribers, as a site with websockets has them."""
    client = redis.asyncio.Redis.from_url(server.redis.url(), decode_responses=True, max_connections=200)
    ready = []

    async def listen(number):
        async with client.pubsub() as pubsub:
            await pubsub.subscribe("all", f"user:{number}")
            got = []
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    ready.append(number)
                else:
                    got.append(message["data"])
                    if message["data"] == "end":
                        return got

    tasks = [asyncio.create_task(listen(number)) for number in range(100)]
    async with asyncio.timeout(3 * WAIT):
        while len(ready) < 200:
            await asyncio.sleep(0.01)
        for number in range(100):
            assert await client.publish(f"user:{number}", f"you are {number}") == 1
        assert await client.publish("all", "end") == 100
        assert await asyncio.gather(*tasks) == [[f"you are {number}", "end"] for number in range(100)]
    await client.aclose()


def test_a_subscriber_that_does_not_read_is_cut(server, r, pubsub):
    """It harms nobody: those who read get every message, and the daemon keeps no more than the limit for it."""
    name = "client-output-buffer-limit"
    before = r.config_get(name)[name]
    r.config_set(name, "pubsub 2mb 0 0")
    with socket.socket() as slow:
        try:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            slow.settimeout(WAIT)
            slow.connect((server.redis.host, server.redis.port))
            slow.sendall(b"SUBSCRIBE flood\r\n")
            assert slow.recv(100).startswith(b"*3")
            pubsub.subscribe("flood")
            next_message(pubsub)
            for number in range(500):
                assert r.publish("flood", f"{number} " + 65536 * "x") in (1, 2)
                assert next_message(pubsub)[3].startswith(f"{number} ")
            eventually(lambda: len(r.client_list(_type="pubsub")) == 1)
            assert r.publish("flood", "last") == 1
            with contextlib.suppress(ConnectionResetError):
                while slow.recv(1 << 20):
                    pass
        finally:
            r.config_set(name, before)


# --- Keyspace notifications ---


def test_expiry_is_announced(r, pubsub):
    r.config_set("notify-keyspace-events", "Ex")
    try:
        pubsub.psubscribe("__keyevent@*__:expired")
        next_message(pubsub)
        r.set("session", "x", px=20)
        assert next_message(pubsub)[2:] == ("__keyevent@0__:expired", "session")
    finally:
        r.config_set("notify-keyspace-events", "")


def test_writes_are_announced_by_key_and_by_event(r, pubsub):
    r.config_set("notify-keyspace-events", "KEA")
    try:
        assert set(r.config_get("notify-keyspace-events")["notify-keyspace-events"]) == set("AKE")
        pubsub.subscribe("__keyspace@0__:key", "__keyevent@0__:del")
        next_message(pubsub), next_message(pubsub)
        r.set("key", 1, ex=100)
        r.incr("key")
        r.delete("key")
        got = [next_message(pubsub)[2:] for _ in range(5)]
        assert [data for channel, data in got if channel == "__keyspace@0__:key"] == ["set", "expire", "incrby", "del"]
        assert ("__keyevent@0__:del", "key") in got
    finally:
        r.config_set("notify-keyspace-events", "")


def test_memcached_writes_are_announced(magpie):
    client = redis.Redis.from_url(magpie.redis.url(), decode_responses=True)
    client.config_set("notify-keyspace-events", "E$")
    try:
        with client.pubsub() as pubsub:
            pubsub.subscribe("__keyevent@0__:set")
            next_message(pubsub)
            assert magpie.memcached.talk(b"set key 0 0 1\r\nx\r\n") == b"STORED\r\n"
            assert next_message(pubsub)[3] == "key"
    finally:
        client.config_set("notify-keyspace-events", "")
        client.close()


# --- Client-side caching ---


@pytest.fixture
def caching(server, monkeypatch):
    """`caching()` gives a client that caches. It asks for a server of 7.4, though Debian's 7.0 has all it needs."""
    if server.name == "real":
        monkeypatch.setattr("redis.connection.CacheProxyConnection.MIN_ALLOWED_VERSION", "7.0.0")
    clients = []

    def make(**options):
        client = redis.Redis.from_url(
            server.redis.url(), protocol=3, decode_responses=True, cache_config=CacheConfig(**options)
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def eventually(condition):
    until = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_second_read_is_answered_by_the_cache(caching, r):
    client = caching()
    r.set("key", "value")
    assert client.get("key") == "value"
    before = r.info("commandstats")["cmdstat_get"]["calls"]
    for _ in range(100):
        assert client.get("key") == "value"
    assert r.info("commandstats")["cmdstat_get"]["calls"] == before
    assert client.get_cache().size == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.set("key", "new"),
        lambda r: r.append("key", "new"),
        lambda r: r.delete("key"),
        lambda r: r.rename("other", "key"),
        lambda r: r.pexpire("key", 1),
        lambda r: r.flushall(),
    ],
    ids=["set", "append", "delete", "rename", "expire", "flushall"],
)
def test_a_change_by_another_reaches_the_cache(caching, r, change):
    client = caching()
    r.mset({"key": "value", "other": "renamed"})
    assert client.get("key") == "value"
    change(r)
    eventually(lambda: client.get("key") == r.get("key") != "value")


def test_a_change_through_memcached_reaches_the_cache(magpie):
    client = redis.Redis.from_url(magpie.redis.url(), protocol=3, decode_responses=True, cache_config=CacheConfig())
    assert client.get("key") is None
    assert magpie.memcached.talk(b"set key 0 0 3\r\nnew\r\n") == b"STORED\r\n"
    eventually(lambda: client.get("key") == "new")
    client.close()


def test_caches_agree_in_the_end(caching, r):
    clients = [caching(max_size=50) for _ in range(3)]
    r.mset({f"key:{number}": 0 for number in range(100)})
    for step in range(600):
        client, key = clients[step % 3], f"key:{step * 17 % 100}"
        assert int(client.get(key)) >= 0
        if step % 4 == 0:
            client.incr(key)
    for client in clients:
        for number in range(100):
            eventually(lambda key=f"key:{number}": client.get(key) == r.get(key))


def test_tracking_by_hand(connect):
    """RESP2's way: invalidations redirected to a second connection that subscribes."""
    data, other = connect(single_connection_client=True, decode_responses=True), connect(decode_responses=True)
    listener = connect(protocol=2, single_connection_client=True)
    redirect = listener.client_id()
    with listener.pubsub() as pubsub:
        pubsub.connection = listener.connection
        pubsub.subscribe("__redis__:invalidate")
        assert pubsub.parse_response(timeout=WAIT)[0] == b"subscribe"
        assert data.client_tracking_on(clientid=redirect)
        assert data.client_getredir() == redirect
        data.get("key")
        other.set("key", 1)
        assert pubsub.parse_response(timeout=WAIT) == [b"message", b"__redis__:invalidate", [b"key"]]
        assert other.info("clients")["tracking_clients"] == 1
        assert data.client_tracking_off()
        with pytest.raises(ResponseError, match="does not exist"):
            data.client_tracking_on(clientid=10**9)
        pubsub.connection = None
