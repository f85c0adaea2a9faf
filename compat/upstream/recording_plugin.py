"""A pytest plugin for upstream suites: writes each test's outcome to the file COMPAT_RESULTS as JSON.

With COMPAT_FLUSH (a Redis URL or a memcached address) it empties that server before each test. With COMPAT_ONLY (a
JSON list of tests in a file) it leaves out all others.
"""

import json
import os
import socket
from urllib.parse import urlsplit

outcomes: dict[str, str] = {}


def pytest_collection_modifyitems(config, items) -> None:
    if only := os.environ.get("COMPAT_ONLY"):
        with open(only) as file:
            wanted = set(json.load(file))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in wanted])
        items[:] = [item for item in items if item.nodeid in wanted]


def pytest_runtest_setup(item) -> None:
    server = os.environ.get("COMPAT_FLUSH")
    if server:
        address = urlsplit(server if "//" in server else f"//{server}")
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(b"FLUSHALL\r\n" if address.scheme == "redis" else b"flush_all\r\n")
            assert b"OK" in connection.recv(100)


def pytest_runtest_logreport(report) -> None:
    if report.failed or (report.when == "call" and report.passed) or report.skipped:
        outcomes[report.nodeid] = "failed" if report.failed else report.outcome


def pytest_sessionfinish(session) -> None:
    # xdist's workers hand theirs to the one that has all.
    if hasattr(session.config, "workerinput"):
        return
    results = os.environ["COMPAT_RESULTS"]
    with open(f"{results}.part", "w") as file:
        json.dump(outcomes, file)
    # Who finds the file finds all of it.
    os.replace(f"{results}.part", results)
