"""Figures as people read them: money, tokens, times, ids. Display rounds money down; nothing here is used to calculate.

The template filters of the same names (templatetags/figures.py) wrap these in markup that shows the exact value on hover.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from apps.core.money import NANO_PER_USD, usd_per_million_from_pico

MINUS, THIN = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
MICRO = Decimal("0.000001")
UNITS = (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3))
MINUTE, HOUR, DAY = 60, 3600, 86_400
EXACT_BELOW = 10_000


def money(nano: int) -> str:
    """nano-USD as `$1,184.20`; below a dollar with up to six decimals (`$0.000184`), and always at least two that say something."""
    return _signed(nano, _dollars(abs(nano)))


def cost(nano: int) -> str:
    """Like `money`, with at least six decimals whatever the amount, so that a column of costs lines up."""
    text = _dollars(abs(nano)) if abs(nano) < 10_000 else f"{(Decimal(abs(nano)) / NANO_PER_USD).quantize(MICRO, ROUND_DOWN):,}"
    whole, _, decimals = text.removeprefix("$").partition(".")
    return _signed(nano, f"${whole}.{decimals:0<6}")


def change(nano: int) -> str:
    """A booking: `+$50.00` or `−$2.64`."""
    return f"+{money(nano)}" if nano > 0 else money(nano)


def price(pico: int | None, decimals: int = 2) -> str:
    """pico-USD per token as USD per million tokens, with every digit and at least so many decimals; `–` for none."""
    if pico is None:
        return "–"
    whole, _, digits = usd_per_million_from_pico(pico).partition(".")
    return f"${int(whole):,}.{digits:0<{decimals}}"


def _dollars(nano: int) -> str:
    amount = Decimal(nano) / NANO_PER_USD
    if amount >= 1:
        return f"${amount.quantize(Decimal('0.01'), ROUND_DOWN):,}"
    decimals = f"{nano:09d}"
    leading = len(decimals) - len(decimals.lstrip("0"))
    kept = decimals[: max(6, leading + 2)].rstrip("0")
    return f"$0.{kept:0<2}"


def _signed(nano: int, text: str) -> str:
    return f"{MINUS}{text}" if nano < 0 else text


def count(number: int) -> str:
    """`1,240,000`."""
    return f"{number:,}".replace("-", MINUS)


def tokens(number: int) -> str:
    """At most three significant digits from ten thousand on (`1.24 M`, rounded down); below that every digit."""
    if abs(number) < EXACT_BELOW:
        return count(number)
    for unit, size in UNITS:
        if abs(number) >= size:
            scaled = Decimal(abs(number)) / size
            places = 2 if scaled < 10 else 1 if scaled < 100 else 0
            text = f"{scaled.quantize(Decimal(1).scaleb(-places), ROUND_DOWN):f}"
            text = text.rstrip("0").rstrip(".") if "." in text else text
            return f"{MINUS if number < 0 else ''}{text}{THIN}{unit}"
    raise AssertionError("every number from ten thousand on has a unit")


def seconds(milliseconds: int) -> str:
    """`0.31 s`; from ten seconds on one decimal, from a minute on whole minutes too (`2 min 4 s`)."""
    if milliseconds < 10_000:
        return f"{milliseconds // 10 / 100:.2f}{THIN}s"
    if milliseconds < 60_000:
        return f"{milliseconds // 100 / 10:.1f}{THIN}s"
    minutes, rest = divmod(milliseconds // 1000, 60)
    return f"{minutes}{THIN}min {rest}{THIN}s"


def relative(moment: datetime, now: datetime) -> str:
    """`4 s ago` (rounded down), `in 6 days` (rounded); beyond a month the date. Both times are aware."""
    seconds = int((now - moment) / timedelta(seconds=1))
    span, past = abs(seconds), seconds > 0
    if span < 1:
        return "now"
    for bound, size, unit in ((MINUTE, 1, "s"), (HOUR, MINUTE, "min"), (DAY, HOUR, "h"), (31 * DAY, DAY, "day")):
        number = span // size if past else (span + size // 2) // size
        if number * size < bound:
            text = f"{number}{THIN}{unit}{'s' if unit == 'day' and number != 1 else ''}"
            return f"{text} ago" if past else f"in {text}"
    return date(moment)


def exact(moment: datetime) -> str:
    """`27 Nov 2026, 14:02:18 UTC`, in the time zone the moment carries."""
    return f"{date(moment)}, {moment:%H:%M:%S} {moment.tzname()}"


def date(moment: datetime) -> str:
    """`27 Nov 2026`."""
    return f"{moment.day} {moment:%b %Y}"


def short_id(text: str, start: int = 8, end: int = 4) -> str:
    """An id shortened in the middle: `0198c1f2…10f6`; as it is when that would save nothing."""
    return text if len(text) <= start + end + 1 else f"{text[:start]}…{text[-end:]}"
