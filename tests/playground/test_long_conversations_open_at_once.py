"""Promise: however long a conversation is, opening it takes what is seen of it; the rest is there for who asks."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from apps.accounts.actions import Registered
from apps.playground import reading, sealing
from apps.playground.models import AnswerStatus, Message
from tests.people import new_customer
from tests.playground.keeping import keep_conversation

LONG = 200
TEXTS = [f"message {number}" for number in range(LONG)]


@pytest.fixture
def owner() -> Registered:
    return new_customer()


@pytest.fixture
def client(owner: Registered) -> Client:
    client = Client()
    client.force_login(owner.user)
    return client


@pytest.fixture
def unsealed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is decrypted."""
    seen: list[str] = []
    decrypt = sealing.decrypt
    monkeypatch.setattr(sealing, "decrypt", lambda value, purpose: seen.append(value) or decrypt(value, purpose))
    return seen


def opened(client: Client, conversation: UUID) -> list[dict[str, Any]]:
    answer = client.get(f"/playground/conversations/{conversation}")
    assert answer.status_code == 200
    return list(answer.json()["messages"])


def test_its_end_comes_in_full_and_the_rest_in_outline(client: Client, owner: Registered, unsealed: list[str]) -> None:
    conversation, ids = keep_conversation(owner.user, owner.account, TEXTS, ["org/a", "org/b"])
    messages = opened(client, conversation)
    assert [message["id"] for message in messages] == [str(one) for one in ids]
    assert [message["parent"] for message in messages] == [None, *(str(one) for one in ids[:-1])]
    assert [message.get("content") for message in messages] == [None] * (LONG - reading.ENDS) + TEXTS[-reading.ENDS :]
    assert len(unsealed) <= reading.ENDS + 3  # title, panes, draft
    assert messages[1] == {
        "id": str(ids[1]),
        "parent": str(ids[0]),
        "role": "assistant",
        "status": "completed",
        "cost": "10000",
        "usage": {"prompt_tokens": 100, "completion_tokens": 300},
    }
    assert messages[0] == {"id": str(ids[0]), "parent": None, "role": "user"}


def test_a_short_one_comes_whole(client: Client, owner: Registered) -> None:
    conversation, _ = keep_conversation(owner.user, owner.account, TEXTS[: reading.SHORT], ["org/a"])
    assert [message["content"] for message in opened(client, conversation)] == TEXTS[: reading.SHORT]


def test_what_runs_comes_in_full_wherever_it_is(client: Client, owner: Registered) -> None:
    conversation, ids = keep_conversation(owner.user, owner.account, TEXTS, ["org/a"])
    Message.objects.filter(pk=ids[1]).update(status=AnswerStatus.RUNNING, process_id=0)
    found = opened(client, conversation)[1]
    assert (found["status"], found["content"]) == ("lost", TEXTS[1])  # its process is not there


@pytest.mark.parametrize("head", [None, "nonsense", 7, {"a": []}, "0d9b2a52-6f0e-4c57-9d0b-6a6f2b1c7d11"])
def test_a_pane_may_show_nothing_that_is_there(client: Client, owner: Registered, head: object) -> None:
    conversation, _ = keep_conversation(owner.user, owner.account, TEXTS, ["org/a"])
    change = {"panes": [{"model": "org/a", "head": head}]}
    assert client.patch(f"/playground/conversations/{conversation}", change, content_type="application/json").status_code == 200
    assert not any("content" in message for message in opened(client, conversation))


def test_the_rest_is_read_upwards_from_a_message(client: Client, owner: Registered) -> None:
    conversation, ids = keep_conversation(owner.user, owner.account, TEXTS, ["org/a"])
    address = f"/playground/conversations/{conversation}/messages"
    some = client.get(address, {"head": ids[100], "most": 48}).json()["messages"]
    assert [message["content"] for message in some] == TEXTS[53:101]
    assert (some[-1]["id"], some[-1]["parent"], some[0]["model"]) == (str(ids[100]), str(ids[99]), "org/a")
    assert len(client.get(address, {"head": ids[-1]}).json()["messages"]) == LONG
    for wrong, param in (
        ({}, "head"),
        ({"head": "x"}, "head"),
        *(({"head": ids[1], "most": most}, "most") for most in ("0", "-1", "10001", "1e3")),
    ):
        answer = client.get(address, wrong)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    missing = client.get(address, {"head": uuid4()})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "message_not_found")


def test_nobody_else_reads_them(client: Client, owner: Registered) -> None:
    mine, ids = keep_conversation(owner.user, owner.account, TEXTS[:2], ["org/a"])
    other = new_customer()
    theirs, _ = keep_conversation(other.user, other.account, TEXTS[:2], ["org/a"])
    stranger = Client()
    assert stranger.get(f"/playground/conversations/{mine}/messages", {"head": ids[1]}).status_code == 401
    stranger.force_login(other.user)
    for conversation in (mine, theirs):  # nor by way of a conversation of their own
        assert stranger.get(f"/playground/conversations/{conversation}/messages", {"head": ids[1]}).status_code == 404
