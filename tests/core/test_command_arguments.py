"""Promise: a command's arguments are read exactly, and an error says what is wrong."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from apps.core import arguments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00+05:30", datetime(2030, 1, 31, 6, 30, tzinfo=UTC)),
        ("2030-01-31T12:00:00", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2028-02-29", datetime(2028, 2, 29, tzinfo=UTC)),
        ("2001-01-01T00:00:00Z", datetime(2001, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_iso_8601_and_utc_unless_said_otherwise(text: str, expected: datetime) -> None:
    assert arguments.moment(text) == expected


@pytest.mark.parametrize("text", ["tomorrow", "2027-02-29", "1700000000000", "", "0001-01-01T00:00:00+10:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="ISO 8601"):
        arguments.moment(text)


def test_dollars_become_nano_dollars() -> None:
    assert arguments.usd("12.50") == 12_500_000_000


@pytest.mark.parametrize("text", ["-1", "five", "1e-10"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        arguments.usd(text)


def test_errors_are_led_by_the_option_of_their_field() -> None:
    error = ValidationError({"max_concurrent": "too many", "base_url": "not one"})
    assert str(arguments.as_command_error(error, {"base_url": "BASE_URL"})) == "--max-concurrent: too many\nBASE_URL: not one"
    assert str(arguments.as_command_error(ValidationError("neither"))) == "neither"
