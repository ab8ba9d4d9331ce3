"""Promise (acceptance 32, 33, 44): one failing backend costs nobody an answer, a dead one leaves rotation and returns by itself, each
fault has its status, nothing of a backend is given away, and what staff change reaches running processes within two seconds."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apps.catalog.actions import save_backend
from apps.catalog.models import Backend, Model
from apps.gateway.balancer import FIRST_PAUSE_S
from apps.usage.models import Status as Ended
from tests.fakes import FakeBackend, Reply, Status, hang, reset
from tests.gateway.calls import Answer, ask, offer
from tests.gateway.customers import Customer, TestModel
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for

pytest_plugins = ["tests.fakes.fixtures"]

SOON_S = 20.0  # two seconds are promised on a machine that is not busy; who is not told reads after thirty
KEY = "upstream-credential-4711"


@pytest.fixture
def model(gateway: GatewayProcess, backend: FakeBackend) -> TestModel:
    return offer(gateway, backend.base_url, backend_fields={"api_key": KEY})


@pytest.fixture
def model_on_two(gateway: GatewayProcess, backend: FakeBackend, second_backend: FakeBackend) -> TestModel:
    return offer(gateway, backend.base_url, second_backend.base_url, backend_fields={"api_key": KEY})


def gives_nothing_away(answer: Answer, model: TestModel, *backends: FakeBackend) -> None:
    everything = answer.body + str(answer.headers).encode()
    for secret in ("127.0.0.1", "localhost", KEY, model.upstream, "Traceback", "<html"):
        assert secret.encode() not in everything, (secret, everything)
    for backend in backends:  # by chance, the digits of a port may be among those of an id
        assert not re.search(rb"(?<![0-9a-f])%d(?![0-9a-f])" % backend.port, everything), (backend.port, everything)


# --- Which status -----------------------------------------------------------------------------------------------------------


def test_no_backend_configured_is_a_504(gateway: GatewayProcess, customer: Customer) -> None:
    answer = ask(gateway, customer.key, offer(gateway).name)
    assert (answer.status, answer.error["code"]) == (504, "no_backend_available")


@pytest.mark.money
def test_all_backends_refusing_connections_is_a_529(
    gateway: GatewayProcess, customer: Customer, model_on_two: TestModel, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    backend.refuse()
    second_backend.refuse()
    for _ in range(3):  # tried, and then out of rotation
        answer = ask(gateway, customer.key, model_on_two.name)
        assert (answer.status, answer.error["code"]) == (529, "no_healthy_backends")
        assert int(answer.headers["retry-after"]) >= 1
        gives_nothing_away(answer, model_on_two, backend, second_backend)
    assert [row.charged for row in customer.settled(3)] == [0, 0, 0]


@pytest.mark.money
def test_no_answer_in_time_is_a_504(gateway: GatewayProcess, customer: Customer, backend: FakeBackend) -> None:
    model = offer(gateway, backend.base_url, backend_fields={"first_byte_timeout_s": 0.3})
    backend.reply(at={"before_headers": hang})
    answer = ask(gateway, customer.key, model.name)
    assert (answer.status, answer.error["code"]) == (504, "backend_timeout")
    assert customer.settled()[0].charged == 0
    backend.wait_for(lambda: backend.open == 0)


@pytest.mark.money
@pytest.mark.parametrize(
    ("says", "status", "code"),
    [
        (400, 400, "backend_refused_request"),
        (404, 404, "backend_refused_request"),
        (413, 413, "request_too_large"),
        (422, 422, "backend_refused_request"),
        (401, 502, "bad_backend_answer"),
        (403, 502, "bad_backend_answer"),
        (402, 502, "bad_backend_answer"),
        (429, 503, "backend_overloaded"),
        (503, 503, "backend_overloaded"),
        (500, 502, "bad_backend_answer"),
        (502, 502, "bad_backend_answer"),
        (504, 502, "bad_backend_answer"),
        (529, 502, "bad_backend_answer"),
        (302, 502, "bad_backend_answer"),
        (201, 502, "bad_backend_answer"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_a_backend_answers_becomes_the_right_status(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend, second_backend: FakeBackend,
    says: int, status: int, code: str, stream: bool,
) -> None:  # fmt: skip
    message = "max_tokens must be at least 1"
    backend.then(Status(says, {"error": {"message": message, "type": "x"}}, headers={"location": f"{second_backend.base_url}/elsewhere"}))
    answer = ask(gateway, customer.key, model.name, stream=stream)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert (answer.error["message"] == message) == (status < 500)
    assert ("retry-after" in answer.headers) == (status == 503)
    gives_nothing_away(answer, model, backend, second_backend)
    assert customer.settled()[0].charged == 0
    assert second_backend.connections == 0  # a redirect is not followed
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>nginx on gpu-7</body></html>",
        b"",
        b"\x00\xff\xfe",
        "plain text from upstream",
        "[" * 50_000,
        {"error": {"message": "No such route at http://127.0.0.1:9/v1"}},
        {"error": {"message": "Cannot reach 10.0.0.7"}},
        {"error": {"message": "Host [fd00::7]:8000 is down: 127.0.0.1"}},
        {"error": {"message": f"The credential {KEY} is not valid"}},
        {"error": {"message": f"{KEY}"}},
        {"error": {"message": "Authorization header is wrong"}},
        {"error": "Incorrect API key provided: sk-1234"},
        {"message": "see https://internal.example/wiki"},
        {"detail": "<script>alert(1)</script>"},
        {"error": {"message": {"nested": "<html>"}}},
        {"error": {"message": "x" * 100_000}},
    ],
    ids=repr,
)
def test_a_text_that_gives_something_away_is_replaced(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend, body: Any
) -> None:
    backend.then(Status(400, body))
    answer = ask(gateway, customer.key, model.name)
    assert answer.status == 400
    assert answer.error["message"]
    assert len(answer.error["message"]) <= 500
    gives_nothing_away(answer, model, backend)
    for word in ("nginx", "gpu-7", "upstream", "10.0.0.7", "fd00", "sk-1234", "internal.example", "script"):
        assert word.encode() not in answer.body


@pytest.mark.parametrize("says", [404, 400])
def test_the_backends_own_name_of_the_model_becomes_ours(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend, says: int
) -> None:
    backend.then(Status(says, {"object": "error", "message": f"The model `{model.upstream}` has no adapter {model.upstream}-x."}))
    answer = ask(gateway, customer.key, model.name)
    assert answer.status == says
    assert f"The model `{model.name}` has no adapter" in answer.error["message"]
    backend.reply("Hello", model=model.upstream)
    for stream in (False, True):
        answer = ask(gateway, customer.key, model.name, stream=stream)
        assert model.name.encode() in answer.body
        gives_nothing_away(answer, model, backend)


def test_a_private_address_is_refused_when_it_is_connected_to(
    gateways: Callable[..., list[GatewayProcess]], customer: Customer, backend: FakeBackend
) -> None:
    """The catalogue has them already: from a time when they were allowed, or because a name has come to point there since."""
    [process] = gateways(1, ALLOW_PRIVATE_BACKENDS="0")
    for url in (backend.base_url, f"http://localhost:{backend.port}/v1", f"http://[::ffff:127.0.0.1]:{backend.port}/v1"):
        model = offer(process, url)
        answer = ask(process, customer.key, model.name)
        assert answer.status == 529
        gives_nothing_away(answer, model, backend)
    assert "private network" in process.log()
    assert backend.connections == 0
    assert backend.requests == backend.other_requests == []


# --- Once more on another backend -------------------------------------------------------------------------------------------


@pytest.mark.money
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["500", "429", "refused", "reset", "garbage status"])
def test_one_failing_backend_costs_nobody_an_answer(
    gateway: GatewayProcess, customer: Customer, model_on_two: TestModel, backend: FakeBackend, second_backend: FakeBackend, fault: str, stream: bool
) -> None:  # fmt: skip
    if fault == "refused":
        backend.refuse()
    backend.default = {"429": Status(429), "reset": Reply(at={"before_headers": reset}), "garbage status": Status(999)}.get(
        fault, Status(500)
    )
    second_backend.reply("Hello", prompt_tokens=100, completion_tokens=50)
    before = customer.balance
    for _ in range(8):
        answer = ask(gateway, customer.key, model_on_two.name, stream=stream)
        assert (answer.status, answer.text) == (200, "Hello")
    rows = customer.settled(8)
    assert {(row.status, row.backend_id, row.charged) for row in rows} == {(Ended.COMPLETED, model_on_two.backend_ids[1], 200_000)}
    assert before - customer.balance == 8 * 200_000  # once each, at $1 and $2 a million
    assert len(second_backend.requests) == 8
    if fault != "refused":
        assert 1 <= len(backend.requests) <= 8


@pytest.mark.money
def test_a_retry_happens_under_the_same_hold(
    gateway: GatewayProcess, customer: Customer, model_on_two: TestModel, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    gates = [each.gate("before_headers") for each in (backend, second_backend)]
    for each in (backend, second_backend):
        each.then(Status(500))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, gateway, customer.key, model_on_two.name)
        wait_for(lambda: gates[0].reached + gates[1].reached == 1)
        [first] = customer.holds
        gates[0 if gates[0].reached else 1].release(1)
        wait_for(lambda: gates[0].reached + gates[1].reached == 2)
        [second] = customer.holds
        assert (first.id, first.amount, first.pools) == (second.id, second.amount, second.pools)
        for gate in gates:
            gate.release()
        assert call.result().status == 502
    assert len(customer.settled()) == 1


@pytest.mark.money
def test_nothing_is_tried_again_once_something_was_delivered(
    gateway: GatewayProcess, customer: Customer, model_on_two: TestModel, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    script = Reply(chunks=["one ", "two ", "three"], insert={"before_chunk:2": b"data: broken\n\n"})
    for each in (backend, second_backend):
        each.default = script
    answer = ask(gateway, customer.key, model_on_two.name, stream=True)
    assert answer.text == "one two "
    assert answer.error_frame is not None
    assert len(backend.requests) + len(second_backend.requests) == 1


def test_a_request_that_the_backend_refuses_is_not_tried_again(
    gateway: GatewayProcess, customer: Customer, model_on_two: TestModel, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    for each in (backend, second_backend):
        each.default = Status(400)
    assert ask(gateway, customer.key, model_on_two.name).status == 400
    assert len(backend.requests) + len(second_backend.requests) == 1


# --- In rotation and out of it ----------------------------------------------------------------------------------------------


def test_a_backend_that_is_dead_leaves_and_comes_back_by_itself(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    assert ask(gateway, customer.key, model.name).status == 200
    backend.refuse()
    assert ask(gateway, customer.key, model.name).status == 529
    backend.accept()
    wait_for(lambda: ask(gateway, customer.key, model.name).status == 200, what="the backend back in rotation")
    assert [ask(gateway, customer.key, model.name).status for _ in range(5)] == [200] * 5


def test_a_backend_that_keeps_failing_leaves_while_there_is_another_and_comes_back_by_itself(
    gateway: GatewayProcess, customer: Customer, model_on_two: TestModel, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    backend.default = Status(500)
    wait_for(lambda: ask(gateway, customer.key, model_on_two.name) and len(backend.requests) == 3, what="three failures")
    started = time.monotonic()
    assert [ask(gateway, customer.key, model_on_two.name).status for _ in range(30)] == [200] * 30
    pauses = 1 + (time.monotonic() - started) / FIRST_PAUSE_S
    assert len(backend.requests) <= 3 + 3 * pauses  # it is spared while a pause lasts; half of them would have gone there
    backend.reply("back")
    wait_for(lambda: ask(gateway, customer.key, model_on_two.name).text == "back", what="the backend back in rotation")


def test_the_last_backend_stays_however_often_it_fails(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    backend.then(*[Status(500)] * 10)
    assert [ask(gateway, customer.key, model.name).status for _ in range(11)] == [502] * 10 + [200]


def test_requests_that_fail_everywhere_take_no_backend_out(
    gateway: GatewayProcess, customer: Customer, model_on_two: TestModel, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    """A poisonous request is at fault itself: it must not take the model away from everybody else."""
    for each in (backend, second_backend):
        each.choose(lambda record: Status(500) if record.last_user_message == "poison" else None)
    poison = [{"role": "user", "content": "poison"}]
    for _ in range(6):
        assert ask(gateway, customer.key, model_on_two.name, messages=poison).status == 502
    assert len(backend.requests) == len(second_backend.requests) == 6
    gates = [each.gate("before_headers") for each in (backend, second_backend)]
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(ask, gateway, customer.key, model_on_two.name) for _ in range(2)]
        for gate in gates:
            gate.wait_reached(1)  # one each, while both wait: both are in rotation
        for gate in gates:
            gate.release()
        assert [call.result().status for call in calls] == [200, 200]


def test_open_requests_are_shared_by_weight(
    gateway: GatewayProcess, customer: Customer, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    model = offer(gateway, backend.base_url, second_backend.base_url)
    Backend.objects.filter(pk=model.backend_ids[0]).update(weight=3)
    shares = wait_for(lambda: (found := share_of(gateway, customer, model, backend, second_backend)) == (6, 2) and found, SOON_S, "6 to 2")
    assert shares == (6, 2)


def share_of(gateway: GatewayProcess, customer: Customer, model: TestModel, *backends: FakeBackend) -> tuple[int, ...]:
    """How 8 requests at a time were shared."""
    before = [len(each.requests) for each in backends]
    gates = [each.gate("before_headers") for each in backends]
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(ask, gateway, customer.key, model.name) for _ in range(8)]
        wait_for(lambda: sum(len(each.requests) for each in backends) == sum(before) + 8)
        for gate in gates:
            gate.release()
        assert {call.result().status for call in calls} == {200}
    return tuple(len(each.requests) - count for each, count in zip(backends, before, strict=True))


def test_a_backend_gets_no_more_requests_at_a_time_than_it_may(
    gateway: GatewayProcess, customer: Customer, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    model = offer(gateway, backend.base_url, second_backend.base_url, backend_fields={"max_concurrency": 2})
    gates = [each.gate("before_headers") for each in (backend, second_backend)]
    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(ask, gateway, customer.key, model.name) for _ in range(6)]
        wait_for(lambda: sum(call.done() for call in calls) == 2)
        for gate in gates:
            gate.wait_reached(2)
            gate.release()
        assert Counter(call.result().status for call in calls) == {200: 4, 529: 2}
    assert (backend.max_open, second_backend.max_open) == (2, 2)
    assert ask(gateway, customer.key, model.name).status == 200


# --- What staff change --------------------------------------------------------------------------------------------------------


@pytest.mark.money
def test_changes_of_the_catalogue_reach_a_running_process_within_two_seconds(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    def call() -> Answer:
        return ask(gateway, customer.key, model.name)

    def cost() -> int:
        answer = call()
        customer.settled(len(customer.inferences))
        return customer.inference(answer.headers["inference-id"]).charged

    backend.reply("Hello", prompt_tokens=1_000, completion_tokens=1)
    second_backend.reply("second")
    assert cost() == 1_002_000
    model.set_price(input="5")
    wait_for(lambda: cost() == 5_002_000, SOON_S, "the new price")
    added, _ = save_backend(Model.objects.get(pk=model.id), second_backend.base_url, {"upstream_model": model.upstream})
    Backend.objects.filter(pk=model.backend_ids[0]).update(is_active=False)
    wait_for(lambda: call().text == "second", SOON_S, "the new backend")
    assert {call().text for _ in range(5)} == {"second"}
    Backend.objects.filter(pk=added.pk).update(upstream_model="renamed")
    wait_for(lambda: call() and second_backend.last.json["model"] == "renamed", SOON_S, "the new name")
    added.delete()
    wait_for(lambda: call().status == 504, SOON_S, "no backend")
    Model.objects.filter(pk=model.id).update(is_active=False)
    wait_for(lambda: call().status == 404, SOON_S, "no model")
    Model.objects.filter(pk=model.id).update(is_active=True)
    Backend.objects.filter(pk=model.backend_ids[0]).update(is_active=True)
    wait_for(lambda: call().status == 200, SOON_S, "model and backend again")


def test_a_backend_that_its_probe_found_dead_gets_nothing_while_there_is_another(
    gateway: GatewayProcess, customer: Customer, model_on_two: TestModel, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    first = Backend.objects.filter(pk=model_on_two.backend_ids[0])
    backend.models = Status(500)  # so that a probe that comes meanwhile says the same
    first.update(probe_ok=False)
    wait_for(lambda: share_of(gateway, customer, model_on_two, backend, second_backend) == (0, 8), SOON_S, "the mark of the probe")
    backend.models = second_backend.models
    first.update(probe_ok=True)
    wait_for(lambda: share_of(gateway, customer, model_on_two, backend, second_backend) == (4, 4), SOON_S, "its return")
