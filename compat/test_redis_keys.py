"""Keys and their expiry through redis-py and valkey-py, in RESP2 and RESP3."""

import time

import pytest

from redis_clients import ResponseError, connect, r, raw  # noqa: F401


def test_exists_delete_unlink_touch_count_keys(r):
    r.mset({"a": 1, "b": 2, "c": 3})
    assert r.exists("a", "b", "a", "missing") == 3
    assert r.touch("a", "b", "missing") == 2
    assert r.delete("a", "missing") == 1
    assert r.unlink("b", "c", "missing") == 2
    assert r.dbsize() == 0
    assert "a" not in r


def test_type(r):
    r.set("key", 1)
    assert (r.type("key"), r.type("missing")) == ("string", "none")


def test_rename_and_renamenx(r):
    r.set("a", 1, ex=100)
    assert r.rename("a", "b")
    assert (r.get("a"), r.get("b")) == (None, "1")
    assert 98 <= r.ttl("b") <= 100
    r.set("c", 3)
    assert not r.renamenx("b", "c")
    assert r.renamenx("b", "d")
    assert r.rename("d", "d")
    with pytest.raises(ResponseError, match="no such key"):
        r.rename("missing", "x")


def test_copy(connect, r):
    r.set("a", 1, ex=100)
    assert r.copy("a", "b")
    assert 98 <= r.ttl("b") <= 100
    r.set("c", 3)
    assert not r.copy("a", "c")
    assert r.copy("a", "c", replace=True)
    assert r.get("c") == "1"
    assert r.copy("a", "a", destination_db=5)
    assert connect(5).get("a") == b"1"
    assert not r.copy("missing", "x")


def test_move_and_swapdb(connect, r):
    other = connect(7, decode_responses=True)
    r.set("a", 1, ex=100)
    assert r.move("a", 7)
    assert not r.exists("a")
    assert 98 <= other.ttl("a") <= 100
    r.set("a", 2)
    assert not other.move("a", 0)
    assert r.swapdb(0, 7)
    assert (r.get("a"), other.get("a")) == ("1", "2")
    assert r.dbsize() == other.dbsize() == 1


def test_databases_are_apart(connect):
    clients = [connect(db, decode_responses=True) for db in range(16)]
    for db, client in enumerate(clients):
        client.set("key", db)
    assert [client.get("key") for client in clients] == [str(db) for db in range(16)]
    clients[3].flushdb()
    assert [client.dbsize() for client in clients] == [1] * 3 + [0] + [1] * 12
    assert clients[0].flushall(asynchronous=True)
    assert sum(client.dbsize() for client in clients) == 0


def test_randomkey(r):
    assert r.randomkey() is None
    r.mset({"a": 1, "b": 2, "c": 3})
    assert {r.randomkey() for _ in range(200)} == {"a", "b", "c"}


@pytest.mark.parametrize(
    "pattern, found",
    [
        ("*", {"hello", "hallo", "hxllo", "h*llo", "h[llo", "heeeello", "", "a\\b"}),
        ("h?llo", {"hello", "hallo", "hxllo", "h*llo", "h[llo"}),
        ("h*llo", {"hello", "hallo", "hxllo", "h*llo", "h[llo", "heeeello"}),
        ("h[ae]llo", {"hello", "hallo"}),
        ("h[^e]llo", {"hallo", "hxllo", "h*llo", "h[llo"}),
        ("h[a-b]llo", {"hallo"}),
        ("h[b-a]llo", {"hallo"}),
        ("h\\*llo", {"h*llo"}),
        ("h[\\[]llo", {"h[llo"}),
        ("h[llo", set()),
        ("a\\\\b", {"a\\b"}),
        ("", {""}),
        ("HELLO", set()),
        ("h**o", {"hello", "hallo", "hxllo", "h*llo", "h[llo", "heeeello"}),
        ("*l*l*", {"hello", "hallo", "hxllo", "h*llo", "h[llo", "heeeello"}),
    ],
)
def test_patterns_of_keys_and_scan(r, pattern, found):
    r.mset(dict.fromkeys(["hello", "hallo", "hxllo", "h*llo", "h[llo", "heeeello", "", "a\\b"], 1))
    assert set(r.keys(pattern)) == found
    assert set(r.scan_iter(pattern)) == found


def test_a_pattern_that_backtracks_is_answered_soon(r):
    r.set("a" * 60 + "b", 1)
    began = time.monotonic()
    assert r.keys("*a" * 20 + "c") == []
    assert time.monotonic() - began < 5


def test_scan_finds_every_key_while_others_come_and_go(r):
    steady = {f"steady:{number}" for number in range(3000)}
    r.mset(dict.fromkeys(steady, 1))
    found, passing = [], 0
    for key in r.scan_iter(count=50):
        found.append(key)
        if len(found) % 100 == 0:
            r.mset({f"passing:{passing}:{number}": 1 for number in range(200)})
            r.delete(*[f"passing:{passing - 2}:{number}" for number in range(200)])
            passing += 1
        if passing > 20:
            passing = -(10**6)
    assert steady <= set(found)


def test_scan_by_hand(r):
    r.mset({f"key{number}": number for number in range(500)})
    cursor, keys, rounds = 0, set(), 0
    while True:
        cursor, page = r.scan(cursor, match="key1*", count=20)
        keys.update(page)
        rounds += 1
        if cursor == 0:
            break
    assert keys == {f"key{number}" for number in range(500) if str(number).startswith("1")}
    assert rounds > 2


def test_scan_by_type(r):
    r.set("key", 1)
    assert list(r.scan_iter(_type="string")) == ["key"]
    assert list(r.scan_iter(_type="hash")) == []


def test_expire_ttl_persist(r):
    assert not r.expire("missing", 100)
    assert (r.ttl("missing"), r.pttl("missing")) == (-2, -2)
    r.set("key", 1)
    assert (r.ttl("key"), r.pttl("key"), r.expiretime("key"), r.pexpiretime("key")) == (-1, -1, -1, -1)
    assert r.expire("key", 100)
    assert 98 <= r.ttl("key") <= 100
    assert r.pexpire("key", 50_500)
    assert 48_000 <= r.pttl("key") <= 50_500
    assert r.persist("key")
    assert not r.persist("key")
    assert r.ttl("key") == -1


def test_expireat_and_expiretime(r):
    when = int(time.time()) + 100
    r.set("key", 1)
    assert r.expireat("key", when)
    assert r.expiretime("key") == when
    assert r.pexpireat("key", when * 1000 + 7)
    assert r.pexpiretime("key") == when * 1000 + 7


@pytest.mark.parametrize(
    "before, option, after, changes",
    [
        (None, "nx", 100, True), (50, "nx", 100, False),
        (None, "xx", 100, False), (50, "xx", 100, True),
        (None, "gt", 100, False), (50, "gt", 100, True), (150, "gt", 100, False),
        (None, "lt", 100, True), (50, "lt", 100, False), (150, "lt", 100, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["expire", "pexpire", "expireat", "pexpireat"])
def test_expire_options(r, command, before, option, after, changes):
    r.set("key", 1, ex=before)
    scale = 1000 if command.startswith("p") else 1
    base = int(time.time()) if command.endswith("at") else 0
    assert bool(getattr(r, command)("key", (base + after) * scale, **{option: True})) is changes
    expected = after if changes else before or -1
    assert expected - 2 <= r.ttl("key") <= expected


@pytest.mark.parametrize(
    "command, when", [("expire", -1), ("expire", 0), ("pexpire", -1), ("expireat", 1), ("pexpireat", 1)]
)
def test_an_expiry_in_the_past_deletes(r, command, when):
    r.set("key", 1)
    assert getattr(r, command)("key", when)
    assert not r.exists("key")


def test_keys_vanish_when_their_time_comes(r):
    r.set("key", 1, px=60)
    r.set("stays", 1, px=60_000)
    time.sleep(0.1)
    assert r.get("key") is None
    assert not r.exists("key")
    assert r.keys() == ["stays"]
    assert r.randomkey() == "stays"
    assert r.set("key", 2, nx=True)


def test_expired_keys_leave_dbsize_without_being_asked_for(r):
    for number in range(500):
        r.set(f"key{number}", 1, px=50)
    deadline = time.monotonic() + 10
    while r.dbsize() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert r.dbsize() == 0


def test_object(r):
    r.set("int", 42)
    r.set("short", "text")
    r.set("long", "x" * 100)
    assert [r.object("encoding", key) for key in ("int", "short", "long")] == ["int", "embstr", "raw"]
    assert r.object("refcount", "short") == 1
    assert r.object("idletime", "short") in (0, 1)
    assert r.object("encoding", "missing") is None


def test_object_freq_needs_an_lfu_policy(r):
    r.set("key", 1)
    with pytest.raises(ResponseError, match="LFU maxmemory policy is not selected"):
        r.object("freq", "key")


def test_memory_usage(r):
    assert r.memory_usage("missing") is None
    r.set("small", "x")
    r.set("large", "x" * 100_000)
    assert 10 < r.memory_usage("small") < 200
    assert 100_000 <= r.memory_usage("large", samples=0) < 140_000
