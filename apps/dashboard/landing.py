"""The start page: what the platform is, how it is called, what its models cost."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import monotonic

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from apps.billing import stripe_client
from apps.catalog.models import Price
from apps.catalog.pricing import Usage
from apps.catalog.queries import BUILT_IN_MODEL, prices_on_offer, rates_of
from apps.core.code_samples import Sample
from apps.core.money import nano_from_usd
from apps.dashboard.measured import measured
from apps.dashboard.receipt import receipt
from apps.dashboard.snippets import PROMPT, first_call

log = logging.getLogger(__name__)

FRESH_S = 10  # how old the price list of a process may be
OUR_PROMPT = "How do I create an API key?"
SELF_HOST = [Sample("shell", "Terminal", "cd akashml\nmake run\n\n# ready: http://127.0.0.1:8000")]
EXAMPLE = Usage(prompt_tokens=18_240, completion_tokens=1_286, cached_tokens=14_336)


@dataclass(frozen=True, slots=True)
class PriceList:
    """What the catalogue said last; `read_at` by the monotonic clock."""

    prices: list[Price]
    read_at: float


_last: PriceList | None = None


def price_list() -> list[Price]:
    """Prices in force, at most FRESH_S old. While Postgres is away, those read last (at first: none)."""
    global _last
    if _last is None or monotonic() - _last.read_at > FRESH_S:
        try:
            _last = PriceList(sorted(prices_on_offer(), key=_place), monotonic())
        except (OperationalError, InterfaceError) as error:
            log.warning("the price list could not be read (%s)", type(error).__name__)
            _last = PriceList(_last.prices if _last else [], monotonic())
    return _last.prices


def _place(price: Price) -> tuple[bool, str]:
    """By name, whatever its case; our own little one comes last."""
    return price.model.public_id == BUILT_IN_MODEL, price.model.public_id.lower()


def _agents(prices: list[Price]) -> str | None:
    """The first that calls tools."""
    return next((price.model.public_id for price in prices if "tools" in price.model.supported_features), None)


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """The same for everyone, but for the way in: who has a session sees the way to the dashboard. No session is read for it."""
    prices = price_list()
    example = prices[0] if prices else None
    model = example.model.public_id if example else BUILT_IN_MODEL
    context = {
        "prices": prices,
        "samples": first_call(
            settings.API_BASE_URL, model, prompt=OUR_PROMPT if model == BUILT_IN_MODEL else PROMPT, agent_model=_agents(prices)
        ),
        "example": example,
        "receipt": receipt(EXAMPLE, rates_of(example)) if example else None,
        "usage": EXAMPLE,
        "measured": measured(),
        "self_host": SELF_HOST,
        "api_base_url": settings.API_BASE_URL,
        "card_first": stripe_client.configured(),
        "trial_credit": nano_from_usd(settings.TRIAL_CREDIT_USD),
        "known": settings.SESSION_COOKIE_NAME in request.COOKIES,
    }
    response = render(request, "dashboard/landing.html", context)
    response.headers["Cache-Control"] = "private, no-cache" if context["known"] else f"public, max-age={FRESH_S}"
    patch_vary_headers(response, ["Cookie"])
    return response
