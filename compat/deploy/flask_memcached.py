# app.config.from_pyfile() of this: pip install Flask-Caching Flask-Session pylibmc pymemcache
from pymemcache.client.base import PooledClient

CACHE_TYPE = "MemcachedCache"
CACHE_MEMCACHED_SERVERS = ["127.0.0.1:11211"]
SESSION_TYPE = "memcached"
SESSION_MEMCACHED = PooledClient("127.0.0.1:11211", no_delay=True, ignore_exc=True)
