"""Mails that are owed: written in the transaction that is their reason, sent afterwards, each once for its account, kind and reference.

A mail that was sent by a process which died before it could write so down is sent a second time: better twice than never.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from apps.billing.claims import claim
from apps.billing.mails import send
from apps.billing.models import Notice, NoticeKind

log = logging.getLogger(__name__)

CLAIM = timedelta(minutes=2)
MOST_ATTEMPTS = 20  # 40 minutes of a mail server that is away
BATCH = 50


def owe_mail(account_id: int, kind: NoticeKind, reference: str, **facts: Any) -> bool:
    """Whether it is a new one: once for each account, kind and reference. `facts` are JSON: ids as text, amounts in nano-USD."""
    notice = Notice(account_id=account_id, kind=kind, reference=reference, facts=facts)
    already = Notice.objects.filter(account_id=account_id, kind=kind, reference=reference).exists()
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    return not already


def send_owed() -> int:
    """Sends what is due; returns how many mails went out."""
    due = Notice.objects.filter(sent_at=None, attempts__lt=MOST_ATTEMPTS)
    sent = 0
    for pk in claim(due, "next_try_at", CLAIM, BATCH):
        notice = Notice.objects.select_related("account").get(pk=pk)
        Notice.objects.filter(pk=pk).update(attempts=F("attempts") + 1)
        try:
            send(notice)
        except OSError as error:  # smtplib's errors are among them
            log.warning("the mail %s could not be sent: %s", notice.pk, error)
            continue
        except Exception:  # whatever is wrong with one mail, the others go out
            log.exception("the mail %s cannot be written", notice.pk)
            continue
        Notice.objects.filter(pk=pk).update(sent_at=Now())
        sent += 1
    return sent
