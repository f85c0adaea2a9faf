"""The test suite of python-binary-memcached, from its sdist, twice: against a server that asks for no password, and
against one whose user is the tests' own.

It reaches its servers on memcached's port and on a socket in /tmp, so a copy of the tests is run in which these are
replaced. Left out: TLS, which starts a memcached of its own, and the tests that need no server.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from servers import HOST, KINDS, Server
from upstream.comparison import Run, finish_and_compare
from upstream.sdist import fetch

HERE = Path(__file__).parent
PACKAGE = "python-binary-memcached"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("sasl", [None, ("user", "password")], ids=["open", "with a password"])
def test_python_binary_memcached(sasl, make_server, tmp_path, report_lines):
    wanted = ["test_simple_functions.py", "test_errors.py", "test_compression.py", "test_pickler.py"]
    if not sasl:
        wanted += ["test_raw_data.py", "test_auth.py"]  # these bring no password that is right
    runs = [start(wanted, make_server(kind, sasl=sasl), tmp_path) for kind in KINDS]
    title = f"{PACKAGE} {version(PACKAGE)}{' with a password' if sasl else ''}"
    finish_and_compare(runs, title, report_lines)
    assert all(run.passed() for run in runs)


def start(wanted: list[str], server: Server, directory: Path) -> Run:
    tests = directory / server.name
    shutil.copytree(fetch(PACKAGE, version(PACKAGE)) / "test", tests)
    for file in tests.glob("*.py"):
        text = file.read_text().replace("/tmp/memcached.sock", server.memcached.address)
        file.write_text(text.replace("11211", str(server.memcached.port)))
    (tests / "pytest.ini").write_text("[pytest]\n")
    environment = {"PYTHONPATH": f"{HERE}:{tests}", "MEMCACHED_HOST": HOST}
    return Run(server, [sys.executable, "-m", "pytest", "-p", "recording_plugin", "-q", *wanted], tests, environment, directory)
