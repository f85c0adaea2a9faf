# settings.py, after CACHES: pages for nginx, compressed, written over the memcached protocol
from newsroom.pages import GzippedBytes

CACHES["pages"] = {
    "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
    "LOCATION": "127.0.0.1:11211",
    "KEY_FUNCTION": "newsroom.pages.page_key",
    "OPTIONS": {"no_delay": True, "ignore_exc": True, "serde": GzippedBytes()},
}
MIDDLEWARE = ["newsroom.pages.share_pages", *MIDDLEWARE]
