"""The forms of the Billing page. Dollars are typed and checked as text: the actions of apps.billing say what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from apps.accounts.models import Account
from apps.billing import amounts, auto_topup, receipts, topups
from apps.billing.auto_topup import State
from apps.billing.models import BillingDetails, PaymentMethod
from apps.core import figures
from apps.core.money import NANO_PER_USD, usd_from_nano

QUICK = (10, 25, 50, 100)  # US dollars
USUAL = 25
OTHER, ELSEWHERE = "other", "stripe"


def _dollars(**options: Any) -> forms.CharField:
    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "maxlength": 16})
    return forms.CharField(max_length=16, widget=widget, **options)


class TopUpForm(forms.Form):
    """`attempt`, of topups.next_attempt, makes sending it twice one payment. `way`: the id of a saved card, or ELSEWHERE for Stripe's page."""

    attempt = forms.UUIDField(widget=forms.HiddenInput)
    amount = forms.ChoiceField(label="Amount", widget=forms.RadioSelect)
    other = _dollars(label="Other amount", required=False)
    way = forms.ChoiceField(label="Pay with", widget=forms.RadioSelect)
    save_card = forms.BooleanField(label="Save the card for the next time and for auto top-up", required=False, initial=True)

    def __init__(self, data: Any = None, *, account: Account, cards: Sequence[PaymentMethod]) -> None:
        self.account, self.limits = account, amounts.limits()
        quick = [usd for usd in QUICK if self.limits.least <= usd * NANO_PER_USD <= self.limits.most]
        usual = str(USUAL if USUAL in quick else quick[0]) if quick else OTHER
        attempt = topups.next_attempt(account) if data is None else None
        super().__init__(data, initial={"attempt": attempt, "amount": usual, "way": str(cards[0].pk) if cards else ELSEWHERE})
        self.cards = cards
        self.fields["amount"].choices = [*((str(usd), f"${usd}") for usd in quick), (OTHER, "Other")]  # type: ignore[attr-defined]
        ways = [(str(card.pk), str(card)) for card in cards]
        self.fields["way"].choices = [*ways, (ELSEWHERE, "Another card" if cards else "A card")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "amount" in data:
            other = data["amount"] == OTHER
            try:
                data["nano"] = amounts.validated_amount(data.get("other", "") if other else data["amount"])
            except ValidationError as error:
                self.add_error("other" if other else "amount", error.messages[0])
        return data

    def with_new_attempt(self) -> TopUpForm:
        """The same choices, for another payment than the one that this form began."""
        data = {name: self.data.get(name) for name in self.fields} | {"attempt": str(topups.next_attempt(self.account))}
        return TopUpForm(data, account=self.account, cards=self.cards)

    @property
    def bounds(self) -> str:
        return f"From {figures.money(self.limits.least)} to {figures.money(self.limits.most)}."

    @property
    def card_id(self) -> int | None:
        """None: Stripe's page."""
        way = self.cleaned_data["way"]
        return None if way == ELSEWHERE else int(way)

    @property
    def attempt_id(self) -> UUID:
        return self.cleaned_data["attempt"]


class AutoTopUpForm(forms.Form):
    enabled = forms.BooleanField(
        label="Top up by itself", required=False, widget=forms.CheckboxInput(attrs={"class": "toggle", "role": "switch"})
    )
    threshold = _dollars(label="When the balance falls below")
    amount = _dollars(label="Add")
    monthly_cap = _dollars(label="At most in a month")

    def __init__(self, data: Any = None, *, state: State) -> None:
        kept = state.settings
        shown = {"enabled": False, "threshold": "10", "amount": "25", "monthly_cap": "100"}
        if kept is not None:
            shown = {
                "enabled": kept.enabled,
                **{name: usd_from_nano(getattr(kept, name)) for name in ("threshold", "amount", "monthly_cap")},
            }
        super().__init__(data, initial=shown)

    def save(self, account: Account) -> bool:
        """False, with the errors in the form, when it was refused."""
        try:
            auto_topup.configure(account, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
        return not self.errors


class DetailsForm(forms.ModelForm):
    """Whom receipts are made out to."""

    class Meta:
        model = BillingDetails
        fields = ("name", "line1", "line2", "postal_code", "city", "region", "country", "tax_id")

    def save_for(self, account: Account) -> bool:
        """False, with the errors in the form, when it was refused."""
        try:
            receipts.save_details(account, **{name: self.cleaned_data[name] or "" for name in self.Meta.fields})
        except ValidationError as error:
            self.add_error(None, error)
        return not self.errors


class TransactionFilter(forms.Form):
    """What is listed: a kind, and days of the account's time zone, both included."""

    kind = forms.ChoiceField(label="Kind", required=False)
    first_day = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))
