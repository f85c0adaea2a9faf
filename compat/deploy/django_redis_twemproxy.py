# settings.py: RedisCache through twemproxy, which knows neither HELLO nor CLIENT
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "redis://127.0.0.1:7379",
        "OPTIONS": {"protocol": 2, "driver_info": None},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
