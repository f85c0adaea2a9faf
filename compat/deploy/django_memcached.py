# settings.py, over the memcached protocol: pip install pymemcache
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": "127.0.0.1:11211",
        # While magpie is away pages are made anew instead of failing; it is asked again after 2 seconds.
        "OPTIONS": {"no_delay": True, "ignore_exc": True, "dead_timeout": 2},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
