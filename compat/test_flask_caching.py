"""Flask-Caching as a Flask site uses it, on RedisCache and on MemcachedCache with each library it supports."""

import time

import cachelib
import memcache
import pylibmc
import pytest
from flask_caching.backends import RedisCache

from sites.flask_app import create_app


def redis_settings(server):
    return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": server.redis.url(), "CACHE_KEY_PREFIX": "site:"}


def redis_host_settings(server):
    return {
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_HOST": server.redis.host,
        "CACHE_REDIS_PORT": server.redis.port,
        "CACHE_REDIS_DB": 3,
    }


def memcached_settings(client):
    """Flask-Caching takes the addresses, or a client of the site's own choice."""

    def settings(server):
        return {
            "CACHE_TYPE": "MemcachedCache",
            "CACHE_MEMCACHED_SERVERS": client(server.memcached.address),
            "CACHE_KEY_PREFIX": "site:",
        }

    return settings


SETTINGS = {
    "redis url": redis_settings,
    "redis host": redis_host_settings,
    "memcached addresses": memcached_settings(lambda address: [address]),
    "pylibmc": memcached_settings(lambda address: pylibmc.Client([address])),
    "python-memcached": memcached_settings(lambda address: memcache.Client([address])),
    # libmc is not among them: Flask-Caching's set_many breaks on what its set_multi returns, on any server.
}


@pytest.fixture(params=SETTINGS)
def site(request, server):
    return create_app(SETTINGS[request.param](server))


@pytest.fixture
def app(site):
    return site[0]


@pytest.fixture
def cache(site):
    return site[1]


@pytest.fixture
def browser(app):
    with app.test_request_context():
        yield app.test_client()


def test_a_cached_view_is_computed_once(browser):
    assert [browser.get("/cached").text for _ in range(3)] == ["1", "1", "1"]


def test_a_cached_view_is_computed_again_when_its_time_is_over(browser):
    first = browser.get("/short").text
    time.sleep(2.1)
    assert browser.get("/short").text != first


def test_unless_leaves_the_cache_alone(browser):
    assert [browser.get(url).text for url in ("/unless", "/unless?fresh", "/unless")] == ["1", "2", "1"]


def test_query_string_is_part_of_the_key_whatever_its_order(browser):
    first = browser.get("/search?q=magpie&page=1").text
    assert browser.get("/search?page=1&q=magpie").text == first
    assert browser.get("/search?q=crow&page=1").text == "crow 2"


def test_key_prefix_makes_the_key(browser, cache):
    assert browser.get("/page/a").text == browser.get("/page/a").text == "a 1"
    assert browser.get("/page/b").text == "b 2"
    assert cache.delete("page:/page/a")
    assert browser.get("/page/a").text == "a 3"


def test_template_fragments_are_cached_by_their_arguments(browser):
    urls = ["/template?name=a", "/template?name=b", "/template?name=a"]
    assert [browser.get(url).text for url in urls] == ["<b>a 1</b>", "<b>b 2</b>", "<b>a 1</b>"]


def test_memoize_is_by_arguments_and_delete_memoized_forgets_one_or_all(app, cache, browser):
    assert browser.get("/add/1/2").text == browser.get("/add/1/2").text == "1003"
    assert app.slow_sum(1, 3) == app.slow_sum(1, b=3) == 2004
    cache.delete_memoized(app.slow_sum, 1, 2)
    assert app.slow_sum(1, 2) == 3003
    assert app.slow_sum(1, 3) == 2004
    cache.delete_memoized(app.slow_sum)
    assert app.slow_sum(1, 2) == 4003
    assert app.slow_sum(1, 3) == 5004


def test_a_cached_function_outside_of_views(app, browser):
    assert app.comments() == app.comments() == ["first", "second", 1]


def test_set_get_add_delete(cache, browser):
    assert cache.get("key") is None
    assert cache.set("key", {"a": [1, "zwei", b"\x00\xff"]})
    assert cache.get("key") == {"a": [1, "zwei", b"\x00\xff"]}
    assert not cache.add("key", 2)
    assert cache.delete("key")
    assert cache.add("key", 2)
    assert cache.has("key")
    assert cache.get("key") == 2
    assert not cache.has("other")


def test_set_many_get_many_get_dict_delete_many(cache, browser):
    values = {f"key{number}": number * number for number in range(50)}
    assert cache.set_many(values)
    assert cache.get_many(*values) == list(values.values())
    assert cache.get_dict("key3", "nothing") == {"key3": 9, "nothing": None}
    assert cache.delete_many("key1", "key2")
    assert cache.get_many("key1", "key2", "key3") == [None, None, 9]


@pytest.mark.parametrize("timeout, still_there", [(0, True), (2, False), (100, True), (31 * 86400, True)])
def test_timeouts(cache, browser, timeout, still_there):
    cache.set("key", "value", timeout=timeout)
    assert cache.get("key") == "value"
    if not still_there:
        time.sleep(timeout + 1.1)  # memcached counts whole seconds, from a clock that ticks once a second
    assert (cache.get("key") == "value") is still_there


def test_clear_empties_the_cache(cache, browser):
    cache.set_many({"a": 1, "b": 2})
    assert cache.clear()
    assert cache.get_many("a", "b") == [None, None]


def test_inc_and_dec(cache, browser):
    backend = cache.cache
    backend.set("counter", 5)
    assert backend.inc("counter", 3) == 8
    assert backend.dec("counter") == 7
    assert backend.get("counter") == 7


def test_a_large_value_survives(cache, browser):
    value = "x" * 900_000
    assert cache.set("large", value)
    assert cache.get("large") == value


def test_redis_clear_with_a_prefix_leaves_other_keys_alone(server):
    ours = RedisCache(server.redis.host, server.redis.port, key_prefix="ours:")
    other = cachelib.RedisCache(server.redis.host, server.redis.port, key_prefix="other:")
    ours.set("key", 1)
    other.set("key", 2)
    assert ours.clear()
    assert (ours.get("key"), other.get("key")) == (None, 2)


def test_redis_unlink(server):
    cache = RedisCache(server.redis.host, server.redis.port, key_prefix="ours:")
    cache.set_many({"a": 1, "b": 2})
    assert cache.unlink("a", "b", "c") == 2
