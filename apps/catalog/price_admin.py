"""Prices in the form of their model: what each leaves at each backend, also of one that is being typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.catalog.margins import Margin
from apps.catalog.models import Backend, Model, Price
from apps.core import figures
from apps.core.money import price_from_usd_per_million, price_from_usd_per_request, usd_per_million_from_pico, usd_per_token_from_pico

# Of the form, of the row, and how one becomes the other.
AMOUNTS = (
    ("input_price", "input_pico", price_from_usd_per_million),
    ("cache_read_price", "cached_input_pico", price_from_usd_per_million),
    ("output_price", "output_pico", price_from_usd_per_million),
    ("request_price", "request_pico", price_from_usd_per_request),
)


class PriceForm(forms.ModelForm):
    """Prices as people know them; the row keeps pico-USD."""

    input_price = forms.DecimalField(label="input, USD per million tokens", max_digits=64)
    cache_read_price = forms.DecimalField(label="cached input, USD per million tokens", max_digits=64, required=False)
    output_price = forms.DecimalField(label="output, USD per million tokens", max_digits=64)
    request_price = forms.DecimalField(label="USD per request", max_digits=64, initial=0)

    class Meta:
        model = Price
        fields = ("effective_from",)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for field, column, convert in AMOUNTS:
            amount: Decimal | None = cleaned.get(field)
            if amount is not None:
                try:
                    setattr(self.instance, column, convert(amount, "price"))
                except ValueError as error:
                    self.add_error(field, str(error))
        return cleaned


class PriceInline(admin.TabularInline):
    """A price that held once is history: it is never changed, a new one takes over."""

    model = Price
    form = PriceForm
    template = "admin/catalog/prices.html"
    extra = 0
    ordering = ("-effective_from", "-pk")
    readonly_fields = ("holds", "margins")

    def get_formset(self, request: HttpRequest, obj: Model | None = None, **options: Any) -> Any:
        self.backends = list(obj.backends.order_by("pk")) if obj else []
        self.in_force = in_force(obj.prices.all()) if obj else None
        return super().get_formset(request, obj, **options)

    @admin.display(description="holds")
    def holds(self, price: Price) -> str:
        if price.pk is None:
            return "from its date, once saved"
        if self.in_force is not None and price.pk == self.in_force.pk:
            return "now"
        return figures.relative(price.effective_from, timezone.now()) if price.effective_from > timezone.now() else "not any more"

    @admin.display(description="margin at each backend's present cost")
    def margins(self, price: Price) -> SafeString | str:
        return margins(price, self.backends)

    # How the form's fields show on rows that exist.
    def input_price(self, price: Price) -> str:
        return usd_per_million_from_pico(price.input_pico)

    def cache_read_price(self, price: Price) -> str:
        return "as input" if price.cached_input_pico is None else usd_per_million_from_pico(price.cached_input_pico)

    def output_price(self, price: Price) -> str:
        return usd_per_million_from_pico(price.output_pico)

    def request_price(self, price: Price) -> str:
        return usd_per_token_from_pico(price.request_pico)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def in_force(prices: Iterable[Price]) -> Price | None:
    """Of a model's prices the one that holds now; None: it cannot be called."""
    begun = [price for price in prices if price.effective_from <= timezone.now()]
    return max(begun, key=lambda price: (price.effective_from, price.pk), default=None)


def upcoming(prices: Iterable[Price]) -> Price | None:
    """The one that takes over next, if any."""
    later = [price for price in prices if price.effective_from > timezone.now()]
    return min(later, key=lambda price: (price.effective_from, -price.pk), default=None)


def preview(typed: dict[str, str], backends: Sequence[Backend]) -> SafeString | str:
    """What the amounts would leave that are in the fields of a price by now; what is wrong with one, in words. Empty ones are left out."""
    price = Price()
    for field, column, convert in AMOUNTS:
        if text := typed.get(field, "").strip():
            try:
                setattr(price, column, convert(text, str(PriceForm.base_fields[field].label).partition(",")[0]))
            except ValueError as error:
                return str(error)
    return margins(price, backends)


def margins(price: Price, backends: Sequence[Backend]) -> SafeString | str:
    """A line for each backend, kind of token by kind of token. Of an amount that is not there yet: the cost that it must cover."""
    if not backends:
        return "no backend"
    lines = ((one.base_url, "" if one.is_active else " (drained)", _at(price, one)) for one in backends)
    return format_html_join("", '<span class="margin"><span>{}{}: </span>{}</span>', lines)


def _at(price: Price, backend: Backend) -> SafeString | str:
    """A backend has one cost of input: what it takes from its cache is taken to cost as much."""
    costs = (backend.input_cost_pico, backend.output_cost_pico)
    if costs[0] is None or costs[1] is None:
        return "no cost is recorded"
    kinds = [("input", price.input_pico, costs[0]), ("output", price.output_pico, costs[1])]
    if price.cached_input_pico is not None:
        kinds.insert(1, ("cached input", price.cached_input_pico, costs[0]))
    return format_html_join(", ", "{} {}", ((name, _kind(earned, cost)) for name, earned, cost in kinds))


def _kind(earned: int | None, cost: int) -> SafeString | str:
    return f"costs {figures.price(cost)} per million" if earned is None else marked(Margin(earned, cost))


def marked(margin: Margin) -> SafeString:
    """In words, a loss so that nobody overlooks it."""
    per_million = f"{figures.MINUS if margin.is_loss else ''}{figures.price(abs(margin.gain))} per million"
    words = f"{margin.percent} ({per_million})" if margin.percent else per_million
    return format_html('<strong class="loss">loss {}</strong>', words) if margin.is_loss else format_html("{}", words)
