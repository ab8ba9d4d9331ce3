"""The keys that a client can be given, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass

from apps.api_keys.actions import Limits
from apps.usage.models import Inference, Status
from tests.clients.scripted import CACHED_TOKENS, HELLO, PROMPT_TOKENS
from tests.fakes import FakeBackend
from tests.gateway.customers import Customer, new_customer
from tests.gateway.waiting import wait_for

CREDIT_USD = 10
NANO = 10**9
# What the fixture `model` costs: USD per million tokens, and nano-USD a token.
PRICES = {"input": "1", "cached_input": "0.5", "output": "2"}
INPUT, CACHED_INPUT, OUTPUT = 1_000, 500, 2_000


@dataclass(frozen=True)
class Keys:
    """`rich` has no limits; the others are there to be refused."""

    rich: Customer
    poor: Customer
    once_a_minute: Customer
    one_at_a_time: Customer

    def for_node(self) -> dict[str, str]:
        return {
            "rich": self.rich.key,
            "poor": self.poor.key,
            "once_a_minute": self.once_a_minute.key,
            "one_at_a_time": self.one_at_a_time.key,
            "wrong": "akml-" + "0" * 40,
        }

    def assert_charged(self, inference_id: str) -> None:
        """The rich customer's request was answered with HELLO and charged at the price of the fixture `model`."""
        row = self.rich.inference(inference_id)
        counts = (row.status, row.prompt_tokens, row.cached_tokens, row.completion_tokens)
        assert counts == (Status.COMPLETED, PROMPT_TOKENS, CACHED_TOKENS, len(HELLO))
        assert row.charged == (PROMPT_TOKENS - CACHED_TOKENS) * INPUT + CACHED_TOKENS * CACHED_INPUT + len(HELLO) * OUTPUT

    def assert_all_settled(self, backend: FakeBackend) -> None:
        """Each request that reached the backend has its row, nothing is held, and what left the balances is what the rows say."""
        customers = [self.rich, self.once_a_minute, self.one_at_a_time]

        def rows() -> list[Inference]:
            return [row for customer in customers for row in customer.inferences]

        wait_for(lambda: not any(customer.holds for customer in customers), what="the end of all holds")
        assert len(rows()) == len(backend.requests)
        assert all(customer.held == 0 for customer in customers)
        assert sum(CREDIT_USD * NANO - customer.balance for customer in customers) == sum(row.charged for row in rows()) > 0


def make_keys() -> Keys:
    """All but the poor one have CREDIT_USD."""
    credit = str(CREDIT_USD)
    return Keys(
        rich=new_customer(credit),
        poor=new_customer("0"),
        once_a_minute=new_customer(credit, Limits(rpm=1)),
        one_at_a_time=new_customer(credit, Limits(max_concurrent=1)),
    )
