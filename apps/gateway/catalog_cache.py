"""The catalogue as this process knows it: read at start, again at every change (LISTEN), and now and then as a net."""

from __future__ import annotations

import asyncio
import logging
import time

import psycopg
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError

from apps.catalog.pricing import Rates
from apps.catalog.snapshot import Catalog, ModelEntry, read_catalog
from apps.gateway.database import ENDS
from apps.gateway.errors import ModelNotFound

log = logging.getLogger(__name__)

REFRESH_AT_LEAST_EVERY_S = 30.0
RECONNECT_S = 0.5


class CatalogCache:
    """`model` and `rates` answer from memory. The clock is the database's, carried on by our monotonic one."""

    def __init__(self) -> None:
        self._catalog: Catalog | None = None
        self._read_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._read()
        self._task = asyncio.create_task(self._follow(), name="catalog")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def current(self) -> Catalog:
        assert self._catalog is not None, "the catalogue is read before the first request"
        return self._catalog

    def now(self) -> float:
        """The database's clock, Unix seconds."""
        return self.current.db_now + time.monotonic() - self._read_at

    def find(self, public_id: str) -> tuple[ModelEntry, Rates]:
        """A model that can be called, and the price in force. Clients that take no slash in a model's name write `--` for it.

        Raises ModelNotFound."""
        models = self.current.models
        model = models.get(public_id) or models.get(public_id.replace("--", "/", 1))
        rates = model.rates_at(self.now()) if model is not None else None
        if model is None or rates is None:
            raise ModelNotFound(f"The model {public_id!r} does not exist. GET /v1/models lists those that do.", param="model")
        return model, rates

    def name_of(self, model_id: int) -> str:
        """The public id of a model by its number; the number for one that is gone."""
        return next((name for name, model in self.current.models.items() if model.id == model_id), str(model_id))

    async def _read(self) -> None:
        self._catalog = await sync_to_async(read_catalog, thread_sensitive=False)()
        self._read_at = time.monotonic()

    async def _follow(self) -> None:
        """Listens for changes; whatever happened while the connection was away is read after a reconnect."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    settings.DATABASE_URL, autocommit=True, application_name="akashml catalog", **ENDS
                ) as connection:
                    await connection.execute("LISTEN catalog_changed")
                    await self._read()
                    while True:
                        # Several changes in a row (a form with its rows) are one read.
                        async for _ in connection.notifies(timeout=REFRESH_AT_LEAST_EVERY_S, stop_after=1):
                            log.info("the catalogue changed")
                        await self._read()
            except (psycopg.Error, DatabaseError, OSError) as error:
                log.warning("catalogue: Postgres cannot be reached (%s); serving what was read before", type(error).__name__)
            except Exception:
                log.exception("catalogue: an error of our own; serving what was read before")
            await asyncio.sleep(RECONNECT_S)
