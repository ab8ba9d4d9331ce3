"""Readers for environment variables: typed, and an error that names the variable and says what is expected."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The variable without surrounding white space; unset and empty both mean `default`."""
    return os.environ.get(name, "").strip() or default


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not one of {', '.join(allowed)}.")
    return value


def flag(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is not a yes or no: write 1 or 0.")


def integer(name: str, default: int, least: int, most: int) -> int:
    value = text(name)
    try:
        number = int(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name}={number} is outside {least} … {most}.")
    return number


def seconds(name: str, default: float, least: float, most: float) -> float:
    value = text(name)
    try:
        number = float(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a number of seconds.") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name}={number} is outside {least} … {most} seconds.")
    return number


def usd(name: str, default: str) -> Decimal:
    """An amount in US dollars, at least 0, to at most nine decimals (a nano-dollar)."""
    value = text(name, default)
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ImproperlyConfigured(f"{name}={value!r} is not an amount in US dollars.") from None
    if not amount.is_finite() or amount < 0 or amount != round(amount, 9):
        raise ImproperlyConfigured(f"{name}={value!r} is not an amount in US dollars of at least 0.")
    return amount


def url(name: str, default: str, schemes: Sequence[str]) -> str:
    """An absolute address without a trailing slash."""
    value = text(name, default).rstrip("/")
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        good = parts.scheme in schemes and bool(parts.netloc or parts.path) and parts.port != 0  # a malformed port raises
    except ValueError:
        good = False
    if not good:
        # Without the value: such an address may hold a password, and this text ends up in logs.
        raise ImproperlyConfigured(f"{name} is not an address that starts with {', '.join(s + '://' for s in schemes)}.")
    return value


def ip_address(name: str, default: str) -> str:
    value = text(name, default)
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not an IP address such as 127.0.0.1 or 0.0.0.0.") from None


def words(name: str, default: str = "") -> list[str]:
    """A list separated by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def folder(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().absolute()
