"""The bill of one request in words: how its cost came about, line by line, down to what was charged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.catalog.models import Price
from apps.catalog.queries import rates_of
from apps.core import figures
from apps.core.money import PICO_PER_NANO
from apps.dashboard.receipt import LEAST_DECIMALS, NAMES, decimals_of, factors_of, usd
from apps.gateway.receipts import InferenceReceipt


@dataclass(frozen=True, slots=True)
class BillLine:
    """`factors` is such as `3,904 × $1.30/M`, `amount` such as `$0.005075`; `total`: the sum of those above."""

    item: str
    factors: str
    amount: str
    total: bool = False


def bill_of(receipt: InferenceReceipt) -> Sequence[BillLine]:
    """Every amount exact; the lines add up to the last one."""
    row = receipt.inference
    entries = [(NAMES.get(line.item, line.item.capitalize()), factors_of(line), line.amount_pico) for line in receipt.lines]
    if receipt.price is None:
        entries.append(("By its price at the time", "", row.cost * PICO_PER_NANO))
    if receipt.written_off:
        entries.append(("Written off by the platform", "", -receipt.written_off * PICO_PER_NANO))
    charged = row.charged * PICO_PER_NANO
    decimals = max(LEAST_DECIMALS, decimals_of(charged), *(decimals_of(amount) for _, _, amount in entries))
    lines = [BillLine(item, factors, usd(amount, decimals)) for item, factors, amount in entries]
    return [*lines, BillLine("Charged", "", usd(charged, decimals), total=True)]


def price_words(price: Price) -> list[str]:
    """`input $1.30/M`: what tokens cost by it, and a request."""
    rates = rates_of(price)
    per_million = [("input", rates.input_pico), ("cached input", rates.cached_input_pico), ("output", rates.output_pico)]
    words = [f"{name} {figures.price(pico)}/M" for name, pico in per_million]
    return [*words, f"{usd(rates.request_pico, LEAST_DECIMALS)} a request"] if rates.request_pico else words
