"""Customers who pay, and the platform's side of it, over real HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections

from akashml.celery import app as celery
from apps.accounts.actions import Registered
from apps.accounts.models import Account
from apps.billing import cards, stripe_client, topups
from apps.billing.credits import balance
from apps.billing.customers import ensure_customer
from apps.billing.models import CardSetup, Payment, PaymentMethod
from apps.core.ids import uuid7
from tests.people import new_customer
from tests.simulator import Simulator

USD = 10**9
VISA, DECLINED, ASKS_ALWAYS = "4242424242424242", "4000000000000341", "4000002760003184"
PATIENCE_S = 90.0
Value = TypeVar("Value")


@dataclass
class Payer:
    """A user with an account, and their cards."""

    registered: Registered

    @property
    def account(self) -> Account:
        return Account.objects.get(pk=self.registered.account.pk)

    @property
    def credit(self) -> int:
        return balance(self.registered.account.pk).remaining

    @property
    def card(self) -> PaymentMethod:
        return PaymentMethod.objects.get(account=self.account, is_default=True)

    @property
    def payments(self) -> list[Payment]:
        return list(Payment.objects.filter(account=self.account).order_by("created_at"))


@dataclass
class Shop:
    simulator: Simulator
    web: str
    lost: list[str] = field(default_factory=list)

    def payer(self, card: str = "") -> Payer:
        """With `card`, a saved one that is charged by default, without the page on which it was typed."""
        payer = Payer(new_customer())
        if card:
            customer = ensure_customer(payer.account)
            made = self.simulator.ask("payment_methods", {"customer": customer, "number": card})
            cards.add_paid_with(payer.registered.account.pk, customer, made["id"])
        return payer

    def save_card(self, payer: Payer, number: str, **more: Any) -> PaymentMethod:
        """Through Stripe's page, and back by the browser."""
        setup = self.begin_setup(payer, **more)
        self.simulator.pay(setup.session_id or "", number, authenticate=True)
        card = cards.look_again(payer.account, setup.pk)
        assert card is not None
        return card

    def begin_setup(self, payer: Payer, **more: Any) -> CardSetup:
        cards.start_setup(payer.account, return_url=f"{self.web}/back/{{setup}}", cancel_url=self.web, address=None, **more)
        return CardSetup.objects.filter(account=payer.account).latest("created_at")

    def begin_checkout(self, payer: Payer, usd: int = 25, *, attempt: UUID | None = None, save_card: bool = False) -> Payment:
        return topups.start_checkout(
            payer.account, usd * USD, attempt=attempt or uuid7(), return_url=f"{self.web}/back", cancel_url=self.web, save_card=save_card
        )

    def pay_page(self, payment: Payment, number: str = VISA, **more: Any) -> Any:
        """As a customer on Stripe's page."""
        return self.simulator.pay(payment.session_id or "", number, **more)

    def pay_with_card(self, payer: Payer, usd: int = 25, *, attempt: UUID | None = None) -> Payment:
        return topups.pay_with_card(
            payer.account, usd * USD, card_id=payer.card.pk, attempt=attempt or uuid7(), return_url=f"{self.web}/back"
        )

    def paid(self, usd: int = 25, card: str = VISA) -> tuple[Payer, Payment]:
        payer = self.payer(card)
        payment = self.pay_with_card(payer, usd)
        assert payment.pool_id is not None
        return payer, payment

    def attached_cards(self, customer: str) -> list[str]:
        """What Stripe has of them."""
        return [card.id for card in stripe_client._client().v1.customers.payment_methods.list(customer, {"type": "card"}).data]

    def charge_of(self, intent_id: str | None) -> str:
        charges = self.simulator.books()["charges"]
        [charge] = [one["id"] for one in charges if one["payment_intent"] == intent_id and one["status"] == "succeeded"]
        return str(charge)

    def net(self, payer: Payer) -> int:
        """What Stripe says it has of the payer, nano-USD."""
        found = self.simulator.books()["customers"].get(ensure_customer(payer.account), {"net": 0})
        return int(found["net"]) * USD // 100

    def refund_at_stripe(self, payment: Payment, cents: int) -> str:
        """In Stripe's dashboard, without us."""
        made = stripe_client._client().v1.refunds.create({"payment_intent": self.intent_of(payment), "amount": cents})
        return made.id

    def intent_of(self, payment: Payment) -> str:
        """Also of a page that was paid without us knowing."""
        payment.refresh_from_db()
        return payment.intent_id or stripe_client.session(payment.session_id or "").intent_id

    def dispute(self, payment: Payment, cents: int = 0) -> str:
        return str(self.simulator.ask("disputes", {"charge": self.charge_of(self.intent_of(payment)), "amount": cents})["id"])

    def close_dispute(self, dispute: str, status: str) -> None:
        self.simulator.ask("disputes/close", {"dispute": dispute, "status": status})

    def webhooks(self, **settings: Any) -> None:
        self.simulator.ask("webhooks", settings)

    def flush(self, order: str = "created", copies: int = 1) -> list[Any]:
        """Deliver all events that wait."""
        return list(self.simulator.ask("webhooks/flush", {"order": order, "copies": copies}))


def at_once(calls: list[Callable[[], Value]]) -> list[Value]:
    """All of them in threads that start together."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Value]) -> Value:
        barrier.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


@contextmanager
def held_elsewhere(payer: Payer) -> Iterator[None]:
    """Another session has the account's lock."""
    other = connections["default"].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR NO KEY UPDATE", [payer.registered.account.pk])
        yield
    finally:
        other.connection.rollback()  # a session that ends lets go only a moment later
        other.close()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadedWSGIServer):
    request_queue_size = 128


@contextmanager
def web_server() -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), _Quiet, connections_override={})
    server.set_app(get_wsgi_application())
    celery.conf.task_always_eager = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        celery.conf.task_always_eager = False
