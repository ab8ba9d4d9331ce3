"""Staff pages for money: the ledger and payments to read, credit to grant, refunds to make. Nothing booked can be edited."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.accounts.access import current_user
from apps.accounts.staff_search import AccountTable
from apps.audit.staff_pages import BigTable, ReadOnly
from apps.audit.trail import record
from apps.billing.credits import ReferenceReused, earlier_grant, grant_credit, lock_account
from apps.billing.events import replay
from apps.billing.models import (
    AutoTopup,
    CreditPool,
    Debt,
    LedgerTransaction,
    Notice,
    Payment,
    PaymentMethod,
    PoolKind,
    Posting,
    Receipt,
    Reversal,
    StripeEvent,
    WriteOff,
)
from apps.billing.reversals import refund, refusal
from apps.core.ids import uuid7
from apps.core.money import nano_from_usd, usd_from_nano


class AmountInUsd:
    """For an admin class: a column with `amount` in dollars."""

    @admin.display(description="USD")
    def usd(self, row: Posting | WriteOff | Payment | Reversal | Debt) -> str:
        return usd_from_nano(row.amount)


class OnceForm(forms.ModelForm):  # type: ignore[type-arg]
    """`token` names what the form does and is made with the page: sent twice, it does its work once."""

    token = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["token"] = uuid7()


class OnceAdmin:
    """For an admin class with such a form: only what is new goes on record. `save_model` says whether it is, in `obj.is_new`."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_addition(request, obj, message) if obj.is_new else None  # type: ignore[misc]


class GrantForm(OnceForm):
    """A grant of credit that was not paid for."""

    kind = forms.TypedChoiceField(choices=[(kind.value, kind.label) for kind in (PoolKind.PROMOTION, PoolKind.TRIAL)], coerce=int)
    usd = forms.DecimalField(label="amount, USD", max_digits=64)
    note = forms.CharField(max_length=200, required=False, help_text="why; shown in the ledger")

    class Meta:
        model = CreditPool
        fields = ("token", "account", "kind", "usd", "expires_at", "note")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if {"token", "account", "usd"} <= data.keys():
            lock_account(data["account"].pk)  # until the admin's transaction ends: nobody grants by the same token meanwhile
            try:
                earlier_grant(data["account"].pk, data["usd"], self.reference)
            except ReferenceReused:
                raise ValidationError("This form was sent before, for another grant: open the page anew.") from None
        return data

    @property
    def reference(self) -> str:
        return f"staff:{self.cleaned_data['token']}"

    def clean_usd(self) -> int:
        try:
            nano = nano_from_usd(self.cleaned_data["usd"])
        except ValueError as error:
            raise ValidationError(str(error)) from None
        if nano <= 0:
            raise ValidationError("Write an amount above 0.")
        return nano


@admin.register(CreditPool)
class CreditPoolAdmin(OnceAdmin, ReadOnly, AccountTable):
    """Adding a pool grants credit; a pool that exists is only shown."""

    list_display = ("id", "account", "kind", "remaining_usd", "held_usd", "granted_usd", "expires_at", "created_at")
    list_filter = ("kind",)
    list_select_related = ("account",)
    raw_id_fields = ("account",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return AccountTable.has_add_permission(self, request)

    def get_form(self, request: HttpRequest, obj: CreditPool | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs if obj else {"form": GrantForm, **kwargs})

    def get_fields(self, request: HttpRequest, obj: CreditPool | None = None) -> Any:
        return super().get_fields(request, obj) if obj else GrantForm.Meta.fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        data = form.cleaned_data
        grant = grant_credit(
            data["account"].pk, data["usd"], PoolKind(data["kind"]), form.reference, expires_at=data["expires_at"], note=data["note"]
        )
        obj.pk, obj.is_new = grant.pool_id, grant.created
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
class LedgerTransactionAdmin(ReadOnly, AccountTable):
    list_display = ("id", "created_at", "account", "kind", "reference", "note")
    list_filter = ("kind",)
    list_select_related = ("account",)
    exact_columns = ("id", "reference")
    inlines = (PostingInline,)


@admin.register(WriteOff)
class WriteOffAdmin(ReadOnly, AmountInUsd, AccountTable):
    list_display = ("inference_id", "account", "usd", "created_at")
    list_select_related = ("account",)


class RefundForm(OnceForm):
    """A refund that staff ask for."""

    usd = forms.DecimalField(label="amount, USD", max_digits=64)

    class Meta:
        model = Reversal
        fields = ("token", "payment", "usd", "note")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "usd" in data:
            try:
                data["usd"] = nano_from_usd(data["usd"])
            except ValueError as error:
                self.add_error("usd", str(error))
        if not self.errors:
            earlier = Reversal.objects.filter(pk=data["token"]).first()
            if earlier is None and (wrong := refusal(data["payment"], data["usd"])):
                self.add_error("usd", wrong)
            elif earlier is not None and (earlier.payment_id, earlier.amount) != (data["payment"].pk, data["usd"]):
                raise ValidationError("This form was sent before, for another refund: open the page anew.")
        return data


class ReversalInline(ReadOnly, AmountInUsd, admin.TabularInline):  # type: ignore[type-arg]
    model = Reversal
    fields = ("kind", "stripe_id", "status", "usd", "booked", "requested_by", "note", "created_at")
    readonly_fields = fields


@admin.register(Payment)
class PaymentAdmin(ReadOnly, AmountInUsd, AccountTable):
    """To read; refunds are made under “reversals”."""

    list_display = ("id", "account", "purpose", "status", "usd", "paid_with", "failure_code", "trouble", "created_at")
    list_filter = ("status", "purpose", ("trouble", admin.EmptyFieldListFilter))
    list_select_related = ("account",)
    exact_columns = ("id", "intent_id", "session_id", "customer")
    inlines = (ReversalInline,)


@admin.register(Reversal)
class ReversalAdmin(OnceAdmin, ReadOnly, AmountInUsd, AccountTable):
    """Adding one refunds a payment; one that exists is only shown."""

    list_display = ("id", "kind", "stripe_id", "status", "usd", "requested_by", "note", "created_at")
    list_filter = ("kind", "status")
    account_column = "payment__account_id"
    exact_columns = ("id", "stripe_id", "payment")
    raw_id_fields = ("payment",)

    def has_add_permission(self, request: HttpRequest) -> bool:  # type: ignore[override]
        return AccountTable.has_add_permission(self, request)

    def get_form(self, request: HttpRequest, obj: Reversal | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs if obj else {"form": RefundForm, **kwargs})

    def get_fields(self, request: HttpRequest, obj: Reversal | None = None) -> Any:
        return super().get_fields(request, obj) if obj else RefundForm.Meta.fields

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Not in the admin's transaction: a refund is written down before Stripe is asked, and asked for without any lock."""
        answer: HttpResponse = self._changeform_view(request, None, form_url, extra_context)  # type: ignore[attr-defined]
        return answer

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        data = form.cleaned_data
        made, is_new = refund(data["payment"], data["usd"], by=current_user(request), note=data["note"], key=data["token"])
        obj.pk, obj._state.adding, obj.is_new = made.pk, False, is_new
        obj.refresh_from_db()


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnly, BigTable):
    ordering = ("-received_at",)
    list_display = ("id", "type", "object_id", "received_at", "processed_at", "attempts", "error")
    list_filter = ("type", ("processed_at", admin.EmptyFieldListFilter), ("error", admin.EmptyFieldListFilter))
    search_help_text = "The exact id of an event, or of what it is about."
    actions = ("replay",)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("staff.replay"))

    def lookups(self, term: str) -> list[dict[str, Any]]:
        return [{"id": term}, {"object_id": term}]

    @admin.action(description="Replay", permissions=("replay",))
    def replay(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> None:
        """What an event says is fetched and booked once more; what is booked already stays as it is."""
        failed = []
        for event in queryset:
            record(request, "replay", event, before={"error": event.error})
            again = replay(event.pk)
            if again.error or again.processed_at is None:
                failed.append(event.pk)
        if failed:
            self.message_user(request, f"Could not be worked on: {', '.join(failed)}", messages.ERROR)
        else:
            self.message_user(request, "Replayed.")


@admin.register(Receipt)
class ReceiptAdmin(ReadOnly, AccountTable):
    list_display = ("invoice_number", "account", "issued_at")
    exact_columns = ("number",)


@admin.register(Debt)
class DebtAdmin(ReadOnly, AmountInUsd, AccountTable):
    list_display = ("account", "usd", "suspended", "since")
    list_select_related = ("account",)


@admin.register(AutoTopup)
class AutoTopupAdmin(ReadOnly, AccountTable):
    list_display = ("account", "enabled", "paused_at", "pause_reason", "failures")
    list_filter = ("enabled", "pause_reason")
    list_select_related = ("account",)


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnly, AccountTable):
    """What is known of a card: its brand, its last four digits, its expiry."""

    list_display = ("__str__", "account", "is_default", "exp_month", "exp_year", "created_at", "removed_at")
    list_select_related = ("account",)
    exact_columns = ("stripe_id",)
    exclude = ("fingerprint",)


@admin.register(Notice)
class NoticeAdmin(ReadOnly, AccountTable):
    list_display = ("kind", "account", "reference", "created_at", "sent_at", "attempts")
    list_filter = ("kind", ("sent_at", admin.EmptyFieldListFilter))
    list_select_related = ("account",)
