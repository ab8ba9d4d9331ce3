"""Promise: the cost is exactly usage × price, rounded up once; cached tokens are priced once, at the cache price."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.pricing import Rates, Usage, breakdown, cost_nano, cost_pico
from apps.core.money import MAX_PRICE_PICO, MAX_REQUEST_PICO

tokens = st.integers(0, 10**7)
prices = st.integers(0, MAX_PRICE_PICO)
usages = st.builds(Usage, tokens, tokens, tokens, tokens)
rates = st.builds(Rates, st.integers(1), prices, prices, prices, st.integers(0, MAX_REQUEST_PICO))


def test_a_worked_example_from_the_price_list() -> None:
    # 1.30 / 4.40 / 0.26 USD per million, and half a cent per request.
    price = Rates(1, 1_300_000, 260_000, 4_400_000, 5_000_000_000)
    usage = Usage(prompt_tokens=1_000, cached_tokens=600, completion_tokens=50, reasoning_tokens=20)
    assert cost_nano(usage, price) == 400 * 1_300 + 600 * 260 + 50 * 4_400 + 5_000_000


@given(usages, rates)
def test_the_cost_is_the_sum_of_its_parts_rounded_up_to_a_nano(usage: Usage, price: Rates) -> None:
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    uncached = usage.prompt_tokens - cached
    exact = Fraction(
        uncached * price.input_pico + cached * price.cached_input_pico + usage.completion_tokens * price.output_pico + price.request_pico,
        1000,
    )
    assert 0 <= cost_nano(usage, price) - exact < 1


@given(usages, rates)
def test_a_cost_fits_a_bigint_of_pico_dollars(usage: Usage, price: Rates) -> None:
    assert cost_pico(usage, price) < 2**63


@given(usages, rates)
def test_cached_tokens_only_move_from_one_price_to_the_other(usage: Usage, price: Rates) -> None:
    without_cache = Usage(usage.prompt_tokens, usage.completion_tokens)
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    assert cost_pico(without_cache, price) - cost_pico(usage, price) == cached * (price.input_pico - price.cached_input_pico)


@given(usages, rates)
def test_more_cached_tokens_than_the_prompt_has_count_as_the_prompt(usage: Usage, price: Rates) -> None:
    boast = Usage(usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens + usage.cached_tokens)
    honest = Usage(usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens)
    assert cost_pico(boast, price) == cost_pico(honest, price)


@given(usages, rates)
def test_reasoning_is_part_of_the_output_and_not_charged_again(usage: Usage, price: Rates) -> None:
    assert cost_pico(usage, price) == cost_pico(Usage(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens), price)


@given(usages, rates)
def test_the_lines_of_a_receipt_add_up_to_the_charge(usage: Usage, price: Rates) -> None:
    lines = breakdown(usage, price)
    assert sum(line.amount_pico for line in lines) == cost_nano(usage, price) * 1000
    assert all(line.quantity > 0 for line in lines)
    assert sum(line.quantity for line in lines if line.item.endswith("input tokens")) == usage.prompt_tokens
