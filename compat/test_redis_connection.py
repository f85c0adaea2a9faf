"""Connections, pools, pipelines and transactions through redis-py and valkey-py, in RESP2 and RESP3."""

import threading
import time

import pytest
import redis
import valkey

from redis_clients import OneConnection, ResponseError, as_dict, connect, r, raw  # noqa: F401

ConnectionLost = (redis.ConnectionError, valkey.ConnectionError)
WatchError = (redis.WatchError, valkey.WatchError)
AuthenticationError = (redis.AuthenticationError, valkey.AuthenticationError)


def test_ping_echo_time(r):
    assert r.ping()
    assert r.echo("grüße") == "grüße"
    seconds, microseconds = r.time()
    assert abs(seconds - time.time()) < 5
    assert 0 <= microseconds < 1_000_000


def test_the_protocol_is_what_was_asked_for(connect):
    for protocol in (2, 3):
        client = connect(protocol=protocol, decode_responses=True)
        hello = as_dict(client.execute_command("HELLO"))
        assert hello["proto"] == protocol
        assert hello["server"] == "redis"
        assert (hello["mode"], hello["role"], hello["modules"]) == ("standalone", "master", [])


def test_client_names_and_ids(connect):
    one, two = connect(client_name="one", decode_responses=True), connect(decode_responses=True)
    assert one.client_getname() == "one"
    assert two.client_getname() is None
    assert two.client_setname("two")
    assert two.client_getname() == "two"
    assert two.client_id() > one.client_id()


def test_client_info_and_list(connect):
    with connect(3, client_name="listed", decode_responses=True, single_connection_client=True) as client:
        info = client.client_info()
        assert info["name"] == "listed"
        assert int(info["db"]) == 3
        assert int(info["id"]) == client.client_id()
        assert info["cmd"] == "client|info"
        assert {"addr", "laddr", "fd", "age", "idle", "flags", "sub", "psub", "multi", "qbuf", "qbuf-free", "argv-mem",
                "multi-mem", "obl", "oll", "omem", "tot-mem", "events", "user", "redir", "resp"} <= set(info)  # fmt: skip
        (listed,) = [each for each in client.client_list() if each["name"] == "listed"]
        assert listed["id"] == str(client.client_id())
        assert client.client_list(client_id=[str(client.client_id())])[0]["name"] == "listed"
        assert client.client_list(_type="pubsub") == []


def test_client_kill(connect):
    victim, killer = OneConnection(connect()), connect()
    assert killer.client_kill_filter(_id=str(victim("CLIENT", "ID"))) == 1
    with pytest.raises(ConnectionLost):
        victim("PING")
    assert killer.client_kill_filter(_id="999999999") == 0
    with pytest.raises(ResponseError, match="No such client"):
        killer.client_kill("1.1.1.1:9999")


def test_client_pause_and_unpause(connect):
    client, other = connect(), connect()
    other.ping()
    assert client.client_pause(400, all=False)
    began = time.monotonic()
    assert other.get("key") is None  # reads go on
    assert time.monotonic() - began < 0.3
    other.set("key", 1)
    assert time.monotonic() - began > 0.3
    assert client.client_pause(60_000, all=False)
    assert client.client_unpause()
    began = time.monotonic()
    other.set("key", 2)
    assert time.monotonic() - began < 5


def test_client_no_evict(connect):
    client = connect(single_connection_client=True)
    assert client.client_no_evict("ON")
    assert client.client_no_evict("OFF")


def test_client_unblock_of_one_that_waits_for_nothing(r):
    assert r.client_unblock(r.client_id()) in (0, False)
    assert r.client_unblock(999999999, error=True) in (0, False)


def test_reset_returns_to_resp2_and_database_0(raw):
    call = OneConnection(raw)
    call("SELECT", 5)
    call("CLIENT", "SETNAME", "named")
    call("MULTI")
    assert call("RESET") == b"RESET"
    assert b"db=0" in call("CLIENT", "INFO")
    assert b"name= " in call("CLIENT", "INFO")


def test_select_and_quit(raw):
    call = OneConnection(raw)
    assert call("SELECT", 9) == b"OK"
    call("SET", "key", 9)
    assert call("SELECT", 0) == b"OK"
    assert call("GET", "key") is None
    assert call("QUIT") == b"OK"
    with pytest.raises(ConnectionLost):
        call("PING")


def test_pipeline_without_a_transaction(r):
    with r.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set(f"key{number}", number)
            pipe.incr(f"key{number}")
        replies = pipe.execute()
    assert replies[1::2] == list(range(1, 5001))
    assert all(replies[::2])


def test_pipeline_as_a_transaction(r):
    with r.pipeline() as pipe:
        assert pipe.set("a", 1).incr("a").get("a").expire("a", 100).execute() == [True, 2, "2", True]


def test_an_error_in_a_pipeline_stops_nothing(r):
    r.set("text", "x")
    for transaction in (False, True):
        with r.pipeline(transaction=transaction) as pipe:
            pipe.set("a", 1).incr("text").set("b", 2)
            replies = pipe.execute(raise_on_error=False)
        assert replies[0] is replies[2] is True
        assert isinstance(replies[1], ResponseError)


def test_a_bad_command_aborts_the_transaction(r):
    with r.pipeline() as pipe:
        pipe.set("a", 1).execute_command("NONSENSE")
        with pytest.raises(ResponseError):
            pipe.execute()
    assert not r.exists("a")


def test_an_empty_transaction(raw):
    call = OneConnection(raw)
    call.send_many(["MULTI"], ["EXEC"])
    assert call.read(2) == [b"OK", []]


def test_watch_sees_another_clients_write(connect, r):
    r.set("key", 1)
    other = connect()
    with r.pipeline() as pipe:
        pipe.watch("key")
        value = int(pipe.get("key"))
        other.set("key", 100)
        pipe.multi()
        pipe.set("key", value + 1)
        with pytest.raises(WatchError):
            pipe.execute()
    assert r.get("key") == "100"


@pytest.mark.parametrize(
    "touch",
    [
        lambda other: other.set("key", 1),
        lambda other: other.delete("key"),
        lambda other: other.expire("key", 100),
        lambda other: other.rename("key", "else"),
        lambda other: other.append("key", ""),
        lambda other: other.flushdb(),
        lambda other: other.flushall(),
        lambda other: other.swapdb(0, 1),
    ],
)
def test_what_ends_a_watch(connect, r, touch):
    r.set("key", 1)
    with r.pipeline() as pipe:
        pipe.watch("key")
        touch(connect())
        pipe.multi()
        pipe.ping()
        with pytest.raises(WatchError):
            pipe.execute()


@pytest.mark.parametrize(
    "touch",
    [
        lambda other: other.get("key"),
        lambda other: other.set("other", 1),
        lambda other: other.set("key", 2, nx=True),
        lambda other: other.persist("key"),
        lambda other: other.touch("key"),
    ],
)
def test_what_does_not_end_a_watch(connect, r, touch):
    r.set("key", 1)
    with r.pipeline() as pipe:
        pipe.watch("key", "missing")
        touch(connect())
        pipe.multi()
        pipe.get("key")
        assert pipe.execute() == ["1"]


def test_a_watched_key_that_expires_before_exec_aborts(r):
    """As Redis since 6.0.9; the other way round, one that had expired before WATCH, does not."""
    r.set("key", 1, px=50)
    with r.pipeline() as pipe:
        pipe.watch("key")
        time.sleep(0.1)
        pipe.multi()
        pipe.ping()
        with pytest.raises(WatchError):
            pipe.execute()


def test_unwatch(connect, r):
    r.set("key", 1)
    with r.pipeline() as pipe:
        pipe.watch("key")
        pipe.unwatch()
        connect().set("key", 2)
        pipe.multi()
        pipe.get("key")
        assert pipe.execute() == ["2"]


def test_transaction_retries_until_it_is_alone(connect, r):
    r.set("n", 0)

    def increment(pipe):
        value = int(pipe.get("n"))
        pipe.multi()
        pipe.set("n", value + 1)

    def work():
        client = connect(decode_responses=True)
        for _ in range(50):
            client.transaction(increment, "n")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("n") == "200"


def test_a_transaction_over_many_keys_is_seen_whole(connect, r):
    """Atomic however the keys are spread over shards."""
    keys = [f"key{number}" for number in range(20)]
    r.mset(dict.fromkeys(keys, 0))
    stop = threading.Event()

    def write():
        client = connect()
        generation = 0
        while not stop.is_set():
            generation += 1
            with client.pipeline() as pipe:
                for key in keys:
                    pipe.set(key, generation)
                pipe.execute()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            assert len(set(r.mget(keys))) == 1
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("library", [redis, valkey])
def test_connection_pools(server, library):
    client_class = getattr(library, "Redis", None) or library.Valkey
    pool = library.ConnectionPool.from_url(server.redis.url(), max_connections=2)
    client = client_class(connection_pool=pool)
    calls = [OneConnection(client) for _ in range(2)]
    with pytest.raises(library.ConnectionError):
        client.ping()
    for call in calls:
        pool.release(call.connection)
    assert client.ping()
    blocking = library.BlockingConnectionPool.from_url(server.redis.url(), max_connections=2, timeout=10)
    client = client_class(connection_pool=blocking)
    threads = [threading.Thread(target=client.incr, args=("n",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == b"20"


@pytest.mark.parametrize("library", [redis, valkey])
@pytest.mark.parametrize("protocol", [2, 3])
def test_passwords(kind, make_server, library, protocol):
    server = make_server(kind, password="sesam öffne dich")
    client_class = library.Redis if library is redis else library.Valkey
    options = {"host": server.redis.host, "port": server.redis.port, "protocol": protocol}
    assert client_class(password="sesam öffne dich", **options).ping()
    assert client_class(username="default", password="sesam öffne dich", **options).ping()
    with pytest.raises(AuthenticationError):
        client_class(password="wrong", **options).ping()
    with pytest.raises((*AuthenticationError, *ConnectionLost, *ResponseError)):
        client_class(**options).get("key")


def test_what_is_allowed_before_auth(kind, make_server):
    server = make_server(kind, password="secret")
    assert server.redis.talk(b"PING\r\n") == b"-NOAUTH Authentication required.\r\n"
    assert server.redis.talk(b"nonsense\r\n").startswith(b"-ERR unknown command")
    assert server.redis.talk(b"HELLO 3\r\n").startswith(b"-NOAUTH HELLO must be called with the client already authent")
    assert server.redis.talk(b"AUTH wrong\r\n").startswith(b"-WRONGPASS invalid username-password pair")
    assert server.redis.talk(b"AUTH default secret\r\n") == b"+OK\r\n"
    assert server.redis.talk(b"HELLO 2 AUTH default secret SETNAME me\r\n").startswith(b"*14\r\n$6\r\nserver")
    assert server.redis.talk(b"QUIT\r\n") == b"+OK\r\n"


def test_unix_sockets(kind, make_server):
    server = make_server(kind, unix_sockets=True)
    for client in (
        redis.Redis(unix_socket_path=str(server.redis.socket)),
        redis.Redis.from_url(f"unix://{server.redis.socket}?db=2"),
        valkey.Valkey(unix_socket_path=str(server.redis.socket), protocol=3),
    ):
        assert client.set("key", 1)
        assert client.get("key") == b"1"


def test_a_client_reconnects_after_a_restart(kind, make_server):
    server = make_server(kind)
    client = redis.Redis.from_url(server.redis.url())
    client.set("key", 1)
    server.restart()
    assert client.get("key") is None
    assert client.set("key", 2)


def test_client_reply_off_and_skip(raw):
    call = OneConnection(raw)
    call.send_many(["CLIENT", "REPLY", "OFF"], ["SET", "a", 1], ["CLIENT", "REPLY", "ON"])
    call.send_many(["CLIENT", "REPLY", "SKIP"], ["SET", "a", 2], ["GET", "a"])
    assert call.read(2) == [b"OK", b"2"]
