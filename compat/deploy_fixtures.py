"""Fixtures of the deployment tests. A test that takes `site` runs in every cell of the matrix

    cache server (magpie, real) x application server x framework x backend

and its id names the cell in that order; the end of a run prints the matrix with how many tests passed in each cell.
"""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployment import APP_SERVERS, Browser, django_site, flask_site, make_database, paste, serve
from servers import KINDS, Process, Server, start_server

FRAMEWORKS = ["django", "flask"]
BACKENDS = ["memcached", "redis"]


@dataclass
class Deployed:
    """A site in production before a cache server of its own."""

    cache: Server
    address: str
    app_server: Process

    def browser(self) -> Browser:
        """Somebody new: without cookies."""
        return Browser(self.address)

    def flush(self) -> None:
        self.cache.flush()


def cache_addresses(protocol: str, *servers: Server) -> dict[str, str]:
    """What stands for the servers in the files of `deploy/`: the usual port for the first, the next ones after it."""
    first = {"memcached": 11211, "redis": 6379}[protocol]
    return {
        f"127.0.0.1:{first + number}": getattr(server, protocol).address for number, server in enumerate(servers)
    }


def memcached_items(server: Server) -> int:
    """How many items a server holds."""
    stats = server.memcached.talk(b"stats\r\n", b"END\r\n").decode()
    return int(stats.split("STAT curr_items ")[1].split()[0])


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
def deployed(kind, app_server, framework, site_backend, server_directories, site_database, closing):
    directory = server_directories("site")
    cache = start_server(kind, directory / "cache")
    closing.callback(cache.stop)
    settings = paste(f"{framework}_{site_backend}.py", directory, cache_addresses(site_backend, cache))
    site = django_site(settings, site_database) if framework == "django" else flask_site(settings)
    process, address = serve(lambda port, here: APP_SERVERS[app_server](site, port, here), directory / "app")
    closing.callback(process.stop)
    return Deployed(cache, address, process)


@pytest.fixture
def site(request, deployed, kind, app_server, framework, site_backend):
    """The deployed site with an empty cache."""
    note_cell(request, kind, app_server, framework, site_backend)
    deployed.flush()
    note_logs(request, deployed.app_server, *deployed.cache.processes)
    yield deployed
    assert deployed.app_server.is_alive(), "the application server died"
    assert deployed.cache.is_alive(), "the cache server died"


@pytest.fixture(scope="module")
def closing():
    """What a module's fixtures started: each is stopped in the end, the last one first, also after a failure."""
    with ExitStack() as stack:
        yield stack


def note_logs(request: pytest.FixtureRequest, *processes: Process) -> None:
    """A failed test shows the end of these logs."""
    request.node.stash.setdefault(LOGS, []).extend(processes)


LOGS = pytest.StashKey[list[Process]]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = (yield).get_result()
    if report.failed:
        for process in item.stash.get(LOGS, []):
            report.sections.append((f"log of {process.name}", process.log_tail()))


# --- The matrix at the end of a run ---------------------------------------------------------------


def note_cell(request: pytest.FixtureRequest, kind: str, *cell: str) -> None:
    """Counts this test in a row of the matrix and in the column of the cache server."""
    request.node.user_properties.append(("deployment", (" ".join(cell), kind)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = {outcome: Counter() for outcome in ("passed", "failed")}
    for outcome, cells in counts.items():
        reports = (report for report in terminalreporter.stats.get(outcome, []) if report.when == "call")
        for name, cell in itertools.chain.from_iterable(report.user_properties for report in reports):
            if name == "deployment":
                cells[tuple(cell)] += 1
    rows = sorted({row for cells in counts.values() for row, _ in cells})
    if not rows:
        return
    terminalreporter.section("deployments: tests passed (and failed) on each cache server")
    width = max(map(len, rows))
    terminalreporter.write_line(" " * width + "".join(f"{kind:>12}" for kind in KINDS))
    for row in rows:
        cells = [(counts["passed"][row, kind], counts["failed"][row, kind]) for kind in KINDS]
        shown = "".join(f"{f'{passed} ({failed})' if failed else passed or '-':>12}" for passed, failed in cells)
        terminalreporter.write_line(f"{row:{width}}{shown}")
