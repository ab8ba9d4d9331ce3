"""Promise: money, tokens, times and ids are short to the eye, never wrong, never scientific, and exact on hover."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import figures
from apps.core.money import MAX_NANO, nano_from_usd
from apps.core.templatetags import figures as filters

NOW = datetime(2026, 11, 27, 14, 2, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (184_200_000_000, "$184.20"),
        (1_184_209_999_999, "$1,184.20"),  # rounded down: nobody has what is shown as more
        (500_000_000, "$0.50"),
        (184_000, "$0.000184"),
        (14_460_960, "$0.01446"),
        (1_234, "$0.0000012"),
        (37, "$0.000000037"),
        (1, "$0.000000001"),
        (999_999_999, "$0.999999"),
        (-2_640_000_000, "−$2.64"),
    ],
)
def test_money(nano: int, text: str) -> None:
    assert figures.money(nano) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "$0.000000"), (2_329_000, "$0.002329"), (12_000_000_000, "$12.000000"), (37, "$0.000000037"), (-5, "−$0.000000005")],
)
def test_costs_line_up(nano: int, text: str) -> None:
    assert figures.cost(nano) == text


def test_bookings_have_a_sign() -> None:
    assert [figures.change(nano) for nano in (50 * 10**9, -2_640_000_000, 0)] == ["+$50.00", "−$2.64", "$0.00"]


@given(st.integers(-MAX_NANO, MAX_NANO))
def test_what_is_shown_is_never_more_than_there_is(nano: int) -> None:
    for text in (figures.money(nano), figures.cost(nano)):
        shown = nano_from_usd(text.replace("−", "").replace("$", "").replace(",", ""))
        assert shown <= abs(nano)
        assert abs(nano) - shown < max(abs(nano) // 10, 1) or abs(nano) >= 10**6  # two digits at least, or a millionth of a dollar
        assert (shown == 0) == (nano == 0)
        assert "e" not in text.lower()


@pytest.mark.parametrize(
    ("pico", "text"),
    [(300_000, "$0.30"), (37_000, "$0.037"), (37_500, "$0.0375"), (4_400_000, "$4.40"), (0, "$0.00"), (10**10, "$10,000.00")],
)
def test_prices_have_every_digit(pico: int, text: str) -> None:
    assert figures.price(pico) == text


def test_prices_of_a_column_line_up() -> None:
    assert [figures.price(pico, 3) for pico in (300_000, 37_000, None)] == ["$0.300", "$0.037", "–"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10 K"), (18_240, "18.2 K"), (999_999, "999 K"), (1_240_000, "1.24 M"), (3_400_000_000, "3.4 B")],
)
def test_tokens(number: int, text: str) -> None:
    assert figures.tokens(number) == text.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(seconds=119), "1 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=1, hours=23), "1 day ago"),
        (timedelta(days=9), "9 days ago"),
        (timedelta(days=90), "29 Aug 2026"),
        (timedelta(days=-6, seconds=1), "in 6 days"),  # what expires in almost six days does not expire in five
        (timedelta(seconds=-59 * 60 - 40), "in 1 h"),
        (timedelta(seconds=-30), "in 30 s"),
    ],
)
def test_times(ago: timedelta, text: str) -> None:
    assert figures.relative(NOW - ago, NOW).replace("\N{NO-BREAK SPACE}", " ") == text


def test_exact_times_say_their_zone() -> None:
    assert figures.exact(NOW) == "27 Nov 2026, 14:02:18 UTC"
    assert figures.exact(NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))) == "27 Nov 2026, 19:32:18 UTC+05:30"


def test_ids_are_shortened_in_the_middle() -> None:
    assert figures.short_id("0198c1f2-aaaa-7bbb-8ccc-0123456710f6") == "0198c1f2…10f6"
    assert figures.short_id("short") == "short"


def test_the_exact_value_shows_on_hover() -> None:
    assert filters.money(14_460_960) == '<data class="num" value="0.01446096" title="$0.01446096">$0.01446</data>'
    assert 'title="1,240,000 tokens"' in filters.tokens(1_240_000)
    assert 'title="27 Nov 2026, 14:02:18 UTC"' in filters.when(NOW)
    assert filters.when(None) == "never"


def test_nothing_of_a_value_becomes_markup() -> None:
    assert "<script>" not in filters.short_id("<script>alert(1)</script>")
