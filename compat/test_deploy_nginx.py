"""nginx before the Django site: it serves pages straight from the memcached port, whichever backend the site
writes them through, and balances all else over two application servers.

A page that nginx took from the cache has no X-Worker: no process of the site was asked.
"""

from __future__ import annotations

import gzip
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from deploy_fixtures import cache_addresses, serve_site, started
from deployment import WORKERS, Browser, django_site, nginx, paste, serve, wait_until
from run_reports import note_cell, note_logs
from servers import KINDS, Process, Server, start_server

# That nginx reads what was written over Redis' protocol, only one store behind both protocols can do.
CELLS = [("magpie", "memcached"), ("magpie", "redis"), ("real", "memcached")]
CELLS = [cell for cell in CELLS if cell[0] in KINDS]


@dataclass
class Proxied:
    cache: Server
    address: str
    app_servers: list[Process]
    nginx: Process
    backend: str

    def browser(self) -> Browser:
        return Browser(self.address)


# Not the fixture of every cell here: its combinations are not all possible.
@pytest.fixture(scope="module", params=CELLS, ids="-".join)
def proxied(request, server_directories, site_database):
    kind, backend = request.param
    directory = server_directories("nginx")
    with ExitStack() as closing:
        cache = started(closing, start_server(kind, directory / "cache"))
        addresses = cache_addresses(backend, cache)
        settings = paste(f"django_{backend}.py", directory, addresses, f"django_pages_{backend}.py")
        site = django_site(settings, site_database)
        processes, changes = [], cache_addresses("memcached", cache)
        for number in range(2):
            process, address = serve_site(closing, "gunicorn_sync", site, directory / f"app{number}")
            processes.append(process)
            changes[f"127.0.0.1:{8000 + number}"] = address
        proxy, address = serve(lambda port, here: nginx(port, here, changes), directory / "nginx")
        yield Proxied(cache, address, processes, started(closing, proxy), backend)


@pytest.fixture
def site(request, proxied):
    note_cell(request, proxied.cache.name, "nginx", "django", proxied.backend)
    proxied.cache.flush()
    note_logs(request, proxied.nginx, *proxied.app_servers, *proxied.cache.processes)
    yield proxied
    assert proxied.nginx.is_alive() and proxied.cache.is_alive()
    assert all(process.is_alive() for process in proxied.app_servers)


PAGES = [
    "/",
    "/?page=2",
    "/?page=2&page=%C3%A4",
    "/topic/birds/",
    "/topic/na%C3%AFve%20birds/",
    "/topic/100%25/?page=7",
    "/topic/%E6%97%A5%E6%9C%AC/",
]


def test_nginx_serves_pages_that_the_site_made(site):
    for path in PAGES:
        first = site.browser().get(path)
        assert first.worker is not None, path
        again = site.browser().get(path)
        assert again.worker is None, f"{path} did not come from the cache"
        assert again.text == first.text
        assert again.headers["Content-Type"] == first.headers["Content-Type"] == "text/html; charset=utf-8"


def test_pages_are_there_without_the_site(site):
    pages = {path: site.browser().get(path).text for path in PAGES}
    for process in site.app_servers:
        process.stop()
    try:
        assert {path: site.browser().get(path).text for path in PAGES} == pages
        assert site.browser().ask("/desk/").status == 502
    finally:
        for process in site.app_servers:
            process.start()
        # nginx asks a server that has failed again only after two seconds.
        wait_until(
            lambda: len({site.browser().ask("/desk/").worker for _ in range(8)} - {None}) > WORKERS,
            "both application servers",
            site.app_servers,
        )


def test_a_compressed_page_is_sent_as_it_lies_there(site):
    page = site.browser().get("/").text
    request = urllib.request.Request(f"http://{site.address}/", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as response:
        body = response.read()
        assert response.headers["X-Worker"] is None
        compressed = response.headers["Content-Encoding"] == "gzip"
    assert compressed is (site.backend == "memcached")  # Redis' protocol has no flags to say so with
    assert (gzip.decompress(body) if compressed else body).decode() == page
    assert site.browser().get("/").text == page  # uncompressed for who cannot read gzip


def test_a_page_that_is_flushed_is_made_again(site):
    page = site.browser().get("/").text
    assert site.browser().get("/").text == page
    site.cache.flush()
    again = site.browser().get("/")
    assert again.worker is not None and again.text != page


def test_what_is_not_public_is_balanced_over_all_processes(site):
    ada = site.browser()
    ada.post("/login/", name="ada", password="lovelace")
    ada.post("/basket/", item="monday")
    for answer in ada.from_every_worker("/desk/", 2 * WORKERS):
        assert answer.json() == {"user": "ada"}
    for answer in ada.from_every_worker("/basket/", 2 * WORKERS):
        assert answer.json() == {"items": ["monday"]}
    assert site.browser().get("/basket/").json() == {"items": []}
    report = ada.get("/report/").text
    assert {answer.text for answer in ada.from_every_worker("/report/", 2 * WORKERS)} == {report}


def test_one_application_server_stops_and_nobody_notices(site):
    stopped = site.app_servers[0]
    stopped.stop()
    try:
        assert [site.browser().ask("/desk/").status for _ in range(10)] == [200] * 10
    finally:
        stopped.start()
        wait_until(
            lambda: len({site.browser().ask("/desk/").worker for _ in range(8)} - {None}) > WORKERS,
            "both application servers",
            site.app_servers,
        )


def test_connections_to_the_cache_are_kept(site):
    site.browser().get("/")

    def connections() -> int:
        stats = site.cache.memcached.talk(b"stats\r\n", b"END\r\n").decode()
        return int(stats.split("STAT total_connections ")[1].split()[0])

    before = connections()
    answers = [site.browser().get("/") for _ in range(100)]
    assert {answer.worker for answer in answers} == {None}
    assert connections() - before <= 1 + 16  # this question's own, and what nginx may keep


def test_a_restart_of_the_cache_is_a_miss(site):
    pages = {path: site.browser().get(path).text for path in PAGES}
    assert {site.browser().get(path).worker for path in PAGES} == {None}
    site.cache.restart()
    again = {path: site.browser().get(path) for path in PAGES}
    assert all(again[path].worker is not None and again[path].text != pages[path] for path in PAGES)
    assert {site.browser().get(path).worker for path in PAGES} == {None}
