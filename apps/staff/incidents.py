"""What is wrong now, and telling operators about it: by mail and by a webhook, once when it began and once when it is over."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import httpx
from django.conf import settings
from django.core.mail import send_mail
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.catalog.models import Backend
from apps.core.money import NANO_PER_USD, display_usd
from apps.gateway import ledger_check
from apps.staff import jobs
from apps.staff.health import lags
from apps.staff.models import Incident

log = logging.getLogger(__name__)

BEGAN, OVER = 1, 2
SETTLED_AFTER = timedelta(seconds=60)  # what is over sooner nobody is told of
TIMEOUT_S = 10.0
AT_ONCE = 50
LOCK = 7_061_203  # of Postgres: one at a time looks
WRITTEN_OFF = (
    "SELECT coalesce(sum(cost - charged), 0)::bigint FROM usage_platformcell WHERE grain = 15 AND start > now() - interval '1 hour'"
)


@dataclass(frozen=True, slots=True)
class Sight:
    """Something that is wrong. `kind` and `subject` tell it from others, `text` is for people."""

    kind: str
    subject: str
    text: str


def look() -> None:
    """Compares what is wrong now with the incidents that are open. The ledger has a look of its own, since that takes long."""
    _compare([*_backends(), *_queues(), *_jobs(), *_write_offs()], ~Q(kind="ledger"))


def look_at_ledger() -> None:
    """Checks the ledger's invariants: minutes, for a long log."""
    found = ledger_check.check(most=10).violations
    text = "\n".join(f"{one.invariant}: {one.detail}" for one in found)
    _compare([Sight("ledger", "invariants", text)] if found else [], Q(kind="ledger"))


def _backends() -> list[Sight]:
    down = Backend.objects.filter(is_active=True, model__is_active=True, probe_ok=False).select_related("model")
    return [Sight("backend", f"{one.pk}", f"Backend {one.base_url} of {one.model.public_id} is down: {one.probe_detail}") for one in down]


def _queues() -> list[Sight]:
    return [
        Sight("queue", lag.name, f"{lag.name}: {lag.waiting} waiting, the oldest for {lag.seconds} s (in order are {lag.bound} s)")
        for lag in lags()
        if lag.late
    ]


def _jobs() -> list[Sight]:
    known = jobs.periods()
    return [
        Sight("job late", name, f"Job {name} has not run well for {seconds} s (it is to run every {known[name]} s)")
        for name, seconds in jobs.late().items()
    ]


def _write_offs() -> list[Sight]:
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN_OFF)
        [nano] = cursor.fetchone() or [0]
    if nano <= int(settings.OPERATOR_ALERT_WRITE_OFF_USD * NANO_PER_USD):
        return []
    return [Sight("write-off", "last hour", f"{display_usd(nano)} were written off within an hour: no credit was left for them")]


@transaction.atomic
def _compare(seen: Iterable[Sight], among: Q) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    known = {(one.kind, one.subject): one for one in Incident.objects.filter(among, closed_at=None)}
    found = {(one.kind, one.subject): one for one in seen}
    for key, sight in found.items():
        if key not in known:
            Incident.objects.create(kind=sight.kind, subject=sight.subject, text=sight.text)
    gone = [one.pk for key, one in known.items() if key not in found]
    Incident.objects.filter(pk__in=gone).update(closed_at=Now())


def tell() -> None:
    """Tells what is to be told and was not. A channel that fails is tried again at the next call; a crash may tell something twice."""
    if settings.OPERATOR_ALERT_EMAILS:
        _tell("mailed", _mail)
    if settings.OPERATOR_ALERT_WEBHOOK:
        _tell("posted", _post)


def _tell(channel: str, send: Callable[[Incident, bool], None]) -> None:
    began = Q(**{channel: 0}, closed_at=None, opened_at__lt=Now() - SETTLED_AFTER)
    over = Q(**{channel: BEGAN}, closed_at__isnull=False)
    for incident in Incident.objects.filter(began | over).order_by("opened_at")[:AT_ONCE]:
        ended = incident.closed_at is not None
        try:
            send(incident, ended)
        except (OSError, httpx.HTTPError) as error:  # smtplib's errors are OSErrors
            log.warning("operators could not be told of %s (%s): %s", incident, channel, type(error).__name__)
            return
        Incident.objects.filter(pk=incident.pk).update(**{channel: OVER if ended else BEGAN})


def _mail(incident: Incident, over: bool) -> None:
    subject = f"[AkashML] {'Over' if over else 'Trouble'}: {incident.kind}, {incident.subject}"
    since = f"Seen since {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    until = f", over since {incident.closed_at:%Y-%m-%d %H:%M:%S} UTC" if incident.closed_at else ""
    text = f"{incident.text}\n\n{since}{until}.\n\n{settings.BASE_URL}/admin/operations/\n"
    send_mail(subject, text, None, settings.OPERATOR_ALERT_EMAILS)


def _post(incident: Incident, over: bool) -> None:
    """Raises httpx.HTTPError also for an answer that is none of 2xx. The signature is that of the body, under OPERATOR_ALERT_SECRET."""
    said = {
        "id": incident.pk,
        "event": "incident.over" if over else "incident.began",
        "kind": incident.kind,
        "subject": incident.subject,
        "text": incident.text,
        "opened_at": incident.opened_at.isoformat(),
        "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
    }
    body = json.dumps(said).encode()
    headers = {"Content-Type": "application/json"}
    if settings.OPERATOR_ALERT_SECRET:
        digest = hmac.new(settings.OPERATOR_ALERT_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers["X-AkashML-Signature"] = f"sha256={digest}"
    httpx.post(settings.OPERATOR_ALERT_WEBHOOK, content=body, headers=headers, timeout=TIMEOUT_S).raise_for_status()
