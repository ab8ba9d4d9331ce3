"""Promise: payments, refunds and disputes, told by webhooks in any order, twice, or not at all, end in the balances that Stripe's own
books say. A Hypothesis state machine lives through histories of them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from apps.accounts.models import AccountStatus
from apps.billing import debts, events, stripe_client, topups
from apps.billing.credits import set_balance
from apps.billing.models import Payment
from apps.billing.reconciler import reconcile
from apps.gateway.ledger_check import violations
from tests.payments.shop import USD, VISA, Shop

PENDING_REFUNDS = "4000000000007726"


@pytest.mark.money
@pytest.mark.timeout(300)
def test_every_history_ends_in_the_balances_of_stripes_books(shop: Shop) -> None:
    shop.webhooks(paused=True)

    class History(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.began = time.monotonic()
            shop.simulator.ask("webhooks/drop", {})
            self.payer = shop.payer()
            self.spent = 0
            self.open: list[Payment] = []  # Stripe's pages that nobody has paid yet
            self.paid: list[tuple[Payment, int]] = []  # with the cents that can still go back
            self.pending: list[str] = []
            self.disputes: list[str] = []

        @rule(usd=st.sampled_from([5, 7, 20]))
        def open_page(self, usd: int) -> None:
            if len(self.open) < 5:
                self.open.append(shop.begin_checkout(self.payer, usd))

        @precondition(lambda self: self.open)
        @rule(data=st.data(), slow_refunds=st.booleans())
        def pay(self, data: Any, slow_refunds: bool) -> None:
            payment = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
            shop.pay_page(payment, PENDING_REFUNDS if slow_refunds else VISA)
            self.paid.append((payment, payment.cents))

        @precondition(lambda self: self.paid)
        @rule(data=st.data())
        def come_back(self, data: Any) -> None:
            payment, _ = data.draw(st.sampled_from(self.paid))
            topups.look_again(self.payer.account, payment.pk)

        @precondition(lambda self: self.paid)
        @rule(data=st.data())
        def refund(self, data: Any) -> None:
            number = data.draw(st.integers(0, len(self.paid) - 1))
            payment, left = self.paid[number]
            if left and not self.is_disputed(payment):
                cents = data.draw(st.integers(1, left))
                self.paid[number] = (payment, left - cents)
                made = shop.refund_at_stripe(payment, cents)
                if stripe_client.refund(made).status == "pending":
                    self.pending.append(made)

        @precondition(lambda self: self.pending)
        @rule(succeeds=st.booleans())
        def bank_answers_about_a_refund(self, succeeds: bool) -> None:
            shop.simulator.ask("refunds/end", {"refund": self.pending.pop(), "status": "succeeded" if succeeds else "failed"})

        @precondition(lambda self: self.paid)
        @rule(data=st.data())
        def dispute(self, data: Any) -> None:
            payment, left = data.draw(st.sampled_from(self.paid))
            if left and not self.is_disputed(payment):
                self.disputes.append(shop.dispute(payment, left))

        @precondition(lambda self: self.disputes)
        @rule(status=st.sampled_from(["won", "lost"]))
        def close(self, status: str) -> None:
            shop.close_dispute(self.disputes.pop(0), status)

        @rule(order=st.sampled_from(["created", "reversed", "random"]), copies=st.integers(1, 2))
        def deliver(self, order: str, copies: int) -> None:
            shop.flush(order, copies)

        @rule()
        def lose(self) -> None:
            shop.simulator.ask("webhooks/drop", {})

        @rule(usd=st.integers(1, 10))
        def spend(self, usd: int) -> None:
            before = self.payer.credit
            set_balance(self.payer.account.pk, max(0, before - usd * USD))
            self.spent += before - self.payer.credit

        @invariant()
        def nobody_is_below_zero_and_who_owes_is_suspended(self) -> None:
            debt = debts.debt_of(self.payer.account.pk)
            assert self.payer.credit >= 0
            assert (self.payer.account.status == AccountStatus.SUSPENDED) == (debt > 0)
            assert not (debt and self.payer.credit)

        def is_disputed(self, payment: Payment) -> bool:
            intent = shop.intent_of(payment)
            return any(one["payment_intent"] == intent for one in shop.simulator.books()["disputes"])

        def teardown(self) -> None:
            """What was lost, the reconciler finds."""
            events.process_waiting()
            reconcile(timedelta(seconds=time.monotonic() - self.began + 5))
            debt = debts.debt_of(self.payer.account.pk)
            assert self.payer.credit - debt == shop.net(self.payer) - self.spent
            assert violations() == []

    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=10, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
            derandomize=True,
        ),
    )  # fmt: skip
