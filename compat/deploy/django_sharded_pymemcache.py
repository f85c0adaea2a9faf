# settings.py: keys spread over three magpies by pymemcache's HashClient
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": ["127.0.0.1:11211", "127.0.0.1:11212", "127.0.0.1:11213"],
        # One that fails twice within seconds is left out, and asked again after 2 seconds.
        "OPTIONS": {"ignore_exc": True, "retry_attempts": 1, "retry_timeout": 1, "dead_timeout": 2},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
