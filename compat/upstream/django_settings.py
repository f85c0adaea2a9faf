"""Settings for Django's own tests: the caches under test as its contributor guide sets them up.

The environment says which backend and where, see `test_django.py`.
"""

import os

CACHES = {
    "default": {
        "BACKEND": os.environ["COMPAT_BACKEND"],
        "LOCATION": os.environ["COMPAT_LOCATION"],
    }
}

TEST_RUNNER = "django_runner.RecordingRunner"

# The rest is Django's tests/test_sqlite.py.
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
