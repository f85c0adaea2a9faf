# settings.py, after CACHES: pages for nginx, written over the Redis protocol
CACHES["pages"] = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://127.0.0.1:6379",
    "KEY_FUNCTION": "newsroom.pages.page_key",
    "OPTIONS": {"serializer": "newsroom.pages.Bytes"},
}
MIDDLEWARE = ["newsroom.pages.share_pages", *MIDDLEWARE]
