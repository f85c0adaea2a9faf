"""Runs an upstream test suite against each server and compares the outcomes test by test.

What passes on the real server must pass on magpie. What fails on the real server is reported and not
asked of magpie.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from servers import Server


# Seconds that a runner may take to exit once its outcomes are written.
GRACE = 30


class Run:
    """One run of a suite against one server, started when made; the suite writes its outcomes as JSON.

    The command finds in COMPAT_RESULTS where to: an object of `passed`, `failed` or `skipped` by test name.
    """

    def __init__(self, server: Server, command: list[str], cwd: Path, environment: dict[str, str], directory: Path):
        self.server = server
        self._how = (command, cwd, environment, directory)
        self._results = directory / f"{server.name}.json"
        self._log = directory / f"{server.name}.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=os.environ | environment | {"COMPAT_RESULTS": str(self._results)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def again(self, tests: set[str]) -> Run:
        """Starts these tests once more, without the others. `recording_plugin` reads COMPAT_ONLY."""
        command, cwd, environment, directory = self._how
        directory = directory / "again"
        directory.mkdir()
        only = directory / "only.json"
        only.write_text(json.dumps(sorted(tests)))
        return Run(self.server, command, cwd, environment | {"COMPAT_ONLY": str(only)}, directory)

    def finish(self) -> None:
        """Waits for the end. A test that fails may leave a process behind for which the runner would wait for ever
        (RQ's test_reap_workers): when all outcomes are written that is ended, and the output says so."""
        while self._process.poll() is None and not self._results.exists():
            time.sleep(0.1)
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            with self._log.open("a") as log:
                log.write("\nThe runner did not exit for what its tests had left running; all of it was ended.\n")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._results.exists(), f"the upstream test runner broke down:\n{self.output()}"
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


def finish_and_compare(
    runs: list[Run],
    title: str,
    report_lines: list[str],
    known: dict[str, str] | None = None,
    second_chance: bool = False,
) -> None:
    """Waits for the runs and compares them. `known`: tests that magpie need not pass, with the reasons.

    `second_chance`: many upstream tests wait for a moment and then look, and fail on a busy machine on whatever
    server. Those that fail on magpie alone are run once more by themselves, and the report says so.
    """
    for run in runs:
        run.finish()
        report_lines.append(f"{title} on {run.describe()}")
    by_kind = {run.server.name: run for run in runs}
    if "magpie" not in by_kind:
        return
    magpie = by_kind["magpie"]
    wrong = magpie.failed()
    if "real" in by_kind:
        wrong = wrong - by_kind["real"].failed() | (by_kind["real"].passed() - magpie.passed())
    wrong = {test for test in wrong if not any(_matches(test, pattern) for pattern in known or {})}
    if wrong and second_chance:
        magpie = magpie.again(wrong)
        magpie.finish()
        report_lines.extend(f"{title}: at the second attempt: {test}" for test in wrong & magpie.passed())
        wrong -= magpie.passed()
    assert not wrong, "\n".join(["magpie fails and the real server does not:", *sorted(wrong), magpie.output()])


def _matches(test: str, pattern: str) -> bool:
    return test == pattern or pattern.endswith("*") and test.startswith(pattern[:-1])
