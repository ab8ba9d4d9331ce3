"""One inference with all that explains its price: what it cost and why, which pools paid, who pays for such an end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.api_keys.models import ApiKey
from apps.billing.models import CreditPool
from apps.catalog.models import Model, Price
from apps.catalog.pricing import Line, Rates, Usage, breakdown
from apps.core.money import PICO_PER_NANO
from apps.usage import log
from apps.usage.models import Inference, Status

# docs/ledger.md, "Who pays".
RULES = {
    Status.COMPLETED: "It was completed: the actual usage is charged.",
    Status.CANCELLED: "The client went away: the prompt is charged, and the output generated until then.",
    Status.FAILED: "The model's server or the platform failed: the output that was delivered is charged, and nothing if there was none.",
    Status.LOST: "The gateway's process was lost: the output delivered at its last checkpoint is charged.",
}
UNPAID_PROMPT = (Status.FAILED, Status.LOST)


@dataclass(frozen=True, slots=True)
class Payment:
    """What a pool paid, in nano-USD. Pools stand in the order in which they paid."""

    pool: CreditPool
    amount: int


@dataclass(frozen=True, slots=True)
class InferenceReceipt:
    """`lines` add up to exactly `inference.cost` (in pico-USD, a thousandth of a nano), `payments` to `inference.charged`; the difference
    of the two is `written_off`. Model, price and key are None where they are deleted. `tokens_per_second` counts from the first token."""

    inference: Inference
    model: Model | None
    price: Price | None
    key: ApiKey | None
    lines: Sequence[Line]
    payments: Sequence[Payment]
    rule: str

    @property
    def written_off(self) -> int:
        return self.inference.cost - self.inference.charged

    @property
    def tokens_per_second(self) -> float | None:
        row = self.inference
        if row.first_token_ms is None or row.total_ms <= row.first_token_ms or not row.completion_tokens:
            return None
        return row.completion_tokens * 1000 / (row.total_ms - row.first_token_ms)


def receipt(account_id: int, identifier: UUID) -> InferenceReceipt | None:
    """Of one of the account's inferences; None when it has none of this id."""
    row = log.one(account_id, identifier)
    if row is None:
        return None
    price = Price.objects.filter(pk=row.price_id).first()
    paid: dict[int, int] = {}
    for pool, amount in zip(row.paid_pools, row.paid_amounts, strict=True):
        paid[pool] = paid.get(pool, 0) + amount  # twice, where the hold had to grow
    pools = CreditPool.objects.in_bulk(paid)
    return InferenceReceipt(
        row,
        Model.objects.filter(pk=row.model_id).first(),
        price,
        ApiKey.objects.filter(pk=row.api_key_id or 0).first(),
        cost_lines(row, price) if price else [],
        [Payment(pools[pool], amount) for pool, amount in paid.items() if pool in pools],
        RULES[Status(row.status)],
    )


def cost_lines(row: Inference, price: Price) -> list[Line]:
    """The arithmetic of the row's cost: tokens × the price that was pinned at admission, summed and rounded up once."""
    unpaid = row.status in UNPAID_PROMPT
    rates = Rates(
        price.pk,
        price.input_pico,
        price.input_pico if price.cached_input_pico is None else price.cached_input_pico,
        price.output_pico,
        0 if unpaid else price.request_pico,
    )
    usage = Usage(0 if unpaid else row.prompt_tokens, row.completion_tokens, 0 if unpaid else row.cached_tokens)
    lines = breakdown(usage, rates)
    if surplus := sum(line.amount_pico for line in lines) - row.cost * PICO_PER_NANO:
        lines.append(Line("not charged above what was held", 1, -surplus))
    return lines
