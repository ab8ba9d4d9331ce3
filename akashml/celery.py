"""The Celery application; tasks live in `apps/<app>/tasks.py` and are called by name."""

import logging.config
import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "akashml.settings")

app = Celery("akashml")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def set_up_logging(loglevel: int, **_: Any) -> None:
    """As all our processes log (settings.LOGGING), at the level of the command line: Celery would put handlers of its own in place."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
    logging.getLogger().setLevel(loglevel)
