"""A small site (`sites/django_site`) on each backend: sessions, and pages and fragments in the cache.

Every page says how many pages the site has rendered; the same number twice is a page from the cache.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib import import_module

import pytest
from asgiref.sync import async_to_sync

from django_fixtures import BACKENDS, SITE, location_of
from servers import HOST, free_port

CACHE_SESSIONS = "django.contrib.sessions.backends.cache"
CACHED_DB_SESSIONS = "django.contrib.sessions.backends.cached_db"

every_session_engine = pytest.mark.parametrize(
    "engine", [CACHE_SESSIONS, CACHED_DB_SESSIONS], ids=["cache", "cached_db"]
)


@pytest.fixture
def new_client(server, configure_caches):
    """Makes test clients, each a browser with its own cookies, of the site with three caches."""
    from django.contrib.auth.models import User
    from django.contrib.sessions.models import Session
    from django.test import Client

    configure_caches(server, default={}, archive={"KEY_PREFIX": "archive"}, sessions={"KEY_PREFIX": "sessions"})
    User.objects.create_user("ada", password="lovelace")
    yield Client
    User.objects.all().delete()
    Session.objects.all().delete()


@pytest.fixture
def client(new_client):
    return new_client()


def body(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


# --- Sessions -------------------------------------------------------------------------------------


def cache_key(engine: str, client) -> str:
    return import_module(engine).KEY_PREFIX + client.cookies["sessionid"].value


@every_session_engine
def test_a_session_remembers(new_client, override_settings, engine):
    override_settings(SESSION_ENGINE=engine)
    reader, other = new_client(), new_client()
    reader.post("/basket/", {"item": "monday"})
    reader.post("/basket/", {"item": "Süddeutsche"})
    other.post("/basket/", {"item": "sunday"})
    assert reader.get("/basket/").json() == {"items": ["monday", "Süddeutsche"]}
    assert other.get("/basket/").json() == {"items": ["sunday"]}


@every_session_engine
def test_a_session_that_is_flushed_is_gone(client, override_settings, engine):
    override_settings(SESSION_ENGINE=engine)
    client.post("/basket/", {"item": "monday"})
    old_key = client.cookies["sessionid"].value
    client.get("/basket/empty/")
    client.cookies["sessionid"] = old_key
    assert client.get("/basket/").json() == {"items": []}


@every_session_engine
def test_login_logout_and_a_new_session_key(client, override_settings, engine):
    override_settings(SESSION_ENGINE=engine)
    client.post("/basket/", {"item": "monday"})
    before = client.cookies["sessionid"].value
    assert client.post("/login/", {"name": "ada", "password": "wrong"}).status_code == 403
    assert client.post("/login/", {"name": "ada", "password": "lovelace"}).status_code == 204
    assert client.cookies["sessionid"].value != before  # cycle_key(): a new name for the same data
    assert body(client.get("/profile/")).startswith("ada ")
    assert client.get("/basket/").json() == {"items": ["monday"]}
    client.logout()
    assert body(client.get("/profile/")).startswith("nobody ")


@every_session_engine
def test_the_session_expires_with_its_cookie(client, override_settings, engine, ttl):
    override_settings(SESSION_ENGINE=engine)
    client.post("/basket/", {"item": "monday", "keep": "1000"})
    assert 997 <= ttl(f":1:{cache_key(engine, client)}") <= 1000
    assert client.cookies["sessionid"]["max-age"] == 1000


def test_cached_sessions_are_lost_with_the_cache_and_cached_db_ones_are_not(new_client, override_settings, server):
    kept = {}
    for engine in (CACHE_SESSIONS, CACHED_DB_SESSIONS):
        override_settings(SESSION_ENGINE=engine)
        client = new_client()
        client.post("/basket/", {"item": "monday"})
        server.flush()
        kept[engine] = client.get("/basket/").json()["items"]
    assert kept == {CACHE_SESSIONS: [], CACHED_DB_SESSIONS: ["monday"]}


def test_cached_db_reads_from_the_cache(client, override_settings):
    from django.contrib.sessions.models import Session

    override_settings(SESSION_ENGINE=CACHED_DB_SESSIONS)
    client.post("/basket/", {"item": "monday"})
    assert Session.objects.count() == 1
    Session.objects.all().delete()
    assert client.get("/basket/").json() == {"items": ["monday"]}


@every_session_engine
def test_sessions_in_a_cache_of_their_own(client, override_settings, engine):
    from django.core.cache import caches

    override_settings(SESSION_ENGINE=engine, SESSION_CACHE_ALIAS="sessions")
    client.post("/basket/", {"item": "monday"})
    assert caches["sessions"].has_key(cache_key(engine, client))
    assert not caches["default"].has_key(cache_key(engine, client))
    assert client.get("/basket/").json() == {"items": ["monday"]}


@every_session_engine
def test_messages_wait_in_the_session(client, override_settings, engine):
    override_settings(SESSION_ENGINE=engine)
    client.post("/notice/", {"text": "printed"})
    assert client.get("/notice/").json() == {"notices": ["printed"]}
    assert client.get("/notice/").json() == {"notices": []}


@every_session_engine
def test_an_async_view_with_a_session(new_client, override_settings, engine):
    from django.test import AsyncClient

    override_settings(SESSION_ENGINE=engine)
    client = AsyncClient()
    get = async_to_sync(client.get)
    assert [get("/async-basket/").json()["visits"] for _ in range(3)] == [1, 2, 3]


# --- Pages ----------------------------------------------------------------------------------------


@pytest.fixture
def per_site_cache(override_settings, django_process):
    from django.conf import settings

    override_settings(
        MIDDLEWARE=[
            "django.middleware.cache.UpdateCacheMiddleware",
            "django.middleware.http.ConditionalGetMiddleware",
            *settings.MIDDLEWARE,
            "django.middleware.cache.FetchFromCacheMiddleware",
        ],
        CACHE_MIDDLEWARE_SECONDS=120,
        CACHE_MIDDLEWARE_KEY_PREFIX="site",
    )


def test_per_site_cache(client, per_site_cache):
    first = client.get("/")
    assert first["Cache-Control"] == "max-age=120"
    assert body(client.get("/")) == body(first)
    assert client.get("/")["Expires"] == first["Expires"]
    assert client.head("/").status_code == 200
    assert body(client.get("/?page=2")) != body(client.get("/"))
    assert body(client.get("/?page=2")) == body(client.get("/?page=2"))
    assert body(client.post("/")) != body(client.get("/"))  # only GET and HEAD are cached


def test_per_site_cache_answers_conditional_requests(client, per_site_cache):
    etag = client.get("/")["ETag"]
    assert client.get("/", headers={"if-none-match": etag}).status_code == 304


def test_per_site_cache_keeps_readers_apart(new_client, per_site_cache):
    """Who uses the session gets `Vary: Cookie`, and so a page of their own."""
    ada, guest = new_client(), new_client()
    ada.post("/login/", {"name": "ada", "password": "lovelace"})
    pages = [body(each.get("/profile/")) for each in (ada, guest, ada, guest)]
    assert pages[:2] == pages[2:]
    assert pages[0].startswith("ada ") and pages[1].startswith("nobody ")


def test_per_site_cache_ends_with_the_cache(client, per_site_cache, server):
    page = body(client.get("/"))
    server.flush()
    assert body(client.get("/")) != page


def test_per_site_cache_respects_never_cache(client, per_site_cache):
    assert body(client.get("/ticker/")) != body(client.get("/ticker/"))


def test_per_site_cache_in_another_cache(client, per_site_cache, override_settings):
    from django.core.cache import caches

    override_settings(CACHE_MIDDLEWARE_ALIAS="archive")
    page = body(client.get("/"))
    caches["default"].set("unrelated", 1)
    assert body(client.get("/")) == page
    caches["archive"].clear()
    assert body(client.get("/")) != page


def test_per_view_cache(client):
    page = body(client.get("/article/magpies/"))
    assert "日本語" in page
    assert body(client.get("/article/magpies/")) == page
    assert body(client.get("/article/crows/")) != page
    assert body(client.get("/profile/")) != body(client.get("/profile/"))  # a view that is not cached


def test_per_view_cache_in_another_cache_with_a_prefix(client):
    from django.core.cache import caches

    page = body(client.get("/archive/magpies/"))
    assert body(client.get("/article/magpies/")) != page
    assert body(client.get("/archive/magpies/")) == page
    caches["archive"].clear()
    assert body(client.get("/archive/magpies/")) != page


def test_per_view_cache_varies_on_headers(client):
    pages = [body(client.get("/greeting/", headers={"x-edition": each})) for each in ("city", "land", "city", "land")]
    assert pages[:2] == pages[2:]
    assert pages[0].startswith("city ") and pages[1].startswith("land ")


# --- Fragments ------------------------------------------------------------------------------------


def fragments(client, reader: str) -> dict[str, str]:
    """Each fragment's text by its first word."""
    lines = body(client.get("/sections/", {"reader": reader})).split("\n")
    return {line.split()[0]: line for line in lines if line}


def test_template_fragments(client):
    first, again, other = fragments(client, "ada"), fragments(client, "ada"), fragments(client, "bob")
    assert first["sidebar"] == again["sidebar"] == other["sidebar"]
    assert first["for"] == again["for"] != other["for"]
    assert first["imprint"] == again["imprint"] == other["imprint"]
    assert first["weather"] != again["weather"]  # a timeout of 0


def test_a_template_fragment_can_be_deleted(client, ttl):
    from django.core.cache import cache, caches
    from django.core.cache.utils import make_template_fragment_key

    first = fragments(client, "ada")
    key = make_template_fragment_key("recommended", ["ada"])
    assert 58 <= ttl(f":1:{key}") <= 60
    assert ttl(f"archive:1:{make_template_fragment_key('imprint')}") is None
    assert cache.delete(key) is True
    assert caches["archive"].delete(make_template_fragment_key("imprint")) is True
    again = fragments(client, "ada")
    assert first["sidebar"] == again["sidebar"]
    assert first["for"] != again["for"]
    assert first["imprint"] != again["imprint"]


def test_fragments_in_a_cache_called_template_fragments(server, configure_caches, client):
    """Django looks for this alias first."""
    caches = configure_caches(server, default={}, template_fragments={"KEY_PREFIX": "t"}, archive={"KEY_PREFIX": "a"})
    first = fragments(client, "ada")
    caches["template_fragments"].clear()
    assert fragments(client, "ada")["sidebar"] != first["sidebar"]


# --- The site as a program ------------------------------------------------------------------------


@pytest.fixture
def running_site(server, backend):
    """Two processes of the site behind one cache, as a production site has: their addresses."""
    ports = [free_port(), free_port()]
    environment = os.environ | {
        "CACHE_BACKEND": BACKENDS[backend],
        "CACHE_LOCATION": location_of(server, backend),
        "DJANGO_SETTINGS_MODULE": "newsroom.settings",
    }
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--skip-checks"]
    processes = [subprocess.Popen([*command, f"{HOST}:{port}"], cwd=SITE, env=environment) for port in ports]
    addresses = [f"http://{HOST}:{port}" for port in ports]
    try:
        for address, process in zip(addresses, processes):
            wait_for(address, process)
        yield addresses
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def wait_for(address: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"{address}/ticker/", timeout=5).close()
            return
        except urllib.error.URLError:
            assert process.poll() is None and time.monotonic() < deadline, "the site did not start"
            time.sleep(0.1)


def test_two_processes_of_a_site_share_pages_and_sessions(running_site):
    pages = []
    for address in running_site:
        # A page is cached under its whole URL: both processes answer for one host, as behind a proxy.
        request = urllib.request.Request(f"{address}/article/magpies/", headers={"Host": "testserver"})
        with urllib.request.urlopen(request, timeout=10) as response:
            pages.append(response.read())
    assert pages[0] == pages[1]

    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    visits = []
    for address in [*running_site, *running_site]:  # cookies do not know ports
        with browser.open(f"{address}/async-basket/", timeout=10) as response:
            visits.append(int(re.search(rb'"visits": (\d+)', response.read())[1]))
    assert visits == [1, 2, 3, 4]
