"""Staff pages for models, prices and backends."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import httpx
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from apps.audit.staff_pages import Audited
from apps.audit.trail import record
from apps.catalog.backend_urls import check_backend_url
from apps.catalog.margins import Margin
from apps.catalog.models import FEATURES, Backend, Model, Price, api_key_validator
from apps.catalog.probes import PROBE_S, probe
from apps.core import figures
from apps.core.money import price_from_usd_per_million, price_from_usd_per_request, usd_per_million_from_pico, usd_per_token_from_pico

COSTS = (("input_cost", "input_cost_pico"), ("output_cost", "output_cost_pico"))  # of the form, and of the row
MOST_TESTED = 10  # at once: each may take some seconds


class ModelForm(forms.ModelForm):
    supported_features = forms.MultipleChoiceField(choices=[(name, name) for name in FEATURES], required=False)

    def clean_reasoning(self) -> dict[str, Any]:
        settings_of_model = self.cleaned_data["reasoning"]
        if not isinstance(settings_of_model, dict):
            raise ValidationError("Write a JSON object, {} for none.")
        return settings_of_model


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
        for field, column, convert in (
            ("input_price", "input_pico", price_from_usd_per_million),
            ("cache_read_price", "cached_input_pico", price_from_usd_per_million),
            ("output_price", "output_pico", price_from_usd_per_million),
            ("request_price", "request_pico", price_from_usd_per_request),
        ):
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
    extra = 0
    ordering = ("-effective_from",)

    readonly_fields = ("margins",)

    def get_formset(self, request: HttpRequest, obj: Model | None = None, **options: Any) -> Any:
        self.backends = list(obj.backends.order_by("pk")) if obj else []
        return super().get_formset(request, obj, **options)

    @admin.display(description="margin at each backend's present cost")
    def margins(self, price: Price) -> SafeString | str:
        """Of a row not yet there: what the costs are that it must cover."""
        if not self.backends:
            return "no backend"
        return format_html_join(mark_safe("<br>"), "{}: {}", ((one.base_url, _margin(price, one)) for one in self.backends))

    # How the form's fields show on rows that exist.
    def input_price(self, price: Price) -> str:
        return usd_per_million_from_pico(price.input_pico)

    def cache_read_price(self, price: Price) -> str | None:
        return None if price.cached_input_pico is None else usd_per_million_from_pico(price.cached_input_pico)

    def output_price(self, price: Price) -> str:
        return usd_per_million_from_pico(price.output_pico)

    def request_price(self, price: Price) -> str:
        return usd_per_token_from_pico(price.request_pico)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _margin(price: Price, backend: Backend) -> SafeString | str:
    if backend.input_cost_pico is None or backend.output_cost_pico is None:
        return "no cost is recorded"
    if price.input_pico is None or price.output_pico is None:
        return f"costs {figures.price(backend.input_cost_pico)} in, {figures.price(backend.output_cost_pico)} out, per million"
    sides = (("input", price.input_pico, backend.input_cost_pico), ("output", price.output_pico, backend.output_cost_pico))
    return format_html_join(", ", "{} {}", ((name, _marked(Margin(earned, cost))) for name, earned, cost in sides))


def _marked(margin: Margin) -> SafeString:
    per_million = f"{figures.MINUS if margin.is_loss else ''}{figures.price(abs(margin.gain))} per million"
    words = f"{margin.percent} ({per_million})" if margin.percent else per_million
    return format_html('<strong class="loss">loss {}</strong>', words) if margin.is_loss else format_html("{}", words)


@admin.register(Model)
class ModelAdmin(Audited):
    form = ModelForm
    list_display = ("public_id", "name", "price", "margin", "context_length", "is_active")
    list_filter = ("is_active",)
    search_fields = ("public_id", "name")
    inlines = (PriceInline,)

    @admin.display(description="USD per million: input / output, per request")
    def price(self, model: Model) -> str:
        price = _newest(model)
        if price is None:
            return "none: cannot be called"
        tokens = f"{usd_per_million_from_pico(price.input_pico)} / {usd_per_million_from_pico(price.output_pico)}"
        return f"{tokens}, {usd_per_token_from_pico(price.request_pico)}" if price.request_pico else tokens

    @admin.display(description="margin, input / output")
    def margin(self, model: Model) -> SafeString | str:
        """At the dearest backend in use."""
        price = _newest(model)
        backends = [one for one in model.backends.all() if one.is_active]
        inputs = [one.input_cost_pico for one in backends if one.input_cost_pico is not None]
        outputs = [one.output_cost_pico for one in backends if one.output_cost_pico is not None]
        if price is None or not inputs:
            return "no cost is recorded" if price else ""
        missing = len(backends) - len(inputs)
        return format_html(
            "{} / {}{}",
            _marked(Margin(price.input_pico, max(inputs))),
            _marked(Margin(price.output_pico, max(outputs))),
            f"; {missing} without a cost" if missing else "",
        )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("prices", "backends")


def _newest(model: Model) -> Price | None:
    return max(model.prices.all(), key=lambda price: (price.effective_from, price.pk), default=None)


class BackendForm(forms.ModelForm):
    """The key is written here and never shown."""

    new_api_key = forms.CharField(
        label="API key",
        required=False,
        widget=forms.PasswordInput,
        validators=[api_key_validator],
        help_text="Never shown. Leave it empty to keep the present one.",
    )
    remove_api_key = forms.BooleanField(label="remove the API key", required=False)
    input_cost = forms.DecimalField(
        label="input cost, USD per million tokens", max_digits=64, required=False, help_text="What we pay. Empty: not known."
    )
    output_cost = forms.DecimalField(label="output cost, USD per million tokens", max_digits=64, required=False)

    class Meta:
        model = Backend
        fields = (
            "model", "base_url", "upstream_model", "weight", "max_concurrency",
            "connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "is_active",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, column in COSTS:
            pico = getattr(self.instance, column)
            if pico is not None:
                self.initial.setdefault(field, Decimal(usd_per_million_from_pico(pico)))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for field, column in COSTS:
            amount: Decimal | None = cleaned.get(field)
            try:
                setattr(self.instance, column, None if amount is None else price_from_usd_per_million(amount, "cost"))
            except ValueError as error:
                self.add_error(field, str(error))
        given = [field for field, _ in COSTS if cleaned.get(field) is not None]
        if len(given) == 1 and not self.errors:
            [missing] = [field for field, _ in COSTS if field not in given]
            self.add_error(missing, "Write both costs, or neither: 0 where one is free.")
        return cleaned

    def clean_base_url(self) -> str:
        try:
            return check_backend_url(self.cleaned_data["base_url"], settings.ALLOW_PRIVATE_BACKENDS)
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def save(self, commit: bool = True) -> Backend:
        if self.cleaned_data["new_api_key"] or self.cleaned_data["remove_api_key"]:
            self.instance.api_key = self.cleaned_data["new_api_key"]
        return super().save(commit)


@admin.register(Backend)
class BackendAdmin(Audited):
    form = BackendForm
    list_display = ("base_url", "model", "weight", "is_active", "probe_ok", "probed_at", "probe_detail")
    list_filter = ("is_active", "probe_ok", "model")
    list_select_related = ("model",)
    search_fields = ("base_url", "model__public_id")
    readonly_fields = ("probe_ok", "probed_at", "probe_detail", "created_at")
    actions = ("drain", "undrain", "look")

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("staff.run_backends")

    @admin.action(description="Drain: no new requests, those that run go on", permissions=["run"])
    def drain(self, request: HttpRequest, backends: QuerySet[Backend]) -> None:
        self._switch(request, backends, on=False)

    @admin.action(description="Undrain: take requests again", permissions=["run"])
    def undrain(self, request: HttpRequest, backends: QuerySet[Backend]) -> None:
        self._switch(request, backends, on=True)

    @admin.action(description="Test: ask it for its models now", permissions=["run"])
    def look(self, request: HttpRequest, backends: QuerySet[Backend]) -> None:
        """As the probe does every ten seconds, with what it finds said at once."""
        for backend in backends[:MOST_TESTED]:
            alive, detail = asyncio.run(_look(backend))
            record(request, "test call", backend, after={"alive": alive}, what=detail)
            self.message_user(request, f"{backend.base_url}: {detail}", messages.SUCCESS if alive else messages.ERROR)

    def _switch(self, request: HttpRequest, backends: QuerySet[Backend], *, on: bool) -> None:
        changed = 0
        for backend in backends:
            with transaction.atomic():
                if Backend.objects.filter(pk=backend.pk, is_active=not on).update(is_active=on):
                    record(request, "undrain" if on else "drain", backend, before={"is_active": not on}, after={"is_active": on})
                    changed += 1
        self.message_user(request, f"{changed} {'take requests again' if on else 'get no new requests'}, within two seconds.")


async def _look(backend: Backend) -> tuple[bool, str]:
    async with httpx.AsyncClient(timeout=PROBE_S, trust_env=False) as client:
        return await probe(client, backend)
