"""Commands that clients send and that are newer than the redis-server 7.0 which proves the other tests.

Against magpie alone, after the command pages of Redis: CLIENT SETINFO and NO-TOUCH are of 7.2; SET IFEQ, DELEX and
MSETEX of 8.4.
"""

import pytest
import redis
from redis.commands.core import DataPersistOptions

from redis_clients import OneConnection, as_dict

pytestmark = pytest.mark.filterwarnings("ignore")  # redis-py calls some of these methods experimental


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def r(request, magpie):
    return redis.Redis.from_url(magpie.redis.url(), protocol=request.param, decode_responses=True)


def test_it_says_that_it_is_a_redis_of_7_4_or_later(r):
    """redis-py's client-side cache refuses anything older."""
    hello = as_dict(OneConnection(r)("HELLO"))
    for version in (hello["version"], r.info("server")["redis_version"]):
        assert tuple(map(int, version.split("."))) >= (7, 4, 0)
    assert r.info("server")["magpie_version"]


def test_clients_introduce_themselves(r):
    call = OneConnection(r)
    assert call("CLIENT", "SETINFO", "LIB-NAME", "redis-py(django)") == "OK"
    assert call("CLIENT", "SETINFO", "LIB-VER", "1.2.3") == "OK"
    assert " lib-name=redis-py(django) lib-ver=1.2.3" in call("CLIENT", "INFO")
    with pytest.raises(redis.ResponseError, match="Unrecognized option 'nonsense'"):
        call("CLIENT", "SETINFO", "nonsense", "x")
    with pytest.raises(redis.ResponseError, match="cannot contain spaces, newlines or special characters"):
        call("CLIENT", "SETINFO", "LIB-NAME", "a b")


def test_redis_py_shows_in_the_client_list(r):
    assert r.client_info()["lib-name"] == "redis-py"


def test_no_touch_keeps_the_idle_time(r):
    call = OneConnection(r)
    assert call("CLIENT", "NO-TOUCH", "ON") == "OK"
    assert call("CLIENT", "NO-TOUCH", "OFF") == "OK"


@pytest.mark.parametrize(
    "condition, stored",
    [({"ifeq": "old"}, True), ({"ifeq": "else"}, False), ({"ifne": "else"}, True), ({"ifne": "old"}, False)],
)
def test_set_if_equal_or_not(r, condition, stored):
    r.set("key", "old")
    assert bool(r.set("key", "new", ex=100, **condition)) is stored
    assert r.get("key") == ("new" if stored else "old")


def test_set_if_equal_never_creates_and_if_not_equal_does(r):
    assert not r.set("key", "new", ifeq="old")
    assert r.set("key", "new", ifne="old")


def test_set_if_equal_with_get(r):
    r.set("key", "old")
    assert r.set("key", "new", ifeq="old", get=True) == "old"
    assert r.set("key", "newer", ifeq="old", get=True) == "new"
    assert r.get("key") == "new"


@pytest.mark.parametrize(
    "condition, deleted",
    [({}, 1), ({"ifeq": "value"}, 1), ({"ifeq": "else"}, 0), ({"ifne": "value"}, 0), ({"ifne": "else"}, 1)],
)
def test_delex(r, condition, deleted):
    r.set("key", "value")
    assert r.delex("key", **condition) == deleted
    assert r.exists("key") == 1 - deleted
    assert r.delex("missing", **condition) == 0


def test_msetex(r):
    assert r.msetex({"a": 1, "b": 2}, ex=100) == 1
    assert r.mget("a", "b") == ["1", "2"]
    assert 98 <= r.ttl("b") <= 100
    assert r.msetex({"b": 3, "c": 3}, data_persist_option=DataPersistOptions.NX) == 0
    assert r.mget("b", "c") == ["2", None]
    assert r.msetex({"a": 4, "b": 4}, data_persist_option=DataPersistOptions.XX, keepttl=True) == 1
    assert 98 <= r.ttl("a") <= 100
    assert r.msetex({"a": 5}) == 1
    assert r.ttl("a") == -1
