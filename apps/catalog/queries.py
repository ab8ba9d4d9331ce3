"""Reading the catalogue for pages and lists; the gateway reads it whole (snapshot.py)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.catalog.models import Price
from apps.catalog.pricing import Rates


def prices_in_force() -> QuerySet[Price]:
    """The price in force of each active model, with its model, by model id. Of two prices for one moment the one written last."""
    now_valid = Price.objects.filter(model__is_active=True, effective_from__lte=Now())
    return now_valid.order_by("model__public_id", "-effective_from", "-pk").distinct("model__public_id").select_related("model")


def rates_of(price: Price) -> Rates:
    """A price as it is calculated with: cached input costs what input costs where it has no price of its own."""
    cached = price.input_pico if price.cached_input_pico is None else price.cached_input_pico
    return Rates(price.pk, price.input_pico, cached, price.output_pico, price.request_pico)
