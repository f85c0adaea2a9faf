"""A small Flask site that caches the way Flask-Caching's documentation shows.

Every answer holds a number that grows with each call of the code behind it: an unchanged number means
that the cache answered.
"""

from __future__ import annotations

from itertools import count

from flask import Flask, request
from flask_caching import Cache


def create_app(cache_settings: dict) -> tuple[Flask, Cache]:
    app = Flask(__name__)
    app.config.from_mapping(cache_settings)
    cache = Cache(app)
    numbers = count(1)

    @app.route("/cached")
    @cache.cached(timeout=50)
    def cached():
        return str(next(numbers))

    @app.route("/short")
    @cache.cached(timeout=1)
    def short():
        return str(next(numbers))

    @app.route("/unless")
    @cache.cached(timeout=50, unless=lambda: "fresh" in request.args)
    def unless():
        return str(next(numbers))

    @app.route("/search")
    @cache.cached(timeout=50, query_string=True)
    def search():
        return f"{request.args.get('q')} {next(numbers)}"

    @app.route("/page/<name>")
    @cache.cached(timeout=50, key_prefix=lambda: f"page:{request.path}")
    def page(name):
        return f"{name} {next(numbers)}"

    @app.route("/template")
    def template():
        return app.jinja_env.from_string(
            "{% cache 50, 'fragment', name %}<b>{{ name }} {{ number() }}</b>{% endcache %}"
        ).render(name=request.args["name"], number=lambda: next(numbers))

    @app.route("/add/<int:a>/<int:b>")
    def add(a, b):
        return str(slow_sum(a, b))

    @cache.memoize(timeout=50)
    def slow_sum(a, b):
        return a + b + 1000 * next(numbers)

    @cache.memoize(timeout=50)
    def nothing():
        next(numbers)
        return None

    @cache.cached(timeout=50, key_prefix="all_comments")
    def comments():
        return ["first", "second", next(numbers)]

    app.slow_sum, app.nothing, app.comments = slow_sum, nothing, comments
    return app, cache
