"""Django's own tests of its caches and of sessions in a cache, from the sdist of the installed Django.

Each backend runs on the real server and on magpie: what passes there must pass here. What fails on the
real server is reported and not asked of magpie.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import django
import pytest

from django_fixtures import BACKENDS, location_of
from servers import KINDS, Server
from upstream.sdist import fetch

HERE = Path(__file__).parent
TEST_PACKAGES = ["cache", "sessions_tests"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_passes_on_the_real_server_passes_on_magpie(backend, make_server, tmp_path, report_lines):
    runs = [Run(backend, make_server(kind), tmp_path) for kind in KINDS]  # side by side: they mostly sleep
    for run in runs:
        run.finish()
        report_lines.append(f"Django {django.__version__}, {backend} on {run.describe()}")
        # Django skips the tests of a backend it thinks is not configured. They are the point.
        assert run.passed(f"cache.tests.{backend}Tests."), run.output()
    by_kind = {run.server.name: run for run in runs}
    if "real" not in by_kind:
        assert not by_kind["magpie"].failed(), by_kind["magpie"].output()
    elif "magpie" in by_kind:
        missing = by_kind["real"].passed() - by_kind["magpie"].passed()
        assert not missing, "\n".join(
            ["pass on the real server and not on magpie:", *sorted(missing), by_kind["magpie"].output()]
        )


@dataclass
class Run:
    """One run of Django's `runtests.py` against one server, started when made."""

    backend: str
    server: Server
    directory: Path

    def __post_init__(self) -> None:
        self._results = self.directory / f"{self.server.name}.json"
        self._log = self.directory / f"{self.server.name}.txt"
        environment = {
            "PYTHONPATH": str(HERE),
            "COMPAT_BACKEND": BACKENDS[self.backend],
            "COMPAT_LOCATION": location_of(self.server, self.backend),
            "COMPAT_RESULTS": str(self._results),
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "runtests.py", *TEST_PACKAGES, "--settings=django_settings", "--parallel=1"],
                cwd=fetch("django", django.__version__) / "tests",
                env=os.environ | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def finish(self) -> None:
        self._process.wait()
        assert self._results.exists(), f"Django's test runner broke down:\n{self.output()}"
        self._outcomes = json.loads(self._results.read_text())

    def passed(self, prefix: str = "") -> set[str]:
        return {test for test, outcome in self._outcomes.items() if outcome == "passed" and test.startswith(prefix)}

    def failed(self) -> set[str]:
        return {test for test, outcome in self._outcomes.items() if outcome == "failed"}

    def describe(self) -> str:
        counts = Counter(self._outcomes.values())
        line = f"{self.server.name}: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in sorted(counts))
        return "\n    failed: ".join([line, *sorted(self.failed())])

    def output(self) -> str:
        return self._log.read_text(errors="replace")[-20_000:]
