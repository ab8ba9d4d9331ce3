"""Sending webhooks that are owed: a few at once, again with longer and longer pauses, at most MOST_ATTEMPTS times.

Receivers are strangers: https alone, at addresses of the public internet (judged when connecting), no redirects, nothing of an answer but
its status is read, and whoever is slow is cut off. One sweep at a time runs in all workers, so that slow receivers cannot occupy them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from apps.billing.claims import claim
from apps.budgets.actions import webhook_rules
from apps.budgets.messages import SIGNATURE_HEADER, TEST, signature
from apps.budgets.models import Budget, Delivery
from apps.core.crypto import Undecryptable
from apps.core.server_requests import caused_by_tls, open_checked

log = logging.getLogger(__name__)

# After the first attempt, after the second, …: given up after about a day and a half. A test is tried once.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 3_600, 4 * 3_600, 12 * 3_600, 18 * 3_600))
MOST_ATTEMPTS = len(PAUSES) + 1
TIMEOUT_S = 10.0
AT_ONCE = 16
BATCH = 64
CLAIM = timedelta(minutes=3)  # longer than a batch can take: BATCH / AT_ONCE × TIMEOUT_S
KEPT = timedelta(days=30)
KEPT_OF_ACCOUNT = 200
LOCK = "budgets.deliver"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery as it is sent now; without a `secret` it cannot be."""

    delivery: Delivery
    url: str
    secret: str


def deliver_due() -> int:
    """Sends what is due; returns how many webhooks were taken by their receivers. 0 while another worker is at it."""
    with _alone() as mine:
        if not mine:
            return 0
        taken = claim(Delivery.objects.filter(ended_at=None), "next_try_at", CLAIM, BATCH)
        parcels = [parcel for pk in taken if (parcel := _parcel(pk)) is not None]
        outcomes = asyncio.run(_send_all(parcels))
        for parcel, (delivered, outcome) in zip(parcels, outcomes, strict=True):
            _note(parcel.delivery, delivered, outcome)
        return sum(delivered for delivered, _ in outcomes)


def forget_old() -> None:
    """Ended deliveries are kept for a while, and of one account at most so many."""
    ended = Delivery.objects.exclude(ended_at=None)
    ended.filter(ended_at__lt=Now() - KEPT).delete()
    for account_id in Budget.objects.values_list("pk", flat=True):
        oldest_kept = (
            ended.filter(account_id=account_id).order_by("-pk").values_list("pk", flat=True)[KEPT_OF_ACCOUNT : KEPT_OF_ACCOUNT + 1].first()
        )
        if oldest_kept is not None:
            ended.filter(account_id=account_id, pk__lte=oldest_kept).delete()


def _parcel(pk: UUID) -> Parcel | None:
    """None when the webhook is gone meanwhile. The attempt counts from here on."""
    delivery = Delivery.objects.filter(pk=pk).first()
    budget = Budget.objects.exclude(webhook_url="").filter(pk=delivery.account_id).first() if delivery else None
    if delivery is None or budget is None:
        return None
    Delivery.objects.filter(pk=pk).update(attempts=F("attempts") + 1)
    delivery.attempts += 1
    try:
        secret = budget.secret
    except Undecryptable:
        log.error("the webhook secret of account %s cannot be decrypted", budget.pk)
        secret = ""
    return Parcel(delivery, budget.webhook_url, secret)


async def _send_all(parcels: list[Parcel]) -> list[tuple[bool, str]]:
    room = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:

        async def send_one(parcel: Parcel) -> tuple[bool, str]:
            async with room:
                return await send(client, parcel)

        return await asyncio.gather(*(send_one(parcel) for parcel in parcels))


async def send(client: httpx.AsyncClient, parcel: Parcel) -> tuple[bool, str]:
    """Whether the receiver took it (2xx within TIMEOUT_S seconds), and a text for its owner."""
    if not parcel.secret:
        return False, "The signing secret cannot be read: rotate it"
    started, body = time.monotonic(), parcel.delivery.body
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "AkashML-Webhooks/1",
        SIGNATURE_HEADER: signature(parcel.secret, body, int(time.time())),
    }
    try:
        async with asyncio.timeout(TIMEOUT_S):
            response = await open_checked(client, "POST", parcel.url, webhook_rules(), headers, body.encode())
            await response.aclose()
    except (TimeoutError, httpx.TimeoutException):
        return False, f"No answer within {TIMEOUT_S:g} seconds"
    except socket.gaierror:
        return False, "The host name cannot be resolved"
    except httpx.ConnectError as error:
        return False, "TLS failed: is the certificate valid?" if caused_by_tls(error) else "Takes no connections"
    except httpx.HTTPError as error:
        return False, f"Breaks off or does not speak HTTP ({type(error).__name__})"
    except (ValueError, httpx.InvalidURL) as error:
        return False, f"{str(error)[:1].upper()}{str(error)[1:190]}"
    took = (time.monotonic() - started) * 1000
    redirected = ": redirects are not followed" if response.is_redirect else ""
    return response.is_success, f"HTTP {response.status_code} after {took:.0f} ms{redirected}"


def _note(delivery: Delivery, delivered: bool, outcome: str) -> None:
    rows = Delivery.objects.filter(pk=delivery.pk)
    if delivered or delivery.event == TEST or delivery.attempts >= MOST_ATTEMPTS:
        rows.update(delivered=delivered, outcome=outcome, ended_at=Now())
    else:
        rows.update(outcome=outcome, next_try_at=Now() + PAUSES[delivery.attempts - 1])


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other worker is in here. A worker that dies leaves the lock with its connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [LOCK])
        [mine] = cursor.fetchone() or [False]
        try:
            yield bool(mine)
        finally:
            if mine:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [LOCK])
