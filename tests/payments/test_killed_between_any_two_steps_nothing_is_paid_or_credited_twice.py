"""Promise: `kill -9` of a web or worker process between any two steps of a payment loses nothing and doubles nothing.

The steps are not picked by hand: each flow is run once undisturbed, and after every call to Stripe that changed something there, and
after every commit that it made, another run of it is killed. Then what sweeps do goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import override_settings

from apps.accounts.actions import create_account_for
from apps.billing import auto_charge, auto_topup, cards, events, payments, receipts, reversals
from apps.billing.models import AutoTopup, CardSetup, Payment, PaymentMethod, PaymentStatus, Receipt, Reversal, StripeEvent
from apps.core.ids import uuid7
from tests.payments import flows
from tests.payments.shop import USD, VISA, Payer, Shop
from tests.payments.striker import Striker
from tests.people import new_email
from tests.simulator import SECRET_KEY, WEBHOOK_SECRET, Simulator

pytestmark = [pytest.mark.money, pytest.mark.timeout(600)]
Arguments = dict[str, Any]


@pytest.fixture(scope="module")
def own_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Its books are small, and its webhooks go nowhere: what is waited for must not come by itself."""
    with Simulator(tmp_path_factory.mktemp("stripe")) as simulator:
        yield simulator


@pytest.fixture
def shop(own_stripe: Simulator) -> Iterator[Shop]:
    with override_settings(
        STRIPE_SECRET_KEY=SECRET_KEY, STRIPE_WEBHOOK_SECRET=WEBHOOK_SECRET, STRIPE_API_BASE=own_stripe.address, STRIPE_TIMEOUT_S=60
    ):
        yield Shop(own_stripe, flows.URL.removesuffix("/back"))


@pytest.fixture(scope="module")
def striker(own_stripe: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Striker]:
    made = Striker(tmp_path_factory.mktemp("striker") / "log", own_stripe.environment | {"STRIPE_TIMEOUT_S": "60"})
    yield made
    made.stop()


def by_card(shop: Shop) -> tuple[Payer, Arguments]:
    payer = shop.payer(VISA)
    return payer, {"account": payer.account.pk, "attempt": str(uuid7())}


def begun_page(shop: Shop) -> tuple[Payer, Arguments]:
    payer = shop.payer()
    return payer, {"account": payer.account.pk, "attempt": str(uuid7())}


def paid_page(shop: Shop) -> tuple[Payer, Arguments]:
    payer = shop.payer()
    payment = shop.begin_checkout(payer)
    shop.pay_page(payment)
    return payer, {"account": payer.account.pk, "attempt": str(payment.pk)}


def waiting_event(shop: Shop) -> tuple[Payer, Arguments]:
    payer, arguments = paid_page(shop)
    session = Payment.objects.get(pk=arguments["attempt"]).session_id
    event = StripeEvent.objects.create(
        id=f"evt_{uuid7().hex}", type="checkout.session.completed", object_id=session or "", created_at=Now()
    )
    return payer, {"event": event.pk}


def below_threshold(shop: Shop) -> tuple[Payer, Arguments]:
    payer = shop.payer(VISA)
    auto_topup.configure(payer.account, enabled=True, threshold="5", amount="25", monthly_cap="100")
    return payer, {"account": payer.account.pk}


def paid(shop: Shop) -> tuple[Payer, Arguments]:
    payer = shop.payer(VISA)
    payment = shop.pay_with_card(payer, 25)
    return payer, {"payment": str(payment.pk), "staff": create_account_for(new_email(), staff=True).user.pk}


def typed_card(shop: Shop) -> tuple[Payer, Arguments]:
    payer = shop.payer()
    setup = shop.begin_setup(payer)
    shop.simulator.pay(setup.session_id or "", VISA)
    return payer, {"account": payer.account.pk, "setup": str(setup.pk)}


# By flow: what is there before, and the credit there is afterwards, given whether anything had begun when it was killed.
FLOWS: dict[str, tuple[Callable[[Shop], tuple[Payer, Arguments]], Callable[[Payer], set[int]]]] = {
    "top_up_by_card": (by_card, lambda payer: {25 * USD} if payer.payments else {0}),
    "begin_checkout": (begun_page, lambda payer: {0}),
    "come_back": (paid_page, lambda payer: {25 * USD}),
    "work_on_event": (waiting_event, lambda payer: {25 * USD}),
    "charge_automatically": (below_threshold, lambda payer: {25 * USD}),
    "refund": (paid, lambda payer: {15 * USD} if Reversal.objects.filter(payment__account=payer.account).exists() else {25 * USD}),
    "add_card": (typed_card, lambda payer: {0}),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_it_ends_as_if_nobody_had_been_killed(shop: Shop, striker: Striker, flow: str) -> None:
    before, credits_afterwards = FLOWS[flow]
    payer, arguments = before(shop)
    points = striker.run(flow, arguments)
    assert len(points) > 1, "nothing of it can be interrupted"
    judge(shop, payer, flow, credits_afterwards)
    for number, point in enumerate(points):
        payer, arguments = before(shop)
        passed = striker.run(flow, arguments, number)
        assert passed[-1] == point
        go_on(payer)
        judge(shop, payer, f"{flow}, killed {point}", credits_afterwards)


def go_on(payer: Payer) -> None:
    """A minute later, the sweeps: what a worker finds of this payer's."""
    account = payer.account.pk
    for model in (Payment, CardSetup):
        model.objects.filter(account=account).update(next_check_at=Now())
    Reversal.objects.filter(payment__account=account).update(next_check_at=Now())
    AutoTopup.objects.filter(account=account).update(next_try_at=Now())
    StripeEvent.objects.filter(processed_at=None).update(next_try_at=Now())
    to_the_end(events.process_waiting)
    to_the_end(payments.advance_open)
    if auto_charge.begin_charge(account) is not None:
        Payment.objects.filter(account=account).update(next_check_at=Now())
        to_the_end(payments.advance_open)
    to_the_end(reversals.send_refunds)
    to_the_end(cards.finish_setups)
    receipts.issue_missing()


def to_the_end(sweep: Callable[[], int]) -> None:
    """Other tests leave work behind, which is older."""
    while sweep():
        pass


def judge(shop: Shop, payer: Payer, what: str, credits_afterwards: Callable[[Payer], set[int]]) -> None:
    assert payer.credit in credits_afterwards(payer), what
    assert payer.credit == shop.net(payer), what
    credited = [payment for payment in payer.payments if payment.status == PaymentStatus.SUCCEEDED]
    assert Receipt.objects.filter(payment__in=credited).count() == len(credited) <= 1, what
    if what.startswith("add_card"):
        assert PaymentMethod.objects.filter(account=payer.account, removed_at=None).count() == 1, what


def test_the_points_are_those_of_the_flow(shop: Shop, striker: Striker) -> None:
    _, arguments = by_card(shop)
    points = striker.run("top_up_by_card", arguments)
    assert points == [
        "at the beginning", "after a commit", "after post /payment_intents", "after UPDATE \"billing_payment\" SET", "after post /payment_intents/…/confirm",
        "after a commit", "after a commit",
    ]  # fmt: skip
