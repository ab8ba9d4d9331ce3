"""Changes to the catalogue: adding or updating a model, its price, a backend."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.catalog.backend_urls import check_backend_url
from apps.catalog.models import FEATURES, SAMPLING_PARAMETERS, Backend, Model, Price

# Tokens held for a request that sets no max_tokens, unless the model's output or context is shorter.
USUAL_OUTPUT = 4_096


def save_model(public_id: str, fields: dict[str, Any], prices: dict[str, int]) -> tuple[Model, bool]:
    """Add a model, or change the given fields and prices (pico-USD, by the column of Price) of an existing one.

    Returns the model and whether it is new. Raises ValidationError naming the field.
    """
    try:
        return _save_model(public_id, fields, prices)
    except IntegrityError:
        # Somebody added it between our look and our insert; now it is an existing one.
        return _save_model(public_id, fields, prices)


@transaction.atomic
def _save_model(public_id: str, fields: dict[str, Any], prices: dict[str, int]) -> tuple[Model, bool]:
    model = Model.objects.select_for_update().filter(public_id=public_id).first()
    created = model is None
    if model is None:
        model = Model(public_id=public_id, name=public_id.rpartition("/")[2], supported_features=["chat", "streaming"])
        model.input_modalities = model.output_modalities = ["text"]
        model.supported_sampling_parameters = SAMPLING_PARAMETERS
    for name, value in fields.items():
        setattr(model, name, value)
    _check_features(model)
    bound = model.context_length if model.max_output_length is None else model.max_output_length
    if not 1 <= bound <= model.context_length:
        raise ValidationError({"max_output_length": f"{bound} is not from 1 to the context length, {model.context_length}"})
    model.default_max_output = min(USUAL_OUTPUT if created else model.default_max_output, bound)
    model.full_clean(validate_unique=False)  # of two who add it at once, the database finds the second
    model.save()
    set_price(model, prices)
    return model, created


def set_price(model: Model, prices: dict[str, int]) -> Price:
    """Make these prices (pico-USD, by the column of Price) hold from now on; those not given stay, or start at zero.

    A new row only when something differs from the price in force.
    """
    current = model.prices.filter(effective_from__lte=Now()).order_by("-effective_from", "-pk").first()
    columns = ("input_pico", "cached_input_pico", "output_pico", "request_pico")
    before = {name: getattr(current, name) for name in columns} if current else {"input_pico": 0, "output_pico": 0}
    after = before | prices
    if current and after == before:
        return current
    return Price.objects.create(model=model, effective_from=Now(), **after)


@transaction.atomic
def save_backend(model: Model, base_url: str, fields: dict[str, Any]) -> tuple[Backend, bool]:
    """Add a backend of a model, or change the given fields of the one with this address. `api_key` is among the fields.

    Returns the backend and whether it is new. Raises ValidationError naming the field.
    """
    try:
        base_url = check_backend_url(base_url, settings.ALLOW_PRIVATE_BACKENDS)
    except ValueError as error:
        raise ValidationError({"base_url": str(error)}) from None
    # The model's lock lets two additions of the same backend follow one another.
    Model.objects.select_for_update(no_key=True).get(pk=model.pk)
    backend = Backend.objects.filter(model=model, base_url=base_url).first()
    created = backend is None
    if backend is None:
        backend = Backend(model=model, base_url=base_url, upstream_model=model.public_id)
    for name, value in fields.items():
        setattr(backend, name, value)
    backend.full_clean()
    backend.save()
    return backend, created


def _check_features(model: Model) -> None:
    unknown = sorted(set(model.supported_features) - set(FEATURES))
    if unknown:
        raise ValidationError({"supported_features": f"unknown: {', '.join(unknown)}; choose from {', '.join(FEATURES)}"})
    model.supported_features = sorted(set(model.supported_features), key=FEATURES.index)
    # What a model takes in follows from what it can do.
    if "vision" in model.supported_features and "image" not in model.input_modalities:
        model.input_modalities = [*model.input_modalities, "image"]
