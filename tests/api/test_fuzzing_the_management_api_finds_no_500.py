"""Whatever the published schema of the management API allows, and whatever it does not, is answered: never with a 500, errors in our
shape."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from apps.api_keys.actions import create_key
from apps.api_keys.models import Scope
from tests.people import new_customer

ANSWERS = {200, 201, 400, 401, 404, 405, 409, 413, 415, 429}


@pytest.fixture(scope="module")
def operations() -> dict[str, Any]:
    """By "GET /path": what is published, called in this very process."""
    schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", WSGIHandler())
    return {f"{method.upper()} {path}": schema[path][method] for path in schema for method in schema[path] if path.startswith("/api/v1")}


def test_every_operation_is_published(operations: dict[str, Any]) -> None:
    assert operations.keys() >= {
        "GET /api/v1/keys",
        "POST /api/v1/keys",
        "GET /api/v1/keys/{key_id}",
        "PATCH /api/v1/keys/{key_id}",
        "DELETE /api/v1/keys/{key_id}",
        "POST /api/v1/keys/{key_id}/regenerate",
        "POST /api/v1/keys/{key_id}/revoke",
        "GET /api/v1/keys/{key_id}/usage",
        "GET /api/v1/presets",
        "POST /api/v1/presets",
        "PATCH /api/v1/presets/{slug}",
        "GET /api/v1/budget",
        "PUT /api/v1/budget",
        "GET /api/v1/usage",
        "GET /api/v1/inferences",
        "GET /api/v1/inferences/{inference_id}",
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_request_is_answered(mode: GenerationMode, operations: dict[str, Any]) -> None:
    account = new_customer().account
    _, manager = create_key(account, "manager", scope=Scope.MANAGEMENT)
    for operation in operations.values():
        fuzz(operation, mode, manager, create_key(account, "fuzzed")[0].pk)


def fuzz(operation: Any, mode: GenerationMode, manager: str, key_id: int) -> None:
    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and "key_id" in case.path_parameters:
            case.path_parameters["key_id"] = key_id  # revoked by some
        response = case.call(headers={"authorization": f"Bearer {manager}", "accept-encoding": "identity"})
        assert response.status_code in ANSWERS, response.text
        if response.status_code >= 400 and case.method != "HEAD":
            answer = response.json()
            assert answer["error"]["message"] == answer["message"]

    ask()
