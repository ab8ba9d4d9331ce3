"""Argument types for management commands: each turns a text into a value or says what is wrong with it.

argparse names the argument in front of the text: `argument --amount: 'x' is not a decimal number`.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import datetime

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.management import CommandError

from apps.core import money
from apps.core.moments import moment_from_iso


def usd(text: str) -> int:
    """US dollars, zero or more → nano-USD."""
    nano = _money(money.nano_from_usd, text)
    if nano < 0:
        raise ArgumentTypeError(f"{text} is negative: write an amount in USD of at least 0")
    return nano


def usd_per_million_tokens(text: str) -> int:
    """USD per million tokens → pico-USD per token."""
    return _money(money.price_from_usd_per_million, text)


def usd_per_request(text: str) -> int:
    """USD per request → pico-USD."""
    return _money(money.price_from_usd_per_request, text)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A type for whole numbers within bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


def moment(text: str) -> datetime:
    """An ISO 8601 date and time, with Z or an offset; without either it is UTC."""
    try:
        return moment_from_iso(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def as_command_error(error: ValidationError, options: dict[str, str] | None = None) -> CommandError:
    """The error of a model or an action, each line led by the field, or by the option that `options` maps the field to."""
    lines: list[str] = []
    by_field = error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
    for name, messages in by_field.items():
        label = "" if name == NON_FIELD_ERRORS else f"{(options or {}).get(name, '--' + name.replace('_', '-'))}: "
        lines.extend(f"{label}{message}" for message in messages)
    return CommandError("\n".join(lines))


def _money(parse: Callable[[str, str], int], text: str) -> int:
    try:
        return parse(text, "amount")
    except ValueError as error:
        raise ArgumentTypeError(str(error).removeprefix("amount: ")) from None
