"""Strings through redis-py and valkey-py, in RESP2 and RESP3."""

import time

import pytest

from redis_clients import ResponseError, as_dict, connect, r, raw  # noqa: F401


def test_set_and_get(r):
    assert r.get("key") is None
    assert r.set("key", "value") is True
    assert r.get("key") == "value"
    assert r["key"] == "value"
    with pytest.raises(KeyError):
        r["missing"]


@pytest.mark.parametrize("value", [b"", b"\x00\xff\r\n$-1\r\n", b"x" * 3_000_000, "grüße ✓".encode()])
def test_values_hold_any_bytes(raw, value):
    raw.set("key", value)
    assert raw.get("key") == value
    assert raw.strlen("key") == len(value)


def test_keys_hold_any_bytes(raw):
    key = b"a key\r\n\x00\xff" + b"k" * 100_000
    raw.set(key, 1)
    assert raw.get(key) == b"1"
    assert raw.keys() == [key]


def test_numbers_are_sent_as_text(r):
    r.set("int", 42)
    r.set("float", 1.5)
    assert r.mget("int", "float", "missing") == ["42", "1.5", None]


def test_set_nx_and_xx(r):
    assert r.set("key", 1, xx=True) is None
    assert r.set("key", 1, nx=True) is True
    assert r.set("key", 2, nx=True) is None
    assert r.set("key", 3, xx=True) is True
    assert r.get("key") == "3"


def test_set_get_returns_the_old_value(r):
    assert r.set("key", 1, get=True) is None
    assert r.set("key", 2, get=True) == "1"
    assert r.set("key", 3, get=True, ex=100) == "2"
    assert r.set("key", 4, get=True, nx=True) == "3"
    assert r.get("key") == "3"
    assert r.set("missing", 4, get=True, xx=True) is None
    assert not r.exists("missing")


@pytest.mark.parametrize(
    "options, seconds",
    [
        ({"ex": 100}, 100),
        ({"px": 100_000}, 100),
        ({"exat": lambda: int(time.time()) + 100}, 100),
        ({"pxat": lambda: int(time.time() * 1000) + 100_000}, 100),
        ({"keepttl": True}, 50),
        ({}, -1),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, dict) else "",
)
def test_set_with_expiry(r, options, seconds):
    r.set("key", 1, ex=50)
    options = {name: value() if callable(value) else value for name, value in options.items()}
    assert r.set("key", 2, **options)
    assert seconds - 2 <= r.ttl("key") <= seconds


@pytest.mark.filterwarnings("ignore:Call to deprecated")
def test_setex_psetex_setnx_getset(r):
    assert r.setex("key", 100, "a")
    assert 98 <= r.ttl("key") <= 100
    assert r.psetex("key", 50_000, "b")
    assert 48_000 <= r.pttl("key") <= 50_000
    assert r.setnx("key", "c") is False
    assert r.setnx("new", "c") is True
    assert r.getset("key", "d") == "b"
    assert r.ttl("key") == -1


def test_getex(r):
    assert r.getex("missing", ex=10) is None
    r.set("key", "v")
    assert r.getex("key") == "v"
    assert r.ttl("key") == -1
    assert r.getex("key", ex=100) == "v"
    assert 98 <= r.ttl("key") <= 100
    assert r.getex("key", px=50_000) == "v"
    assert 48 <= r.ttl("key") <= 50
    assert r.getex("key", exat=int(time.time()) + 100) == "v"
    assert 98 <= r.ttl("key") <= 100
    assert r.getex("key", persist=True) == "v"
    assert r.ttl("key") == -1
    assert r.getex("key", exat=1) == "v"
    assert not r.exists("key")


def test_getdel(r):
    r.set("key", "v")
    assert r.getdel("key") == "v"
    assert r.getdel("key") is None


def test_mset_mget_msetnx(r):
    values = {f"key{number}": str(number) for number in range(1000)}
    assert r.mset(values)
    assert r.mget(list(values)) == list(values.values())
    assert r.mget(["key1", "missing", "key1"]) == ["1", None, "1"]
    assert r.msetnx({"new": 1, "key1": 2}) in (False, 0)
    assert not r.exists("new")
    assert r.msetnx({"new": 1, "newer": 2}) in (True, 1)


def test_mset_removes_the_ttl(r):
    r.set("key", 1, ex=100)
    r.mset({"key": 2})
    assert r.ttl("key") == -1


def test_counters(r):
    assert r.incr("n") == 1
    assert r.incrby("n", 10) == 11
    assert r.decr("n") == 10
    assert r.decrby("n", 20) == -10
    r.set("n", 2**63 - 1)
    with pytest.raises(ResponseError, match="overflow"):
        r.incr("n")
    r.set("n", -(2**63))
    with pytest.raises(ResponseError, match="overflow"):
        r.decr("n")
    assert r.get("n") == str(-(2**63))


@pytest.mark.parametrize("value", ["", " 1", "1 ", "+1", "01", "1.0", "0x1", "99999999999999999999", "-0"])
def test_what_is_no_integer_is_not_counted(r, value):
    r.set("n", value)
    with pytest.raises(ResponseError, match="not an integer or out of range"):
        r.incr("n")
    assert r.get("n") == value


@pytest.mark.parametrize(
    "start, step, result",
    [
        ("10.50", "0.1", 10.6),
        ("5.0e3", "2.0e2", 5200.0),
        ("0", "-1.5", -1.5),
        ("1", "1e-7", 1.0000001),
        ("3", "0", 3.0),
        ("0.1", "0.2", 0.3),
        ("1e17", "1", 100000000000000001.0),
    ],
)
def test_incrbyfloat(r, start, step, result):
    r.set("n", start)
    assert r.incrbyfloat("n", step) == pytest.approx(result, rel=1e-15)
    assert "e" not in r.get("n")


def test_incrbyfloat_writes_as_few_digits_as_needed(r):
    r.set("n", "10.50")
    r.incrbyfloat("n", "0.1")
    assert r.get("n") == "10.6"
    r.incrbyfloat("n", "-5.6")
    assert r.get("n") == "5"
    r.set("n", "0.1")
    r.incrbyfloat("n", "0.2")
    assert r.get("n") == "0.3"


@pytest.mark.parametrize("step", ["nan", "x", "1 ", " 1", ""])
def test_incrbyfloat_refuses_what_is_no_number(r, step):
    r.set("n", 1)
    with pytest.raises(ResponseError, match="not a valid float"):
        r.execute_command("INCRBYFLOAT", "n", step)


@pytest.mark.parametrize("step", ["inf", "-inf", "1e5000"])
def test_incrbyfloat_refuses_infinity(r, step):
    r.set("n", 1)
    with pytest.raises(ResponseError, match="NaN or Infinity|not a valid float"):
        r.execute_command("INCRBYFLOAT", "n", step)


def test_counting_keeps_the_ttl(r):
    r.set("n", 1, ex=100)
    r.incr("n")
    r.incrbyfloat("n", 1)
    r.append("n", "0")
    r.setrange("n", 0, "9")
    assert 98 <= r.ttl("n") <= 100


def test_append(r):
    assert r.append("key", "ab") == 2
    assert r.append("key", "") == 2
    assert r.append("key", "c") == 3
    assert r.get("key") == "abc"


def test_setrange(raw):
    assert raw.setrange("key", 0, b"") == 0
    assert not raw.exists("key")
    assert raw.setrange("key", 5, b"x") == 6
    assert raw.get("key") == b"\0\0\0\0\0x"
    assert raw.setrange("key", 1, b"yz") == 6
    assert raw.get("key") == b"\0yz\0\0x"
    assert raw.setrange("key", 3, b"") == 6


@pytest.mark.parametrize(
    "start, end, result",
    [(0, 3, "This"), (-3, -1, "ing"), (0, -1, "This is a string"), (10, 100, "string"), (5, 3, ""), (-100, 3, "This"),
     (100, 200, ""), (-1, -5, ""), (0, -100, "T"), (-100, -100, "T"), (0, -(2**63), "T")],
)  # fmt: skip
def test_getrange(r, start, end, result):
    r.set("key", "This is a string")
    assert r.getrange("key", start, end) == result
    assert r.substr("key", start, end) == result
    assert r.getrange("missing", start, end) == ""


def test_strlen(r):
    assert r.strlen("missing") == 0


def test_lcs(r):
    r.mset({"a": "ohmytext", "b": "mynewtext"})
    assert r.lcs("a", "b") == "mytext"
    assert r.lcs("a", "b", len=True) == 6
    assert r.lcs("a", "missing") == ""
    matches = as_dict(r.lcs("a", "b", idx=True))
    assert matches == {"matches": [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], "len": 6}
    matches = as_dict(r.lcs("a", "b", idx=True, minmatchlen=4, withmatchlen=True))
    assert matches == {"matches": [[[4, 7], [5, 8], 4]], "len": 6}
