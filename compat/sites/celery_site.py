"""A Celery application as its documentation shows one: broker and results in Redis."""

import os
import time

from celery import Celery

app = Celery("site", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(result_extended=True, task_track_started=True)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def third_time_lucky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@app.task
def fail(message):
    raise ValueError(message)


@app.task
def sleep(seconds):
    time.sleep(seconds)
    return seconds
