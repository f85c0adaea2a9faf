"""Fixtures of the Django tests: the three backends, and the small site of `sites/django_site`.

Django is configured once per process with the site's settings; each test replaces CACHES with
`override_settings`, which also closes and forgets the caches of the test before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from servers import Endpoint, Server

SITE = Path(__file__).parent / "sites" / "django_site"
BACKENDS = {
    "PyMemcacheCache": "django.core.cache.backends.memcached.PyMemcacheCache",
    "PyLibMCCache": "django.core.cache.backends.memcached.PyLibMCCache",
    "RedisCache": "django.core.cache.backends.redis.RedisCache",
}


def endpoint_of(server: Server, backend: str) -> Endpoint:
    return server.redis if backend == "RedisCache" else server.memcached


def location_of(server: Server, backend: str) -> str:
    """What a site writes as LOCATION: `redis://host:port` (its database is an option) or `host:port`."""
    return server.redis.url().removesuffix("/0") if backend == "RedisCache" else server.memcached.address


@pytest.fixture(scope="session")
def django_process():
    """Django, set up with the site's settings and with an empty database in memory."""
    sys.path.insert(0, str(SITE))
    os.environ["DJANGO_SETTINGS_MODULE"] = "newsroom.settings"
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0)


@pytest.fixture(params=BACKENDS)
def backend(request) -> str:
    return request.param


@pytest.fixture
def override_settings(django_process):
    """Changes settings until the end of the test."""
    from django.test import override_settings

    active = []

    def change(**settings) -> None:
        active.append(override_settings(**settings))
        active[-1].enable()

    yield change
    for override in reversed(active):
        override.disable()


@pytest.fixture
def configure_caches(override_settings, backend) -> Callable:
    """Replaces CACHES: `configure_caches(server, default={}, other={"KEY_PREFIX": "x"})` returns `caches`.

    Each alias uses the test's backend at the server's address, unless its parameters say otherwise.
    """

    def configure(server: Server, **aliases: dict):
        from django.core.cache import caches

        base = {"BACKEND": BACKENDS[backend], "LOCATION": location_of(server, backend)}
        override_settings(CACHES={alias: base | parameters for alias, parameters in aliases.items()})
        return caches

    yield configure
    from django.core.cache import caches

    caches.close_all()


@pytest.fixture
def cache(server, configure_caches):
    """The default cache of a site that uses `backend` on `server`, with nothing else set."""
    return configure_caches(server, default={})["default"]


@pytest.fixture
def ttl(server, backend) -> Callable[[str], float | None]:
    """Asks the server for a raw key's remaining seconds: None when it never expires, an error when absent.

    So expiry is tested without sleeping through it.
    """

    def ask(key: str) -> float | None:
        if backend == "RedisCache":
            milliseconds = int(server.redis.talk(f"PTTL {key}\r\n".encode()).strip(b":\r\n"))
            assert milliseconds != -2, f"{key} is not there"
            return None if milliseconds == -1 else milliseconds / 1000
        answer = server.memcached.talk(f"mg {key} t\r\n".encode())
        assert answer.startswith(b"HD t"), f"{key} is not there: {answer!r}"
        seconds = int(answer.removeprefix(b"HD t"))
        return None if seconds == -1 else seconds

    return ask
