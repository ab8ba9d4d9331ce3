"""Promise: add_model and add_backend do what their arguments say, update what exists, and name what is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from apps.catalog.models import Backend, Model, Price
from apps.core.ids import uuid7


@pytest.fixture
def public_id() -> str:
    return f"tests/{uuid7().hex}"


def run(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command."""
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def price_of(public_id: str) -> tuple[int, int | None, int, int]:
    price = Price.objects.filter(model__public_id=public_id).latest("effective_from", "pk")
    return price.input_pico, price.cached_input_pico, price.output_pico, price.request_pico


def test_a_model_is_added_with_everything_given(public_id: str) -> None:
    out, err = run(
        "add_model", public_id, "--name", "Big One", "--input-price", "1.30", "--output-price", "4.40", "--cache-read-price", "0.26",
        "--request-price", "0.001", "--context-length", "1048576", "--max-output", "8192", "--feature", "tools", "--feature", "vision",
    )  # fmt: skip
    assert (out, err) == (f"Added {public_id}\n", "")
    model = Model.objects.get(public_id=public_id)
    assert (model.name, model.context_length, model.max_output_length, model.default_max_output) == ("Big One", 1_048_576, 8_192, 4_096)
    assert model.supported_features == ["tools", "vision"]
    assert model.input_modalities == ["text", "image"]
    assert price_of(public_id) == (1_300_000, 260_000, 4_400_000, 10**9)


def test_an_id_alone_makes_a_free_chat_model_and_says_so() -> None:
    name = f"plain-{uuid7().hex}"
    _, err = run("add_model", name)
    model = Model.objects.get(public_id=name)
    assert err == "--input-price and --output-price not given: free of charge.\n"
    assert (model.name, model.supported_features, model.input_modalities) == (name, ["chat", "streaming"], ["text"])
    assert price_of(name) == (0, None, 0, 0)


def test_repeating_changes_only_what_is_given(public_id: str) -> None:
    run("add_model", public_id, "--name", "First", "--input-price", "1", "--output-price", "2", "--context-length", "10000")
    out, _ = run("add_model", public_id, "--output-price", "3", "--max-output", "100")
    model = Model.objects.get(public_id=public_id)
    assert out == f"Updated {public_id}\n"
    assert (model.name, model.context_length, model.max_output_length, model.default_max_output) == ("First", 10_000, 100, 100)
    assert price_of(public_id) == (1_000_000, None, 3_000_000, 0)


def test_a_new_price_is_a_new_row_only_when_it_differs(public_id: str) -> None:
    arguments = ("add_model", public_id, "--input-price", "1", "--output-price", "2")
    for _ in range(2):
        run(*arguments)
    assert Price.objects.filter(model__public_id=public_id).count() == 1
    run("add_model", public_id, "--input-price", "1.5")
    assert list(Price.objects.filter(model__public_id=public_id).order_by("pk").values_list("input_pico", flat=True)) == [
        1_000_000,
        1_500_000,
    ]


def test_the_same_model_added_twice_at_once_is_one_model(public_id: str) -> None:
    def add(number: int) -> None:
        try:
            call_command("add_model", public_id, "--input-price", "1", stdout=StringIO(), stderr=StringIO())
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert Model.objects.filter(public_id=public_id).count() == 1
    assert Price.objects.filter(model__public_id=public_id).count() == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--input-price", "-1"], "--input-price"),
        (["--output-price", "0.0000001"], "--output-price"),
        (["--request-price", "1001"], "--request-price"),
        (["--cache-read-price", "free"], "--cache-read-price"),
        (["--context-length", "0"], "--max-output|--context-length"),
        (["--context-length", "many"], "--context-length"),
        (["--context-length", "99999999999"], "--context-length"),
        (["--max-output", "0"], "--max-output"),
        (["--max-output", "5", "--context-length", "4"], "--max-output"),
        (["--feature", "telepathy"], "--feature: unknown: telepathy"),
        (["--name", "x" * 201], "--name"),
        (["--name", ""], "--name"),
    ],
)
def test_a_wrong_argument_is_named_and_changes_nothing(public_id: str, arguments: list[str], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        run("add_model", public_id, *arguments)
    assert not Model.objects.filter(public_id=public_id).exists()


@pytest.mark.parametrize("wrong", ["", "/x", "a/b/c", "a b", "ünïcode", "x" * 201, "a\n"])
def test_a_wrong_model_id_is_named(wrong: str) -> None:
    with pytest.raises(CommandError, match="ID: "):
        run("add_model", wrong)


def test_a_backend_is_added_once_and_then_updated(model: Model) -> None:
    out, _ = run("add_backend", model.public_id, "http://vllm:8000/v1/", "--api-key", "s3cret")
    assert out == f"Added http://vllm:8000/v1 for {model.public_id}\n"
    out, _ = run("add_backend", model.public_id, "http://vllm:8000/v1", "--upstream-model", "inner", "--weight", "7")
    assert out == f"Updated http://vllm:8000/v1 for {model.public_id}\n"
    backend = Backend.objects.get(model=model)
    assert (backend.api_key, backend.upstream_model, backend.weight) == ("s3cret", "inner", 7)
    assert "s3cret" not in backend.api_key_encrypted


def test_a_backends_key_can_be_removed(model: Model) -> None:
    run("add_backend", model.public_id, "http://vllm:8000/v1", "--api-key", "s3cret")
    run("add_backend", model.public_id, "http://vllm:8000/v1", "--api-key", "")
    assert Backend.objects.get(model=model).api_key == ""


def test_a_backend_of_an_unknown_model_says_what_to_do() -> None:
    with pytest.raises(CommandError, match=r"MODEL_ID: .* run add_model first"):
        run("add_backend", "no/such-model", "http://vllm:8000/v1")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["ftp://vllm/v1"], "BASE_URL: "),
        (["http://u:p@vllm/v1"], "BASE_URL: "),
        (["http://vllm/v1", "--weight", "0"], "--weight: "),
        (["http://vllm/v1", "--weight", "1001"], "--weight: "),
        (["http://vllm/v1", "--upstream-model", ""], "--upstream-model: "),
        (["http://vllm/v1", "--api-key", "key\r\nx-other: header"], "--api-key: .*printable"),
        (["http://vllm/v1", "--api-key", "key\n"], "--api-key: .*printable"),
        (["http://vllm/v1", "--api-key", "two words"], "--api-key: .*printable"),
        (["http://vllm/v1", "--api-key", "clé"], "--api-key: .*printable"),
    ],
)
def test_a_wrong_backend_argument_is_named_and_changes_nothing(model: Model, arguments: list[str], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        run("add_backend", model.public_id, *arguments)
    assert not Backend.objects.filter(model=model).exists()


def test_private_backends_are_refused_where_they_are_not_allowed(model: Model, settings: Settings) -> None:
    settings.ALLOW_PRIVATE_BACKENDS = False
    with pytest.raises(CommandError, match=r"BASE_URL: .*ALLOW_PRIVATE_BACKENDS"):
        run("add_backend", model.public_id, "http://169.254.169.254/v1")
