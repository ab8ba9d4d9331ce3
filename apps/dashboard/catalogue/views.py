"""The catalogue's public pages. They read the price list that a process keeps (landing.py), so that none costs a question of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from apps.billing import stripe_client
from apps.catalog.models import Price
from apps.catalog.queries import BUILT_IN_MODEL, rates_of
from apps.core.money import nano_from_usd
from apps.dashboard.catalogue.filters import FEATURE_NAMES, MOST_COMPARED, CatalogueFilters, compared
from apps.dashboard.catalogue.speed import DAYS, lately, percent
from apps.dashboard.landing import EXAMPLE, FRESH_S, OUR_PROMPT, price_list
from apps.dashboard.receipt import decimals_of, receipt, usd
from apps.dashboard.site import public_page
from apps.dashboard.snippets import PROMPT, anthropic_call, first_call


@dataclass(frozen=True, slots=True)
class Row:
    """One property of the models that are compared: `kind` says how the page writes its values."""

    label: str
    kind: str
    values: list[Any]


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """The list; with `compare` two or more models side by side. To htmx the list alone."""
    prices = price_list()
    side_by_side = compared(request.GET.getlist("compare"), prices)
    if len(side_by_side) > 1:
        return public_page(request, "dashboard/catalogue/compare.html", _comparison(side_by_side), fresh_s=FRESH_S)
    filters = CatalogueFilters(request.GET, prices)
    context = {"form": filters, "prices": filters.narrowed(), "total": len(prices), "names": FEATURE_NAMES}
    context |= {"lonely": "compare" in request.GET, "most_compared": MOST_COMPARED}
    if request.headers.get("HX-Request"):
        response = render(request, "dashboard/catalogue/_list.html", context)
        response.headers["Cache-Control"] = "private, no-cache"
    else:
        response = public_page(request, "dashboard/catalogue/models.html", context, fresh_s=FRESH_S)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
def model(request: HttpRequest, public_id: str) -> HttpResponse:
    """A model's page. 404 for one that is not offered, whether or not there was one."""
    price = next((price for price in price_list() if price.model.public_id == public_id), None)
    if price is None:
        raise Http404(f"No model {public_id} is offered.")
    prompt = OUR_PROMPT if public_id == BUILT_IN_MODEL else PROMPT
    *samples, claude_code = first_call(settings.API_BASE_URL, public_id, prompt=prompt, agent_model=public_id)
    context = {
        "price": price,
        "model": price.model,
        "names": FEATURE_NAMES,
        # Claude Code does nothing with a model that calls no tools.
        "samples": [
            *samples,
            anthropic_call(settings.API_BASE_URL, public_id, prompt=prompt),
            *([claude_code] if "tools" in price.model.supported_features else []),
        ],
        "receipt": receipt(EXAMPLE, rates_of(price)),
        "per_request": _per_request(price),
        "lately": (done := lately(price.model.pk)),
        "uptime": percent(done.uptime),
        "days": DAYS,
        "playground": _playground(public_id),
        "others": [other for other in price_list() if other is not price][:MOST_COMPARED],
    }
    return public_page(request, "dashboard/catalogue/model.html", context, fresh_s=FRESH_S)


@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """What everything costs, and how a request is charged."""
    prices = price_list()
    example = prices[0] if prices else None
    context = {
        "prices": prices,
        "example": example,
        "receipt": receipt(EXAMPLE, rates_of(example)) if example else None,
        "trial_credit": nano_from_usd(settings.TRIAL_CREDIT_USD),
        "card_first": stripe_client.configured(),
    }
    return public_page(request, "dashboard/catalogue/pricing.html", context, fresh_s=FRESH_S)


def _comparison(prices: list[Price]) -> dict[str, Any]:
    offered = [price.model for price in prices]
    rows = [
        Row("Input", "price", [price.input_pico for price in prices]),
        Row("Cache read", "price", [price.cached_input_pico for price in prices]),
        Row("Output", "price", [price.output_pico for price in prices]),
        Row("Request", "text", [_per_request(price) for price in prices]),
        Row("Context", "count", [one.context_length for one in offered]),
        Row("Longest answer", "count", [one.max_output_length for one in offered]),
        Row("Quantization", "text", [one.quantization for one in offered]),
        *(Row(name, "flag", [feature in one.supported_features for one in offered]) for feature, name in FEATURE_NAMES.items()),
        Row("Takes", "text", [", ".join(one.input_modalities) for one in offered]),
        Row("Gives", "text", [", ".join(one.output_modalities) for one in offered]),
    ]
    return {"prices": prices, "rows": [row for row in rows if any(row.values)]}


def _per_request(price: Price) -> str:
    """What a request costs besides its tokens, in dollars with every digit; empty for nothing."""
    return usd(price.request_pico, max(2, decimals_of(price.request_pico))) if price.request_pico else ""


def _playground(public_id: str) -> str:
    """Where the model is tried in the browser; empty while there is no such page."""
    try:
        return f"{reverse('playground')}?{urlencode({'model': public_id})}"
    except NoReverseMatch:
        return ""
