"""Promise: money is whole numbers; what is written in is kept to the last digit or refused, and nothing is rounded but up, once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import money

nanos = st.integers(-money.MAX_NANO, money.MAX_NANO)


@given(nanos)
def test_dollars_written_out_read_back_as_the_same_amount(nano: int) -> None:
    written = money.usd_from_nano(nano)
    assert money.nano_from_usd(written) == nano
    assert "E" not in written
    assert written == "0" or not written.endswith(("0", ".")) or "." not in written


@given(st.integers(0, money.MAX_PRICE_PICO))
def test_a_price_per_million_reads_back_as_the_same_price(pico: int) -> None:
    assert money.price_from_usd_per_million(money.usd_per_million_from_pico(pico)) == pico
    assert Decimal(money.usd_per_token_from_pico(pico)) * 10**12 == pico


@given(st.integers(0, 10**24))
def test_a_cost_is_rounded_up_by_less_than_a_nano_dollar(pico: int) -> None:
    nano = money.nano_from_pico(pico)
    assert 0 <= nano * 1000 - pico < 1000


@given(nanos)
def test_what_people_see_is_never_more_than_there_is(nano: int) -> None:
    shown = Decimal(money.display_usd(nano).replace("$", "").replace(",", ""))
    assert abs(shown) * money.NANO_PER_USD <= abs(nano)
    assert abs(nano) - abs(shown) * money.NANO_PER_USD < money.NANO_PER_USD // 100


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "$0.00"),
        (10**9, "$1.00"),
        (1_239_999_999, "$1.23"),
        (-1_239_999_999, "-$1.23"),
        (1_234_567 * 10**9, "$1,234,567.00"),
        (500_000_000, "$0.50"),
        (123_456_789, "$0.123456789"),
        (10, "$0.00000001"),
    ],
)
def test_small_amounts_show_every_digit_and_large_ones_whole_cents(nano: int, shown: str) -> None:
    assert money.display_usd(nano) == shown


def test_prices_from_the_price_list_are_exact() -> None:
    assert money.price_from_usd_per_million("0.0375") == 37_500
    assert money.usd_per_token_from_pico(37_500) == "0.0000000375"
    assert money.price_from_usd_per_request("0.001") == 10**9


@pytest.mark.parametrize(
    "written",
    ["", "abc", "1,5", "$5", "nan", "sNaN", "inf", "-Infinity", "1e999999999", "-1e999999999", "1e-999999999", "1e-2000000",
     "0.0000000001", "1000000000.000000001", "9" * 65, "0." + "0" * 5_000_000 + "1", "1" + "0" * 28 + ".5"],
)  # fmt: skip
def test_what_is_not_an_exact_amount_is_refused_by_name(written: str) -> None:
    with pytest.raises(ValueError, match=r"^deposit: "):
        money.nano_from_usd(written, "deposit")


@pytest.mark.parametrize("value", [0.1, float("nan"), True])
def test_floats_and_booleans_are_not_money(value: object) -> None:
    with pytest.raises(ValueError, match=r"^amount: "):
        money.nano_from_usd(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["-0.01", "10000.000001", "0.0000001"])
def test_prices_are_neither_negative_nor_huge_nor_finer_than_the_unit(written: str) -> None:
    with pytest.raises(ValueError, match=r"^price: "):
        money.price_from_usd_per_million(written)


@given(st.text(max_size=80))
def test_no_text_raises_anything_but_a_value_error(written: str) -> None:
    for parse in (money.nano_from_usd, money.price_from_usd_per_million, money.price_from_usd_per_request):
        try:
            assert isinstance(parse(written), int)
        except ValueError:
            continue
