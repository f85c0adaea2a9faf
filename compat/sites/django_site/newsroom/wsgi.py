"""The site as an application server runs it, with the settings of `newsroom.deployed`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsroom.deployed")
application = get_wsgi_application()
