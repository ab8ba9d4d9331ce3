"""The catalogue as one immutable value, read in a constant number of queries: what a gateway process keeps in memory."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection, transaction

from apps.catalog.models import Backend, Model, Price
from apps.catalog.pricing import Rates
from apps.catalog.queries import rates_of
from apps.core.crypto import Undecryptable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BackendEntry:
    """A backend in use. Time-outs in seconds, none of them empty; `probe_ok` is None until the first probe."""

    id: int
    base_url: str
    api_key: str = field(repr=False)
    upstream_model: str
    weight: int
    max_concurrency: int | None
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    probe_ok: bool | None


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that is offered, with its active backends and its prices by the Unix second they are in force from."""

    id: int
    public_id: str
    name: str
    description: str
    created: int
    context_length: int
    max_output_length: int | None
    default_max_output: int
    quantization: str
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    supported_sampling_parameters: tuple[str, ...]
    features: frozenset[str]
    reasoning: dict[str, Any]
    backends: tuple[BackendEntry, ...]
    prices: tuple[tuple[float, Rates], ...]

    def rates_at(self, epoch: float) -> Rates | None:
        """The price in force at a Unix time by the database's clock. None: the model cannot be called then."""
        later = bisect_right(self.prices, epoch, key=lambda price: price[0])
        return self.prices[later - 1][1] if later else None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Models by public id, and the database's clock (Unix seconds) when they were read."""

    models: Mapping[str, ModelEntry]
    db_now: float


def read_catalog() -> Catalog:
    """Read the whole catalogue: four queries of one snapshot, however large it is. Blocking; call it in a thread.

    A backend whose key cannot be decrypted is left out, so that it cannot take the others down.
    """
    close_old_connections()  # no request does this for a thread of ours, and Postgres may have been restarted
    with transaction.atomic(durable=True):
        return _read()


def _read() -> Catalog:
    with connection.cursor() as cursor:
        # A model that is made while this reads must not be seen without its backends.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        [db_now] = cursor.fetchone()
    backends = defaultdict(list)
    for backend in Backend.objects.filter(is_active=True).order_by("id"):
        entry = _backend_entry(backend)
        if entry is not None:
            backends[backend.model_id].append(entry)
    prices = defaultdict(list)
    # In the order they take over; of two for the same moment the one written last.
    for price in Price.objects.order_by("effective_from", "id"):
        prices[price.model_id].append((_epoch(price.effective_from), rates_of(price)))
    models = {
        model.public_id: _model_entry(model, backends[model.pk], prices[model.pk])
        for model in Model.objects.filter(is_active=True).order_by("public_id")
    }
    return Catalog(MappingProxyType(models), db_now)


def _model_entry(model: Model, backends: Iterable[BackendEntry], prices: Iterable[tuple[float, Rates]]) -> ModelEntry:
    return ModelEntry(
        id=model.pk,
        public_id=model.public_id,
        name=model.name,
        description=model.description,
        created=int(_epoch(model.created_at)),
        context_length=model.context_length,
        max_output_length=model.max_output_length,
        default_max_output=model.default_max_output,
        quantization=model.quantization,
        input_modalities=tuple(model.input_modalities),
        output_modalities=tuple(model.output_modalities),
        supported_sampling_parameters=tuple(model.supported_sampling_parameters),
        features=frozenset(model.supported_features),
        reasoning=model.reasoning,
        backends=tuple(backends),
        prices=tuple(prices),
    )


def _backend_entry(backend: Backend) -> BackendEntry | None:
    try:
        api_key = backend.api_key
    except Undecryptable as error:
        log.error("Backend %s is left out of the catalogue: %s", backend.pk, error)
        return None
    return BackendEntry(
        id=backend.pk,
        base_url=backend.base_url.rstrip("/"),
        api_key=api_key,
        upstream_model=backend.upstream_model,
        weight=backend.weight,
        max_concurrency=backend.max_concurrency,
        connect_timeout_s=backend.connect_timeout_s,
        first_byte_timeout_s=backend.first_byte_timeout_s or settings.BACKEND_TIMEOUT_S,
        idle_timeout_s=backend.idle_timeout_s or settings.BACKEND_TIMEOUT_S,
        probe_ok=backend.probe_ok,
    )


def _epoch(moment: datetime) -> float:
    return moment.timestamp()
