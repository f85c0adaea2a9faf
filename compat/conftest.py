"""Fixtures of the compat suite.

A test that takes `server` runs twice: against `magpie`, and against the `real` memcached and
redis-server, which proves the test. MAGPIE_COMPAT=real or =magpie (set by `compat/run --real-only` and
`--without-real`) leaves one of the two out; a server that is missing otherwise is a failure, not a skip.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from run_reports import note_logs
from servers import ALL_KINDS, KINDS, Server, start_server

pytest_plugins = ["run_reports", "django_fixtures", "deploy_fixtures"]


def pytest_report_header() -> str | None:
    if KINDS != ALL_KINDS:
        return f"compat: ONLY against {KINDS[0]}, because MAGPIE_COMPAT says so"
    return f"compat: against {' and '.join(KINDS)}"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A value of a megabyte gives no name to a test."""
    return f"{argname} of {len(val)}" if isinstance(val, str | bytes) and len(val) > 60 else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Upstream suites take minutes each: started first, they do not leave one worker alone at the end.

    Tests of magpie alone have nothing to run against with --real-only; they are counted as deselected.
    """
    items.sort(key=lambda item: "upstream" not in item.path.parts)
    if "magpie" not in KINDS:
        without = [item for item in items if "magpie" in item.fixturenames]
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


class SharedServers:
    """The daemons that the tests of one worker share: started on first use, revived after a crash."""

    def __init__(self, directories) -> None:
        self._directories = directories
        self._running: dict[str, Server] = {}

    def get(self, kind: str) -> Server:
        server = self._running.get(kind)
        if server is None:
            server = self._running[kind] = start_server(kind, self._directories(kind))
        elif not server.is_alive():
            server.restart()  # the test that killed it has already failed; the others deserve a server
        return server

    def stop(self) -> None:
        for server in self._running.values():
            server.stop()


@pytest.fixture(scope="session")
def server_directories(tmp_path_factory: pytest.TempPathFactory):
    """Gives a new directory for each daemon: short, because a unix socket's path has 107 bytes at most."""
    numbers = itertools.count()
    return lambda kind: tmp_path_factory.mktemp(f"{kind}{next(numbers)}")


@pytest.fixture(scope="session")
def shared_servers(server_directories):
    servers = SharedServers(server_directories)
    yield servers
    servers.stop()


def _lend(request: pytest.FixtureRequest, shared_servers: SharedServers, kind: str):
    server = shared_servers.get(kind)
    server.flush()
    note_logs(request, *server.processes)
    yield server
    assert server.is_alive(), f"{kind} died during this test\n{server.logs()}"


@pytest.fixture
def server(request, kind, shared_servers):
    """An empty cache server: `.name`, `.memcached` (host, port, address), `.redis` (and url(db))."""
    yield from _lend(request, shared_servers, kind)


@pytest.fixture
def magpie(request, shared_servers):
    """magpie, empty, for tests of what only one store behind both protocols can do."""
    yield from _lend(request, shared_servers, "magpie")


@pytest.fixture
def make_server(request, server_directories):
    """Starts a server of the test's own: `make_server(kind, password="secret", unix_sockets=True)`.

    Take the fixture `kind` as well to have the test run against magpie and the real ones. The options are
    those of `servers.start_server`.
    """
    started: list[Server] = []

    def make(kind: str, **options) -> Server:
        server = start_server(kind, server_directories(kind), **options)
        started.append(server)
        note_logs(request, *server.processes)
        return server

    yield make
    for server in started:
        server.stop()


@pytest.fixture
def report_lines(record_property):
    """Lines that a test adds here are shown at the end of the run, also when it passes."""
    lines: list[str] = []
    yield lines
    for line in lines:
        record_property("compat_line", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = itertools.chain.from_iterable(terminalreporter.stats.values())
    properties = itertools.chain.from_iterable(getattr(report, "user_properties", ()) for report in reports)
    lines = {value for name, value in properties if name == "compat_line"}
    if lines:
        terminalreporter.section("upstream suites")
        for line in sorted(lines):
            terminalreporter.write_line(line)
