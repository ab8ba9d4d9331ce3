"""The Celery application; tasks live in `apps/<app>/tasks.py` and are called by name."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "akashml.settings")

app = Celery("akashml")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
