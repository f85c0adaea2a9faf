"""The test suites of Flask-Caching and cachelib, from their sdists. (Flask-Session's sdist has none.)

They reach their servers on fixed ports, so a copy of the tests is run in which those ports, and for
Flask-Caching's tests of the extension itself the cache type, are replaced. Nothing else is changed.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from servers import KINDS, Server
from upstream.comparison import Run, finish_and_compare
from upstream.sdist import fetch

HERE = Path(__file__).parent
# The ports in the upstream tests: Redis, Valkey and memcached.
UPSTREAM_REDIS, UPSTREAM_VALKEY, UPSTREAM_MEMCACHED = "6360", "6370", "11212"


@pytest.mark.timeout(600)
def test_cachelib_backends(make_server, tmp_path, report_lines):
    files = ["test_redis_cache.py", "test_valkey_cache.py", "test_memcached_cache.py"]
    runs = [start("cachelib", files, make_server(kind), tmp_path) for kind in KINDS]
    finish_and_compare(runs, f"cachelib {version('cachelib')}", report_lines)
    assert all(run.passed(file) for run in runs for file in files)


@pytest.mark.timeout(600)
def test_flask_caching_backends(make_server, tmp_path, report_lines):
    wanted = ["test_backend_cache.py", "-k", "Redis or Memcached"]
    runs = [start("flask-caching", wanted, make_server(kind), tmp_path) for kind in KINDS]
    finish_and_compare(runs, f"Flask-Caching {version('flask-caching')}, its back ends", report_lines)
    assert all(run.passed(f"test_backend_cache.py::Test{name}") for run in runs for name in ("RedisCache", "Memcached"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cache_type", ["RedisCache", "MemcachedCache"])
def test_flask_caching_extension(cache_type, make_server, tmp_path, report_lines):
    """All other tests of the extension, which upstream runs on a cache in memory, on our servers."""
    runs = [start_extension_tests(cache_type, make_server(kind), tmp_path) for kind in KINDS]
    finish_and_compare(runs, f"Flask-Caching {version('flask-caching')} on {cache_type}", report_lines)
    assert all(len(run.passed()) > 100 for run in runs)


def start(package: str, arguments: list[str], server: Server, directory: Path, flush: str = "", **replace: str) -> Run:
    """Starts a suite in its own copy of the tests, with `replace` applied to its conftest."""
    tests = directory / server.name
    shutil.copytree(fetch(package, version(package)) / "tests", tests)
    ports = {
        UPSTREAM_REDIS: str(server.redis.port),
        UPSTREAM_VALKEY: str(server.redis.port),
        UPSTREAM_MEMCACHED: str(server.memcached.port),
    }
    for file in tests.glob("*.py"):
        text = file.read_text()
        for old, new in (ports | (replace if file.name == "conftest.py" else {})).items():
            text = text.replace(old, new)
        file.write_text(text)
    (tests / "pytest.ini").write_text("[pytest]\nmarkers = network\n")
    # `CI` tells these suites that their servers are running already.
    environment = {"CI": "true", "PYTHONPATH": f"{HERE}:{tests}", "COMPAT_FLUSH": flush}
    command = [sys.executable, "-m", "pytest", "-p", "recording_plugin", "-q"]
    return Run(server, command + arguments, tests, environment, directory)


def start_extension_tests(cache_type: str, server: Server, directory: Path) -> Run:
    settings = {
        "CACHE_TYPE": cache_type,
        "CACHE_REDIS_URL": server.redis.url(),
        "CACHE_MEMCACHED_SERVERS": [server.memcached.address],
    }
    flush = server.redis.url() if cache_type == "RedisCache" else server.memcached.address
    replace = {
        'app.config["CACHE_TYPE"] = "SimpleCache"': f"app.config.update({settings!r})",
        # Upstream moves the clock of its cache in memory; ours has to be waited for.
        "self.now += seconds": "pytest.skip('too long to wait') if seconds > 5 else __import__('time').sleep(seconds)",
    }
    # The first runs above; the others are about the serializer of the cache in memory.
    ignored = ["test_backend_cache.py", "test_cachelib.py", "test_serializer.py"]
    return start("flask-caching", [f"--ignore={file}" for file in ignored], server, directory, flush, **replace)
