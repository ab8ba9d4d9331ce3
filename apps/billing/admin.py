"""Staff pages for money: the ledger to read, and credit to grant. Nothing booked can be edited."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from apps.billing.credits import grant_credit
from apps.billing.models import CreditPool, LedgerTransaction, PoolKind, Posting, WriteOff
from apps.core.ids import uuid7
from apps.core.money import nano_from_usd, usd_from_nano


class ReadOnly:
    """For an admin class: look, do not touch."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AmountInUsd:
    """For an admin class: a column with `amount` in dollars."""

    @admin.display(description="USD")
    def usd(self, row: Posting | WriteOff) -> str:
        return usd_from_nano(row.amount)


class GrantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A grant of credit that was not paid for."""

    kind = forms.TypedChoiceField(choices=[(kind.value, kind.label) for kind in (PoolKind.PROMOTION, PoolKind.TRIAL)], coerce=int)
    usd = forms.DecimalField(label="amount, USD", max_digits=64)
    note = forms.CharField(max_length=200, required=False, help_text="why; shown in the ledger")

    class Meta:
        model = CreditPool
        fields = ("account", "kind", "usd", "expires_at", "note")

    def clean_usd(self) -> int:
        try:
            nano = nano_from_usd(self.cleaned_data["usd"])
        except ValueError as error:
            raise ValidationError(str(error)) from None
        if nano <= 0:
            raise ValidationError("Write an amount above 0.")
        return nano


@admin.register(CreditPool)
class CreditPoolAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Adding a pool grants credit; a pool that exists is only shown."""

    list_display = ("id", "account", "kind", "remaining_usd", "held_usd", "granted_usd", "expires_at", "created_at")
    list_filter = ("kind",)
    list_select_related = ("account",)
    search_fields = ("account__name",)
    raw_id_fields = ("account",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_form(self, request: HttpRequest, obj: CreditPool | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs if obj else {"form": GrantForm, **kwargs})

    def get_fields(self, request: HttpRequest, obj: CreditPool | None = None) -> Any:
        return super().get_fields(request, obj) if obj else GrantForm.Meta.fields

    def save_model(self, request: HttpRequest, obj: CreditPool, form: Any, change: bool) -> None:
        data = form.cleaned_data
        grant = grant_credit(
            data["account"].pk, data["usd"], PoolKind(data["kind"]), f"admin:{uuid7()}", expires_at=data["expires_at"], note=data["note"]
        )
        obj.pk = grant.pool_id
        obj.refresh_from_db()

    @admin.display(description="remaining, USD")
    def remaining_usd(self, pool: CreditPool) -> str:
        return usd_from_nano(pool.remaining)

    @admin.display(description="held, USD")
    def held_usd(self, pool: CreditPool) -> str:
        return usd_from_nano(pool.held)

    @admin.display(description="granted, USD")
    def granted_usd(self, pool: CreditPool) -> str:
        return usd_from_nano(pool.granted)


class PostingInline(ReadOnly, AmountInUsd, admin.TabularInline):  # type: ignore[type-arg]
    model = Posting
    fields = ("book", "pool", "usd")
    readonly_fields = fields


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "created_at", "account", "kind", "reference", "note")
    list_filter = ("kind",)
    list_select_related = ("account",)
    search_fields = ("=reference", "account__name")
    show_full_result_count = False
    inlines = (PostingInline,)


@admin.register(WriteOff)
class WriteOffAdmin(ReadOnly, AmountInUsd, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("inference_id", "account", "usd", "created_at")
    list_select_related = ("account",)
    show_full_result_count = False
