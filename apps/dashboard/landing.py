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

from apps.catalog.models import Price
from apps.catalog.queries import prices_in_force
from apps.core.money import nano_from_usd
from apps.dashboard.snippets import first_call

log = logging.getLogger(__name__)

FRESH_S = 10  # how old the price list of a process may be
EXAMPLE_MODEL = "akashml/docs-assistant"


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
            _last = PriceList(list(prices_in_force()), monotonic())
        except (OperationalError, InterfaceError) as error:
            log.warning("the price list could not be read (%s)", type(error).__name__)
            _last = PriceList(_last.prices if _last else [], monotonic())
    return _last.prices


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """The same for everyone, but for the way in: who has a session sees the way to the dashboard. No session is read for it."""
    prices = price_list()
    model = prices[0].model.public_id if prices else EXAMPLE_MODEL
    context = {
        "prices": prices,
        "samples": first_call(settings.API_BASE_URL, model),
        "api_base_url": settings.API_BASE_URL,
        "trial_credit": nano_from_usd(settings.TRIAL_CREDIT_USD),
        "known": settings.SESSION_COOKIE_NAME in request.COOKIES,
    }
    response = render(request, "dashboard/landing.html", context)
    response.headers["Cache-Control"] = "private, no-cache" if context["known"] else f"public, max-age={FRESH_S}"
    patch_vary_headers(response, ["Cookie"])
    return response
