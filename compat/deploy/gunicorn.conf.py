# gunicorn --config gunicorn.conf.py newsroom.wsgi
chdir = "/srv/newsroom"
bind = "127.0.0.1:8000"
workers = 2
worker_class = "sync"  # or "gevent", or "gthread" with threads = 4
