"""Conversations are kept for the user who wrote them: found, renamed, deleted by nobody else, gone with the account, taken along."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from apps.accounts.models import Account, Membership, Role, User
from apps.dashboard import closing
from apps.dashboard.export import export
from apps.playground.models import Conversation, Message
from tests.gateway.customers import new_customer as new_paying_customer
from tests.people import new_customer
from tests.playground.talking import Tab

PANE = {"model": "m", "system_prompt": "Be kind.", "parameters": {"temperature": 0.5}, "head": None, "preset": None}


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner() -> User:
    return new_customer().user


@pytest.fixture
def client(owner: User) -> Client:
    return logged_in(owner)


def make(client: Client, title: str = "About cats") -> str:
    identifier = str(uuid4())
    body = {"id": identifier, "title": title, "panes": [PANE]}
    for _ in range(2):  # a repeated POST makes one only
        answer = client.post("/playground/conversations", body, content_type="application/json")
        assert answer.status_code == 200, answer.content
    return identifier


def patch(client: Client, identifier: str, **change: object):
    return client.patch(f"/playground/conversations/{identifier}", change, content_type="application/json")


def test_it_is_kept_as_it_was_written(client: Client) -> None:
    identifier = make(client)
    found = client.get(f"/playground/conversations/{identifier}/").json()
    assert (found["title"], found["panes"], found["messages"]) == ("About cats", [PANE], [])
    assert found["draft"] == {"text": "", "images": []}
    draft = {"text": "Do they", "images": ["data:image/png;base64,AAAA" + "A" * 4_000_000]}
    assert patch(client, identifier, draft=draft, title="  About\n dogs ").status_code == 200
    found = client.get(f"/playground/conversations/{identifier}").json()
    assert (found["title"], found["draft"]) == ("About dogs", draft)
    row = Conversation.objects.get(pk=identifier)
    assert "dogs" not in row.sealed_title
    assert "kind" not in row.sealed_panes
    assert client.delete(f"/playground/conversations/{identifier}").status_code == 200
    assert client.get(f"/playground/conversations/{identifier}").status_code == 404


def test_the_list_is_searched_and_paged(client: Client) -> None:
    made = [make(client, f"Number {number}") for number in range(53)]
    first = client.get("/playground/conversations").json()
    assert [one["id"] for one in first["conversations"]] == made[:2:-1]
    rest = client.get("/playground/conversations", {"before": first["next"]}).json()
    assert ([one["id"] for one in rest["conversations"]], rest["next"]) == (made[2::-1], None)
    found = client.get("/playground/conversations", {"q": "NUMBER 4"}).json()
    assert [one["title"] for one in found["conversations"]] == [f"Number {number}" for number in (*range(49, 39, -1), 4)]


def test_another_user_does_not_find_it_not_even_of_the_same_account(client: Client, owner: User) -> None:
    identifier = make(client)
    colleague = new_customer().user
    Membership.objects.filter(user=colleague).delete()
    Membership.objects.create(user=colleague, account=Account.objects.get(members=owner), role=Role.MEMBER)
    for stranger in (logged_in(new_customer().user), logged_in(colleague)):
        address = f"/playground/conversations/{identifier}"
        assert stranger.get(address).status_code == 404
        assert patch(stranger, identifier, title="Mine").status_code == 404
        assert patch(stranger, identifier).status_code == 404
        assert stranger.delete(address).status_code == 404
        taken = stranger.post(
            "/playground/conversations", {"id": identifier, "title": "Mine", "panes": [PANE]}, content_type="application/json"
        )
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "id_taken")
        assert stranger.get("/playground/conversations").json()["conversations"] == []
    assert client.get(f"/playground/conversations/{identifier}").json()["title"] == "About cats"


def test_visitors_and_forged_forms_are_refused(client: Client, owner: User) -> None:
    identifier = make(client)
    visitor = Client()
    for address in ("models", "conversations", f"conversations/{identifier}"):
        answer = visitor.get(f"/playground/{address}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "logged_out")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert strict.delete(f"/playground/conversations/{identifier}").status_code == 403
    assert client.get(f"/playground/conversations/{identifier}").status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"panes": []}, "panes"),
        ({"panes": [PANE] * 5}, "panes"),
        ({"draft": {"text": 1, "images": []}}, "draft.text"),
        ({"other": 1}, "other"),
    ],
)
def test_what_is_malformed_is_named(client: Client, body: dict[str, object], param: str) -> None:
    identifier = make(client)
    answer = patch(client, identifier, **body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    too_large = patch(client, identifier, draft={"text": "x" * 12_000_001, "images": []})
    assert (too_large.status_code, too_large.json()["error"]["code"]) == (413, "message_too_large")
    assert client.get("/playground/conversations", {"before": "yesterday"}).json()["error"]["param"] == "before"


async def test_it_is_taken_along_and_goes_with_the_account(gateway, model) -> None:
    customer = await sync_to_async(new_paying_customer)()
    user, account = await sync_to_async(lambda: (User.objects.get(email=customer.email), Account.objects.get(pk=customer.account_id)))()

    def talk() -> str:
        with Tab(gateway, customer) as tab:
            run = tab.run(model, "a question for the export")
            tab.rest(run)
            return run

    run = await sync_to_async(talk)()
    document = json.loads(b"".join([piece async for piece in export(user, account)]))
    [conversation] = document["conversations"]
    assert [(one["conversation"], one["content"]) for one in sorted(document["messages"], key=lambda one: one["created_at"])] == [
        (conversation["id"], "a question for the export"),
        (conversation["id"], "one two three four five"),
    ]
    await sync_to_async(closing.delete_user)(user)
    assert not await Message.objects.filter(pk=run).aexists()
    assert not await Conversation.objects.filter(pk=conversation["id"]).aexists()
