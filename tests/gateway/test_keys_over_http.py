"""Promise (acceptance 20, 37, 39, 43): a change of a key counts from the next request on in every process, guessing is throttled,
no request talks the gateway into calling anything but its backends, and keys are written down nowhere."""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import httpx
import psutil
import psycopg
import pytest
from django.db.models.functions import Now
from psycopg import sql

from apps.accounts.models import Account, AccountStatus
from apps.api_keys import minting
from apps.api_keys.actions import Limits, regenerate_key, revoke_key
from apps.api_keys.models import ApiKey, Scope
from apps.gateway.keyring import GUESSES
from tests.fakes import FakeBackend, Status
from tests.gateway.calls import MESSAGES, Answer, ask, http, offer, post
from tests.gateway.customers import Customer, TestModel, new_customer
from tests.gateway.processes import GatewayProcess, gateways_running

pytest_plugins = ["tests.fakes.fixtures"]


@pytest.fixture(scope="module")
def pair() -> Iterator[list[GatewayProcess]]:
    with gateways_running(2, LEASE_S="2") as processes:
        yield processes


@pytest.fixture
def model(pair: list[GatewayProcess], backend: FakeBackend) -> TestModel:
    return offer(pair, backend.base_url)


def edit(**fields: object) -> object:
    return lambda row: ApiKey.objects.filter(pk=row.pk).update(**fields)


CHANGES = {
    "revoked": (revoke_key, 401, "invalid_api_key"),
    "regenerated": (regenerate_key, 401, "invalid_api_key"),
    "expired": (edit(expires_at=Now() - timedelta(milliseconds=1)), 401, "expired_api_key"),
    "deleted": (lambda row: row.delete(), 401, "invalid_api_key"),
    "made a management key": (edit(scope=Scope.MANAGEMENT), 403, "wrong_key_scope"),
    "moved to suspended account": (
        lambda row: Account.objects.filter(pk=row.account_id).update(status=AccountStatus.SUSPENDED), 403, "account_suspended",
    ),
    "given fewer requests": (edit(rpm=2), 429, "rate_limit_exceeded"),
    "given fewer tokens": (edit(tpm=1), 429, "token_limit_exceeded"),
}  # fmt: skip


@pytest.mark.money
@pytest.mark.parametrize("change", CHANGES)
def test_a_key_that_was_changed_is_judged_anew_at_the_next_request_in_every_process(
    pair: list[GatewayProcess], customer: Customer, model: TestModel, change: str
) -> None:
    act, status, code = CHANGES[change]
    assert [ask(process, customer.key, model.name).status for process in pair] == [200, 200]
    customer.settled(2)
    act(ApiKey.objects.get(pk=customer.key_id))  # type: ignore[operator]
    for process in pair:
        answer = ask(process, customer.key, model.name)
        assert (answer.status, answer.error["code"]) == (status, code)
    assert customer.settled(2)


@pytest.mark.money
def test_a_key_whose_limits_were_lifted_works_at_once(pair: list[GatewayProcess], model: TestModel) -> None:
    customer = new_customer("10", Limits(rpm=1))
    assert [ask(process, customer.key, model.name).status for process in pair] == [200, 429]
    ApiKey.objects.filter(pk=customer.key_id).update(rpm=None)
    assert [ask(process, customer.key, model.name).status for process in pair] == [200, 200]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer {key}"}, 200),
        ({"authorization": "bearer   {key}"}, 200),
        ({"x-api-key": "{key}"}, 200),
        ({"authorization": "Basic dXNlcjpwYXNz", "x-api-key": "{key}"}, 200),
        ({"authorization": "{key}"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Bearer {key}x"}, 401),
        ({"authorization": "Bearer \u00e9\u00ff"}, 401),
        ({}, 401),
    ],
)
def test_a_key_is_taken_from_either_header(
    pair: list[GatewayProcess], customer: Customer, model: TestModel, headers: dict[str, str], status: int
) -> None:
    own = {name: value.format(key=customer.key).encode("latin-1") for name, value in headers.items()}
    answer = http.post(f"{pair[0].base_url}/chat/completions", json={"model": model.name, "messages": MESSAGES}, headers=own)
    assert answer.status_code == status
    if status == 401:
        assert Answer(401, answer.headers, answer.content).error["type"] == "authentication_error"


def test_wrong_keys_are_throttled_by_address_and_a_good_key_from_there_goes_on(
    pair: list[GatewayProcess], customer: Customer, model: TestModel
) -> None:
    """What a client says about its own address does not count: there is no trusted proxy here."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.7"), timeout=20) as attacker:

        def attack(key: str, number: int) -> httpx.Response:
            headers = {
                "authorization": f"Bearer {key}",
                "x-forwarded-for": f"198.51.100.{number % 250}",
                "x-real-ip": f"10.0.0.{number % 250}",
            }
            return attacker.post(f"{pair[0].base_url}/chat/completions", json={"model": model.name, "messages": MESSAGES}, headers=headers)

        assert attack(customer.key, 0).status_code == 200
        answers = [attack(minting.mint() if number % 2 else f"akml-{number}", number) for number in range(300)]
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {401, 429}
        assert GUESSES <= statuses[401] < GUESSES + 15  # one more every two seconds
        throttled = Answer(429, answers[-1].headers, answers[-1].content)
        assert throttled.error["code"] == "too_many_wrong_keys"
        assert int(throttled.headers["retry-after"]) >= 1
        assert attack(customer.key, 0).status_code == 200
    assert ask(pair[0], new_customer("1").key, model.name).status == 200  # another address


# --- Requests that want the gateway to call somebody else -----------------------------------------------------------------


@pytest.mark.money
def test_no_field_of_the_body_makes_the_gateway_call_another_address(
    pair: list[GatewayProcess], customer: Customer, backend: FakeBackend, second_backend: FakeBackend
) -> None:
    model = offer(pair, backend.base_url, supported_features=["chat", "streaming", "vision"])
    trap = second_backend.base_url
    tricks = dict.fromkeys(("api_base", "base_url", "api_key", "endpoint", "url", "proxy", "backend", "webhook", "callback"), trap)
    tricks |= {"extra_body": {"base_url": trap}, "metadata": {"url": trap}, "litellm_params": {"api_base": trap}}
    assert ask(pair[0], customer.key, model.name, **tricks).status == 200
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"{trap}/picture.png"}}]}]
    assert ask(pair[0], customer.key, model.name, messages=picture).status == 200
    for name in (trap, f"{model.name}@{trap}", f"../{model.name}", f"{model.name}\x00", f"{model.name}#"):
        assert ask(pair[0], customer.key, name).status == 404
    assert second_backend.connections == 0
    assert second_backend.requests == second_backend.other_requests == []
    assert all(request.headers["host"] == f"127.0.0.1:{backend.port}" for request in backend.requests)


@pytest.mark.money
@pytest.mark.parametrize("target", ["/v1/chat/completions", "http://{trap}/v1/chat/completions"])
@pytest.mark.parametrize("host", ["{trap}", "evil.example", "evil.example, {trap}", "[::1", ""])
def test_no_host_header_makes_the_gateway_call_another_address(
    pair: list[GatewayProcess], customer: Customer, model: TestModel, second_backend: FakeBackend, target: str, host: str
) -> None:
    trap = f"127.0.0.1:{second_backend.port}"
    body = json.dumps({"model": model.name, "messages": MESSAGES}).encode()
    head = (
        f"POST {target.format(trap=trap)} HTTP/1.1\r\nHost: {host.format(trap=trap)}\r\nX-Forwarded-Host: {trap}\r\nForwarded: host={trap}\r\n"
        f"Authorization: Bearer {customer.key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    status, answer = raw_call(pair[0], head.encode() + body)
    assert status in (200, 400, 404)
    assert trap.encode() not in answer
    assert second_backend.connections == 0
    assert second_backend.requests == second_backend.other_requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"model": "m", "messages": [{"role": "u\xffser"}]}',
        b"[" * 1_000_000,
        b'{"model":"m","messages":' + b'[{"a":' * 100_000,
        b'{"model":"m","messages":[{"role":"user","content":' + b"[" * 50_000 + b"]" * 50_000 + b"}]}",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"x":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"seed":' + b"9" * 5_000 + b"}",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_a_malformed_or_endlessly_nested_body_is_a_400(pair: list[GatewayProcess], customer: Customer, body: bytes) -> None:
    answer = post(pair[0], customer.key, body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert len(answer.error["message"]) < 400
    assert answer.headers["inference-id"]


@pytest.mark.money
def test_whatever_nesting_is_accepted_is_settled_too(
    pair: list[GatewayProcess], customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    """The prompt is counted when the answer has ended without usage, with less stack left than when it was parsed."""
    backend.reply("Hello", usage=None)
    accepted = 0
    for depth in range(880, 1_020, 3):
        nested = b"[" * depth + b'"x"' + b"]" * depth
        body = b'{"model":"%s","messages":[{"role":"user","content":"x","more":%s}]}' % (model.name.encode(), nested)
        answer = post(pair[0], customer.key, body)
        assert answer.status in (200, 400), answer
        accepted += answer.status == 200
    assert accepted > 0
    # One whose stack was just too short for the backend's request has a row as well, and cost nothing.
    rows = [row for row in customer.inferences if row.http_status == 200]
    assert (len(rows), customer.holds) == (accepted, [])
    assert {row.estimated for row in rows} == {True}


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_request_of_100_megabytes_is_a_413_that_is_not_read_to_its_end(
    pair: list[GatewayProcess], customer: Customer, framing: str
) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {customer.key}\r\nContent-Type: application/json\r\n"
    memory = psutil.Process(pair[0].pid).memory_info
    before = memory().rss
    if framing == "length":
        status, _ = raw_call(pair[0], f"{head}Content-Length: 100000000\r\n\r\n".encode() + b"[" * 1_000)
        assert status == 413
    else:
        piece = b"100000\r\n" + b" " * 2**20 + b"\r\n"
        status, _ = raw_call(pair[0], f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), *[piece] * 100)
        assert status == 413
    assert memory().rss - before < 60 * 2**20
    assert ask(pair[0], customer.key, "no/such-model").status == 404


def raw_call(gateway: GatewayProcess, *pieces: bytes) -> tuple[int, bytes]:
    """Status and bytes of an answer to bytes sent as they are; stops sending when the gateway has hung up."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it answered before it had everything: read what it said
        got = b""
        while b"\r\n\r\n" not in got and (more := connection.recv(65536)):
            got += more
        return int(got.split(b" ", 2)[1]), got


# --- Keys are written down nowhere ----------------------------------------------------------------------------------------


@pytest.mark.money
def test_no_key_is_in_a_log_an_answer_or_the_database(pair: list[GatewayProcess], customer: Customer, backend: FakeBackend) -> None:
    upstream_key = f"sk-upstream-{minting.mint()[5:30]}"
    wrong = minting.mint()
    model = offer(pair, backend.base_url, backend_fields={"api_key": upstream_key})
    echo = {"error": {"message": f"Incorrect API key provided: {upstream_key}. You sent {customer.key}", "code": "invalid_api_key"}}
    answers = [ask(pair[0], customer.key, model.name), ask(pair[0], wrong, model.name), ask(pair[0], customer.key[:-1], model.name)]
    for status in (200, 400, 401, 403, 404, 422, 429, 500):
        backend.then(Status(status, echo))
        answers.append(ask(pair[0], customer.key, model.name))
    backend.then(Status(400, {"error": {"message": f"Your key is {upstream_key}"}}))
    answers.append(ask(pair[0], customer.key, model.name))
    secrets = [customer.key, wrong, upstream_key]
    for answer in answers:
        assert not any(secret.encode() in answer.body or secret in str(answer.headers) for secret in secrets)
    log = "".join(process.log() for process in pair)
    assert "answered 401" in log
    assert not any(secret in log for secret in secrets)
    assert tables_that_hold(secrets) == []


def tables_that_hold(secrets: list[str]) -> list[str]:
    """The tables of which a row, as text, contains one of these (bytea as text too)."""
    found = []
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        names = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        assert "api_keys_apikey" in names
        for name in names:
            for secret in secrets:
                patterns = [f"%{secret}%", f"%{secret.encode().hex()}%"]
                query = sql.SQL("SELECT count(*) FROM {} t WHERE t::text LIKE ANY (%s)").format(sql.Identifier(name))
                [count] = connection.execute(query, (patterns,)).fetchone() or [0]
                if count:
                    found.append(name)
    return found
