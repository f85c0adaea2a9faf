"""Public pages lie in magpie under their URI, as nginx reads them: see nginx.conf and the alias "pages" of CACHES."""

import gzip
import re

from django.core.cache import caches
from django.utils.cache import get_max_age, has_vary_header

GZIPPED = 2  # nginx.conf: memcached_gzip_flag


def share_pages(get_response):
    """Middleware, the first one: what is public for some time is put where nginx looks."""

    def middleware(request):
        response = get_response(request)
        seconds = get_max_age(response)
        private = has_vary_header(response, "Cookie") or "private" in response.get("Cache-Control", "")
        if request.method == "GET" and response.status_code == 200 and seconds and not private:
            query = request.META["QUERY_STRING"]
            caches["pages"].set(request.path + (f"?{query}" if query else ""), response.content, seconds)
        return response

    return middleware


def page_key(uri, prefix, version):
    """KEY_FUNCTION: nginx escapes what a memcached key cannot hold, and the percent sign."""
    return "page:" + re.sub(r"[\x00-\x20%]", lambda match: f"%{ord(match[0]):02X}", uri)


class Bytes:
    """RedisCache's "serializer": a page is its bytes, not a pickle."""

    def dumps(self, value):
        return value

    def loads(self, data):
        return data


class GzippedBytes:
    """PyMemcacheCache's "serde": a page is compressed, and a flag says so."""

    def serialize(self, key, value):
        return gzip.compress(value), GZIPPED

    def deserialize(self, key, value, flags):
        return gzip.decompress(value) if flags & GZIPPED else value
