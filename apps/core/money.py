"""Money as integers. Nothing here is a float.

- nano-USD (10⁻⁹ $): balances, holds, the ledger, the cost of an inference. One dollar is 1_000_000_000.
- pico-USD (10⁻¹² $): prices per token, because $0.0375 per million tokens is 37.5 nano-USD per token.

A cost is summed in pico-USD and rounded up once, to the next nano-USD (`nano_from_pico`). Display rounds down.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal, Inexact, InvalidOperation

NANO_PER_USD = 10**9
PICO_PER_NANO = 1_000
PICO_PER_USD = 10**12
# $1 per million tokens = 10⁻⁶ $ per token = 10⁶ pico-USD per token.
PICO_PER_TOKEN_PER_USD_PER_MILLION = 10**6

# A billion dollars: far above any balance, and a bigint holds nine of them.
MAX_NANO = 10**9 * NANO_PER_USD
# $10,000 per million tokens: with 10⁷ tokens a request still fits a bigint of pico-USD.
MAX_PRICE_PICO = 10_000 * PICO_PER_TOKEN_PER_USD_PER_MILLION
# $1,000 a request.
MAX_REQUEST_PICO = 1_000 * PICO_PER_USD

# Longer than any amount that can be right; what is longer is not worth parsing.
LONGEST_TEXT = 64
# Refuses to round: a digit that does not fit is an error, not a loss.
_EXACT = Context(prec=100, traps=[Inexact])


def nano_from_usd(value: str | Decimal | int, what: str = "amount") -> int:
    """Dollars (a decimal, never a float) to nano-USD. ValueError when it is not finite, too large or finer than a nano."""
    return _scaled(value, NANO_PER_USD, -MAX_NANO, MAX_NANO, what, "a nano-dollar")


def price_from_usd_per_million(value: str | Decimal | int, what: str = "price") -> int:
    """USD per million tokens to pico-USD per token. ValueError when negative, too large or finer than a pico."""
    return _scaled(value, PICO_PER_TOKEN_PER_USD_PER_MILLION, 0, MAX_PRICE_PICO, what, "a pico-dollar per token")


def price_from_usd_per_request(value: str | Decimal | int, what: str = "request price") -> int:
    """USD per request to pico-USD. ValueError when negative, too large or finer than a pico."""
    return _scaled(value, PICO_PER_USD, 0, MAX_REQUEST_PICO, what, "a pico-dollar")


def _scaled(value: str | Decimal | int, factor: int, least: int, most: int, what: str, unit: str) -> int:
    """`value` × `factor` as an exact integer from `least` to `most`; ValueError otherwise."""
    if isinstance(value, bool | float) or len(str(value)) > LONGEST_TEXT:
        raise ValueError(f"{what}: write a decimal number of at most {LONGEST_TEXT} characters")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{what}: {value!r} is not a decimal number") from None
    if not amount.is_finite():
        raise ValueError(f"{what}: {value!r} is not a finite number")
    # Compared before it is multiplied, because 1e999999 is short to write and long to write out.
    lowest, highest = Decimal(least) / factor, Decimal(most) / factor
    if not lowest <= amount <= highest:
        raise ValueError(f"{what}: {value} is outside {_plain(lowest)} … {_plain(highest)}")
    try:
        return int(_EXACT.to_integral_exact(_EXACT.multiply(amount, Decimal(factor))))
    except Inexact:
        raise ValueError(f"{what}: {value} is finer than {unit}") from None


def nano_from_pico(pico: int) -> int:
    """Round a whole cost up to the next nano-USD; called once per request, on the sum."""
    return -(-pico // PICO_PER_NANO)


def usd_from_nano(nano: int) -> str:
    """Exact dollars for the API: a plain decimal string with no exponent and no trailing zeros (`"4.9998"`, `"0"`)."""
    return _plain(Decimal(nano) / NANO_PER_USD)


def usd_or_none(nano: int | None) -> str | None:
    """The same of an amount that there need not be, such as a limit."""
    return None if nano is None else usd_from_nano(nano)


def usd_per_token_from_pico(pico: int) -> str:
    """A price as `/v1/models` shows it: exact USD per token (or per request) as a decimal string."""
    return _plain(Decimal(pico) / PICO_PER_USD)


def usd_per_million_from_pico(pico: int) -> str:
    """A price as people read it: exact USD per million tokens as a decimal string."""
    return _plain(Decimal(pico) / PICO_PER_TOKEN_PER_USD_PER_MILLION)


def _plain(amount: Decimal) -> str:
    written = f"{amount:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def display_usd(nano: int) -> str:
    """Dollars for people: rounded down to the cent from one dollar on; below that every digit, at least two decimals."""
    amount = Decimal(abs(nano)) / NANO_PER_USD
    sign = "-" if nano < 0 else ""
    if amount >= 1:
        return f"{sign}${amount.quantize(Decimal('0.01'), ROUND_DOWN):,}"
    decimals = f"{amount:.9f}".removeprefix("0.").rstrip("0")
    return f"{sign}$0.{decimals:0<2}"
