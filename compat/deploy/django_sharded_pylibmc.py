# settings.py: keys spread over three magpies by libmemcached, with consistent hashing
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyLibMCCache",
        "LOCATION": ["127.0.0.1:11211", "127.0.0.1:11212", "127.0.0.1:11213"],
        "OPTIONS": {"behaviors": {"ketama": True, "remove_failed": 1, "retry_timeout": 1, "dead_timeout": 2}},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
