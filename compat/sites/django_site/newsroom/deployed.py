"""The settings of the site in production: the per-site cache, a database file, and the settings that a test
hands over in the file NEWSROOM_SETTINGS (one of `compat/deploy/`, with the test's own addresses)."""

import os
import runpy

from newsroom.settings import *  # noqa: F403
from newsroom.settings import MIDDLEWARE

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["NEWSROOM_DATABASE"]}}
LOGGING = {  # where Django's own settings would send a mail
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["console"], "level": "ERROR"}},
}
CACHE_MIDDLEWARE_SECONDS = 600
MIDDLEWARE = [
    "newsroom.workers.name_worker",
    "django.middleware.cache.UpdateCacheMiddleware",
    *MIDDLEWARE,
    "django.middleware.cache.FetchFromCacheMiddleware",
]

_pasted = runpy.run_path(os.environ["NEWSROOM_SETTINGS"], {"MIDDLEWARE": MIDDLEWARE})
globals().update({name: value for name, value in _pasted.items() if name.isupper()})
CACHES = {"archive": _pasted["CACHES"]["default"] | {"KEY_PREFIX": "archive"}} | _pasted["CACHES"]
