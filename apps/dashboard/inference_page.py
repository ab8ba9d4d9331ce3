"""`/inferences/ID`: everything that is known about one request, as a page and as a panel beside the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import acting_account
from apps.accounts.models import Account
from apps.accounts.viewing import viewing_of
from apps.core import figures
from apps.dashboard.bill import BillLine, bill_of, price_words
from apps.dashboard.log_rows import Row
from apps.dashboard.said import conversation_of
from apps.gateway.receipts import InferenceReceipt, receipt

# Of the drawing of a request's time, which the page stretches.
WIDTH = 1000
LEAST_PART = 4  # so that what took time can be seen


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the timing bar. `fill` is the number of its colour."""

    name: str
    milliseconds: int
    fill: int
    x: int
    width: int

    @property
    def words(self) -> str:
        """Short times to the millisecond."""
        return f"{self.milliseconds}\N{NO-BREAK SPACE}ms" if self.milliseconds < 100 else figures.seconds(self.milliseconds)


@dataclass(frozen=True, slots=True)
class Detail:
    receipt: InferenceReceipt

    @property
    def row(self) -> Row:
        return Row(self.receipt.inference, self.receipt.model, self.receipt.key)

    @property
    def bill(self) -> Sequence[BillLine]:
        return bill_of(self.receipt)

    @property
    def parts(self) -> list[Part]:
        """Admission, then the wait for the first token, then the rest of the answer."""
        one = self.receipt.inference
        # The parts are of one clock, but each was rounded for itself.
        queue = min(one.queue_ms, one.total_ms)
        first = min(max(one.first_token_ms if one.first_token_ms is not None else one.total_ms, queue), one.total_ms)
        spans = [("Admission", queue, 5), ("First token" if one.first_token_ms is not None else "Waiting", first - queue, 2)]
        spans += [("Generation" if one.streamed else "Answer", one.total_ms - first, 1)] if one.first_token_ms is not None else []
        whole = max(1, sum(span for _, span, _ in spans))
        parts: list[Part] = []
        for name, span, fill in spans:
            width = max(LEAST_PART, span * WIDTH // whole) if span else 0
            parts.append(Part(name, span, fill, sum(part.width for part in parts), width))
        return parts

    @property
    def bar_width(self) -> int:
        return max(1, sum(part.width for part in self.parts))

    @property
    def tokens_per_second(self) -> str:
        """Of a streamed answer after its first token, such as `87.3`; empty where that says nothing."""
        rate = self.receipt.tokens_per_second
        return f"{rate:,.1f}" if rate and self.receipt.inference.streamed else ""

    @property
    def uncached_tokens(self) -> int:
        return self.receipt.inference.prompt_tokens - self.receipt.inference.cached_tokens

    @property
    def price_words(self) -> list[str]:
        return price_words(self.receipt.price) if self.receipt.price else []


def detail_of(account: Account, identifier: UUID) -> Detail | None:
    """None for what is not there, or is somebody else's."""
    found = receipt(account.pk, identifier)
    return Detail(found) if found else None


@login_required
@require_safe
def inference(request: HttpRequest, identifier: UUID) -> HttpResponse:
    account = acting_account(request)
    detail = detail_of(account, identifier)
    if detail is None:
        raise Http404
    if "HX-Request" in request.headers:
        return render(request, "dashboard/_inference_panel.html", {"detail": detail, "keeps": account.keep_days is not None})
    # What people wrote is theirs: whoever looks at a customer's pages does not see it.
    said = None if viewing_of(request) else conversation_of(account.pk, identifier)
    return render(request, "dashboard/inference.html", {"detail": detail, "said": said, "keeps": account.keep_days is not None})
