"""Promise: members of an account make, read, edit, copy, share, export, import and restore its presets on pages; others find nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.actions import Registered
from apps.presets.actions import edit_preset
from apps.presets.models import Preset
from tests.api.managing import by_session, teammate_of
from tests.dashboard.browsing import logged_in
from tests.gateway.customers import new_model as new_model_with_price
from tests.people import new_customer
from tests.presets.samples import PRESETS, new_preset

PARAMETERS = """{"response_format": {"type": "json_object"}, "temperature": 0.5, "max_tokens": 300,
  "stop": ["END", "###"], "reasoning_effort": "low", "seed": 9223372036854775807}"""


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def browser(alice: Registered) -> Client:
    return logged_in(alice.user)


@pytest.fixture(scope="module")
def model() -> str:
    return new_model_with_price("http://127.0.0.1:9/v1").name


# A value that each parameter cannot have.
WRONG = (
    ("temperature", "3"), ("top_p", "1.5"), ("top_k", '"many"'), ("min_p", "2"), ("frequency_penalty", "-3"), ("presence_penalty", "3"),
    ("repetition_penalty", "0"), ("max_tokens", "0"), ("max_tokens", "1.5"), ("seed", '"x"'), ("stop", "5"),
    ("reasoning_effort", '"much"'), ("response_format", '{"type": 1}'), ("tools", "5"), ("tools", '[{"type": "function"}]'), ("n", "0"),
    ("logit_bias", '{"1": 200}'), ("parallel_tool_calls", '"yes"'),
)  # fmt: skip


def filled(model: str, **fields: Any) -> dict[str, Any]:
    return {"name": "Support", "model": model, **fields}


def test_a_preset_is_made_read_and_edited(browser: Client, alice: Registered, model: str) -> None:
    assert "No presets yet" in browser.get("/presets").text
    assert model in browser.get("/presets/new").text
    sent = filled(model, system_prompt="Be <kind>.\nBe brief.", parameters=PARAMETERS)
    made = browser.post("/presets/new", sent)
    assert (made.status_code, made.headers["location"]) == (302, "/presets/support")
    row = Preset.objects.get(account=alice.account)
    assert row.fields == json.loads(PARAMETERS)
    assert row.system_prompt.splitlines() == ["Be <kind>.", "Be brief."]
    listed, page, form = (browser.get(path).text for path in ("/presets", "/presets/support", "/presets/support/edit"))
    for text in (listed, page, form):
        assert "Be &lt;kind&gt;." in text
        assert "Be <kind>" not in text
    assert "temperature 0.5" in listed
    assert "9223372036854775807" in form
    assert "&quot;preset&quot;: &quot;support&quot;" in page.replace("</span>", "").replace('<span class="s">', "")

    # The form comes back as it was shown, with a browser's line ends: nothing has changed. Then another temperature.
    same = filled(model, slug="support", system_prompt=row.system_prompt)
    pretty = json.dumps(row.fields, indent=2).replace("\n", "\r\n")
    assert browser.post("/presets/support/edit", same | {"parameters": pretty}).status_code == 302
    row.refresh_from_db()
    assert row.version == 1
    assert browser.post("/presets/support/edit", same | {"parameters": pretty.replace("0.5", "0.75")}).status_code == 302
    row.refresh_from_db()
    assert (row.fields["temperature"], row.version) == (0.75, 2)
    page = browser.get("/presets/support").text
    assert "Version 1" in page
    assert browser.post("/presets/support/versions/1/restore").status_code == 302
    row.refresh_from_db()
    assert (row.fields["temperature"], row.version) == (0.5, 3)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"slug": "A b"}, "small letters"),
        ({"slug": "taken"}, "another preset of this account"),
        ({"model": "no/such"}, "not one of the available choices"),
        ({"parameters": "{"}, "parameters"),
        ({"parameters": "[]"}, "parameters"),
        ({"parameters": '{"messages": []}'}, "each request&#x27;s own"),
        *(({"parameters": f'{{"{name}": {value}}}'}, f"parameters.{name}") for name, value in WRONG),
        ({"system_prompt": "x" * 40_000}, "At most 32768 bytes"),
    ],
)
def test_what_is_wrong_is_said_in_its_place_and_nothing_typed_is_lost(
    wrong: dict[str, Any], words: str, browser: Client, alice: Registered, model: str
) -> None:
    new_preset(alice.account, "Taken")
    answer = browser.post("/presets/new", filled(model, description="What I typed") | wrong)
    assert answer.status_code == 422
    assert words.lower() in answer.text.lower()
    assert "What I typed" in answer.text
    assert Preset.objects.filter(account=alice.account).count() == 1


def test_copy_default_and_deletion(browser: Client, alice: Registered, model: str) -> None:
    row = new_preset(alice.account, model=model)
    assert browser.post(f"/presets/{row.slug}/duplicate").headers["location"] == "/presets/support-copy/edit"
    browser.post("/presets/support-copy/default")
    assert Preset.objects.get(account=alice.account, is_default=True).slug == "support-copy"
    assert "Default" in browser.get("/presets").text
    browser.post("/presets/support-copy/default")
    assert not Preset.objects.filter(account=alice.account, is_default=True).exists()
    browser.post(f"/presets/{row.slug}/delete")
    assert [one.slug for one in Preset.objects.filter(account=alice.account)] == ["support-copy"]


def test_an_export_is_imported_elsewhere_on_the_page_and_over_rest(browser: Client, alice: Registered, model: str) -> None:
    row = new_preset(
        alice.account, model=model, parameters='{"response_format":{"b":1,"a":2,"type":"text"},"seed":7}', system_prompt="Be brief."
    )
    file = browser.get(f"/presets/{row.slug}/export")
    assert file.headers["content-disposition"] == 'attachment; filename="support.preset.json"'
    assert by_session(alice.user)("GET", f"{PRESETS}/{row.slug}/export").content == file.content
    charlie = new_customer()
    for number, sent in enumerate(({"file": SimpleUploadedFile("x.json", file.content)}, {"text": file.content.decode()})):
        slug = ["support", "support-2"][number]
        assert logged_in(charlie.user).post("/presets/import", sent).headers["location"] == f"/presets/{slug}"
        copy = Preset.objects.get(account=charlie.account, slug=slug)
        assert (copy.name, copy.model, copy.system_prompt, copy.version) == (row.name, row.model, row.system_prompt, 1)
        assert json.dumps(copy.fields) == json.dumps(row.fields)  # the order of keys too
    assert by_session(new_customer().user)("POST", PRESETS, file.content.decode()).status_code == 201


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", '{"name": "x", "model": "no/such"}', '{"name": "x", "model": "m", "parameters": {"n": 0}}', "\ud800"]
)
def test_what_is_no_preset_is_not_imported(text: str, browser: Client, alice: Registered) -> None:
    answer = browser.post("/presets/import", {"file": SimpleUploadedFile("x.json", text.encode("utf-8", "surrogatepass"))})
    assert answer.status_code == 422
    assert "data-open" in answer.text
    assert not Preset.objects.filter(account=alice.account).exists()


READS = ["", "/edit", "/export"]
CHANGES = ["/edit", "/duplicate", "/default", "/delete", "/versions/1/restore"]


def test_teammates_read_it_by_its_link_and_others_find_nothing(alice: Registered, model: str) -> None:
    row = new_preset(alice.account, model=model, system_prompt="Secret.")
    edit_preset(row, {"system_prompt": "Secret, too."})
    bob, charlie = logged_in(teammate_of(alice)), logged_in(new_customer().user)
    for path in READS:
        assert "Secret, too." in bob.get(f"/presets/{row.slug}{path}").text
        assert charlie.get(f"/presets/{row.slug}{path}").status_code == 404
        assert Client().get(f"/presets/{row.slug}{path}").status_code == 302
    for path in CHANGES:
        assert charlie.post(f"/presets/{row.slug}{path}", filled(model)).status_code == 404
        assert Client().post(f"/presets/{row.slug}{path}", filled(model)).headers["location"].startswith("/accounts/login")
        assert (
            Client(enforce_csrf_checks=True, headers={"cookie": bob.cookies.output(header="", sep=";")})
            .post(f"/presets/{row.slug}{path}")
            .status_code
            == 403
        )
    row.refresh_from_db()
    assert (row.system_prompt, row.version, row.is_default) == ("Secret, too.", 2, False)
    assert "support" not in charlie.get("/presets").text
