"""Promise: everybody finds models by what they can do, hold and cost, compares them, and sees each with its prices and samples."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from unittest import mock
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.catalog.models import Model
from apps.dashboard import landing
from apps.dashboard.catalogue import speed
from apps.usage import platform, rollups
from apps.usage.models import Status
from tests.gateway.customers import TestModel, new_model
from tests.gateway.waiting import wait_for
from tests.people import new_customer
from tests.usage.log import log_inference


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    landing._last = speed._last = None
    yield
    landing._last = speed._last = None


@pytest.fixture(scope="module")
def word() -> str:
    """A word in the ids of these tests' models alone."""
    return f"w{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def small(word: str) -> TestModel:
    return _model(word, "small", "0.05", "0.10", 8_192, ["chat", "streaming"])


@pytest.fixture(scope="module")
def large(word: str) -> TestModel:
    return _model(word, "large", "1.30", "4.40", 200_000, ["chat", "streaming", "tools", "vision"], supported_sampling_parameters=["top_k"])


def _model(word: str, name: str, input: str, output: str, context: int, features: list[str], **fields: object) -> TestModel:
    made = new_model("http://127.0.0.1:9/v1", prices={"input": input, "output": output, "cached_input": "0.0375"}, context_length=context, supported_features=features, **fields)  # fmt: skip
    named = replace(made, name=f"{word}/{name}-{made.id}")
    Model.objects.filter(pk=made.id).update(public_id=named.name)
    return named


def shown(word: str, **asked: object) -> list[str]:
    """The names of these tests' models on the list, in its order."""
    text = Client().get("/models", {"q": word, **asked}).text
    return re.findall(rf'value="{word}/(\w+)-\d+"', text)


def test_all_are_listed_with_their_prices(word: str, small: TestModel, large: TestModel) -> None:
    assert shown(word) == ["large", "small"]
    row = Client().get("/models").text.partition(f'title="{large.name}"')[2].partition("</tr>")[0]
    for text in ("200,000", "$1.300", "$4.400", "$0.0375", "Vision", "Tools"):
        assert text in row


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"feature": "tools"}, ["large"]),
        ({"feature": ["tools", "chat"]}, ["large"]),
        ({"feature": "logprobs"}, []),
        ({"context": "131072"}, ["large"]),
        ({"max_price": "0.10"}, ["small"]),
        ({"max_price": "$0.09"}, []),
        ({"max_input": "0.05"}, ["small"]),
        ({"max_input": "$0.04"}, []),
        ({"max_input": "1.30", "max_price": "0.10"}, ["small"]),
        ({"input": "image"}, ["large"]),
        ({"input": "text"}, ["large", "small"]),
        ({"input": ["text", "image"]}, ["large"]),
        ({"sort": "input"}, ["small", "large"]),
        ({"sort": "context"}, ["large", "small"]),
        ({"sort": "newest"}, ["large", "small"]),
    ],
)
def test_it_is_narrowed_and_sorted(word: str, small: TestModel, large: TestModel, asked: dict[str, object], names: list[str]) -> None:
    assert shown(word, **asked) == names


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"max_price": "cheap"}, "Write dollars per million tokens"),
        ({"max_price": "-1"}, "Write dollars per million tokens"),
        ({"max_price": "1e999999"}, "Write dollars per million tokens"),
        ({"max_input": "cheap"}, "Write dollars per million tokens"),
        ({"input": "smell"}, "Select a valid choice"),
        ({"feature": "flying"}, "Select a valid choice"),
        ({"context": "7"}, "Select a valid choice"),
        ({"sort": "<script>"}, "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_named_and_narrows_nothing(
    word: str, small: TestModel, large: TestModel, asked: dict[str, str], said: str
) -> None:
    response = Client().get("/models", {"q": word, **asked})
    assert response.status_code == 200
    assert said in response.text
    assert "<script>alert" not in response.text
    assert shown(word, **asked) == ["large", "small"]


@pytest.mark.parametrize("query", ["q=%00", "feature=nothing", "compare=%00", "compare=" + "a," * 5000, "q=" + "x" * 9000])
def test_no_address_does_harm(query: str) -> None:
    assert Client().get(f"/models?{query}").status_code == 200


def test_inputs_to_choose_from_are_those_that_models_take(word: str, small: TestModel, large: TestModel) -> None:
    scent = f"scent-{uuid4().hex[:8]}"
    assert f'name="input" value="{scent}"' not in Client().get("/models").text
    _model(word, "nose", "1", "2", 8_192, ["chat"], input_modalities=["text", scent])
    _model(word, "silent", "1", "2", 8_192, ["chat"], input_modalities=[])
    landing._last = None
    text = Client().get("/models", {"input": scent}).text
    assert f'name="input" value="{scent}" checked' in text
    assert 'name="input" value="image">Images' in text
    assert shown(word, input=scent) == ["nose"]
    assert "silent" in shown(word, input="text")  # a model that says nothing else takes text
    Model.objects.filter(public_id__startswith=f"{word}/", public_id__regex="nose|silent").update(is_active=False)


def test_htmx_gets_the_list_alone(word: str, small: TestModel) -> None:
    part = Client().get("/models", {"q": word}, headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert part.text.strip().startswith('<form class="catalogue-list" id="catalogue"')
    assert "HX-Request" in part.headers["Vary"]
    assert "HX-Request" in Client().get("/models").headers["Vary"]


@pytest.mark.parametrize("joined", [True, False])
def test_models_are_compared_side_by_side(small: TestModel, large: TestModel, joined: bool) -> None:
    ids = [large.name, small.name]
    text = Client().get("/models", {"compare": ",".join(ids) if joined else ids}).text
    assert re.findall(r'<th scope="col"><a [^>]*title="([^"]+)"', text) == ids
    tools = re.search(r">Tools</th>(.*?)</tr>", text)
    assert tools
    assert re.findall(r">(yes|no)<", tools[1]) == ["yes", "no"]
    assert "$4.400" in text


def test_one_alone_or_one_that_is_not_there_is_no_comparison(small: TestModel) -> None:
    text = Client().get("/models", {"compare": f"{small.name},nothing/else"}).text
    assert "Choose at least two models" in text
    assert "models compared" not in text


def test_a_model_has_a_page_with_its_prices_limits_and_samples(large: TestModel) -> None:
    for address in (f"/models/{large.name}", f"/models/{large.name}/"):
        text = Client().get(address).text
        for part in ("$1.30", "$4.40", "$0.0375", "200,000", "Vision", "top_k", "/v1/chat/completions", "base_url=", "baseURL", "messages.create", "ANTHROPIC_BASE_URL"):  # fmt: skip
            assert part in text, part
    assert "Try in Playground" not in text or "/playground?model=" in text


def test_claude_code_is_shown_for_models_that_call_tools_alone(small: TestModel) -> None:
    assert "ANTHROPIC_BASE_URL" not in Client().get(f"/models/{small.name}").text


@pytest.mark.parametrize("path", ["nothing/here", "a/b/c", "%2e%2e/x", "<script>"])
def test_a_model_that_is_not_offered_is_not_found(path: str) -> None:
    assert Client().get(f"/models/{path}").status_code == 404


def test_one_that_lost_its_backends_is_not_offered_any_more(small: TestModel) -> None:
    bare = new_model()
    assert Client().get(f"/models/{bare.name}").status_code == 404


def test_the_price_list_leads_to_the_models(large: TestModel) -> None:
    for page in ("/", "/pricing"):
        assert f'href="/models/{large.name}"' in Client().get(page).text


@pytest.mark.parametrize("page", ["/models", "/pricing", "model"])
def test_pages_ask_the_database_nothing_while_the_list_is_fresh(page: str, large: TestModel) -> None:
    address = f"/models/{large.name}" if page == "model" else page
    client = Client()
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    assert not queries.captured_queries
    assert response.headers["Cache-Control"] == f"public, max-age={landing.FRESH_S}"


@pytest.mark.usefixtures("own_database")  # what is folded once is expected to have been folded by all who log something of the past
def test_a_models_page_says_how_it_did_lately(word: str) -> None:
    large = _model(word, "large", "1.30", "4.40", 200_000, ["chat"])
    address = f"/models/{large.name}"
    assert "Nobody has called it" in Client().get(address).text
    account = new_customer().account
    for status in (Status.COMPLETED, Status.COMPLETED, Status.FAILED):
        log_inference(account.pk, model_id=large.id, status=status, first_token_ms=250, total_ms=1250, completion_tokens=40)

    def folded() -> bool:
        rollups.fold()
        platform.fold()
        speed._last = None
        return speed.lately(large.id).requests == 3

    wait_for(folded, 60, "the requests in the sums")
    text = Client().get(address).text
    assert "66.66" in text
    assert speed.lately(large.id).first_token() is not None
    with mock.patch.object(speed, "database_now", side_effect=OperationalError), mock.patch.object(speed, "monotonic", return_value=1e12):
        assert "66.66" in Client().get(address).text


def test_a_new_price_shows_within_seconds(large: TestModel) -> None:
    address = f"/models/{large.name}"
    assert "$7.77" not in Client().get(address).text
    large.set_price(input="7.77", output="8")
    with mock.patch.object(landing, "monotonic", return_value=time.monotonic() + landing.FRESH_S + 1):
        assert "$7.77" in Client().get(address).text
