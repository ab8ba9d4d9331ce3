"""Amounts of payments as people type them. Nano-USD, whole cents."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError

from apps.billing.models.payments import NANO_PER_CENT
from apps.core.money import display_usd, nano_from_usd

# A comma parts thousands and nothing else: where people write 7,50 for seven and a half, 750 would be charged.
_TYPED = re.compile(r"\$? ?(\d+|\d{1,3}(?:,\d{3})+)(\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """Least and most of one top-up, nano-USD."""

    least: int
    most: int


def limits() -> Limits:
    return Limits(nano_from_usd(settings.TOPUP_MIN_USD), nano_from_usd(settings.TOPUP_MAX_USD))


def validated_amount(text: str) -> int:
    """Of a top-up: dollars as typed to nano-USD. Raises ValidationError({"amount": …})."""
    wrong: dict[str, str] = {}
    amount = dollars(text, limits().least, limits().most, "amount", wrong)
    if wrong:
        raise ValidationError(wrong)
    return amount


def dollars(text: str, least: int, most: int, field: str, wrong: dict[str, str]) -> int:
    """Dollars as typed (`25`, `$25.00`, `1,000`) to nano-USD from `least` to `most`; what is wrong with it goes into `wrong[field]`."""
    typed = _TYPED.fullmatch(text.strip())
    try:
        amount = nano_from_usd((typed[1].replace(",", "") + (typed[2] or "")) if typed else "")
    except ValueError:
        wrong[field] = "Write an amount in US dollars, such as 25 or 25.50."
        return 0
    if amount % NANO_PER_CENT:
        wrong[field] = "Write whole cents."
    elif not least <= amount <= most:
        wrong[field] = f"Write an amount from {display_usd(least)} to {display_usd(most)}."
    return amount
