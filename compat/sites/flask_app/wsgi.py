"""The Flask site in production, with sessions and logins; its pages have the addresses of the Django site's.

Its configuration is the file NEWSROOM_SETTINGS (one of `compat/deploy/`, with a test's own addresses).
"""

from __future__ import annotations

import os
from itertools import count

from flask import Flask, render_template_string, request, session
from flask_caching import Cache
from flask_session import Session

application = app = Flask(__name__)
app.config.from_pyfile(os.environ["NEWSROOM_SETTINGS"])
cache = Cache(app)
Session(app)
_rendered = count(1)

SECTIONS = """\
{% cache 60, 'sidebar' %}sidebar {{ rendering() }}{% endcache %}
{% cache 60, 'recommended', reader %}for {{ reader }} {{ rendering() }}{% endcache %}
"""


def rendering() -> str:
    return f"{next(_rendered)} by {os.getpid()}"


@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response


@app.get("/")
@cache.cached(timeout=600)
def front_page():
    return f"Zeitung für heute, {rendering()}"


@app.get("/sections/")
def sections():
    return render_template_string(SECTIONS, reader=request.args["reader"], rendering=rendering)


@app.route("/basket/", methods=["GET", "POST"])
def basket():
    items = session.get("items", [])
    if request.method == "POST":
        session["items"] = items = [*items, request.form["item"]]
    return {"items": items}


@app.post("/login/")
def log_in():
    if (request.form["name"], request.form["password"]) != ("ada", "lovelace"):
        return "", 403
    session["user"] = request.form["name"]
    return "", 204


@app.get("/desk/")
def desk():
    return {"user": session.get("user", "")}


@app.get("/counter/")
def counter():
    """Flask-Caching counts atomically in Redis only; in memcached the client itself does."""
    if app.config["CACHE_TYPE"] == "RedisCache":
        return {"readers": cache.cache.inc("readers")}
    memcached = app.config["SESSION_MEMCACHED"]
    memcached.add("readers", b"0", noreply=False)
    return {"readers": memcached.incr("readers", 1)}


@app.get("/report/")
def report():
    return make_report()


@cache.memoize(timeout=60)
def make_report():
    return f"report {rendering()}"


@app.get("/clear/")
def clear():
    cache.clear()
    return "", 204
