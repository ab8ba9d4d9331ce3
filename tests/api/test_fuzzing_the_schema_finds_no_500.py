"""Whatever the published schema allows, and whatever it does not, is answered: never with a 500, and errors in our shape."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.api.doors import Doors
from tests.fakes import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer

ANSWERS = {200, 400, 401, 402, 404, 405, 413, 415, 422, 429, 502, 503, 504, 529}
OPERATIONS = [
    ("/v1/chat/completions", "POST"),
    ("/v1/completions", "POST"),
    ("/v1/models", "GET"),
    ("/v1/models/{model_id}", "GET"),
    ("/anthropic", "GET"),
    ("/anthropic/v1/messages", "POST"),
    ("/anthropic/v1/messages/count_tokens", "POST"),
    ("/anthropic/v1/models", "GET"),
    ("/anthropic/v1/models/{model_id}", "GET"),
]
# Without a key, and with nothing to say that could be wrong.
ALL_GOOD = [("/anthropic", "GET"), ("/anthropic/v1/models/{model_id}", "GET")]


@pytest.fixture(scope="module")
def published() -> Any:
    return schemathesis.openapi.from_dict(Client().get("/api/schema/?format=json").json())


def test_every_operation_of_the_api_is_fuzzed_here(published: Any) -> None:
    listed = {(path, method.upper()) for path in published for method in published[path] if path.startswith(("/v1", "/anthropic"))}
    assert listed == set(OPERATIONS)


@pytest.mark.money
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (*operation, mode)
        for operation in OPERATIONS
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or operation not in ALL_GOOD
    ],
)
def test_every_request_is_answered(
    path: str, method: str, mode: GenerationMode, published: Any, doors: Doors, backend: FakeBackend, customer: Customer
) -> None:
    model = offer(doors.both, backend.base_url).name

    @given(published[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body["model"] = model
        for door in doors.both:
            response = case.call(base_url=door.url, headers={"authorization": f"Bearer {customer.key}"}, timeout=30)
            assert response.status_code in ANSWERS, response.text
            assert "inference-id" in response.headers
            if response.status_code != 200:
                answer = response.json()
                assert isinstance(answer["error"]["message"], str)
                if path.startswith("/anthropic"):
                    assert (answer["type"], answer["request_id"]) == ("error", response.headers["request-id"][0])
                else:
                    assert answer["error"]["message"] == answer["message"]

    ask()
