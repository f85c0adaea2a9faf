"""Middleware for tests that look from outside: which process answered this request."""

import os


def name_worker(get_response):
    def middleware(request):
        response = get_response(request)
        response["X-Worker"] = str(os.getpid())  # set last, so that a page from the cache names who sends it
        return response

    return middleware
