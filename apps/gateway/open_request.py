"""An admitted request while it is open: what it has cost so far, how to end it, and what to settle when it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from apps.catalog.pricing import Rates
from apps.gateway.endpoint import Reader
from apps.gateway.http_exchange import Exchange
from apps.gateway.metering import charge, output_estimate
from apps.gateway.settlement import Settlement
from apps.usage.models import Status

# A drip that never pauses must end some day. The reaper ends holds of twice this age, whoever owns them.
LONGEST_S = 3600.0


@dataclass(slots=True)
class OpenRequest:
    """`held` in nano-USD; times are time.monotonic(). `abort` closes the connection to the backend, when there is one."""

    id: UUID
    account_id: int
    key_id: int | None
    model_id: int
    rates: Rates
    dialect: int
    streamed: bool
    held: int
    arrived: float
    admitted: float
    prompt_tokens: Callable[[], int]  # our estimate, made only when it is needed
    backend_id: int | None = None
    sent: bool = False
    reader: Reader | None = None
    delivered_at: float | None = None
    client_gone: bool = False
    fenced: bool = False
    stopped: bool = False
    abort: Callable[[], None] | None = field(default=None, repr=False)

    def sending(self, exchange: Exchange) -> None:
        """The request goes out on this connection now. One that has lost its client or its hold meanwhile ends here."""
        self.abort = exchange.abort
        if self.ended:
            exchange.abort()
        else:
            self.sent = True

    def released(self) -> None:
        """The connection is given back and may serve another request: it is not ours to abort any more."""
        self.abort = None

    @property
    def ended(self) -> bool:
        """We broke it off ourselves: whatever the connection to the backend says now is our doing."""
        return self.client_gone or self.fenced or self.stopped

    def patience(self, idle_s: float) -> float:
        """Seconds to wait for the next piece: the backend's idle bound, or what is left of the longest any request may take."""
        return max(0.0, min(idle_s, self.admitted + LONGEST_S - time.monotonic()))

    def end_for_client(self) -> None:
        """The client went away: stop the backend."""
        self.client_gone = True
        if self.abort is not None:
            self.abort()

    def fence(self) -> None:
        """The hold is gone: the reaper has charged the last checkpoint. Stop at once."""
        self.fenced = True
        if self.abort is not None:
            self.abort()

    def stop(self) -> None:
        """This process ends, and the request with it."""
        self.stopped = True
        if self.abort is not None:
            self.abort()

    @property
    def output_tokens(self) -> int:
        """Our own count of what was generated so far."""
        return output_estimate(self.reader.pieces, self.reader.text_bytes) if self.reader is not None else 0

    def checkpoint(self) -> tuple[int | None, int, int, int]:
        """(backend id, cost in nano-USD, prompt tokens, output tokens) if this process died now."""
        lost = charge(Status.LOST, reported=None, prompt_tokens=0, output_tokens=self.output_tokens, rates=self.rates, held=self.held)
        return self.backend_id, lost.cost, lost.usage.prompt_tokens, lost.usage.completion_tokens

    def settlement(self, status: Status, *, http_status: int = 200, error_code: str = "") -> Settlement:
        """What to settle now that the request has ended so."""
        reported = self.reader.usage if self.reader is not None else None
        needs_prompt = status in (Status.COMPLETED, Status.CANCELLED) and self.sent and (reported is None or status == Status.CANCELLED)
        paid = charge(
            status,
            reported=reported,
            prompt_tokens=self.prompt_tokens() if needs_prompt else 0,
            output_tokens=self.output_tokens,
            rates=self.rates,
            held=self.held,
            sent=self.sent,
        )
        now = time.monotonic()
        return Settlement(
            id=self.id,
            account_id=self.account_id,
            key_id=self.key_id,
            model_id=self.model_id,
            price_id=self.rates.price_id,
            dialect=self.dialect,
            streamed=self.streamed,
            cost=paid.cost,
            tpm_tokens=paid.usage.prompt_tokens + paid.usage.completion_tokens,
            backend_id=self.backend_id,
            status=status,
            http_status=http_status,
            finish_reason=self.reader.finish_reason if self.reader is not None else "",
            error_code=error_code,
            prompt_tokens=paid.usage.prompt_tokens,
            cached_tokens=paid.usage.priced_cached_tokens,
            completion_tokens=paid.usage.completion_tokens,
            reasoning_tokens=paid.usage.reasoning_tokens,
            estimated=paid.estimated,
            queue_ms=_ms(self.admitted - self.arrived),
            first_token_ms=_ms(self.delivered_at - self.arrived) if self.delivered_at is not None else None,
            total_ms=_ms(now - self.arrived),
        )


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
