"""One site, its keys spread over three servers by the client itself: Django's LOCATION lists, by HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from deploy_fixtures import bring_back_empty, cache_addresses, memcached_items, serve_site, started
from deployment import WORKERS, Browser, django_site, paste, wait_until
from run_reports import note_cell, note_logs
from servers import Process, Server, start_server

PAGES = [f"/?page={number}" for number in range(40)]


@dataclass
class Sharded:
    caches: list[Server]
    app_server: Process
    address: str

    def browser(self) -> Browser:
        return Browser(self.address)

    def pages(self) -> dict[str, str]:
        return {path: self.browser().get(path).text for path in PAGES}

    def statuses(self) -> set[int]:
        with ThreadPoolExecutor(4) as pool:
            return set(pool.map(lambda path: self.browser().ask(path).status, PAGES))


@pytest.fixture(scope="module", params=["pymemcache", "pylibmc"])
def client(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def sharded(kind, client, server_directories, site_database):
    directory = server_directories("sharded")
    with ExitStack() as closing:
        caches = [started(closing, start_server(kind, directory / f"cache{number}")) for number in range(3)]
        settings = paste(f"django_sharded_{client}.py", directory, cache_addresses("memcached", *caches))
        site = django_site(settings, site_database)
        yield Sharded(caches, *serve_site(closing, "gunicorn_sync", site, directory / "app"))


@pytest.fixture
def site(request, kind, client, sharded):
    note_cell(request, kind, "three servers by", client)
    bring_back_empty(sharded.caches)
    note_logs(request, sharded.app_server, *(p for cache in sharded.caches for p in cache.processes))
    yield sharded
    assert sharded.app_server.is_alive()


def test_each_server_has_its_share_and_every_process_finds_it(site):
    pages = site.pages()
    assert min(memcached_items(cache) for cache in site.caches) > 0
    for path in PAGES[:10]:
        assert {answer.text for answer in site.browser().from_every_worker(path, WORKERS)} == {pages[path]}


def test_sessions_and_counters_over_three_servers(site):
    ada = site.browser()
    ada.post("/login/", name="ada", password="lovelace")
    for answer in ada.from_every_worker("/desk/", WORKERS):
        assert answer.json() == {"user": "ada"}
    with ThreadPoolExecutor(4) as pool:
        numbers = pool.map(lambda _: site.browser().get("/counter/").json()["readers"], range(30))
        assert sorted(numbers) == list(range(1, 31))


def test_one_dies_and_returns(site, client):
    pages = site.pages()
    site.caches[1].stop()
    # libmemcached reports a server's first failures and takes it out then; pymemcache was told to call them misses.
    assert site.statuses() <= ({200, 500} if client == "pylibmc" else {200})
    wait_until(lambda: site.statuses() == {200}, "the end of errors")
    again = site.pages()
    kept = [path for path in PAGES if again[path] == pages[path]]
    assert 0 < len(kept) < len(PAGES)  # what the other two hold is still there, and only that
    site.caches[1].start()
    wait_until(
        lambda: site.statuses() == {200} and memcached_items(site.caches[1]) > 0, "work for the server that came back"
    )
