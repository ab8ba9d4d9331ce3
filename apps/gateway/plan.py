"""How much a request may cost at most, decided before it is admitted. Pure."""

from __future__ import annotations

from msgspec import Struct

from apps.catalog.pricing import Rates
from apps.catalog.snapshot import ModelEntry
from apps.core.money import nano_from_pico

# Output tokens reserved of a key's tokens a minute where the client sets no bound: moderate, since most answers are short.
USUAL_OUTPUT = 1_024


class Plan(Struct, frozen=True, gc=False):
    """Bounds of one request. `output_wanted` tokens a choice are held for if the credit allows, `output_least` at the least.

    `bound_is_ours`: the client set none."""

    prompt_bound: int
    choices: int
    output_wanted: int
    output_least: int
    bound_is_ours: bool
    tpm_tokens: int
    context_length: int
    rates: Rates

    @property
    def base_pico(self) -> int:
        return self.prompt_bound * self.rates.input_pico + self.rates.request_pico

    @property
    def output_pico(self) -> int:
        return self.choices * self.rates.output_pico

    def held(self, output_granted: int) -> int:
        """The hold in nano-USD when so many output tokens a choice were granted."""
        return nano_from_pico(self.base_pico + self.output_pico * output_granted)

    def bound_for_backend(self, output_granted: int) -> int | None:
        """`max_tokens` to write into the request: what was held for, so that no backend can write more than that.

        None where the model's default might not fit beside the prompt: then the context is the bound, and the backend knows it."""
        ours_as_it_is = self.bound_is_ours and output_granted == self.output_wanted
        if ours_as_it_is and self.prompt_bound + output_granted > self.context_length:
            return None
        return output_granted


def plan(model: ModelEntry, rates: Rates, *, prompt_bound: int, prompts: int, choices: int, max_output: int | None) -> Plan:
    """`prompt_bound` errs high and is cut to the model's context for each prompt: an estimate never refuses a request, the backend's limit does.

    `max_output` is the client's bound of tokens a choice, None if it set none; beyond what the model can write it is not held for."""
    prompt_bound = min(prompt_bound, prompts * model.context_length)
    most = min(model.max_output_length or model.context_length, model.context_length)
    if max_output is not None:
        wanted = least = min(max_output, most)
    else:
        wanted, least = min(model.default_max_output, most), 1
    reserved = wanted if max_output is not None else min(wanted, USUAL_OUTPUT)
    return Plan(
        prompt_bound=prompt_bound,
        choices=choices,
        output_wanted=wanted,
        output_least=least,
        bound_is_ours=max_output is None,
        tpm_tokens=prompt_bound + choices * reserved,
        context_length=model.context_length,
        rates=rates,
    )
