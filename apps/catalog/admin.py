"""Staff pages for models, prices and backends."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.audit.staff_pages import Audited
from apps.audit.trail import record
from apps.catalog.backend_urls import check_backend_url
from apps.catalog.margins import Margin
from apps.catalog.models import FEATURES, Backend, Model, Price, api_key_validator
from apps.catalog.price_admin import PriceInline, in_force, marked, preview, upcoming
from apps.catalog.trial_call import call_all
from apps.core import figures
from apps.core.money import price_from_usd_per_million, usd_per_million_from_pico, usd_per_token_from_pico

COSTS = (("input_cost", "input_cost_pico"), ("output_cost", "output_cost_pico"))  # of the form, and of the row
MOST_CALLED = 10  # by one test call


class ModelForm(forms.ModelForm):
    supported_features = forms.MultipleChoiceField(choices=[(name, name) for name in FEATURES], required=False)

    def clean_reasoning(self) -> dict[str, Any]:
        settings_of_model = self.cleaned_data["reasoning"]
        if not isinstance(settings_of_model, dict):
            raise ValidationError("Write a JSON object, {} for none.")
        return settings_of_model


@admin.register(Model)
class ModelAdmin(Audited):
    form = ModelForm
    list_display = ("public_id", "name", "price", "margin", "context_length", "is_active")
    list_filter = ("is_active",)
    search_fields = ("public_id", "name")
    inlines = (PriceInline,)

    class Media:
        js = (forms.Script("build/pages/prices.js", type="module"),)

    def get_urls(self) -> list[Any]:
        margins = self.admin_site.admin_view(self.margins_view)
        return [path("<int:model_id>/margins/", margins, name="catalog_model_margins"), *super().get_urls()]

    def margins_view(self, request: HttpRequest, model_id: int) -> HttpResponse:
        """What a price that is being typed would leave at each backend, for static/js/pages/prices.js."""
        if not request.user.has_perm("catalog.add_price"):
            raise PermissionDenied
        backends = list(get_object_or_404(Model, pk=model_id).backends.order_by("pk"))
        return HttpResponse(preview(request.GET.dict(), backends))

    @admin.display(description="USD per million: input / output, per request")
    def price(self, model: Model) -> str:
        now, later = in_force(model.prices.all()), upcoming(model.prices.all())
        words = _in_words(now) if now else "none: cannot be called"
        return f"{words}; {figures.relative(later.effective_from, timezone.now())}: {_in_words(later)}" if later else words

    @admin.display(description="margin, input / output")
    def margin(self, model: Model) -> SafeString | str:
        """At the dearest backend in use."""
        price = in_force(model.prices.all())
        backends = [one for one in model.backends.all() if one.is_active]
        inputs = [one.input_cost_pico for one in backends if one.input_cost_pico is not None]
        outputs = [one.output_cost_pico for one in backends if one.output_cost_pico is not None]
        if price is None or not inputs:
            return "no cost is recorded" if price else ""
        missing = len(backends) - len(inputs)
        return format_html(
            "{} / {}{}",
            marked(Margin(price.input_pico, max(inputs))),
            marked(Margin(price.output_pico, max(outputs))),
            f"; {missing} without a cost" if missing else "",
        )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("prices", "backends")


def _in_words(price: Price) -> str:
    tokens = f"{usd_per_million_from_pico(price.input_pico)} / {usd_per_million_from_pico(price.output_pico)}"
    return f"{tokens}, {usd_per_token_from_pico(price.request_pico)}" if price.request_pico else tokens


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
    actions = ("drain", "undrain", "call")

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("staff.run_backends")

    @admin.action(description="Drain: no new requests, those that run go on", permissions=["run"])
    def drain(self, request: HttpRequest, backends: QuerySet[Backend]) -> None:
        self._switch(request, backends, on=False)

    @admin.action(description="Undrain: take requests again", permissions=["run"])
    def undrain(self, request: HttpRequest, backends: QuerySet[Backend]) -> None:
        self._switch(request, backends, on=True)

    @admin.action(description="Test call: a short completion, billed to nobody", permissions=["run"])
    def call(self, request: HttpRequest, backends: QuerySet[Backend]) -> None:
        """Past the gateway, with what comes of it said at once and on record."""
        called = list(backends[:MOST_CALLED])
        for backend, (answers, words) in zip(called, asyncio.run(call_all(called)), strict=True):
            record(request, "test call", backend, after={"answers": answers}, what=words)
            self.message_user(request, f"{backend.base_url}: {words}", messages.SUCCESS if answers else messages.ERROR)
        if left := backends.count() - len(called):
            self.message_user(request, f"{left} not called: at most {MOST_CALLED} at once.", messages.WARNING)

    def _switch(self, request: HttpRequest, backends: QuerySet[Backend], *, on: bool) -> None:
        changed = 0
        for backend in backends:
            with transaction.atomic():
                if Backend.objects.filter(pk=backend.pk, is_active=not on).update(is_active=on):
                    record(request, "undrain" if on else "drain", backend, before={"is_active": not on}, after={"is_active": on})
                    changed += 1
        self.message_user(request, f"{changed} {'take requests again' if on else 'get no new requests'}, within two seconds.")
