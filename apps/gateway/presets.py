"""From the slug in a request to what the account's preset of that name says. A process remembers what it has looked up for as long as it
hears of changes; a process where nobody names a preset asks nothing and listens to nothing."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict

import psycopg
from django.conf import settings

from apps.core.batching import Batcher
from apps.core.batching import Unavailable as LinkUnavailable
from apps.gateway.database import ENDS, Link, OutcomeUnknown
from apps.gateway.errors import PresetNotFound, Unavailable
from apps.gateway.openai.fields import decode_fields
from apps.presets.merging import PresetEntry
from apps.presets.models import SLUG

log = logging.getLogger(__name__)

REMEMBERED = 20_000
REMEMBERED_BYTES = 32 * 1024 * 1024
PATIENCE_S = 5.0
RECONNECT_S = 0.5
# A connection that has died without a word is noticed by a question once in so many seconds.
ASK_EVERY_S = 15.0

LOOK_UP = """SELECT w.n, p.model, p.parameters, p.system_prompt
  FROM unnest(%s::bigint[], %s::text[]) WITH ORDINALITY w(account_id, slug, n)
  JOIN presets_preset p ON p.account_id = w.account_id AND p.slug = w.slug"""

Place = tuple[int, str]  # account and slug


class Presets:
    def __init__(self) -> None:
        self._link = Link("presets")
        self._batcher = Batcher[Place, PresetEntry | int]("presets", self._look_up)
        self._known: OrderedDict[Place, PresetEntry | int] = OrderedDict()  # 0: there is none
        self._bytes = 0
        self._listener: asyncio.Task[None] | None = None
        self._listening = False
        self._changes = 0  # heard of so far: what was asked before one and answered after it may be old

    async def start(self) -> None:
        self._batcher.start()

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        self._link.abort()
        await self._batcher.stop()
        await self._link.close()

    async def find(self, account_id: int, slug: str) -> PresetEntry:
        """Raises PresetNotFound and Unavailable."""
        place = account_id, slug
        # What can be no slug is not asked for: Postgres takes no text with a null character.
        found = self._known.get(place) if SLUG.match(slug) else 0
        if found is None:
            if self._listener is None:
                self._listener = asyncio.create_task(self._listen(), name="presets")
            asked_at = self._changes
            try:
                async with asyncio.timeout(PATIENCE_S):
                    found = await self._batcher.submit(place)
            except (LinkUnavailable, TimeoutError):
                raise Unavailable(
                    "The platform is busy or restarting. Nothing was charged; try again.", headers=[(b"retry-after", b"2")]
                ) from None
            if self._listening and asked_at == self._changes:
                self._remember(place, found)
        elif place in self._known:
            self._known.move_to_end(place)
        if not isinstance(found, PresetEntry):
            raise PresetNotFound(f"There is no preset {slug!r} in this account: GET /api/v1/presets lists those there are.", param="preset")
        return found

    async def _look_up(self, places: list[Place]) -> list[PresetEntry | int]:
        asked = [account_id for account_id, _ in places], [slug for _, slug in places]
        try:
            rows = await self._link.rows(LOOK_UP, asked)
        except OutcomeUnknown:  # the connection may have been dead for long; reading twice does no harm
            rows = await self._link.rows(LOOK_UP, asked)
        found: list[PresetEntry | int] = [0] * len(places)
        for number, model, parameters, system_prompt in rows:
            found[number - 1] = PresetEntry(places[number - 1][1], model, decode_fields(parameters), system_prompt)
        return found

    def _remember(self, place: Place, found: PresetEntry | int) -> None:
        self._forget(place)
        self._known[place] = found
        self._bytes += _size(found)
        while len(self._known) > REMEMBERED or self._bytes > REMEMBERED_BYTES:
            self._bytes -= _size(self._known.popitem(last=False)[1])

    def _forget(self, place: Place) -> None:
        if (found := self._known.pop(place, None)) is not None:
            self._bytes -= _size(found)

    def _forget_all(self) -> None:
        self._changes += 1
        self._known.clear()
        self._bytes = 0

    async def _listen(self) -> None:
        """Forgets what has changed. While nothing can be heard, nothing is remembered."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    settings.DATABASE_URL, autocommit=True, application_name="akashml preset changes", **ENDS
                ) as connection:
                    await connection.execute("LISTEN presets_changed")
                    self._forget_all()
                    self._listening = True
                    while True:
                        async for notice in connection.notifies(timeout=ASK_EVERY_S):
                            self._changes += 1
                            account_id, _, slug = notice.payload.partition(" ")
                            self._forget((int(account_id), slug))
                        async with asyncio.timeout(PATIENCE_S):
                            await connection.execute("SELECT 1")
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("presets: Postgres cannot be reached (%s); each request that names one asks anew", type(error).__name__)
            except Exception:
                log.exception("presets: an error of our own; each request that names one asks anew")
            finally:
                self._listening = False
                self._forget_all()
            await asyncio.sleep(RECONNECT_S)


def _size(found: PresetEntry | int) -> int:
    """Bytes of its texts, roughly."""
    if isinstance(found, int):
        return 0
    return 4 * len(found.system_prompt) + sum(len(bytes(value)) for value in found.parameters.values())
