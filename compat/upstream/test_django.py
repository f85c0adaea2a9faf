"""Django's own tests of its caches and of sessions in a cache, from the sdist of the installed Django."""

from __future__ import annotations

import sys
from pathlib import Path

import django
import pytest

from django_fixtures import BACKENDS, location_of
from servers import KINDS, Server
from upstream.comparison import Run, finish_and_compare
from upstream.sdist import fetch

HERE = Path(__file__).parent
TEST_PACKAGES = ["cache", "sessions_tests"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_passes_on_the_real_server_passes_on_magpie(backend, make_server, tmp_path, report_lines):
    runs = [start(backend, make_server(kind), tmp_path) for kind in KINDS]  # side by side: they mostly sleep
    finish_and_compare(runs, f"Django {django.__version__}, {backend}", report_lines)
    for run in runs:
        # Django skips the tests of a backend it thinks is not configured. They are the point.
        assert run.passed(f"cache.tests.{backend}Tests."), run.output()


def start(backend: str, server: Server, directory: Path) -> Run:
    environment = {
        "PYTHONPATH": str(HERE),
        "COMPAT_BACKEND": BACKENDS[backend],
        "COMPAT_LOCATION": location_of(server, backend),
    }
    command = [sys.executable, "runtests.py", *TEST_PACKAGES, "--settings=django_settings", "--parallel=1"]
    return Run(server, command, fetch("django", django.__version__) / "tests", environment, directory)
