"""Usage × price → cost. Pure: no I/O, no clock. Prices in pico-USD, costs summed in pico-USD and rounded up once."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from apps.core.money import PICO_PER_NANO, nano_from_pico


@dataclass(frozen=True, slots=True)
class Rates:
    """One price of a model, in pico-USD per token and per request. `cached_input_pico` is already the input price if the model has none."""

    price_id: int
    input_pico: int
    cached_input_pico: int
    output_pico: int
    request_pico: int


class Usage(Struct, frozen=True, gc=False):
    """Tokens of one request, none negative. `prompt_tokens` include the cached ones, `completion_tokens` the reasoning."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def priced_cached_tokens(self) -> int:
        """Cached tokens are part of the prompt: a backend that reports more than that is believed up to the prompt."""
        return min(self.cached_tokens, self.prompt_tokens)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a receipt: `quantity` × `price_pico` = `amount_pico`, in pico-USD."""

    item: str
    quantity: int
    price_pico: int

    @property
    def amount_pico(self) -> int:
        return self.quantity * self.price_pico


def cost_pico(usage: Usage, rates: Rates) -> int:
    """The exact cost in pico-USD."""
    cached = usage.priced_cached_tokens
    return (
        (usage.prompt_tokens - cached) * rates.input_pico
        + cached * rates.cached_input_pico
        + usage.completion_tokens * rates.output_pico
        + rates.request_pico
    )


def cost_nano(usage: Usage, rates: Rates) -> int:
    """What the request costs in nano-USD: the exact cost, rounded up once."""
    return nano_from_pico(cost_pico(usage, rates))


def breakdown(usage: Usage, rates: Rates) -> list[Line]:
    """The cost line by line, without empty lines. The amounts add up to exactly `cost_nano`: what rounding added is a line too."""
    cached = usage.priced_cached_tokens
    rounding = -cost_pico(usage, rates) % PICO_PER_NANO
    lines = [
        Line("input tokens", usage.prompt_tokens - cached, rates.input_pico),
        Line("cached input tokens", cached, rates.cached_input_pico),
        Line("output tokens", usage.completion_tokens, rates.output_pico),
        Line("request", int(rates.request_pico > 0), rates.request_pico),
        Line("rounding up to a nano-dollar", int(rounding > 0), rounding),
    ]
    return [line for line in lines if line.quantity]
