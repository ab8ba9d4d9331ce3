"""The keys that a client can be given, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass

from apps.api_keys.actions import Limits
from tests.gateway.customers import Customer, new_customer


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


def make_keys() -> Keys:
    return Keys(new_customer("10"), new_customer("0"), new_customer("10", Limits(rpm=1)), new_customer("10", Limits(max_concurrent=1)))
