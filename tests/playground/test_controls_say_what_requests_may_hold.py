"""The controls of a model are the parameters it takes, with the ranges that its requests are checked by."""

from __future__ import annotations

import msgspec
import pytest
from django.test import Client

from apps.catalog.models import SAMPLING_PARAMETERS
from apps.gateway.errors import BadRequest
from apps.gateway.openai.chat import chat_completions
from tests.gateway.customers import new_model
from tests.people import new_customer


def controls(**fields: object) -> dict[str, dict[str, object]]:
    model = new_model("http://127.0.0.1:1/v1", **fields)
    client = Client()
    client.force_login(new_customer().user)
    [found] = [one for one in client.get("/playground/models").json()["models"] if one["id"] == model.name]
    assert found["prices"] == {"input": "0.000001", "output": "0.000002", "input_cache_read": "0.000001", "request": "0"}
    return {one["name"]: one for one in found["parameters"]}


def accepts(name: str, value: object) -> bool:
    try:
        chat_completions.parse(msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "a"}], name: value}))
    except BadRequest:
        return False
    return True


@pytest.mark.parametrize("name", ["temperature", "top_p", "frequency_penalty", "presence_penalty"])
def test_its_range_is_that_of_the_parser(name: str) -> None:
    control = controls(supported_sampling_parameters=[name])[name]
    low, high = float(str(control["minimum"])), float(str(control["maximum"]))
    assert accepts(name, low)
    assert accepts(name, high)
    assert not accepts(name, low - 0.01)
    assert not accepts(name, high + 0.01)


def test_a_model_has_those_that_it_takes() -> None:
    assert list(controls(supported_sampling_parameters=["seed", "temperature"])) == ["temperature", "seed"]
    every = controls(supported_sampling_parameters=SAMPLING_PARAMETERS, supported_features=["tools", "json_mode", "reasoning"])
    assert set(every) == {*SAMPLING_PARAMETERS, "tools", "response_format", "reasoning_effort"}
    assert every["response_format"]["choices"] == ["text", "json_object"]
    assert all(control["label"] and control["help"] for control in every.values())


def test_the_answers_length_ends_where_the_models_does() -> None:
    control = controls(supported_sampling_parameters=["max_tokens"], context_length=8000, max_output_length=1000)["max_tokens"]
    assert (control["minimum"], control["maximum"], control["default"]) == (1, 1000, 1000)
