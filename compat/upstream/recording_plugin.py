"""A pytest plugin for upstream suites: writes each test's outcome to the file COMPAT_RESULTS as JSON.

With COMPAT_FLUSH (a Redis URL or a memcached address) it empties that server before each test.
"""

import json
import os
import socket
from urllib.parse import urlsplit

outcomes: dict[str, str] = {}


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


def pytest_sessionfinish() -> None:
    with open(os.environ["COMPAT_RESULTS"], "w") as file:
        json.dump(outcomes, file)
