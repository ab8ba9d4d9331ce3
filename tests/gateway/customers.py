"""What a test of the hot path needs in the database, each with names of its own: a customer, a model, its price, its backends.

Amounts are dollars as text ("0.01"), prices USD per million tokens as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts.models import Account
from apps.api_keys.actions import UNLIMITED, Limits, create_key
from apps.billing import credits
from apps.billing.models import CreditPool, PoolKind, Posting, WriteOff
from apps.catalog.actions import save_backend, save_model
from apps.catalog.models import Backend, Model
from apps.core.ids import uuid7
from apps.core.money import nano_from_usd, price_from_usd_per_million
from apps.gateway.models import Hold
from apps.usage.models import Inference
from tests import people
from tests.gateway.waiting import wait_for


@dataclass(frozen=True)
class Customer:
    """An account and its first API key."""

    account_id: int
    email: str
    key_id: int
    key: str

    @property
    def balance(self) -> int:
        """Nano-USD that are not spent; what open requests hold included."""
        return credits.balance(self.account_id).remaining

    @property
    def held(self) -> int:
        """Nano-USD that open requests hold."""
        return credits.balance(self.account_id).held

    @property
    def holds(self) -> list[Hold]:
        return list(Hold.objects.filter(account_id=self.account_id).order_by("id"))

    @property
    def inferences(self) -> list[Inference]:
        """The rows of its log, oldest first."""
        return list(Inference.objects.filter(account_id=self.account_id).order_by("id"))

    @property
    def pools(self) -> list[CreditPool]:
        return list(CreditPool.objects.filter(account_id=self.account_id).order_by("kind", "id"))

    @property
    def write_offs(self) -> list[WriteOff]:
        return list(WriteOff.objects.filter(account_id=self.account_id))

    def postings(self, pool: CreditPool) -> list[int]:
        """What was booked into (+) and out of (−) a pool, in order."""
        return list(Posting.objects.filter(pool=pool).order_by("transaction__created_at", "id").values_list("amount", flat=True))

    def grant(self, usd: str, kind: PoolKind = PoolKind.PURCHASED, expires_at: datetime | None = None) -> CreditPool:
        """More credit, in a pool of its own."""
        done = credits.grant_credit(self.account_id, nano_from_usd(usd), kind, f"test:{uuid7()}", expires_at=expires_at)
        return CreditPool.objects.get(pk=done.pool_id)

    def new_key(self, limits: Limits = UNLIMITED) -> str:
        return create_key(Account.objects.get(pk=self.account_id), "another", limits)[1]

    def settled(self, count: int = 1, timeout: float = 30.0) -> list[Inference]:
        """Waits until `count` requests are logged and none is open, and returns their rows."""
        wait_for(lambda: len(self.inferences) >= count and not self.holds, timeout, f"{count} settled requests of {self.email}")
        rows = self.inferences
        assert len(rows) == count, rows
        return rows

    def inference(self, identifier: str | UUID) -> Inference:
        """The row of an `Inference-Id`. Raises Inference.DoesNotExist."""
        return Inference.objects.get(pk=identifier, account_id=self.account_id)


@dataclass(frozen=True)
class TestModel:
    """A model in the catalogue. `name` is what callers ask for, `upstream` what its backend is asked for."""

    __test__ = False

    id: int
    name: str
    upstream: str
    backend_ids: tuple[int, ...]

    def set_price(self, **prices: str) -> None:
        """New prices (USD per million tokens: `input`, `output`, `cached_input`) from now on."""
        save_model(self.name, {}, _pico(prices))


def new_customer(usd: str = "10", limits: Limits = UNLIMITED, kind: PoolKind = PoolKind.PURCHASED) -> Customer:
    """An account with exactly so much credit (none for "0") and one key."""
    registered = people.new_customer()
    row, key = create_key(registered.account, "test", limits)
    customer = Customer(registered.account.pk, registered.user.email, row.pk, key)
    if nano_from_usd(usd):
        customer.grant(usd, kind)
    return customer


def new_payer(usd: str = "10") -> Customer:
    """A customer without a user: nobody can log in, which costs a tenth of the time."""
    with transaction.atomic():
        account = Account.objects.create(name="payer")
        row, key = create_key(account, "test")
        customer = Customer(account.pk, "", row.pk, key)
        customer.grant(usd)
    return customer


def new_model(
    *backends: str,
    prices: dict[str, str] | None = None,
    upstream: str | None = None,
    backend_fields: dict[str, Any] | None = None,
    **fields: Any,
) -> TestModel:
    """A model with a backend at each base URL. By default $1 per million input tokens and $2 per million output tokens.

    `fields` are columns of Model, `backend_fields` columns of Backend (time-outs, max_concurrency, api_key)."""
    name = f"tests/model-{uuid7().hex}"
    default_max_output = fields.pop("default_max_output", None)
    upstream_model = upstream or f"upstream-{uuid7().hex[-8:]}"
    with transaction.atomic():  # so that no process ever sees the model without its backends
        model, _ = save_model(name, fields, _pico({"input": "1", "output": "2"} if prices is None else prices))
        if default_max_output is not None:
            Model.objects.filter(pk=model.pk).update(default_max_output=default_max_output)
        made: list[Backend] = [
            save_backend(model, url, {"upstream_model": upstream_model, **(backend_fields or {})})[0] for url in backends
        ]
    return TestModel(model.pk, name, upstream_model, tuple(backend.pk for backend in made))


def _pico(prices: dict[str, str]) -> dict[str, int]:
    return {f"{name}_pico": price_from_usd_per_million(price) for name, price in prices.items()}
