"""Puts a site into production on this machine: application servers, proxies, and a browser that looks from outside.

What is started here is configured by the files in `deploy/`, the ones that README shows. They are written for a
real server (port 80, /srv/newsroom); `paste` changes the addresses to a test's own, and nothing else.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from servers import HOST, START_ATTEMPTS, Process, ServerError, find, free_port

COMPAT = Path(__file__).parent
DEPLOY = COMPAT / "deploy"
DJANGO_SITE = COMPAT / "sites" / "django_site"
FLASK_SITE = COMPAT / "sites"
SECONDS = 120  # until a state that a test waits for must have come: far more than it takes
APP_ADDRESS = "127.0.0.1:8000"
P = TypeVar("P", bound=Process)


def paste(name: str, directory: Path, changes: dict[str, str], *more: str) -> Path:
    """Writes `deploy/NAME`, and after it the files `more`, into `directory/NAME` with `changes` made.

    Each change must be of something there.
    """
    text = "\n".join((DEPLOY / each).read_text() for each in (name, *more))
    for old in changes:
        assert old in text, f"deploy/{name} has no {old!r}"
    # In one pass: a test's own port may be another address of the file. The longest first: /srv/newsroom/venv.
    pattern = "|".join(re.escape(old) for old in sorted(changes, key=len, reverse=True))
    text = re.sub(pattern, lambda match: changes[match[0]], text)
    path = directory / name
    path.write_text(text)
    return path


def wait_until(condition: Callable[[], object], what: str, processes: list[Process] = ()) -> object:
    """Polls until `condition()` is true and returns its value; connections that fail count as not yet."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if value := condition():
                return value
            problem = ""
        except (OSError, http.client.HTTPException) as error:
            problem = f": {error!r}"
        dead = [process for process in processes if not process.is_alive()]
        if dead or time.monotonic() > deadline:
            tails = "\n".join(f"--- {process.name}\n{process.log_tail()}" for process in dead or processes)
            ended = f"{', '.join(process.name for process in dead)} ended; " if dead else ""
            raise ServerError(f"{ended}waited in vain for {what}{problem}\n{tails}")
        time.sleep(0.05)


# --- The browser ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: http.client.HTTPMessage

    @property
    def worker(self) -> str | None:
        """The process that answered; None when no process of the site was asked."""
        return self.headers["X-Worker"]

    def json(self):
        return json.loads(self.text)


class UnexpectedAnswer(AssertionError):
    """The site answered with another status than a test expects."""


class Browser:
    """Somebody outside: has cookies, and opens a new connection for each request."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._cookies)
        )

    def cookies(self) -> str:
        """The header's value, for another client that shall be the same reader."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def ask(self, path: str, form: dict[str, str] | None = None) -> Answer:
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data)
        try:
            with self._opener.open(request, timeout=SECONDS) as response:
                return Answer(response.status, response.read().decode(), response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(errors="replace"), error.headers)

    def get(self, path: str) -> Answer:
        """Gets what has to be there."""
        return self._expect(self.ask(path), path)

    def post(self, path: str, **form: str) -> Answer:
        return self._expect(self.ask(path, form), path)

    @staticmethod
    def _expect(answer: Answer, path: str) -> Answer:
        if answer.status not in (200, 204):
            raise UnexpectedAnswer(f"{path}: {answer.status} {answer.text[:2000]}")
        return answer

    def from_every_worker(self, path: str, workers: int) -> list[Answer]:
        """Asks, several at a time, until as many processes have answered; all their answers."""
        answers: list[Answer] = []

        def all_have_answered() -> bool:
            with ThreadPoolExecutor(workers * 2) as pool:
                answers.extend(pool.map(lambda _: self.get(path), range(workers * 2)))
            return len({answer.worker for answer in answers}) >= workers

        wait_until(all_have_answered, f"an answer to {path} from each of {workers} processes")
        return answers


# --- Application servers --------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """One of the sites: where it lies, how its WSGI module is called, and the settings a test pasted for it."""

    root: Path
    module: str
    settings: Path
    database: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"NEWSROOM_SETTINGS": str(self.settings), "NEWSROOM_DATABASE": str(self.database)}

    def changes(self, port: int) -> dict[str, str]:
        return {APP_ADDRESS: f"{HOST}:{port}", "/srv/newsroom": str(self.root)}


def django_site(settings: Path, database: Path) -> Site:
    return Site(DJANGO_SITE, "newsroom", settings, database)


def flask_site(settings: Path) -> Site:
    return Site(FLASK_SITE, "flask_app", settings, settings.with_name("none"))


def make_database(directory: Path) -> Path:
    """The Django site's database with its one user, ada."""
    settings = directory / "settings.py"
    settings.write_text('CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}\n')
    site = django_site(settings, directory / "newsroom.sqlite3")
    code = (
        "import django; django.setup()\n"
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "from django.contrib.auth.models import User; User.objects.create_user('ada', password='lovelace')\n"
    )
    environment = os.environ | site.environment | {"DJANGO_SETTINGS_MODULE": "newsroom.deployed"}
    subprocess.run([sys.executable, "-c", code], cwd=DJANGO_SITE, env=environment, check=True)
    return site.database


def gunicorn(worker_class: str) -> Callable[[Site, int, Path], Process]:
    def build(site: Site, port: int, here: Path) -> Process:
        value = f'"{worker_class}"' + ("\nthreads = 4" if worker_class == "gthread" else "")
        config = paste("gunicorn.conf.py", here, site.changes(port) | {'"sync"': value})
        command = [bin_of_venv("gunicorn"), "--no-control-socket", "--config", str(config), f"{site.module}.wsgi"]
        return Process("gunicorn", command, here, site.environment)

    return build


def uwsgi(site: Site, port: int, here: Path) -> Process:
    changes = site.changes(port) | {"/srv/newsroom/venv": sys.prefix, "newsroom.wsgi": f"{site.module}.wsgi"}
    config = paste("uwsgi.ini", here, changes)
    return Process("uwsgi", [bin_of_venv("uwsgi"), "--ini", str(config)], here, site.environment)


def mod_wsgi(site: Site, port: int, here: Path) -> Process:
    changes = site.changes(port) | {
        "/srv/newsroom/venv": sys.prefix,
        "/srv/newsroom/newsroom": str(site.root / site.module),
    }
    paste("apache.conf", here, changes)
    modules = apache_modules()
    wsgi = subprocess.run([bin_of_venv("mod_wsgi-express"), "module-location"], capture_output=True, text=True)
    # What Debian's own apache2.conf and `a2enmod wsgi` give, in a directory of the test's own.
    main = here / "apache2.conf"
    main.write_text(
        f"""ServerRoot {here}
ServerName localhost
Listen {HOST}:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {wsgi.stdout.strip()}
DefaultRuntimeDir {here}
PidFile apache2.pid
ErrorLog /dev/stderr
WSGISocketPrefix {here}/wsgi
Include apache.conf
"""
    )
    command = [find("apache2", "on Debian: apt-get install apache2"), "-DFOREGROUND", "-f", str(main)]
    return Process("apache2", [*without_root(), *command], here, site.environment)


def without_root() -> list[str]:
    """Apache serves nothing as root. As nobody it may yet have to read a Python that lies in root's home."""
    if os.getuid() != 0:
        return []
    capabilities = "-all,+dac_override"
    ids = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    return ["setpriv", *ids, f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"]


def apache_modules() -> Path:
    return Path("/usr/lib/apache2/modules")


APP_SERVERS: dict[str, Callable[[Site, int, Path], Process]] = {
    "gunicorn_sync": gunicorn("sync"),
    "gunicorn_gthread": gunicorn("gthread"),
    "gunicorn_gevent": gunicorn("gevent"),
    "uwsgi": uwsgi,
    "mod_wsgi": mod_wsgi,
}
WORKERS = 2  # as the files in deploy/ say


def nginx(port: int, here: Path, changes: dict[str, str]) -> Process:
    paste("nginx.conf", here, {"listen 80;": f"listen {HOST}:{port};"} | changes)
    # What Debian's own nginx.conf gives, in a directory of the test's own.
    temporary = "\n".join(
        f"{module}_temp_path {here}/{module};" for module in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = here / "main.conf"
    main.write_text(
        f"""{"user root;" if os.getuid() == 0 else ""}
daemon off;
worker_processes 1;
pid {here}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    {temporary}
    include {here}/nginx.conf;
}}
"""
    )
    program = find("nginx", "on Debian: apt-get install nginx-light")
    return Process("nginx", [program, "-p", str(here), "-e", "stderr", "-c", str(main)], here)


def bin_of_venv(program: str) -> str:
    return find(str(Path(sysconfig.get_path("scripts")) / program), "compat/run installs it")


def start_on_free_ports(build: Callable[[Path], P], directory: Path, ready: Callable[[P], object]) -> P:
    """Starts what `build` configures in a new directory, and waits until it is `ready`.

    `build` takes free ports; when one is taken by the time it is bound, it is called again.
    """
    for attempt in range(1, START_ATTEMPTS + 1):
        here = directory / f"attempt-{attempt}"
        here.mkdir(parents=True)
        process = build(here)
        process.start()
        try:
            wait_until(lambda: ready(process), f"{process.name}, in {here}, to be ready", [process])
            return process
        except ServerError as error:
            process.stop()
            if "in use" not in str(error).lower() or attempt == START_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def serve(build: Callable[[int, Path], Process], directory: Path, path: str = "/report/") -> tuple[Process, str]:
    """Starts a web server that `build` configures for a port; returns it and its address."""
    addresses: list[str] = []

    def on_free_port(here: Path) -> Process:
        port = free_port()
        addresses.append(f"{HOST}:{port}")
        return build(port, here)

    process = start_on_free_ports(on_free_port, directory, lambda _: Browser(addresses[-1]).ask(path).status == 200)
    return process, addresses[-1]
