"""Promise (acceptance 17–19): over all processes a key gets exactly its requests a minute, tokens a minute and requests at a time;
a refused request uses up none of them, and every slot comes back, however its request ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.api_keys.actions import Limits
from apps.api_keys.models import ApiKey, Limiter
from apps.usage.models import Status as Ended
from tests.fakes import FakeBackend, Reply, Status, reset
from tests.gateway.calls import Answer, ask, ask_together, offer, open_stream, post
from tests.gateway.customers import Customer, TestModel, new_customer
from tests.gateway.processes import GatewayProcess, gateways_running
from tests.gateway.waiting import wait_for

pytest_plugins = ["tests.fakes.fixtures"]


@pytest.fixture(scope="module")
def pair() -> Iterator[list[GatewayProcess]]:
    with gateways_running(2, LEASE_S="2") as processes:
        yield processes


@pytest.fixture
def model(pair: list[GatewayProcess], backend: FakeBackend) -> TestModel:
    return offer(pair, backend.base_url)


def statuses(answers: list[Answer]) -> dict[int, int]:
    return dict(Counter(answer.status for answer in answers))


def used(customer: Customer) -> tuple[int, int, int]:
    """Requests and tokens in the window, and open requests, of the customer's key."""
    row = Limiter.objects.filter(pk=customer.key_id).first()
    return (row.requests_in_window, row.tokens_in_window, row.open) if row is not None else (0, 0, 0)


@pytest.mark.money
class TestRequestsAMinute:
    def test_are_exact_over_two_processes(self, pair: list[GatewayProcess], model: TestModel, backend: FakeBackend) -> None:
        customer = new_customer("10", Limits(rpm=12))
        answers = ask_together(pair, customer.key, model.name, 30)
        assert statuses(answers) == {200: 12, 429: 18}
        assert {answer.error["code"] for answer in answers if answer.status == 429} == {"rate_limit_exceeded"}
        assert len(backend.requests) == len(customer.settled(12)) == 12
        assert used(customer)[0] == 12

    def test_are_not_used_up_by_requests_that_are_refused(self, pair: list[GatewayProcess], model: TestModel) -> None:
        customer = new_customer("0.0001", Limits(rpm=3, tpm=10_000, max_concurrent=2))
        refusals = {
            402: lambda: ask(pair[0], customer.key, model.name, max_tokens=5_000),
            404: lambda: ask(pair[1], customer.key, "no/such-model"),
            400: lambda: ask(pair[0], customer.key, model.name, temperature=9),
            413: lambda: post(pair[1], customer.key, b"x" * 20_000_001),
            415: lambda: post(pair[0], customer.key, b"{}", headers={"content-type": "text/plain"}),
            429: lambda: ask(new_limit(tpm=1_000), customer.key, model.name, max_tokens=5),
        }

        def new_limit(tpm: int) -> GatewayProcess:
            """A limit below what the window already counts, for the moment."""
            ApiKey.objects.filter(pk=customer.key_id).update(tpm=tpm)
            Limiter.objects.filter(pk=customer.key_id).update(tokens_in_window=1_000)
            return pair[1]

        assert ask(pair[0], customer.key, model.name, max_tokens=5).status == 200
        customer.settled()
        before = used(customer)
        for status, refused in refusals.items():
            for _ in range(4):
                assert refused().status == status
        requests, _, still_open = used(customer)
        assert (requests, still_open) == (before[0], before[2]) == (1, 0)
        ApiKey.objects.filter(pk=customer.key_id).update(tpm=10_000)
        assert [ask(pair[i % 2], customer.key, model.name, max_tokens=5).status for i in range(3)] == [200, 200, 429]


@pytest.mark.money
class TestTokensAMinute:
    def test_are_reserved_at_admission_over_two_processes(self, pair: list[GatewayProcess], model: TestModel, backend: FakeBackend) -> None:
        """Of requests that reserve a little over 1,000 tokens each, 4 fit into 5,000 while none has ended."""
        customer = new_customer("10", Limits(tpm=5_000))
        gate = backend.gate("before_headers")
        with ThreadPoolExecutor(12) as pool:
            calls = [pool.submit(ask, pair[i % 2], customer.key, model.name, max_tokens=1_000) for i in range(12)]
            gate.wait_reached(4)
            wait_for(lambda: sum(call.done() for call in calls) == 8)
            requests, tokens, still_open = used(customer)
            assert (requests, still_open) == (4, 4)
            assert 4_000 < tokens <= 5_000
            gate.release()
            answers = [call.result() for call in calls]
        assert statuses(answers) == {200: 4, 429: 8}
        assert {answer.error["code"] for answer in answers if answer.status == 429} == {"token_limit_exceeded"}

    def test_are_corrected_to_the_real_tokens_at_settlement(
        self, pair: list[GatewayProcess], model: TestModel, backend: FakeBackend
    ) -> None:
        customer = new_customer("10", Limits(tpm=5_000))
        backend.reply("Hello", prompt_tokens=40, completion_tokens=60)
        for number in range(8):  # reserving 4,000 each, they could not follow one another otherwise
            answer = ask(pair[number % 2], customer.key, model.name, max_tokens=4_000)
            assert answer.status == 200
            left = int(answer.headers["x-ratelimit-remaining-tokens"])
            customer.settled(number + 1)
            assert used(customer)[1] == 100 * (number + 1)
            assert 5_000 - left > 4_000  # what the header told had the reservation in it
        backend.reply("Hello", prompt_tokens=4_000, completion_tokens=500)
        assert ask(pair[0], customer.key, model.name, max_tokens=4_000).status == 200
        customer.settled(9)
        assert used(customer)[1] == 800 + 4_500  # more than was reserved counts as well
        assert ask(pair[1], customer.key, model.name, max_tokens=1).status == 429

    def test_of_a_request_that_failed_count_as_what_was_delivered(
        self, pair: list[GatewayProcess], model: TestModel, backend: FakeBackend
    ) -> None:
        customer = new_customer("10", Limits(tpm=5_000))
        backend.reply(chunks=["a", "b", "c"], at={"before_chunk:2": reset})
        gate = backend.gate("before_chunk:2")
        with open_stream(pair[0], customer.key, model.name) as answer:
            gate.wait_reached()
            gate.release()
            answer.read()
        customer.settled()
        assert used(customer) == (1, 2, 0)

    def test_let_one_request_run_however_much_it_might_take(self, pair: list[GatewayProcess], model: TestModel) -> None:
        customer = new_customer("10", Limits(tpm=50))
        assert ask(pair[0], customer.key, model.name, max_tokens=5_000).status == 200


@pytest.mark.money
def test_requests_at_a_time_are_exact_over_two_processes(pair: list[GatewayProcess], model: TestModel, backend: FakeBackend) -> None:
    customer = new_customer("10", Limits(max_concurrent=5))
    gate = backend.gate("before_headers")
    for round_number in (1, 2):  # the second time every slot has been used once
        with ThreadPoolExecutor(12) as pool:
            calls = [pool.submit(ask, pair[i % 2], customer.key, model.name) for i in range(12)]
            wait_for(lambda calls=calls: sum(call.done() for call in calls) == 7)
            gate.wait_reached(5 * round_number)
            assert used(customer)[2] == 5
            gate.release(5)
            answers = [call.result() for call in calls]
        assert statuses(answers) == {200: 5, 429: 7}
        assert {answer.error["code"] for answer in answers if answer.status == 429} == {"concurrency_limit_exceeded"}
        customer.settled(5 * round_number)
        assert used(customer)[2] == 0
    assert backend.max_open == 5


@pytest.mark.money
class TestASlotComesBack:
    @pytest.fixture
    def customer(self) -> Customer:
        return new_customer("10", Limits(max_concurrent=1))

    def free(self, pair: list[GatewayProcess], customer: Customer, model: TestModel) -> None:
        assert customer.holds == []
        assert used(customer)[2] == 0
        assert [ask(process, customer.key, model.name).status for process in pair] == [200, 200]

    def test_after_the_client_left_mid_stream(
        self, pair: list[GatewayProcess], customer: Customer, model: TestModel, backend: FakeBackend
    ) -> None:
        backend.reply(chunks=["a", "b"])
        gate = backend.gate("before_chunk:1", when=lambda record: record.fields.get("stream") is True)
        with open_stream(pair[0], customer.key, model.name):
            gate.wait_reached()
            assert ask(pair[1], customer.key, model.name).status == 429
        backend.wait_for(lambda: backend.open == 0)  # the backend is let go as well
        assert [row.status for row in customer.settled()] == [Ended.CANCELLED]
        self.free(pair, customer, model)

    @pytest.mark.parametrize(
        "script",
        [Status(500), Status(400), Reply(at={"before_headers": reset}), Reply(chunks=["a", "b"], at={"before_chunk:1": reset})],
        ids=["server error", "refused", "reset", "broken stream"],
    )
    def test_after_a_failing_backend(
        self, pair: list[GatewayProcess], customer: Customer, model: TestModel, backend: FakeBackend, script: Reply | Status
    ) -> None:
        backend.then(script)
        ask(pair[0], customer.key, model.name, stream=True)
        customer.settled()
        self.free(pair, customer, model)

    def test_that_a_refused_request_never_had(self, pair: list[GatewayProcess], model: TestModel) -> None:
        customer = new_customer("0.00001", Limits(max_concurrent=1))
        for process in pair * 2:
            assert ask(process, customer.key, model.name, max_tokens=100_000).status == 402
        customer.grant("1")
        self.free(pair, customer, model)

    def test_after_its_process_was_killed(
        self, gateways: Callable[..., list[GatewayProcess]], pair: list[GatewayProcess], customer: Customer, backend: FakeBackend
    ) -> None:
        [doomed] = gateways(1, LEASE_S="2")
        model = offer([*pair, doomed], backend.base_url)
        backend.reply(chunks=["a", "b"])
        gate = backend.gate("before_chunk:1", when=lambda record: record.fields.get("stream") is True)
        with open_stream(doomed, customer.key, model.name):
            gate.wait_reached()
            doomed.kill()
        assert ask(pair[0], customer.key, model.name).status == 429
        [row] = customer.settled(timeout=12)  # its lease, and ten seconds
        assert row.status == Ended.LOST
        self.free(pair, customer, model)
