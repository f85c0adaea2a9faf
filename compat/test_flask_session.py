"""Flask-Session on both protocols: server-side sessions of a small site."""

import time
from datetime import timedelta

import memcache
import pylibmc
import pymemcache
import pytest
import redis
from flask import Flask, session
from flask_session import Session

STORES = {
    "redis": lambda server: ("redis", redis.Redis.from_url(server.redis.url())),
    "pylibmc": lambda server: ("memcached", pylibmc.Client([server.memcached.address])),
    "python-memcached": lambda server: ("memcached", memcache.Client([server.memcached.address])),
    "pymemcache": lambda server: ("memcached", pymemcache.Client((server.memcached.host, server.memcached.port))),
}


@pytest.fixture(params=STORES)
def store(request, server):
    return STORES[request.param](server)


@pytest.fixture(params=["msgpack", "json"])
def make_site(request, store):
    def make(lifetime: timedelta = timedelta(days=31)) -> Flask:
        kind, client = store
        app = Flask(__name__)
        app.config.update(
            SECRET_KEY="secret",
            SESSION_TYPE=kind,
            SESSION_REDIS=client,
            SESSION_MEMCACHED=client,
            SESSION_SERIALIZATION_FORMAT=request.param,
            PERMANENT_SESSION_LIFETIME=lifetime,
        )
        Session(app)

        @app.route("/set/<value>")
        def set_value(value):
            session["value"] = {"text": value, "list": [1, 2, 3]}
            return "set"

        @app.route("/get")
        def get_value():
            return session.get("value", {}).get("text", "nothing")

        @app.route("/delete")
        def delete_value():
            session.clear()
            return "deleted"

        return app

    return make


def test_a_session_lives_on_the_server(make_site):
    app = make_site()
    ann, bob = app.test_client(), app.test_client()
    ann.get("/set/magpie")
    assert ann.get("/get").text == "magpie"
    assert bob.get("/get").text == "nothing"
    assert "magpie" not in str(ann.get_cookie("session"))


def test_a_cleared_session_is_deleted(make_site):
    ann = make_site().test_client()
    ann.get("/set/magpie")
    ann.get("/delete")
    assert ann.get("/get").text == "nothing"


def test_another_process_sees_the_session(make_site):
    ann = make_site().test_client()
    ann.get("/set/magpie")
    other = make_site().test_client()
    other.set_cookie("session", ann.get_cookie("session").value)
    assert other.get("/get").text == "magpie"


@pytest.mark.parametrize("lifetime", [timedelta(hours=1), timedelta(days=400)])
def test_lifetimes_below_and_above_30_days(make_site, lifetime):
    ann = make_site(lifetime).test_client()
    ann.get("/set/magpie")
    assert ann.get("/get").text == "magpie"


def test_a_session_ends_when_its_time_is_over(make_site):
    ann = make_site(timedelta(seconds=1)).test_client()
    ann.get("/set/magpie")
    cookie = ann.get_cookie("session").value
    time.sleep(2.1)
    ann.set_cookie("session", cookie)
    assert ann.get("/get").text == "nothing"
