"""One store behind both protocols: what one side writes the other reads. magpie alone can do this.

The rules are in DESIGN: memcached sees database 0; a Redis write that replaces a value clears memcached's client
flags, one that modifies it keeps them.
"""

import base64
import threading
import time

import pymemcache
import pytest
import redis

from wire import Wire


@pytest.fixture
def r(magpie):
    return redis.Redis.from_url(magpie.redis.url())


@pytest.fixture
def mc(magpie):
    client = pymemcache.Client((magpie.memcached.host, magpie.memcached.port), default_noreply=False)
    yield client
    client.close()


@pytest.fixture
def wire(magpie):
    with Wire(magpie, "memcached") as wire:
        yield wire


def meta(wire: Wire, key: str, flags: str) -> bytes:
    """The flags that `mg` returns, without the value."""
    return wire.ask(f"mg {key} {flags}\r\n".encode()).removeprefix(b"HD").strip()


@pytest.mark.parametrize("value", [b"", b"text", b"\x00\xff\r\n", b"x" * 3_000_000])
def test_values_are_the_same_on_both_sides(r, mc, value):
    r.set("from-redis", value)
    assert mc.get("from-redis") == value
    mc.set("from-memcached", value)
    assert r.get("from-memcached") == value


def test_conditional_writes_see_each_other(r, mc):
    mc.set("key", "1")
    assert r.set("key", 2, nx=True) is None
    assert r.setnx("key", 2) is False
    r.delete("key")
    assert mc.replace("key", "1") is False
    r.set("key", 1)
    assert mc.add("key", "2") is False
    assert mc.replace("key", "3") is True
    assert r.getdel("key") == b"3"
    assert mc.get("key") is None


def test_deletes_see_each_other(r, mc):
    r.mset({"a": 1, "b": 2})
    assert mc.delete("a")
    assert r.exists("a", "b") == 1
    r.unlink("b")
    assert mc.get("b") is None


def test_both_sides_count_the_same_number(r, mc):
    mc.set("n", "10")
    assert r.incr("n") == 11
    assert mc.incr("n", 5) == 16
    assert r.decrby("n", 5) == 11
    assert mc.decr("n", 1) == 10
    assert r.incr("n") == 11
    assert r.get("n") == b"11"


def test_decr_to_fewer_digits_is_padded_as_memcached_pads_it(r, mc):
    """Redis reads no number there, as it would read none in the same bytes of its own."""
    mc.set("n", "10")
    mc.decr("n", 1)
    assert r.get("n") == b"9 "
    with pytest.raises(redis.ResponseError, match="not an integer"):
        r.incr("n")


def test_numbers_that_only_one_side_can_count(r, mc):
    r.set("n", -5)
    with pytest.raises(pymemcache.MemcacheClientError, match="non-numeric"):
        mc.incr("n", 1)
    mc.set("n", str(2**64 - 1))
    with pytest.raises(redis.ResponseError, match="not an integer or out of range"):
        r.incr("n")
    assert mc.incr("n", 1) == 0


def test_append_on_both_sides(r, mc):
    mc.set("key", "b")
    r.append("key", "c")
    mc.prepend("key", "a")
    r.setrange("key", 3, "d")
    mc.append("key", "e")
    assert r.get("key") == mc.get("key") == b"abcde"


@pytest.mark.parametrize(
    "write, flags_after",
    [
        (lambda r: r.set("key", "new"), 0),
        (lambda r: r.set("key", "new", keepttl=True), 0),
        (lambda r: r.set("key", "new", ex=100), 0),
        (lambda r: r.setex("key", 100, "new"), 0),
        (lambda r: r.getset("key", "new"), 0),
        (lambda r: r.mset({"key": "new"}), 0),
        (lambda r: r.append("key", "0"), 42),
        (lambda r: r.incr("key"), 42),
        (lambda r: r.incrbyfloat("key", 1), 42),
        (lambda r: r.setrange("key", 0, "7"), 42),
        (lambda r: r.expire("key", 100), 42),
        (lambda r: r.persist("key"), 42),
        (lambda r: r.getex("key", ex=100), 42),
        (lambda r: r.touch("key"), 42),
        (lambda r: r.get("key"), 42),
        (lambda r: r.rename("key", "other") and r.rename("other", "key"), 42),
        (lambda r: r.copy("key", "other") and r.rename("other", "key"), 42),
        (lambda r: r.move("key", 5) and r.execute_command("SWAPDB", 0, 5), 42),
    ],
    ids=["SET", "SET KEEPTTL", "SET EX", "SETEX", "GETSET", "MSET", "APPEND", "INCR", "INCRBYFLOAT", "SETRANGE", "EXPIRE",
         "PERSIST", "GETEX", "TOUCH", "GET", "RENAME", "COPY", "MOVE"],
)  # fmt: skip
def test_client_flags_after_a_redis_write(r, mc, wire, write, flags_after):
    mc.set("key", "5", flags=42)
    write(r)
    assert meta(wire, "key", "f") == b"f%d" % flags_after


@pytest.mark.parametrize(
    "write",
    [
        lambda r: r.set("key", "1"),
        lambda r: r.append("key", "0"),
        lambda r: r.incr("key"),
        lambda r: r.setrange("key", 0, "7"),
        lambda r: r.getset("key", "1"),
        lambda r: r.mset({"key": "1"}),
        lambda r: r.delete("key") and r.set("key", "1"),
        lambda r: r.flushdb() and r.set("key", "1"),
        lambda r: r.rename("key", "other") and r.set("key", "1"),
    ],
    ids=["SET", "APPEND", "INCR", "SETRANGE", "GETSET", "MSET", "DEL", "FLUSHDB", "RENAME"],
)
def test_a_redis_write_ends_the_validity_of_a_cas_unique(r, mc, write):
    mc.set("key", "1")
    _, cas = mc.gets("key")
    write(r)
    assert mc.cas("key", "2", cas) is False
    assert mc.gets("key")[1] != cas


@pytest.mark.parametrize("read", [lambda r: r.get("key"), lambda r: r.expire("key", 100), lambda r: r.touch("key")])
def test_a_redis_read_leaves_a_cas_unique_valid(r, mc, read):
    mc.set("key", "1")
    _, cas = mc.gets("key")
    read(r)
    assert mc.cas("key", "2", cas) is True


def test_no_two_versions_show_the_same_cas_unique(r, mc):
    seen = set()
    for number in range(500):
        (r.set if number % 2 else mc.set)("key", str(number))
        seen.add(mc.gets("key")[1])
    assert len(seen) == 500


@pytest.mark.parametrize(
    "write",
    [
        lambda mc: mc.set("key", "2"),
        lambda mc: mc.append("key", "0"),
        lambda mc: mc.incr("key", 1),
        lambda mc: mc.delete("key"),
        lambda mc: mc.touch("key", 100),
        lambda mc: mc.flush_all(),
        lambda mc: mc.raw_command("ma key"),
        lambda mc: mc.raw_command("md key I"),
    ],
    ids=["set", "append", "incr", "delete", "touch", "flush_all", "ma", "md I"],
)
def test_a_memcached_write_ends_a_watch(r, mc, write):
    r.set("key", 1)
    with r.pipeline() as pipe:
        pipe.watch("key")
        write(mc)
        pipe.multi()
        pipe.ping()
        with pytest.raises(redis.WatchError):
            pipe.execute()


@pytest.mark.parametrize("exptime, pttl", [(0, -1), (100, 100_000), (2_592_000, 2_592_000_000)])
def test_exptime_relative(r, mc, exptime, pttl):
    mc.set("key", "1", expire=exptime)
    assert pttl - 2000 <= r.pttl("key") <= pttl


def test_exptime_above_30_days_is_a_date(r, mc):
    mc.set("past", "1", expire=2_592_001)
    assert r.pttl("past") == -2
    when = int(time.time()) + 5000
    mc.set("future", "1", expire=when)
    assert r.expiretime("future") == when


@pytest.mark.parametrize(
    "command", ["set key 0 -1 1\r\nx", "touch key -1", "gat -1 key", "mg key T-1", "ms key 1 T-1\r\nx"]
)
def test_a_negative_exptime_removes_at_once(r, wire, command):
    r.set("key", 1)
    wire.exchange(command.encode() + b"\r\n")
    assert r.exists("key") == 0


def test_times_agree(r, mc, wire):
    r.set("key", 1, ex=100)
    assert meta(wire, "key", "t") in (b"t100", b"t99")
    r.persist("key")
    assert meta(wire, "key", "t") == b"t-1"
    mc.touch("key", 50)
    assert r.ttl("key") in (50, 49)
    r.expire("key", 70)
    assert meta(wire, "key", "t") in (b"t70", b"t69")
    mc.touch("key", 0)
    assert r.ttl("key") == -1


def test_appending_keeps_the_time_on_either_side(r, mc):
    mc.set("key", "1", expire=100)
    r.append("key", "0")
    mc.append("key", "0")
    mc.incr("key", 1)
    assert r.ttl("key") in (100, 99)


def test_what_expires_expires_on_both_sides(r, mc):
    r.set("key", 1, px=60)
    assert mc.get("key") == b"1"
    time.sleep(0.1)
    assert mc.get("key") is None
    assert mc.add("key", "2") is True


@pytest.mark.parametrize("key", [b"a key", b"\x00\xff\r\n", "schlüssel ja".encode(), b"k" * 251, b"k" * 1000])
def test_keys_that_memcached_cannot_name_are_reached_by_base64(r, wire, key):
    """Real memcached counts the base64 word itself against its 250 bytes; here it names longer keys, too."""
    r.set(key, "value")
    name = base64.b64encode(key)
    assert wire.exchange(b"mg %b v\r\n" % key.split()[0]) != b"VA 5\r\nvalue\r\n"
    assert wire.exchange(b"mg %b b v k\r\n" % name) == b"VA 5 k%b b\r\nvalue\r\n" % name
    assert wire.exchange(b"ms %b 3 b\r\nnew\r\n" % name) == b"HD\r\n"
    assert r.get(key) == b"new"
    assert wire.exchange(b"md %b b\r\n" % name) == b"HD\r\n"
    assert not r.exists(key)


def test_keys_with_any_byte_written_by_base64_are_read_by_redis(r, wire):
    key = bytes(range(180))
    assert wire.exchange(b"ms %b 1 b T100\r\nx\r\n" % base64.b64encode(key)) == b"HD\r\n"
    assert r.keys() == [key]
    assert r.ttl(key) in (100, 99)


def test_memcached_sees_database_0_only(magpie, r, mc):
    other = redis.Redis.from_url(magpie.redis.url(3))
    other.set("key", "three")
    assert mc.get("key") is None
    mc.set("key", "zero")
    assert other.get("key") == b"three"
    assert r.get("key") == b"zero"


def test_flush_all_empties_database_0_only(magpie, r, mc):
    other = redis.Redis.from_url(magpie.redis.url(3))
    other.set("key", 1)
    r.set("key", 1)
    mc.flush_all()
    assert r.dbsize() == 0
    assert other.dbsize() == 1


def test_flushdb_and_flushall_and_swapdb_reach_memcached(magpie, r, mc):
    other = redis.Redis.from_url(magpie.redis.url(3))
    mc.set("key", "1")
    other.flushdb()
    assert mc.get("key") == b"1"
    r.flushdb()
    assert mc.get("key") is None
    mc.set("key", "1")
    other.flushall()
    assert mc.get("key") is None
    mc.set("key", "zero")
    other.set("key", "three")
    r.swapdb(0, 3)
    assert mc.get("key") == b"three"


def test_a_delayed_flush_all_is_seen_by_redis(r, mc):
    r.set("key", 1)
    mc.flush_all(delay=2)
    assert r.get("key") == b"1"
    time.sleep(2.2)
    assert r.get("key") is None


def test_stale_items_are_read_by_redis_and_made_fresh_by_set(r, wire):
    r.set("key", "old")
    wire.exchange(b"md key I\r\n")
    assert r.get("key") == b"old"
    r.set("key", "new")
    assert wire.exchange(b"mg key v\r\n") == b"VA 3\r\nnew\r\n"


def test_scan_lists_what_memcached_wrote(r, mc):
    keys = {f"key{number}" for number in range(300)}
    mc.set_many(dict.fromkeys(keys, "x"))
    assert {key.decode() for key in r.scan_iter()} == keys
    assert r.dbsize() == 300
    assert int(mc.stats()[b"curr_items"]) == 300


def test_multi_key_commands_are_atomic_towards_memcached(magpie, r):
    """`get` of many keys never sees half of an MSET."""
    keys = [f"key{number}" for number in range(10)]
    r.mset(dict.fromkeys(keys, 0))
    stop = threading.Event()

    def write():
        client = redis.Redis.from_url(magpie.redis.url())
        generation = 0
        while not stop.is_set():
            generation += 1
            client.mset(dict.fromkeys(keys, generation))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reader = redis.Redis.from_url(magpie.redis.url())
        assert all(len(set(reader.mget(keys))) == 1 for _ in range(300))
    finally:
        stop.set()
        writer.join()


def test_both_sides_count_one_number_at_once(magpie, r):
    r.set("n", 0)

    def memcached_side():
        client = pymemcache.Client((magpie.memcached.host, magpie.memcached.port))
        for _ in range(500):
            client.incr("n", 1)

    def redis_side():
        client = redis.Redis.from_url(magpie.redis.url())
        for _ in range(500):
            client.incr("n")

    threads = [threading.Thread(target=side) for side in (memcached_side, redis_side) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("n") == b"3000"
