"""Promise: the API reference shows every operation of the published schema, with an example that is JSON, and makes it once a process."""

from __future__ import annotations

import json
from html import unescape
from unittest import mock

from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from apps.dashboard.docs import reference
from tests.people import new_customer


def test_every_operation_is_there() -> None:
    text = unescape(Client().get("/docs/api").text)
    schema = SchemaGenerator().get_schema(request=None, public=True)
    published = {(method.upper(), path) for path, methods in schema["paths"].items() for method in methods}
    shown = {(one.method, one.path) for group in reference.reference() for one in group.operations}
    assert shown == published
    for method, path in published:
        assert f'data-method="{method}" data-path="{path}"' in text


def test_anchors_are_there_once_and_examples_are_json() -> None:
    operations = [one for group in reference.reference() for one in group.operations]
    anchors = [one.anchor for one in operations] + [group.anchor for group in reference.reference()]
    for one in operations:
        fields = [*one.parameters, *one.body, *(field for answer in one.given for field in answer.fields)]
        anchors += [field.anchor for outer in fields for field in outer.everything()]
    assert len(anchors) > 600
    assert len(anchors) == len(set(anchors))
    text = unescape(Client().get("/docs/api").text)
    assert not [anchor for anchor in anchors if text.count(f'id="{anchor}"') != 1]
    for one in operations:
        if one.example:
            body = json.loads(one.example)
            assert {field.name for field in one.body if field.required} <= set(body), one.path


def operation(anchor: str) -> reference.Operation:
    return next(one for group in reference.reference() for one in group.operations if one.anchor == anchor)


def test_objects_within_objects_are_unfolded() -> None:
    chat = {field.anchor: field for outer in operation("create-chat-completion").body for field in outer.everything()}
    function = chat["create-chat-completion.tools.function.name"]
    assert (function.required, function.type) == (True, "string")
    assert "Up to 128 characters" in function.facts
    assert "0 to 2" in chat["create-chat-completion.temperature"].facts
    assert "One of auto, none, required" in chat["create-chat-completion.tool_choice"].facts
    assert chat["create-chat-completion.messages.role"].facts[0].startswith("One of ")
    limit = next(one for one in operation("list-inferences").parameters if one.name == "limit")
    assert list(limit.facts) == ["1 to 100", "Default 20"]


def test_whatever_a_body_of_the_inference_api_takes_is_described() -> None:
    for anchor in ("create-chat-completion", "create-completion", "create-message", "count-tokens"):
        missing = [field.anchor for outer in operation(anchor).body for field in outer.everything() if not field.text]
        assert not missing, missing


def test_answers_have_their_fields_and_an_example() -> None:
    [created] = operation("create-key").given
    assert set(json.loads(created.example)) == {field.name for field in created.fields} >= {"key", "id", "name"}
    for group in reference.reference():
        for one in group.operations:
            assert one.given, one.anchor
            assert all(json.loads(answer.example) for answer in one.given if answer.example)
    assert json.loads(operation("create-message").given[0].example)["type"] == "message"


def test_it_is_made_once() -> None:
    reference._made.cache_clear()
    with mock.patch.object(SchemaGenerator, "get_schema", autospec=True, side_effect=SchemaGenerator.get_schema) as made:
        assert Client().get("/docs/api").status_code == 200
        assert Client().get("/docs/api/").status_code == 200
    assert made.call_count == 1


def test_the_token_for_calls_is_for_who_is_logged_in_alone() -> None:
    everybodys = Client().get("/docs/api")
    assert 'name="csrf-token"' not in everybodys.text
    assert everybodys.headers["Cache-Control"].startswith("public")
    client = Client()
    client.force_login(new_customer().user)
    own = client.get("/docs/api")
    assert 'name="csrf-token"' in own.text
    assert own.headers["Cache-Control"] == "private, no-cache"
