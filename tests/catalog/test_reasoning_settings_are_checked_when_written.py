"""Settings by which no request could be written are refused where staff write them, not at a customer's call."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.catalog.models import Model


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"effort": "reasoning_effort", "efforts": ["low", "high"]},
        {"enabled": "chat_template_kwargs.enable_thinking", "max_tokens": "budget"},
    ],
)
def test_settings_that_name_places_are_taken(settings: dict[str, Any]) -> None:
    Model(reasoning=settings).clean()


@pytest.mark.parametrize(
    "settings",
    [[], "x", {"effort": 5}, {"effort": ""}, {"enabled": "a..b"}, {"efforts": "low"}, {"efforts": []}, {"efforts": [1]}, {"other": "x"}],
)
def test_others_are_refused_by_name(settings: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Model(reasoning=settings).clean()
    assert "reasoning" in refused.value.message_dict
