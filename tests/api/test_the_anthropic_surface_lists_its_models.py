"""`GET /anthropic/v1/models` pages through the catalogue in Anthropic's shape, without a key; `/anthropic` says that it is there."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from apps.catalog.models import Model
from apps.core.ids import uuid7
from tests.gateway.customers import new_model

LIST = "/anthropic/v1/models"


@pytest.fixture(scope="module")
def names():
    """Five models that stand in a row in the list."""
    prefix = f"zz-{uuid7().hex}"
    made = []
    for letter in "abcde":
        model = new_model(name=f"Model {letter}", context_length=4096, max_output_length=1024)
        Model.objects.filter(pk=model.id).update(public_id=f"{prefix}/{letter}")
        made.append(f"{prefix}/{letter}")
    yield made
    Model.objects.filter(public_id__startswith=prefix).delete()


def page(**query):
    response = Client().get(LIST, query)
    assert response.status_code == 200, response.content
    assert response.headers["request-id"] == response.headers["inference-id"]
    answer = response.json()
    assert answer.keys() == {"data", "has_more", "first_id", "last_id"}
    ids = [model["id"] for model in answer["data"]]
    assert (answer["first_id"], answer["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return answer, ids


@pytest.mark.parametrize("address", ["/anthropic", "/anthropic/"])
def test_it_is_there(address):
    for ask in (Client().get, Client().head):
        response = ask(address)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
    assert Client().get(address).json() == {"status": "ok"}


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer akml-wrong"}, {"x-api-key": "nothing"}])
def test_a_model_in_its_shape_whoever_asks(names, headers):
    for address in (
        f"{LIST}/{names[0]}",
        f"{LIST}/{names[0]}/",
        f"{LIST}/{names[0].replace('/', '--')}",
        f"{LIST}/{names[0].replace('/', '%2F')}",
    ):
        model = Client().get(address, headers=headers).json()
        assert datetime.fromisoformat(model.pop("created_at")).tzinfo is not None
        assert model == {"type": "model", "id": names[0], "display_name": "Model a", "max_input_tokens": 4096, "max_tokens": 1024}
    assert Client().get(LIST, headers=headers).status_code == 200


def test_pages_forwards(names):
    answer, ids = page(limit=2, after_id=names[0])
    assert (ids, answer["has_more"]) == (names[1:3], True)
    answer, ids = page(limit=2, after_id=ids[-1].replace("/", "--"))
    assert (ids, answer["has_more"]) == (names[3:5], False)
    assert page(after_id=names[-1])[1] == []


def test_pages_backwards(names):
    answer, ids = page(limit=2, before_id=names[4])
    assert (ids, answer["has_more"]) == (names[2:4], True)
    answer, ids = page(limit=1000, before_id=names[1])
    assert (ids[-1], answer["has_more"]) == (names[0], False)


def test_all_pages_are_the_whole_list(names):
    whole = page(limit=1000)[1]
    assert len(set(whole)) == len(whole)
    seen, after = [], {}
    while True:
        answer, ids = page(limit=3, **after)
        seen += ids
        if not answer["has_more"]:
            break
        after = {"after_id": answer["last_id"]}
    assert seen == whole


def test_twenty_at_a_time_when_nothing_is_said(names):
    assert len(page()[1]) == min(20, len(page(limit=1000)[1]))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"limit": "0"}, "limit: "),
        ({"limit": "1001"}, "limit: "),
        ({"limit": "many"}, "limit: "),
        ({"limit": "²"}, "limit: "),
        ({"after_id": "nobody/none"}, "after_id: "),
        ({"before_id": "no\0body"}, "before_id: "),
        ({"after_id": "a", "before_id": "b"}, "after_id: "),
    ],
)
def test_what_is_wrong_is_named(query, text):
    response = Client().get(LIST, query)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"].startswith(text)


@pytest.mark.parametrize("name", ["nobody/none", "nobody--none", "a\0b", "x" * 500])
def test_a_model_that_is_not_there(name):
    response = Client().get(f"{LIST}/{name}")
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    assert response.json()["request_id"] == response.headers["request-id"]
