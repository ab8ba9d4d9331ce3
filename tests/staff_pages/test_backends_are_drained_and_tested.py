"""Promise: operators drain a backend, undrain it and test it from the list of backends, which support cannot; all of it is on record."""

from __future__ import annotations

from apps.audit.models import Entry
from apps.catalog.actions import save_backend
from apps.catalog.models import Backend, Model
from tests.gateway.customers import new_model
from tests.staff_pages.roles import browser_of, member_of


def test_a_backend_is_drained_undrained_and_tested() -> None:
    model = Model.objects.get(pk=new_model(prices={"input": "1", "output": "2"}).id)
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {})

    def act(role: str, action: str) -> str:
        data = {"action": action, "_selected_action": [backend.pk]}
        return browser_of(member_of(role)).post("/admin/catalog/backend/", data, follow=True).content.decode()

    def in_use() -> bool:
        return Backend.objects.get(pk=backend.pk).is_active

    act("support", "drain")
    assert in_use()
    assert "1 get no new requests" in act("operator", "drain")
    assert not in_use()
    assert "0 get no new requests" in act("operator", "drain")
    assert "1 take requests again" in act("operator", "undrain")
    assert in_use()
    assert "takes no connections" in act("operator", "call")
    entries = Entry.objects.filter(object_type="catalog.backend", object_id=str(backend.pk)).order_by("pk")
    assert [entry.action for entry in entries] == ["drain", "undrain", "test call"]
