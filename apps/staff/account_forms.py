"""What staff fill in at an account's desk. Each form carries a token: sent twice, it does its work once."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.billing.models import Payment, PoolKind
from apps.billing.reversals import refusal
from apps.core.ids import uuid7
from apps.core.money import display_usd, nano_from_usd


class UsdField(forms.DecimalField):
    """An amount in dollars; cleaned, it is nano-USD above 0."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=64, widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}), **options)

    def clean(self, value: Any) -> int:
        amount = super().clean(value)
        try:
            nano = nano_from_usd(amount)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        if nano <= 0:
            raise ValidationError("Write an amount above 0.")
        return nano


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=200, help_text="Stands in the audit trail next to your name.")


class OnceForm(ReasonForm):
    """`token` names the deed: it is made with the page."""

    token = forms.UUIDField(widget=forms.HiddenInput)
    usd = UsdField(label="Amount in USD")
    field_order: Any = ("usd",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"initial": {"token": uuid7()}, **options})


class GrantForm(OnceForm):
    kind = forms.TypedChoiceField(
        label="Credit", choices=[(kind.value, kind.label) for kind in (PoolKind.PROMOTION, PoolKind.TRIAL)], coerce=int
    )
    expires_on = forms.DateField(
        required=False, widget=forms.DateInput(attrs={"type": "date"}), help_text="Good up to the end of that day (UTC). Empty: for ever."
    )
    field_order = ("usd", "kind", "expires_on", "reason")

    @property
    def expires_at(self) -> datetime | None:
        day = self.cleaned_data["expires_on"]
        return None if day is None else datetime.combine(day + timedelta(days=1), time(), timezone.get_default_timezone())

    def clean_expires_on(self) -> Any:
        day = self.cleaned_data["expires_on"]
        if day is not None and day < timezone.now().date():
            raise ValidationError("That day is over.")
        return day


class RefundForm(OnceForm):
    payment = forms.ModelChoiceField(Payment.objects.none(), empty_label=None)
    field_order = ("payment", "usd", "reason")

    def __init__(self, account_id: int, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["payment"]
        field.queryset = Payment.objects.filter(account_id=account_id, pool__isnull=False).order_by("-pk")[:50]
        field.queryset = Payment.objects.filter(pk__in=list(field.queryset.values_list("pk", flat=True))).order_by("-pk")
        field.label_from_instance = _label

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "usd" in data and "payment" in data and (wrong := refusal(data["payment"], data["usd"])) and not self._was_sent(data):
            self.add_error("usd", wrong)
        return data

    def _was_sent(self, data: dict[str, Any]) -> bool:
        """The same form again: what it asks for is what it did."""
        return bool(data["payment"].reversals.filter(pk=data.get("token")).exists())


def _label(payment: Payment) -> str:
    return f"{display_usd(payment.amount)} on {payment.created_at:%d %b %Y}, {payment.paid_with or payment.get_purpose_display()}"
