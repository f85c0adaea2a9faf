# settings.py, over the Redis protocol: pip install redis
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "redis://127.0.0.1:6379",
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
