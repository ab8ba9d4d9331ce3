"""Reading the catalogue for pages and lists; the gateway reads it whole (snapshot.py)."""

from __future__ import annotations

from django.db.models import Case, Exists, OuterRef, QuerySet, When
from django.db.models.functions import Now

from apps.catalog.models import Backend, Model, Price
from apps.catalog.pricing import Rates

BUILT_IN_MODEL = "akashml/docs-assistant"


def prices_in_force() -> QuerySet[Price]:
    """The price in force of each active model, with its model, by model id. Of two prices for one moment the one written last."""
    now_valid = Price.objects.filter(model__is_active=True, effective_from__lte=Now())
    return now_valid.order_by("model__public_id", "-effective_from", "-pk").distinct("model__public_id").select_related("model")


def prices_on_offer() -> QuerySet[Price]:
    """`prices_in_force` of the models that somebody may be sent to: those with a backend in use."""
    backend = Backend.objects.filter(model=OuterRef("model"), is_active=True)
    return prices_in_force().filter(Exists(backend))


def rates_of(price: Price) -> Rates:
    """A price as it is calculated with: cached input costs what input costs where it has no price of its own."""
    cached = price.input_pico if price.cached_input_pico is None else price.cached_input_pico
    return Rates(price.pk, price.input_pico, cached, price.output_pico, price.request_pico)


def model_to_try() -> str | None:
    """The public id of a model that a first call will reach: the built-in one where it runs, else the first with a backend that is not
    known to be down. None when there is none."""
    by_name = _reachable().order_by(Case(When(public_id=BUILT_IN_MODEL, then=0), default=1), "public_id")
    return by_name.values_list("public_id", flat=True).first()


def model_for_agents() -> str | None:
    """The first that calls tools and will be reached; None when there is none."""
    return _reachable().filter(supported_features__contains=["tools"]).order_by("public_id").values_list("public_id", flat=True).first()


def _reachable() -> QuerySet[Model]:
    """With a price, and a backend that is not known to be down."""
    backend = Backend.objects.filter(model=OuterRef("pk"), is_active=True).exclude(probe_ok=False)
    price = Price.objects.filter(model=OuterRef("pk"), effective_from__lte=Now())
    return Model.objects.filter(Exists(backend), Exists(price), is_active=True)
