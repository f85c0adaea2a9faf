"""The Django site and the Flask site, as they are deployed, seen by HTTP: several processes share one cache.

Every page says which process rendered it, and the header X-Worker which process sent it.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployment import WORKERS, UnexpectedAnswer, wait_until


def test_a_page_of_one_process_is_served_by_the_others(site):
    page = site.browser().get("/").text
    assert page.startswith("Zeitung für heute, ")
    answers = site.browser().from_every_worker("/", WORKERS)
    assert {answer.text for answer in answers} == {page}


def test_fragments_are_shared(site):
    def fragments(answer) -> dict[str, str]:
        return {line.split()[0]: line for line in answer.text.splitlines() if line}

    first = fragments(site.browser().get("/sections/?reader=ada"))
    for answer in site.browser().from_every_worker("/sections/?reader=ada", WORKERS):
        again = fragments(answer)
        assert (again["sidebar"], again["for"]) == (first["sidebar"], first["for"])
    other = fragments(site.browser().get("/sections/?reader=bob"))
    assert other["sidebar"] == first["sidebar"]
    assert other["for"].startswith("for bob ")


def test_an_expensive_report_is_made_once(site):
    report = site.browser().get("/report/").text
    assert {answer.text for answer in site.browser().from_every_worker("/report/", WORKERS)} == {report}


def test_a_session_and_its_login_hold_in_every_process(site):
    ada, guest = site.browser(), site.browser()
    ada.post("/basket/", item="monday")
    assert ada.ask("/login/", {"name": "ada", "password": "wrong"}).status == 403
    ada.post("/login/", name="ada", password="lovelace")
    ada.post("/basket/", item="Süddeutsche")
    guest.post("/basket/", item="sunday")
    for answer in ada.from_every_worker("/desk/", WORKERS):
        assert answer.json() == {"user": "ada"}
    for answer in ada.from_every_worker("/basket/", WORKERS):
        assert answer.json() == {"items": ["monday", "Süddeutsche"]}
    assert guest.get("/desk/").json() == {"user": ""}
    assert guest.get("/basket/").json() == {"items": ["sunday"]}


def test_a_counter_misses_no_reader(site):
    """`incr` from all processes at once: every number exactly once."""
    readers = 60
    with ThreadPoolExecutor(6) as pool:
        numbers = pool.map(lambda _: site.browser().get("/counter/").json()["readers"], range(readers))
        assert sorted(numbers) == list(range(1, readers + 1))


@pytest.mark.parametrize("by", ["the_site", "an_administrator"])
def test_a_flush_empties_every_process_view(site, by):
    ada = site.browser()
    ada.post("/basket/", item="monday")
    page, report = ada.get("/").text, ada.get("/report/").text
    if by == "the_site":
        ada.get("/clear/")
    else:
        site.flush()
    page_now, report_now = ada.get("/").text, ada.get("/report/").text
    assert page_now != page and report_now != report
    assert {answer.text for answer in ada.from_every_worker("/", WORKERS)} == {page_now}
    # Flask-Session on Redis keeps its sessions in a database of their own, where the site's `clear` leaves them.
    if by == "an_administrator":
        assert ada.get("/basket/").json() == {"items": []}


# --- The cache goes away --------------------------------------------------------------------------

PATHS = ["/", "/report/", "/sections/?reader=ada", "/basket/", "/desk/", "/counter/"]


def statuses(browser, rounds: int) -> Counter:
    """How often each path was answered with which status."""
    asked = PATHS * rounds
    with ThreadPoolExecutor(6) as pool:
        return Counter(zip(asked, pool.map(lambda path: browser.ask(path).status, asked)))


# What the client libraries make of a cache that is away, the real servers' clients as well: these paths may answer
# with an error then, the others are made anew. Django's RedisCache raises, PyMemcacheCache with `ignore_exc` misses
# and only a new session cannot be saved; Flask-Caching and Flask-Session forgive all but counting.
ERRORS_WHILE_AWAY = {
    ("django", "memcached"): {"/basket/"},
    ("django", "redis"): set(PATHS),
    ("flask", "memcached"): {"/counter/"},
    ("flask", "redis"): {"/counter/"},
}


# A pool of pymemcache's finds out at the next command on each connection that it is broken; `ignore_exc` makes that
# a miss for reads, but `incr` raises. All others connect anew by themselves.
ERRORS_AFTER_RESTART = {("flask", "memcached"): {"/counter/"}}


def test_a_restart_of_the_cache_means_misses(site, framework, site_backend):
    ada = site.browser()
    ada.post("/login/", name="ada", password="lovelace")
    before = {path: ada.get(path).text for path in ("/", "/report/")}
    for path in PATHS:
        ada.from_every_worker(path, WORKERS)  # so that every process has connections that will break
    site.cache.restart()
    failed = {path for path, status in statuses(ada, 5) if status != 200}
    assert failed <= ERRORS_AFTER_RESTART.get((framework, site_backend), set())
    assert all(ada.get(path).text != before[path] for path in before)
    assert ada.get("/desk/").json() == {"user": ""}
    wait_until(lambda: serves_from_cache(site), "a page that all processes have from the cache")


def serves_from_cache(site) -> bool:
    return len({answer.text for answer in site.browser().from_every_worker("/", WORKERS)}) == 1


def keeps_sessions(site) -> bool:
    """Every thread of every process has a client of its own, and each finds out by itself that the cache is back."""
    ada = site.browser()
    try:
        ada.post("/basket/", item="monday")
        return all(answer.json() == {"items": ["monday"]} for answer in ada.from_every_worker("/basket/", WORKERS))
    except UnexpectedAnswer:
        return False


def test_while_the_cache_is_away_the_site_does_what_its_client_can(site, framework, site_backend):
    ada = site.browser()
    for path in PATHS:
        ada.from_every_worker(path, WORKERS)
    site.cache.stop()
    seen = statuses(ada, 1)
    site.cache.start()
    assert {status for _, status in seen} <= {200, 500}
    assert {path for path, status in seen if status == 500} <= ERRORS_WHILE_AWAY[framework, site_backend]
    wait_until(lambda: {status for _, status in statuses(ada, 2)} == {200}, "the end of errors")
    wait_until(lambda: serves_from_cache(site), "a page that all processes have from the cache")
    wait_until(lambda: keeps_sessions(site), "a session that all processes know")
