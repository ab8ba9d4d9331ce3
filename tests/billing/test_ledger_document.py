"""docs/ledger.md tells the truth: its worked examples come out as written, and its invariants are those that are checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.billing.models import PoolKind
from apps.catalog.pricing import Rates, Usage, cost_nano
from apps.core.money import price_from_usd_per_million, price_from_usd_per_request
from apps.gateway.ledger_check import INVARIANTS
from apps.gateway.metering import charge
from apps.usage.models import Status
from tests.gateway.database import ADMITTED, SETTLED, Database, Ending, Request

pytest_plugins = ["tests.gateway.fixtures"]

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text()
EXAMPLES = re.findall(r"^```example\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def rates_of(words: dict[str, str]) -> Rates:
    return Rates(
        price_id=1,
        input_pico=price_from_usd_per_million(words["input"]),
        cached_input_pico=price_from_usd_per_million(words["cached"]),
        output_pico=price_from_usd_per_million(words["output"]),
        request_pico=price_from_usd_per_request(words["request"]),
    )


def numbered(text: str) -> dict[str, str]:
    """`input 1 output 2` as a dictionary."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


class Example:
    """Plays the lines of an example, one request of one account."""

    def __init__(self, money: Database) -> None:
        self.money = money
        self.account = money.account()
        self.process = money.register()

    def price(self, text: str) -> None:
        self.rates = rates_of(numbered(text))

    def pool(self, text: str) -> None:
        kind, amount = text.split()
        self.money.pool(self.account, int(amount), PoolKind[kind.upper()])

    def admit(self, text: str) -> None:
        said = {name: int(value) for name, value in numbered(text).items()}
        base = said["prompt"] * self.rates.input_pico + self.rates.request_pico
        self.request = Request(
            self.account, base_pico=base, output_pico=self.rates.output_pico, output_wanted=said["output"], output_least=said["output"]
        )
        assert self.money.admit(self.process, self.request)[0].code == ADMITTED
        self.held = self.money.holds(self.account)[self.request.id].amount
        assert self.held == said["holds"]
        assert self.held == cost_nano(Usage(said["prompt"], said["output"]), self.rates)

    def settle(self, text: str) -> None:
        how, _, rest = text.partition(" ")
        said = {name: int(value) for name, value in numbered(rest).items()}
        status = Status[how.upper()]
        reported = Usage(said["prompt"], said["output"], said["cached"]) if status == Status.COMPLETED else None
        paid = charge(
            status, reported=reported, prompt_tokens=said["prompt"], output_tokens=said["output"], rates=self.rates, held=self.held
        )
        assert paid.estimated == (status != Status.COMPLETED)
        assert self.money.settle(Ending(self.request.id, self.account, cost=paid.cost, status=status)) == [(SETTLED, said["charged"])]

    def left(self, text: str) -> None:
        assert [remaining for remaining, _ in self.money.pools(self.account)] == [int(amount) for amount in text.split("+")]

    def written(self, text: str) -> None:
        assert self.money.written_off(self.account) == int(text.removeprefix("off "))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_worked_examples_of_the_document_come_out_as_written(money: Database, example: str) -> None:
    played = Example(money)
    for line in example.splitlines():
        verb, _, text = line.partition(" ")
        getattr(played, verb)(text.strip())


def test_every_kind_of_ending_has_an_example(money: Database) -> None:
    assert len(EXAMPLES) >= 7
    assert all(any(f"settle  {status.name.lower()} " in example for example in EXAMPLES) for status in Status)


def test_the_document_states_each_invariant_that_is_checked_in_the_same_words() -> None:
    for name, (promise, _) in INVARIANTS.items():
        assert f"| {name} | {promise} |" in DOCUMENT


def test_a_request_that_was_never_sent_to_a_backend_costs_nothing() -> None:
    rates = Rates(1, 10**6, 10**6, 10**6, 10**9)
    for status in Status:
        assert charge(status, reported=None, prompt_tokens=10, output_tokens=0, rates=rates, held=100, sent=False).cost == 0
