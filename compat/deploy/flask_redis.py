# app.config.from_pyfile() of this: pip install Flask-Caching Flask-Session redis
import redis

CACHE_TYPE = "RedisCache"
CACHE_REDIS_URL = "redis://127.0.0.1:6379/0"
SESSION_TYPE = "redis"
SESSION_REDIS = redis.Redis.from_url("redis://127.0.0.1:6379/1")
