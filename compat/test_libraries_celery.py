"""Celery with a real worker: broker, results, groups, chords, retries, revocation, remote control."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery, chain, chord, group
from celery.exceptions import TaskRevokedError

from servers import start_server

SITES = Path(__file__).parent / "sites"


@pytest.fixture(scope="module")
def celery(kind, server_directories):
    """An application of our own beside a worker process; both know the tasks by name."""
    directory = server_directories(kind)
    server = start_server(kind, directory)
    url, log = server.redis.url(), directory / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "celery_site", "worker", "--concurrency=2", "--loglevel=INFO"]
    with log.open("wb") as output:
        worker = subprocess.Popen(
            command, cwd=SITES, env=os.environ | {"REDIS_URL": url}, stdout=output, stderr=subprocess.STDOUT
        )
    app = Celery("site", broker=url, backend=url, set_as_current=False)
    try:
        wait_for_worker(app, worker, log)
        yield app
    finally:
        app.close()
        worker.terminate()
        try:
            worker.wait(20)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        server.stop()


def wait_for_worker(app: Celery, worker: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and worker.poll() is None:
        if app.control.ping(timeout=0.5):
            return
    raise AssertionError(f"the worker does not answer:\n{log.read_text()[-4000:]}")


def task(app: Celery, name: str, *args, **options):
    return app.signature(f"celery_site.{name}", args=args, **options)


def test_a_task_gives_its_result(celery):
    assert task(celery, "add", 2, 3).delay().get(timeout=20) == 5


def test_an_exception_comes_back(celery):
    with pytest.raises(ValueError, match="no such luck"):
        task(celery, "fail", "no such luck").delay().get(timeout=20)


def test_many_tasks_all_give_their_results(celery):
    results = [task(celery, "add", n, n).delay() for n in range(200)]
    assert [result.get(timeout=60) for result in results] == [2 * n for n in range(200)]


def test_groups_chains_and_chords(celery):
    add, total = celery.signature("celery_site.add"), celery.signature("celery_site.total")
    assert group(add.clone((n, n)) for n in range(10)).apply_async().get(timeout=30) == [2 * n for n in range(10)]
    assert chain(add.clone((1, 2)), add.clone((10,)), add.clone((100,))).apply_async().get(timeout=30) == 113
    assert chord([add.clone((n, n)) for n in range(20)])(total).get(timeout=30) == 380


def test_retries_happen(celery):
    assert task(celery, "third_time_lucky").delay().get(timeout=30) == 2


def test_a_task_waits_for_its_time(celery):
    began = time.monotonic()
    result = task(celery, "add", 1, 1).apply_async(countdown=2)
    assert result.get(timeout=30) == 2
    assert time.monotonic() - began > 1.5


def test_an_expired_task_is_not_run(celery):
    result = task(celery, "add", 1, 1).apply_async(expires=datetime.now(UTC) - timedelta(seconds=5))
    with pytest.raises(TaskRevokedError):
        result.get(timeout=30)


def test_a_running_task_is_revoked(celery):
    result = task(celery, "sleep", 60).delay()
    wait_until(lambda: result.state == "STARTED")
    result.revoke(terminate=True)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=30)


def test_forgotten_results_are_gone(celery):
    result = task(celery, "add", 4, 4).delay()
    assert result.get(timeout=20) == 8
    result.forget()
    assert celery.AsyncResult(result.id).state == "PENDING"


def test_the_worker_can_be_asked(celery):
    inspect = celery.control.inspect(timeout=5)
    assert inspect.ping() and inspect.registered() and inspect.stats() and inspect.active_queues()


def test_events_arrive(celery):
    seen = []

    def listen():
        with celery.connection() as connection:
            receiver = celery.events.Receiver(connection, handlers={"task-succeeded": seen.append})
            with contextlib.suppress(TimeoutError):
                receiver.capture(limit=None, timeout=10)

    celery.control.enable_events(reply=True, timeout=5)
    threading.Thread(target=listen, daemon=True).start()

    def is_seen():
        task(celery, "add", 1, 2).delay().get(timeout=20)
        return seen

    wait_until(is_seen)


def test_a_purged_queue_is_empty(celery):
    for n in range(5):
        task(celery, "add", n, n).apply_async(queue="nobody-listens")
    with celery.connection() as connection:
        queue = connection.SimpleQueue("nobody-listens")
        assert queue.qsize() == 5
        assert queue.clear() == 5
        queue.close()


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
