"""Telling the platform what happened: signed, tried again after growing pauses, twice and out of order when asked for."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import random
import sqlite3
import time
from contextlib import suppress
from typing import Any

import aiohttp

from apps.stripe_simulator import checkout
from apps.stripe_simulator.world import World

log = logging.getLogger(__name__)

TIMEOUT_S = 20
MOST_ATTEMPTS = 16
LONGEST_PAUSE_S = 3600
FIRST_RETRY_S = 1.0  # Stripe's are minutes and hours
AT_ONCE = 8
ORDERS = ("created", "reversed", "random")
SWEEP_S = 5


def signature(secret: str, payload: bytes, at: int) -> str:
    """The Stripe-Signature header for a body sent at that Unix second."""
    signed = hmac.digest(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hex()
    return f"t={at},v1={signed}"


class Webhooks:
    """Sends what is due, from the store, so that nothing is lost when the process is killed; something may be sent twice then."""

    def __init__(self, world: World, secret: str) -> None:
        self.world, self.secret = world, secret
        self.wake = asyncio.Event()
        self.sending: set[int] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.session: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as self.session:
            while True:
                self.wake.clear()
                try:
                    with self.world.store.transaction():
                        checkout.expire_due(self.world)
                    pause = self.start_due()
                except sqlite3.Error:
                    log.exception("The webhooks are looked at again in a second")
                    pause = 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), pause)

    def start_due(self) -> float:
        """Begin to send what is due. Returns the seconds until something more may be."""
        if self.setting("paused", False):
            return SWEEP_S
        rows = [row for row in self.pending() if row[0] not in self.sending]
        due = [row for row in rows if row[2] <= time.time()]
        for number, event_id, _ in arranged(due, self.setting("order", "created")):
            self.sending.add(number)
            task = asyncio.create_task(self.deliver(number, event_id))
            self.tasks.add(task)
            task.add_done_callback(self.ended)
        later = [row[2] - time.time() for row in rows if row not in due]
        return max(0.05, min([SWEEP_S, *later]))

    def ended(self, task: asyncio.Task[None]) -> None:
        """A delivery that broke is said, and made again after the next look."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A delivery broke", exc_info=error)

    async def deliver(self, number: int, event_id: str) -> None:
        """Send one event, and write down how it went."""
        try:
            async with self.slots:
                statuses = await asyncio.gather(*(self.send(event_id) for _ in range(self.setting("copies", 1))))
            self.note(number, min(statuses, key=lambda status: 200 <= status < 300))
        finally:
            self.sending.discard(number)
            self.wake.set()

    def note(self, number: int, status: int) -> None:
        """Write down an attempt; a failed one is due again after a pause twice as long as the last."""
        (attempts,) = self.world.store.db.execute("SELECT attempts FROM delivery WHERE seq = ?", (number,)).fetchone() or (None,)
        if attempts is None:
            return  # dropped in the meantime
        done = 200 <= status < 300 or attempts + 1 >= MOST_ATTEMPTS
        pause = min(self.setting("first_retry_s", FIRST_RETRY_S) * 2**attempts, LONGEST_PAUSE_S)
        self.world.store.db.execute(
            "UPDATE delivery SET attempts = ?, status = ?, due = ? WHERE seq = ?",
            (attempts + 1, status, None if done else time.time() + pause, number),
        )

    async def send(self, event_id: str) -> int:
        """Post the event; the HTTP status, or 0 when there was no answer."""
        assert self.session is not None, "run() has begun"
        payload = self.payload(event_id)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(self.setting("secret", self.secret), payload, int(time.time())),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            async with self.session.post(self.url, data=payload, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("Webhook %s: no answer (%s)", event_id, error or type(error).__name__)
            return 0

    def payload(self, event_id: str) -> bytes:
        return json.dumps(self.world.get("event", event_id), indent=2).encode()

    @property
    def url(self) -> str:
        return str(self.world.store.setting("webhook_url", self.world.webhook_url))

    def setting(self, name: str, default: Any) -> Any:
        return self.world.store.setting(f"webhook_{name}", default)

    def pending(self) -> list[tuple[int, str, float]]:
        """What is still to be sent: number, event, Unix time when it is due."""
        return self.world.store.db.execute("SELECT seq, event, due FROM delivery WHERE due IS NOT NULL ORDER BY seq").fetchall()


def arranged(rows: list[Any], order: str) -> list[Any]:
    if order == "random":
        return random.sample(rows, len(rows))
    return rows[::-1] if order == "reversed" else rows
