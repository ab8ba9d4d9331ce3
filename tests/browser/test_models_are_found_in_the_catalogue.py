"""Promise: a visitor narrows the list of models while typing, compares two and reads about one, on any screen, in both themes."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from apps.catalog.models import Model
from apps.dashboard.landing import FRESH_S
from tests.browser.soundness import assert_sound
from tests.browser.watching import Watch
from tests.gateway.customers import new_model
from tests.gateway.waiting import wait_for


def test_a_visitor_chooses_a_model(visitor: Page) -> None:
    names = []
    for features in (["chat", "tools"], ["chat", "vision"]):
        made = new_model("http://127.0.0.1:9/v1", prices={"input": "0.1", "output": "0.5"}, supported_features=features)
        names.append(f"choosers/one-{made.id}")
        Model.objects.filter(pk=made.id).update(public_id=names[-1], description="A model of this test.")
    wait_for(lambda: all(visitor.request.get(f"/models/{name}").ok for name in names), 3 * FRESH_S, "a fresh price list")
    visitor.goto("/models")
    visitor.get_by_label("Search").press_sequentially("choosers")
    rows = visitor.get_by_role("row", name=re.compile("choosers"))
    expect(rows).to_have_count(2)
    expect(visitor).to_have_url(re.compile("q=choosers"))
    visitor.get_by_label("Vision").check()
    expect(rows).to_have_count(1)
    assert_sound(visitor)
    visitor.get_by_label("Vision").uncheck()
    expect(rows).to_have_count(2)
    for name in names:
        visitor.get_by_label(f"Compare {name}").check()
    visitor.get_by_role("button", name="Compare chosen").click()
    expect(visitor.get_by_role("heading", level=1)).to_have_text("2 models compared")
    assert_sound(visitor)
    visitor.get_by_role("link", name=names[1].partition("/")[2]).click()
    expect(visitor.get_by_role("heading", level=1)).to_have_text(names[1])
    assert_sound(visitor)


def test_a_phone_shows_every_fact_of_a_model_however_long_its_name(visitor: Page) -> None:
    made = new_model("http://127.0.0.1:9/v1", prices={"input": "0.1234", "output": "0.5", "cached_input": "0.0375"}, context_length=131_072, supported_features=["chat", "tools", "vision"])  # fmt: skip
    name = f"pocket-{made.id}/{'a-very-long-name-' * 6}end"
    Model.objects.filter(pk=made.id).update(public_id=name)
    wait_for(lambda: visitor.request.get(f"/models/{name}").ok, 3 * FRESH_S, "a fresh price list")
    visitor.set_viewport_size({"width": 390, "height": 844})
    visitor.goto(f"/models?q=pocket-{made.id}&input=image&max_input=0.2")
    row = visitor.get_by_role("row", name=re.compile("pocket"))
    for fact in ("131,072", "$0.1234", "$0.500", "$0.0375", "Tools", "Vision", re.compile("name-end$")):
        expect(row.get_by_text(fact).first).to_be_in_viewport(ratio=1)
    assert_sound(visitor)


def test_prices_and_the_form_for_requests(visitor: Page, watch: Watch) -> None:
    watch.allow("422")
    visitor.goto("/pricing")
    assert_sound(visitor)
    visitor.goto("/request-a-model")
    visitor.get_by_role("button", name="Send").click()
    expect(visitor.get_by_text("This field is required").first).to_be_visible()
    assert_sound(visitor)
