"""Promise: the model that pages name for coding agents calls tools, has a price, and has a backend that is not known to be down."""

from __future__ import annotations

from apps.catalog.models import Backend, Model
from apps.catalog.queries import model_for_agents
from apps.core.ids import uuid7
from tests.gateway.customers import new_model


def test_the_first_that_calls_tools_and_will_be_reached() -> None:
    before = model_for_agents()
    model, name = new_model("http://127.0.0.1:9/v1"), f"0-agents/{uuid7().hex}"  # ahead of what other tests have left
    Model.objects.filter(pk=model.id).update(public_id=name, supported_features=["chat"])
    assert model_for_agents() == before
    Model.objects.filter(pk=model.id).update(supported_features=["chat", "tools"])
    assert model_for_agents() == name
    Backend.objects.filter(model=model.id).update(probe_ok=False)
    assert model_for_agents() == before
    Backend.objects.filter(model=model.id).delete()
    assert model_for_agents() == before
    Model.objects.filter(pk=model.id).update(is_active=False)
