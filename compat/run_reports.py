"""What a run says at its end: the logs of what a failed test used, and the matrix of the deployments."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from servers import KINDS, Process

LOGS = pytest.StashKey[list[Process]]()


def note_logs(request: pytest.FixtureRequest, *processes: Process) -> None:
    """If this test fails, it shows the end of these processes' logs."""
    request.node.stash.setdefault(LOGS, []).extend(processes)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = (yield).get_result()
    if report.failed:
        for process in item.stash.get(LOGS, []):
            report.sections.append((f"log of {process.name} ({process.log})", process.log_tail()))


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
