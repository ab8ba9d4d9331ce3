"""Promise: kept prompts and answers are seen, exported and deleted by their account alone, not by staff who look at its pages; they go when
their time is over, and with the account. Whether any are kept an owner decides."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from apps.accounts.actions import Registered
from apps.accounts.models import Account
from apps.core.ids import uuid7
from apps.dashboard import closing
from apps.dashboard.export import export
from apps.texts import actions
from apps.texts.models import KeptText
from apps.texts.sealing import Text
from apps.texts.tasks import delete_expired
from tests.api.managing import INSIDERS, OUTSIDERS, teammate_of
from tests.dashboard.browsing import HTMX, logged_in
from tests.dashboard.history import priced_model, request_at
from tests.people import new_customer
from tests.staff_pages.test_a_view_of_a_customer_only_reads import view_of
from tests.texts.kept import TEXT, keep, number_kept

pytest_plugins = ["tests.dashboard.history"]

DATA = "/settings/data"
NASTY = "<script>alert('&')</script> Grüße \U0001f44b"


@pytest.fixture
def alice() -> Registered:
    return new_customer()


def logged(alice: Registered, text: Text = TEXT) -> UUID:
    """An inference in the log, with its texts."""
    row = request_at(alice.account, timedelta(minutes=1), model_id=priced_model().pk)
    keep(alice.account.pk, row.pk, text)
    return UUID(str(row.pk))


def content(inference: UUID) -> str:
    return f"/api/v1/inferences/{inference}/content"


def turns(page: str) -> list[str]:
    """What was said, as the page shows it."""
    return [unescape(text) for text in re.findall(r'<div class="text"[^>]*>(.*?)</div>', page, re.DOTALL)]


def test_the_page_of_a_request_shows_who_said_what(alice: Registered) -> None:
    request = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": NASTY}, {"type": "image_url", "image_url": {"url": "data:,x"}}]},
            {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}]},
        ],
    }
    answer = {"choices": [{"message": {"role": "assistant", "content": "Ho & hum", "reasoning_content": "Let me see"}}]}
    inference = logged(alice, Text(json.dumps(request), json.dumps(answer), answer_cut=True))
    page = logged_in(alice.user).get(f"/inferences/{inference}").text
    shown = turns(page)
    assert shown == ["Be kind.", NASTY, "[image_url]", 'f({"a":1})', "Let me see", "Ho & hum"]
    assert "<script>alert" not in page
    assert page.count(">Cut<") == 1


@pytest.mark.parametrize(
    ("request_text", "shown"),
    [
        ('{"prompt":["One","Two"]}', ["One", "Two"]),
        ('{"prompt":[1,2,3]}', ["[1,2,3]"]),
        (
            '{"system":[{"type":"text","text":"S"}],"messages":[{"role":"user","content":[{"type":"tool_result","content":"R"}]}]}',
            ["S", "R"],
        ),
        ('{"messages":[7,{"role":8,"content":{"x":1}},{"tool_calls":[null,"f"]}],"prompt":null}', ["7", '{"x":1}', '"f"']),
        ('{"messages":"no list"}', []),
        ('{"messages":[{"role":"user","content":"cut he', []),
        ("[" * 100_000, []),
        ("7", []),
        ("\x00 no JSON at all \ufffd", []),
    ],
)
def test_whatever_was_sent_can_be_shown(alice: Registered, request_text: str, shown: list[str]) -> None:
    inference = logged(alice, Text(request_text, ""))
    answer = logged_in(alice.user).get(f"/inferences/{inference}")
    assert answer.status_code == 200
    assert turns(answer.text) == shown
    assert "Request as it was sent" in answer.text
    assert "Nothing had come." in answer.text


def test_a_text_whose_key_is_lost_takes_nothing_along(alice: Registered) -> None:
    inference = logged(alice)
    KeptText.objects.filter(pk=inference).update(sealed="nonsense")
    client = logged_in(alice.user)
    assert "cannot be read any more" in client.get(f"/inferences/{inference}").text
    read = client.get(content(inference)).json()
    assert (read["request"], read["answer"]) == (None, None)
    assert _exported(alice)["kept_texts"][0]["request"] is None
    KeptText.objects.filter(pk=inference).delete()  # so that no other test stumbles over it


def test_only_its_page_shows_it(alice: Registered) -> None:
    inference = logged(alice, Text('{"prompt":"Xyzzy"}', ""))
    client = logged_in(alice.user)
    assert "Xyzzy" in client.get(f"/inferences/{inference}").text
    for other in (client.get("/inferences"), client.get(f"/inferences/{inference}", headers=HTMX), client.get(DATA)):
        assert other.status_code == 200
        assert "Xyzzy" not in other.text


def test_staff_who_look_at_the_pages_do_not_see_it_and_cannot_delete_it(alice: Registered) -> None:
    inference = logged(alice, Text('{"prompt":"Xyzzy"}', ""))
    client = view_of(alice.account, "superuser")
    page = client.get(f"/inferences/{inference}")
    assert page.status_code == 200
    assert "Xyzzy" not in page.text
    assert "the customer's alone" in page.text
    for refused in (
        client.get(content(inference)),
        client.delete(content(inference)),
        client.post(f"/inferences/{inference}/texts/delete"),
        client.post(DATA, {"days": 5}),
        client.post(f"{DATA}/texts/stop"),
        client.post(f"{DATA}/texts/delete"),
        client.get(DATA),
    ):
        assert refused.status_code in (401, 403), refused.request["PATH_INFO"]
    assert number_kept(alice.account.pk) == 1


@pytest.mark.parametrize("insider", INSIDERS)
def test_insiders_read_and_delete_it_over_rest(alice: Registered, insider: str) -> None:
    inference, other = logged(alice), keep(alice.account.pk)
    call = INSIDERS[insider](alice)
    answer = call("GET", content(inference))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    read = answer.json()
    assert set(read) == {"inference", "request", "request_cut", "answer", "answer_cut", "kept_at", "expires_at"}
    assert (read["inference"], read["request"], read["answer"]) == (str(inference), TEXT.request, TEXT.answer)
    assert call("DELETE", content(inference)).json() == read
    for method in ("GET", "DELETE"):
        gone = call(method, content(inference))
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "content_not_kept")
    assert KeptText.objects.filter(pk=other.pk).exists()


@pytest.mark.parametrize("outsider", OUTSIDERS)
def test_outsiders_find_nothing(alice: Registered, outsider: str) -> None:
    inference = logged(alice)
    call = OUTSIDERS[outsider]()
    for method in ("GET", "DELETE"):
        assert call(method, content(inference)).status_code == 404
    assert number_kept(alice.account.pk) == 1


def test_others_pages_neither_show_nor_delete_it(alice: Registered) -> None:
    inference = logged(alice)
    charlie = new_customer()
    client = logged_in(charlie.user)
    assert client.get(f"/inferences/{inference}").status_code == 404
    assert client.post(f"/inferences/{inference}/texts/delete").status_code == 404
    assert client.post(f"{DATA}/texts/delete").status_code == 302
    assert _exported(charlie)["kept_texts"] == []
    assert number_kept(alice.account.pk) == 1
    assert Client().post(f"/inferences/{inference}/texts/delete").headers["location"].startswith("/accounts/login")


def test_it_is_deleted_one_by_one_and_all_at_once(alice: Registered) -> None:
    inference = logged(alice)
    keep(alice.account.pk)
    keep(alice.account.pk)
    client = logged_in(alice.user)
    assert client.post(f"/inferences/{inference}/texts/delete").headers["location"] == f"/inferences/{inference}"
    assert number_kept(alice.account.pk) == 2
    page = client.get(f"/inferences/{inference}").text
    assert "Prompt and answer are deleted." in page
    assert TEXT.answer not in unescape(page)
    assert re.search(r"Kept now: <[^>]*>2</[^>]*> requests|Kept now: 2 requests", client.get(DATA).text)
    client.post(f"{DATA}/texts/delete")
    assert number_kept(alice.account.pk) == 0


def test_an_owner_chooses_changes_and_takes_back(alice: Registered) -> None:
    client = logged_in(alice.user)
    assert "Not kept" in client.get(DATA).text
    for wrong in ("", "0", "31", "-1", "1.5", "many", "9" * 30):
        answer = client.post(DATA, {"days": wrong})
        assert answer.status_code == 422
        assert "Write a whole number of days from 1 to 30." in answer.text
        assert _days(alice) is None
    assert client.post(DATA, {"days": "30"}).headers["location"] == DATA
    assert _days(alice) == 30
    assert "Kept for 30 days" in client.get(DATA).text
    keep(alice.account.pk)
    client.post(f"{DATA}/texts/stop")
    assert (_days(alice), number_kept(alice.account.pk)) == (None, 1)
    client.post(f"{DATA}/texts/stop", {"delete": "yes"})
    assert number_kept(alice.account.pk) == 0


def test_a_member_who_is_no_owner_reads_but_does_not_decide(alice: Registered) -> None:
    inference = logged(alice)
    client = logged_in(teammate_of(alice))
    assert "An owner of the account decides." in client.get(DATA).text
    for refused in (client.post(DATA, {"days": 5}), client.post(f"{DATA}/texts/stop"), client.post(f"{DATA}/texts/delete")):
        assert refused.status_code == 403
    assert (_days(alice), number_kept(alice.account.pk)) == (None, 1)
    assert "Ho" in client.get(f"/inferences/{inference}").text


def test_forms_need_their_token(alice: Registered) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice.user)
    inference = logged(alice)
    for address in (DATA, f"{DATA}/texts/stop", f"{DATA}/texts/delete", f"/inferences/{inference}/texts/delete"):
        assert client.post(address, {"days": "3", "delete": "yes"}).status_code == 403
    assert (_days(alice), number_kept(alice.account.pk)) == (None, 1)


def test_fewer_days_count_for_what_is_kept_too_and_more_days_do_not(alice: Registered) -> None:
    row = keep(alice.account.pk, days=7)
    actions.keep_for(alice.account.pk, 30)
    row.refresh_from_db()
    assert row.expires_at - row.kept_at == timedelta(days=7)
    actions.keep_for(alice.account.pk, 2)
    row.refresh_from_db()
    assert row.expires_at - row.kept_at == timedelta(days=2)


def test_when_its_time_is_over_nobody_sees_it_and_it_is_deleted(alice: Registered) -> None:
    inference, other = logged(alice), keep(alice.account.pk)
    KeptText.objects.filter(pk=inference).update(expires_at=timezone.now() - timedelta(seconds=1))
    client = logged_in(alice.user)
    assert client.get(content(inference)).status_code == 404
    assert 'id="said"' not in client.get(f"/inferences/{inference}").text
    assert [one["inference"] for one in _exported(alice)["kept_texts"]] == [str(other.pk)]
    delete_expired()
    assert list(KeptText.objects.filter(account=alice.account)) == [other]


def test_the_export_has_it_all(alice: Registered) -> None:
    actions.keep_for(alice.account.pk, 9)
    ids = sorted(str(keep(alice.account.pk, uuid7()).pk) for _ in range(23))
    exported = _exported(alice)
    assert exported["account"]["keep_days"] == 9
    assert [one["inference"] for one in exported["kept_texts"]] == ids
    assert {(one["request"], one["answer"]) for one in exported["kept_texts"]} == {(TEXT.request, TEXT.answer)}


def test_it_goes_with_the_account(alice: Registered) -> None:
    actions.keep_for(alice.account.pk, 9)
    keep(alice.account.pk)
    closing.delete_user(alice.user)
    assert (_days(alice), number_kept(alice.account.pk)) == (None, 0)


def test_the_log_says_whether_and_why_not(alice: Registered) -> None:
    row = request_at(alice.account, timedelta(minutes=1), model_id=priced_model().pk)
    client = logged_in(alice.user)
    assert "not stored" in client.get(f"/inferences/{row.pk}").text
    actions.keep_for(alice.account.pk, 3)
    assert "it ran before your account chose so" in client.get(f"/inferences/{row.pk}").text


def _days(alice: Registered) -> int | None:
    return Account.objects.get(pk=alice.account.pk).keep_days


def _exported(who: Registered) -> Any:
    account = Account.objects.get(pk=who.account.pk)

    async def whole() -> bytes:
        return b"".join([piece async for piece in export(who.user, account)])

    return json.loads(async_to_sync(whole)())
