"""The test suites that Redis libraries ship in their sdists, unchanged: what they reach at `localhost:6379` is led to
the server under test (`redirect/sitecustomize.py`)."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pytest

from servers import KINDS, Server, free_port
from upstream.comparison import Run, finish_and_compare
from upstream.known import KNOWN
from upstream.sdist import fetch

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Suite:
    """A suite: the tests to run, seen from the sdist's root, and what they want of their surroundings."""

    name: str
    package: str
    arguments: str
    environment: dict[str, str] = field(default_factory=dict)
    #: Ports that the tests expect a Redis and a memcached at.
    redis_port: int = 6379
    memcached_port: int = 11211
    #: Ports that the tests listen on themselves: two runs side by side would take them from each other.
    own_ports: tuple[int, ...] = ()
    #: Fewer passed tests than this mean that the suite has not really run.
    at_least: int = 1


# What asks for clusters, sentinels, TLS, modules or Redis Enterprise is not ours to answer.
REDIS_PY = (
    "tests -m 'not onlycluster and not redismod and not ssl and not replica and not cp_integration"
    " and not multidb_integration' --ignore=tests/test_scenario --ignore=tests/test_asyncio/test_scenario"
    " --ignore=tests/test_credentials.py --ignore=tests/test_asyncio/test_credentials.py"
    " --ignore=tests/maint_notifications --ignore=tests/test_multidb --ignore=tests/test_asyncio/test_multidb"
    " --ignore=tests/test_ssl.py --ignore=tests/test_cluster.py --ignore=tests/test_asyncio/test_cluster.py"
    " --ignore=tests/test_sentinel.py --ignore=tests/test_asyncio/test_sentinel.py"
    " --ignore=tests/test_observability --ignore=tests/test_asyncio/test_observability"
    " --deselect=tests/test_cache.py::TestSentinelCache --deselect=tests/test_cache.py::TestSSLCache"
    " --redis-url={url}"
)

# In halves, each with servers of its own: most of the time they wait for a second to pass.
REDIS_PY_SUITES = [
    Suite(f"redis-py, {half}, RESP{protocol}", "redis", f"{REDIS_PY} --protocol={protocol} -k '{which}'", **options)
    for protocol in (2, 3)
    for half, which, options in (
        ("asyncio", "test_asyncio", {"own_ports": (5380,), "at_least": 1200}),
        ("blocking", "not test_asyncio", {"at_least": 1400}),
    )
]

SUITES = [
    Suite("django-redis", "django-redis", "tests -o addopts= -n2", at_least=2000),
    Suite("rq", "rq", "tests", at_least=750),
    Suite(
        "channels_redis",
        "channels-redis",
        "tests -o addopts= -o asyncio_mode=auto --ignore=tests/test_sentinel.py --ignore=tests/test_pubsub_sentinel.py",
        at_least=70,
    ),
    Suite(
        "django-cacheops",
        "django-cacheops",
        "tests/tests.py tests/test_extras.py tests/test_low_level.py tests/tests_transactions.py",
        {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        at_least=140,
    ),
    Suite(
        "dogpile.cache",
        "dogpile.cache",
        "-o addopts= -W ignore tests/cache/test_redis_backend.py tests/cache/test_valkey_backend.py",
        {"DOGPILE_REDIS_PORT": "6379"},
        at_least=1,
    ),
    Suite("huey", "huey", "huey/tests -k 'redis or Redis'", at_least=60),
    Suite(
        "limits",
        "limits",
        "-p no_docker -o addopts= -W ignore tests --ignore=tests/benchmarks"
        " -k '(redis or memcached) and not (cluster or sentinel or ssl or auth or uds or valkey or etcd or sasl)'",
        {"ASYNC_REDIS_IMPLEMENTATION": "redispy"},
        redis_port=7379,
        memcached_port=22122,
        at_least=40,
    ),
    Suite(
        "Flask-Limiter",
        "Flask-Limiter",
        "-p no_docker -o addopts= -W ignore tests --ignore=tests/test_commands.py -k 'not mongodb'",
        redis_port=46379,
        memcached_port=31211,
        at_least=50,
    ),
    Suite("python-redis-lock", "python-redis-lock", "-o addopts= -n4 tests/test_redis_lock.py", at_least=150),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("suites", [REDIS_PY_SUITES, *([suite] for suite in SUITES)], ids=lambda suites: suites[0].name)
def test_suites(suites, make_server, tmp_path, report_lines):
    # Side by side.
    runs = [[start(suite, make_server(kind), tmp_path / suite.name) for kind in KINDS] for suite in suites]
    wrong = []
    for suite, of_suite in zip(suites, runs):
        try:
            title = f"{suite.name} {version(suite.package)}"
            finish_and_compare(of_suite, title, report_lines, KNOWN.get(suite.name), second_chance=True)
            assert all(len(run.passed()) >= suite.at_least for run in of_suite), f"{suite.name} has not really run"
        except AssertionError as error:
            wrong.append(f"{suite.name}: {error}")
    assert not wrong, "\n".join(wrong)


def start(suite: Suite, server: Server, directory: Path) -> Run:
    """Starts a suite in its own copy of the sdist."""
    directory.mkdir(exist_ok=True)
    copy = directory / server.name
    shutil.copytree(fetch(suite.package, version(suite.package)), copy)
    binaries = Path(sys.executable).parent
    ports = {suite.redis_port: server.redis.port, suite.memcached_port: server.memcached.port}
    ports |= {port: free_port() for port in suite.own_ports}
    environment = {
        "PATH": f"{HERE / 'redirect' / server.name}:{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": f"{HERE / 'redirect'}:{HERE}",
        "COMPAT_REDIRECT": ",".join(f"{here}={there}" for here, there in ports.items()),
        **suite.environment,
    }
    arguments = suite.arguments.format(url=server.redis.url())
    # A shell splits the arguments as a person would have typed them.
    command = f"exec {sys.executable} -m pytest -p recording_plugin -q {arguments}"
    return Run(server, ["sh", "-c", command], copy, environment, directory)
