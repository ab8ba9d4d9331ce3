"""Models of their own for tests of the catalogue."""

from __future__ import annotations

import pytest

from apps.catalog.actions import save_model
from apps.catalog.models import Model
from apps.core.ids import uuid7


@pytest.fixture
def model() -> Model:
    """A model nobody else uses: 1 USD per million tokens in, 2 out."""
    return save_model(f"tests/{uuid7().hex}", {}, {"input_pico": 1_000_000, "output_pico": 2_000_000})[0]
