"""Promise: every answer says which inference it was and where the key's limits stand, in the headers that clients know; errors are
JSON of one shape; streams tell every proxy to leave them alone."""

from __future__ import annotations

import time
from uuid import UUID

import httpx
import pytest

from apps.api_keys import minting
from apps.api_keys.actions import Limits
from apps.api_keys.models import Limiter
from tests.fakes import FakeBackend, Status
from tests.gateway.calls import Answer, ask, offer, open_stream, post
from tests.gateway.customers import Customer, TestModel, new_customer
from tests.gateway.processes import GatewayProcess

pytest_plugins = ["tests.fakes.fixtures"]

PLAIN = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
REQUESTS = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")
TOKENS = ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens")


@pytest.fixture
def model(gateway: GatewayProcess, backend: FakeBackend) -> TestModel:
    return offer(gateway, backend.base_url)


def limit_headers(headers: httpx.Headers) -> set[str]:
    return {name for name in headers if name.startswith("x-ratelimit")}


def numbers(headers: httpx.Headers, names: tuple[str, ...]) -> tuple[int, int]:
    """Limit and remaining, after checking that the reset is a Unix second within the next minute or so."""
    limit, remaining, reset = (int(headers[name]) for name in names)
    assert time.time() - 2 < reset <= time.time() + 62
    return limit, remaining


@pytest.mark.money
@pytest.mark.parametrize(
    ("limits", "names"),
    [
        (Limits(), ()),
        (Limits(max_concurrent=3), ()),
        (Limits(rpm=3), PLAIN + REQUESTS),
        (Limits(tpm=100_000), TOKENS),
        (Limits(rpm=3, tpm=100_000, max_concurrent=3), PLAIN + REQUESTS + TOKENS),
    ],
    ids=["none", "slots", "requests", "tokens", "all"],
)
def test_an_answer_carries_the_limits_that_its_key_has_and_no_others(
    gateway: GatewayProcess, model: TestModel, limits: Limits, names: tuple[str, ...]
) -> None:
    customer = new_customer("10", limits)
    for stream in (False, True):
        answer = ask(gateway, customer.key, model.name, stream=stream)
        assert answer.status == 200
        assert limit_headers(answer.headers) == set(names)
        assert "retry-after" not in answer.headers


@pytest.mark.money
def test_what_remains_counts_down_request_by_request(gateway: GatewayProcess, model: TestModel, backend: FakeBackend) -> None:
    backend.reply("Hello", prompt_tokens=30, completion_tokens=20)
    customer = new_customer("10", Limits(rpm=3, tpm=100_000))
    remaining_tokens = []
    for left in (2, 1, 0):
        headers = ask(gateway, customer.key, model.name, max_tokens=1_000).headers
        assert numbers(headers, PLAIN) == numbers(headers, REQUESTS) == (3, left)
        limit, remaining = numbers(headers, TOKENS)
        assert limit == 100_000
        remaining_tokens.append(remaining)
        customer.settled(3 - left)
    reserved = 100_000 - remaining_tokens[0]
    assert 1_000 < reserved < 1_200  # the prompt errs high
    assert remaining_tokens == [100_000 - reserved - 50 * ended for ended in (0, 1, 2)]


@pytest.mark.money
class TestARefusalForALimit:
    def refused(self, answer: Answer, code: str) -> Answer:
        assert answer.status == 429
        assert (answer.error["type"], answer.error["code"]) == ("rate_limit_error", code)
        assert 1 <= int(answer.headers["retry-after"]) <= 61
        assert f"{int(answer.headers['retry-after'])} s" in answer.error["message"] or code == "concurrency_limit_exceeded"
        return answer

    def test_of_requests_is_about_requests(self, gateway: GatewayProcess, model: TestModel) -> None:
        customer = new_customer("10", Limits(rpm=2, tpm=100_000, max_concurrent=9))
        for _ in range(2):
            ask(gateway, customer.key, model.name)
        headers = self.refused(ask(gateway, customer.key, model.name), "rate_limit_exceeded").headers
        assert limit_headers(headers) == set(PLAIN + REQUESTS + TOKENS)
        assert numbers(headers, PLAIN) == numbers(headers, REQUESTS) == (2, 0)
        assert abs(int(headers["x-ratelimit-reset"]) - time.time() - int(headers["retry-after"])) < 3

    def test_of_tokens_is_about_tokens(self, gateway: GatewayProcess, model: TestModel, backend: FakeBackend) -> None:
        backend.reply("Hello", prompt_tokens=300, completion_tokens=100)
        customer = new_customer("10", Limits(rpm=100, tpm=1_000, max_concurrent=9))
        ask(gateway, customer.key, model.name, max_tokens=200)
        customer.settled()
        headers = self.refused(ask(gateway, customer.key, model.name, max_tokens=800), "token_limit_exceeded").headers
        assert limit_headers(headers) == set(PLAIN + REQUESTS + TOKENS)
        assert numbers(headers, PLAIN) == numbers(headers, TOKENS) == (1_000, 600)
        assert numbers(headers, REQUESTS) == (100, 99)

    def test_of_slots_is_about_slots(self, gateway: GatewayProcess, model: TestModel, backend: FakeBackend) -> None:
        customer = new_customer("10", Limits(max_concurrent=1))
        gate = backend.gate("before_done")
        with open_stream(gateway, customer.key, model.name):
            gate.wait_reached()
            headers = self.refused(ask(gateway, customer.key, model.name), "concurrency_limit_exceeded").headers
            assert limit_headers(headers) == set(PLAIN)
            assert numbers(headers, PLAIN) == (1, 0)
            gate.release()
        customer.settled()

    def test_is_over_when_it_said(self, gateway: GatewayProcess, model: TestModel) -> None:
        """The window is moved back by what Retry-After said, less a second, and then by that second."""
        customer = new_customer("10", Limits(rpm=1))
        ask(gateway, customer.key, model.name)
        retry_after = int(self.refused(ask(gateway, customer.key, model.name), "rate_limit_exceeded").headers["retry-after"])
        assert retry_after >= 59
        move_window(customer, retry_after - 3)
        assert 1 <= int(self.refused(ask(gateway, customer.key, model.name), "rate_limit_exceeded").headers["retry-after"]) <= 3
        move_window(customer, 3)
        assert ask(gateway, customer.key, model.name).status == 200


def move_window(customer: Customer, seconds: int) -> None:
    """As if everything in the key's window had been `seconds` earlier."""
    row = Limiter.objects.get(pk=customer.key_id)
    for column in ("requests", "tokens"):
        slots = getattr(row, column)
        moved = [slots[(second + seconds) % 61] for second in range(61)]
        setattr(row, column, moved)
    row.second -= seconds
    row.save()


ERRORS = {
    "no key": (401, "authentication_error", lambda g, c, m: ask(g, None, m.name)),
    "wrong key": (401, "authentication_error", lambda g, c, m: ask(g, minting.mint(), m.name)),
    "no credit": (402, "insufficient_credits", lambda g, c, m: ask(g, new_customer("0").key, m.name)),
    "unknown model": (404, "invalid_request_error", lambda g, c, m: ask(g, c.key, "no/model")),
    "bad field": (400, "invalid_request_error", lambda g, c, m: ask(g, c.key, m.name, temperature="hot")),
    "no JSON": (400, "invalid_request_error", lambda g, c, m: post(g, c.key, b"{")),
    "not JSON by its type": (415, "invalid_request_error", lambda g, c, m: post(g, c.key, b"a=b", headers={"content-type": "application/x-www-form-urlencoded"})),
    "too large": (413, "invalid_request_error", lambda g, c, m: post(g, c.key, b" " * 20_000_001)),
    "no backend": (504, "server_error", lambda g, c, m: ask(g, c.key, offer(g).name)),
    "failing backend": (502, "server_error", lambda g, c, m: ask(g, c.key, m.name)),
}  # fmt: skip


@pytest.mark.money
@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_the_promised_shape_and_an_id_of_its_own(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend, error: str
) -> None:
    status, kind, call = ERRORS[error]
    backend.reply(status=500)
    answers = [call(gateway, customer, model) for _ in range(2)]
    for answer in answers:
        assert answer.status == status
        assert answer.error["type"] == kind
        assert int(answer.headers["content-length"]) == len(answer.body)
        assert "server" not in answer.headers
    ids = {UUID(answer.headers["inference-id"]) for answer in answers}
    assert len(ids) == 2
    assert {identifier.version for identifier in ids} == {7}


@pytest.mark.money
def test_the_id_of_an_answer_is_that_of_its_row_in_the_log(gateway: GatewayProcess, customer: Customer, model: TestModel) -> None:
    ids = [UUID(ask(gateway, customer.key, model.name, stream=stream).headers["inference-id"]) for stream in (False, True)]
    assert [row.id for row in customer.settled(2)] == ids


def test_an_error_after_admission_carries_the_limits_too(gateway: GatewayProcess, model: TestModel, backend: FakeBackend) -> None:
    backend.then(Status(500))
    answer = ask(gateway, new_customer("1", Limits(rpm=5, tpm=100_000)).key, model.name)
    assert answer.status == 502
    assert limit_headers(answer.headers) == set(PLAIN + REQUESTS + TOKENS)
    assert numbers(answer.headers, PLAIN) == (5, 4)


def test_a_stream_is_not_to_be_buffered_and_a_whole_answer_is_json(gateway: GatewayProcess, customer: Customer, model: TestModel) -> None:
    stream = ask(gateway, customer.key, model.name, stream=True)
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-cache", "no")
    whole = ask(gateway, customer.key, model.name)
    assert whole.headers["content-type"] == "application/json"
    assert int(whole.headers["content-length"]) == len(whole.body)


def test_nothing_of_a_backends_own_headers_is_passed_on(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    secret = {"x-backend": "gpu-7", "set-cookie": "a=b", "server": "vllm", "x-ratelimit-remaining": "3", "openai-organization": "us"}
    for stream in (False, True):
        backend.reply("Hello", headers=secret)
        answer = ask(gateway, customer.key, model.name, stream=stream)
        assert answer.status == 200
        assert not set(secret) & set(answer.headers)
