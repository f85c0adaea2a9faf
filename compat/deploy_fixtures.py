"""Fixtures of the deployment tests. A test that takes `site` runs in every cell of the matrix

    cache server (magpie, real) x application server x framework x backend

and its id names the cell in that order; the end of a run prints the matrix with how many tests passed in each cell.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployment import APP_SERVERS, Browser, Site, django_site, flask_site, make_database, paste, serve
from run_reports import note_cell, note_logs
from servers import Process, Server, start_server

FRAMEWORKS = ["django", "flask"]
BACKENDS = ["memcached", "redis"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing here waits longer than `deployment.SECONDS` for a state, but a test may wait for several."""
    for item in items:
        if item.path.name.startswith("test_deploy_"):
            item.add_marker(pytest.mark.timeout(400))


@dataclass
class Deployed:
    """A site in production before a cache server of its own."""

    cache: Server
    app_server: Process
    address: str

    def browser(self) -> Browser:
        """Somebody new: without cookies."""
        return Browser(self.address)

    def flush(self) -> None:
        self.cache.flush()


def cache_addresses(protocol: str, *servers: Server) -> dict[str, str]:
    """What stands for the servers in the files of `deploy/`: the usual port for the first, the next ones after it."""
    first = {"memcached": 11211, "redis": 6379}[protocol]
    return {f"127.0.0.1:{first + number}": getattr(server, protocol).address for number, server in enumerate(servers)}


def memcached_items(server: Server) -> int:
    """How many items a server holds."""
    stats = server.memcached.talk(b"stats\r\n", b"END\r\n").decode()
    return int(stats.split("STAT curr_items ")[1].split()[0])


def started(closing: ExitStack, process):
    """Stops it in the end, also when what is started after it fails."""
    closing.callback(process.stop)
    return process


def serve_site(closing: ExitStack, app_server: str, site: Site, directory: Path) -> tuple[Process, str]:
    """Starts one of APP_SERVERS; returns it and its address."""
    process, address = serve(lambda port, here: APP_SERVERS[app_server](site, port, here), directory)
    return started(closing, process), address


def bring_back_empty(caches: list[Server]) -> None:
    """As a test wants them that has the servers to itself, whatever became of them before."""
    for cache in caches:
        if not cache.is_alive():
            cache.start()
        cache.flush()


@pytest.fixture(scope="session")
def site_database(tmp_path_factory) -> Path:
    return make_database(tmp_path_factory.mktemp("database"))


@pytest.fixture(scope="module", params=APP_SERVERS)
def app_server(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=BACKENDS)
def site_backend(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def deployed(kind, app_server, framework, site_backend, server_directories, site_database):
    directory = server_directories("site")
    with ExitStack() as closing:
        cache = started(closing, start_server(kind, directory / "cache"))
        settings = paste(f"{framework}_{site_backend}.py", directory, cache_addresses(site_backend, cache))
        site = django_site(settings, site_database) if framework == "django" else flask_site(settings)
        yield Deployed(cache, *serve_site(closing, app_server, site, directory / "app"))


@pytest.fixture
def site(request, deployed, kind, app_server, framework, site_backend):
    """The deployed site with an empty cache."""
    note_cell(request, kind, app_server, framework, site_backend)
    deployed.flush()
    note_logs(request, deployed.app_server, *deployed.cache.processes)
    yield deployed
    assert deployed.app_server.is_alive(), "the application server died"
    assert deployed.cache.is_alive(), "the cache server died"
