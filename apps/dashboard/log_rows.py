"""Lines of the inference log as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.accounts.models import Account
from apps.api_keys.models import ApiKey
from apps.catalog.models import Model
from apps.usage.models import Dialect, Inference, Status

STATUS_NAMES = {
    Status.COMPLETED: "Completed",
    Status.CANCELLED: "Cancelled by the client",
    Status.FAILED: "Failed",
    Status.LOST: "Lost with our process",
}
DIALECT_NAMES = {
    Dialect.CHAT: "Chat completions",
    Dialect.COMPLETIONS: "Completions",
    Dialect.MESSAGES: "Anthropic messages",
    Dialect.PLAYGROUND: "Playground",
}
LOOKS = {Status.COMPLETED: "ok", Status.CANCELLED: "warn", Status.FAILED: "bad", Status.LOST: "bad"}


@dataclass(frozen=True, slots=True)
class Row:
    """A request that has ended: names for the numbers in it, where what they name still exists."""

    inference: Inference
    model: Model | None
    key: ApiKey | None

    @property
    def outcome(self) -> str:
        return STATUS_NAMES[Status(self.inference.status)]

    @property
    def look(self) -> str:
        """The class of its dot and badge."""
        return LOOKS[Status(self.inference.status)]

    @property
    def code(self) -> str:
        """What stands beside the dot of a request that failed."""
        return str(self.inference.http_status) if self.look == "bad" else ""

    @property
    def dialect(self) -> str:
        return DIALECT_NAMES[Dialect(self.inference.dialect)]


def named(account: Account, inferences: Iterable[Inference]) -> list[Row]:
    rows = list(inferences)
    models = Model.objects.in_bulk({row.model_id for row in rows})
    keys = ApiKey.objects.filter(account=account).in_bulk({row.api_key_id for row in rows if row.api_key_id})
    return [Row(row, models.get(row.model_id), keys.get(row.api_key_id or 0)) for row in rows]
