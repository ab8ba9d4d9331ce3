"""A receipt for display: the arithmetic of one request's price, line by line, in columns that line up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.catalog.pricing import Line, Rates, Usage, breakdown, cost_pico
from apps.core import figures
from apps.core.money import PICO_PER_NANO, PICO_PER_USD

NAMES = {"input tokens": "Input", "cached input tokens": "Input, cached", "output tokens": "Output", "request": "Request"}
LEAST_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """`factors` is such as `3,904 × $1.30/M`, `amount` such as `$0.005075`."""

    item: str
    factors: str
    amount: str


@dataclass(frozen=True, slots=True)
class Receipt:
    rows: Sequence[Row]
    total: str


def receipt(usage: Usage, rates: Rates) -> Receipt:
    """Every amount exact; the last line is what rounding up to a nano-dollar added, if anything."""
    lines = breakdown(usage, rates)
    total = -(-cost_pico(usage, rates) // PICO_PER_NANO) * PICO_PER_NANO
    decimals = max(LEAST_DECIMALS, *(decimals_of(amount) for amount in [total, *(line.amount_pico for line in lines)]))
    return Receipt(
        [Row(NAMES.get(line.item, "Rounding"), factors_of(line), usd(line.amount_pico, decimals)) for line in lines], usd(total, decimals)
    )


def factors_of(line: Line) -> str:
    """`3,904 × $1.30/M`; empty for what has no price per token."""
    if line.item not in NAMES:
        return ""
    return f"{figures.count(line.quantity)} × {figures.price(line.price_pico)}/M" if line.item != "request" else ""


def usd(pico: int, decimals: int) -> str:
    """pico-USD with so many decimals."""
    return f"{figures.MINUS if pico < 0 else ''}${Decimal(abs(pico)) / PICO_PER_USD:.{decimals}f}"


def decimals_of(pico: int) -> int:
    """How many an amount needs."""
    return 12 - (len(text := f"{abs(pico):012d}") - len(text.rstrip("0"))) if pico else 0
