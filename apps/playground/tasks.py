"""Background work: answers whose process is gone are marked, for those who never look."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db.models.functions import Now

from apps.playground.messages import lose, mark_lost
from apps.playground.models import AnswerStatus, Message
from apps.usage.models import Inference

SETTLED_FOR = timedelta(minutes=2)


@shared_task(name="playground.sweep")
def sweep() -> None:
    """Ends what its process did not end: it died, or Postgres was away for too long when the answer ended."""
    running = list(Message.objects.filter(status=AnswerStatus.RUNNING))
    mark_lost(running)
    left = {row.inference_id: row for row in running if row.status == AnswerStatus.RUNNING and row.inference_id is not None}
    for identifier in Inference.objects.filter(pk__in=left, settled_at__lt=Now() - SETTLED_FOR).values_list("pk", flat=True):
        lose(left[identifier])
