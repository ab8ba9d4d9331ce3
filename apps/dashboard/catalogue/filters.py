"""What the list of models can be narrowed to and ordered by, read from an address. Lists are short: it is done in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms

from apps.catalog.models import FEATURES, Price
from apps.core.money import MAX_PRICE_PICO, price_from_usd_per_million

FEATURE_NAMES = {
    "chat": "Chat",
    "tools": "Tools",
    "streaming": "Streaming",
    "reasoning": "Reasoning",
    "json_mode": "JSON mode",
    "structured_outputs": "Structured outputs",
    "logprobs": "Log probabilities",
    "vision": "Vision",
}
# What a request may bring along. Models that say nothing else take text.
INPUT_NAMES = {"text": "Text", "image": "Images", "audio": "Audio", "video": "Video", "file": "Files"}
CONTEXTS = {8_192: "8K and more", 32_768: "32K and more", 131_072: "128K and more", 200_000: "200K and more", 1_000_000: "1M and more"}
MOST_COMPARED = 4
SORTS: dict[str, tuple[str, Callable[[Price], Any]]] = {
    "name": ("Name", lambda price: price.model.public_id.lower()),
    "input": ("Input price, lowest first", lambda price: (price.input_pico, price.output_pico)),
    "output": ("Output price, lowest first", lambda price: (price.output_pico, price.input_pico)),
    "context": ("Context, longest first", lambda price: -price.model.context_length),
    "newest": ("Newest first", lambda price: -price.model.created_at.timestamp()),
}


class UsdPerMillion(forms.CharField):
    """US dollars per million tokens; cleaned to pico-USD per token."""

    def clean(self, value: Any) -> int | None:
        text = str(super().clean(value)).strip().removeprefix("$")
        if not text:
            return None
        try:
            return price_from_usd_per_million(text, "price")
        except ValueError:
            raise forms.ValidationError(f"Write dollars per million tokens, such as 0.50, up to {MAX_PRICE_PICO // 10**6}.") from None


class CatalogueFilters(forms.Form):
    """Every field may be left out. A value that makes no sense is named on the page, and narrows nothing."""

    q = forms.CharField(max_length=100, required=False, label="Search", widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name or organisation", "autocomplete": "off"}))  # fmt: skip
    feature = forms.MultipleChoiceField(choices=[(name, FEATURE_NAMES[name]) for name in FEATURES], required=False, label="Can do")
    input = forms.MultipleChoiceField(required=False, label="Input")
    context = forms.TypedChoiceField(choices=[("", "Any context"), *CONTEXTS.items()], coerce=int, empty_value=None, required=False, label="Context")  # fmt: skip
    max_input = UsdPerMillion(max_length=20, required=False, label="Input up to", widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "any"}))  # fmt: skip
    max_price = UsdPerMillion(max_length=20, required=False, label="Output up to", widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "any"}))  # fmt: skip
    sort = forms.ChoiceField(choices=[(name, label) for name, (label, _) in SORTS.items()], required=False, label="Sort by")

    def __init__(self, asked: Any, prices: Sequence[Price]) -> None:
        """`prices`: the whole list. Inputs to choose from are those that its models take, in the order of INPUT_NAMES."""
        super().__init__(asked)
        self.prices = prices
        taken = set().union(*map(_inputs, prices))
        names = [name for name in INPUT_NAMES if name in taken] + sorted(taken - set(INPUT_NAMES))
        self.fields["input"].choices = [(name, INPUT_NAMES.get(name, name.capitalize())) for name in names]  # type: ignore[attr-defined]

    def narrowed(self) -> list[Price]:
        """Those prices that pass every filter which makes sense, in the order asked for; as they came unless one is."""
        self.is_valid()
        asked = self.cleaned_data
        words = asked.get("q", "").lower().split()
        features, inputs = set(asked.get("feature") or ()), set(asked.get("input") or ())
        most_input, most_output = asked.get("max_input"), asked.get("max_price")
        kept = [
            price
            for price in self.prices
            if features <= set(price.model.supported_features)
            and inputs <= _inputs(price)
            and price.model.context_length >= (asked.get("context") or 0)
            and (most_input is None or price.input_pico <= most_input)
            and (most_output is None or price.output_pico <= most_output)
            and all(word in _text(price) for word in words)
        ]
        sort = asked.get("sort")
        return sorted(kept, key=SORTS[sort][1]) if sort else kept


def compared(ids: Sequence[str], prices: Sequence[Price]) -> list[Price]:
    """The prices of the models that an address names (`a,b`, or one parameter each), in its order and each once, MOST_COMPARED at most."""
    by_id = {price.model.public_id: price for price in prices}
    names = dict.fromkeys(name.strip() for one in ids for name in one.split(","))
    return [by_id[name] for name in names if name in by_id][:MOST_COMPARED]


def _inputs(price: Price) -> set[str]:
    return set(price.model.input_modalities) or {"text"}


def _text(price: Price) -> str:
    return f"{price.model.public_id} {price.model.name} {price.model.description}".lower()
