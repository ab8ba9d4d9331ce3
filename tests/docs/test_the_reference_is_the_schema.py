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
    assert len(anchors) == len(set(anchors))
    for one in operations:
        if one.example:
            body = json.loads(one.example)
            assert {field.name for field in one.body if field.required} <= set(body), one.path


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
