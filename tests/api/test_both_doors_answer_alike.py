"""The fast door and the REST views give the same answer to the same request: status, headers and every byte of the body."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from apps.accounts.models import Account, AccountStatus
from apps.api_keys.actions import Limits
from apps.api_keys.minting import mint
from apps.api_keys.models import ApiKey, Scope
from tests.api.doors import CHAT, MAX_REQUEST_BYTES, Doors, bearer, chat, in_pieces, seen
from tests.fakes import Raw, Reply, Status, close, sse
from tests.fakes.backend import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer, new_customer

pytestmark = pytest.mark.money


@dataclass(frozen=True)
class Case:
    """A request and the status it must get. `body` is what is sent: fields of a chat request, or bytes as they are."""

    status: int
    body: dict[str, Any] | bytes = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    answer: object = None
    prepare: Callable[[Customer], object] | None = None
    path: str = CHAT
    method: str = "POST"
    usd: str = "10"
    limits: Limits = field(default_factory=Limits)
    before: int = 0
    """How many requests have gone before this one."""
    sized: bool = True
    """Whether Content-Length is said."""


def key_of(**changes: object) -> Callable[[Customer], object]:
    return lambda customer: ApiKey.objects.filter(pk=customer.key_id).update(**changes)


def suspended(customer: Customer) -> object:
    return Account.objects.filter(pk=customer.account_id).update(status=AccountStatus.SUSPENDED)


TEXT = "/v1/completions"
MESSAGES = "/anthropic/v1/messages"
COUNT = f"{MESSAGES}/count_tokens"
BOUND = {"max_tokens": 100}
LONG_TEXT = "é" * (MAX_REQUEST_BYTES // 2)
STREAM = {"stream": True}
CASES = {
    "a whole answer": Case(200),
    "a stream": Case(200, STREAM),
    "a stream with usage": Case(200, {**STREAM, "stream_options": {"include_usage": True}}),
    "a long stream": Case(200, STREAM, answer=Reply(chunks=["piece "] * 500)),
    "a trailing slash": Case(200, path=f"{CHAT}/"),
    "a body in pieces": Case(200, sized=False),
    "another Accept": Case(200, STREAM, {"accept": "text/event-stream"}),
    "a content type with a character set": Case(200, headers={"content-type": "application/json; charset=utf-8"}),
    "a page of another origin": Case(200, headers={"origin": "https://app.example"}),
    "a page of another origin without a key": Case(401, headers={"origin": "https://app.example", "authorization": ""}),
    "unknown fields": Case(200, {"top_k": 3, "guided_choice": ["a", "ü"]}),
    "limits of a key": Case(200, limits=Limits(rpm=100, tpm=100_000, max_concurrent=5)),
    "limits of a key and a stream": Case(200, STREAM, limits=Limits(rpm=100, tpm=100_000, max_concurrent=5)),
    "a text completion": Case(200, {"prompt": "x"}, path=TEXT),
    "a stream of text": Case(200, {"prompt": ["x", "y"], **STREAM}, path=f"{TEXT}/"),
    "a text completion without a prompt": Case(400, b'{"model": "m"}', path=TEXT),
    "GET of a text completion": Case(405, b"", path=TEXT, method="GET"),
    "no key": Case(401, headers={"authorization": ""}),
    "a key of another kind": Case(401, headers={"authorization": "Bearer sk-123"}),
    "a key that does not exist": Case(401, headers={"authorization": f"Bearer {mint()}"}),
    "a key that is no text": Case(401, headers={"authorization": "Bearer \xff\xfe"}),
    "a revoked key": Case(401, prepare=key_of(revoked_at=timezone.now())),
    "an expired key": Case(401, prepare=key_of(expires_at=timezone.now() - timedelta(days=1))),
    "a management key": Case(403, prepare=key_of(scope=Scope.MANAGEMENT)),
    "a suspended account": Case(403, prepare=suspended),
    "no credit": Case(402, usd="0"),
    "too little credit": Case(402, {"max_tokens": 50_000}, usd="0.01"),
    "no body": Case(400, b""),
    "no JSON": Case(400, b'{"model": '),
    "no text": Case(400, b'{"model": "\xff"}'),
    "a list": Case(400, b"[]"),
    "deep nesting": Case(400, b'{"model": "m", "messages": ' + b"[" * 9_000),
    "no messages": Case(400, b'{"model": "m"}'),
    "a field out of range": Case(400, {"temperature": 3}),
    "a field of a wrong type": Case(400, {"stream_options": {"include_usage": "yes"}}),
    "an unknown model": Case(404, {"model": "nobody/nothing"}),
    "too large": Case(413, {"user": LONG_TEXT}),
    "too large in pieces": Case(413, {"user": LONG_TEXT}, sized=False),
    "another content type": Case(415, headers={"content-type": "text/plain"}),
    "a form": Case(415, b"model=m", {"content-type": "application/x-www-form-urlencoded"}),
    "too many requests": Case(429, limits=Limits(rpm=2), before=2),
    "too many tokens": Case(429, {"max_tokens": 900}, limits=Limits(tpm=1_000), answer=Reply(prompt_tokens=900), before=1),
    "a backend that refuses": Case(400, answer=Status(400, {"error": {"message": "context too long", "type": "invalid_request_error"}})),
    "a backend that fails": Case(502, answer=Status(500, "<html>traceback at 10.0.0.1</html>")),
    "a backend that is no server": Case(502, answer=Raw(b"SSH-2.0-OpenSSH\r\n")),
    "a stream that breaks": Case(200, STREAM, answer=Reply(chunks=["a", "b", "c"], at={"before_chunk:2": close})),
    "an error in a stream": Case(200, STREAM, answer=Reply(chunks=["a", "b"], insert={"before_chunk:1": sse({"error": {"message": "x"}})})),
    "GET": Case(405, b"", method="GET"),
    "HEAD": Case(405, b"", method="HEAD"),
    "PUT": Case(405, method="PUT"),
    "OPTIONS": Case(405, b"", method="OPTIONS"),
    "DELETE": Case(405, method="DELETE"),
    "an unknown address": Case(404, path="/v1/chat/completion"),
    "an unknown address with a line break": Case(404, path="/v1/chat%0A/x"),
    "the API's root": Case(404, b"", path="/v1", method="GET"),
    "a message": Case(200, BOUND, path=MESSAGES),
    "a message with a query": Case(200, BOUND, path=f"{MESSAGES}?beta=true"),
    "a stream of a message": Case(200, {**BOUND, **STREAM}, path=f"{MESSAGES}/", answer=Reply("Hi", reasoning="Hm.", cached_tokens=3)),
    "a stream of tool calls": Case(
        200, {**BOUND, **STREAM}, path=MESSAGES, answer=Reply("", tool_calls=[{"name": "f", "arguments": "{}"}])
    ),
    "a stream of a message that breaks": Case(
        200, {**BOUND, **STREAM}, path=MESSAGES, answer=Reply(chunks=["a", "b", "c"], at={"before_chunk:2": close})
    ),
    "a message with limits of a key": Case(200, BOUND, path=MESSAGES, limits=Limits(rpm=100, tpm=100_000, max_concurrent=5)),
    "a message without a bound": Case(400, path=MESSAGES),
    "a message that is no JSON": Case(400, b"{", path=MESSAGES),
    "a message that is a list": Case(400, b"[]", path=MESSAGES),
    "a message without a key": Case(401, BOUND, {"authorization": ""}, path=MESSAGES),
    "a message with a key that does not exist": Case(401, BOUND, {"authorization": f"Bearer {mint()}"}, path=MESSAGES),
    "a message without credit": Case(402, BOUND, path=MESSAGES, usd="0"),
    "a message of a suspended account": Case(403, BOUND, path=MESSAGES, prepare=suspended),
    "a message of an unknown model": Case(404, {**BOUND, "model": "nobody--nothing"}, path=MESSAGES),
    "a message that is too large": Case(413, {**BOUND, "system": LONG_TEXT}, path=MESSAGES),
    "a message that is too large in pieces": Case(413, {**BOUND, "system": LONG_TEXT}, path=MESSAGES, sized=False),
    "a message of another content type": Case(415, BOUND, {"content-type": "text/plain"}, path=MESSAGES),
    "too many messages": Case(429, BOUND, path=MESSAGES, limits=Limits(rpm=2), before=2),
    "a backend that refuses a message": Case(400, BOUND, path=MESSAGES, answer=Status(400, {"error": {"message": "context too long"}})),
    "a backend that does not let us in": Case(502, BOUND, path=MESSAGES, answer=Status(401, {"error": {"message": "no"}})),
    "GET of a message": Case(405, b"", path=MESSAGES, method="GET"),
    "HEAD of a message": Case(405, b"", path=MESSAGES, method="HEAD"),
    "a thread": Case(400, {**BOUND, "thread": {"type": "create"}}, path=MESSAGES),
    "a count": Case(200, path=COUNT),
    "a count with a query": Case(200, path=f"{COUNT}/?beta=true", usd="0"),
    "a count without a key": Case(401, headers={"authorization": ""}, path=COUNT),
    "a count with a revoked key": Case(401, path=COUNT, prepare=key_of(revoked_at=timezone.now())),
    "a count with an expired key": Case(401, path=COUNT, prepare=key_of(expires_at=timezone.now() - timedelta(days=1))),
    "a count with a management key": Case(403, path=COUNT, prepare=key_of(scope=Scope.MANAGEMENT)),
    "a count of a suspended account": Case(403, path=COUNT, prepare=suspended),
    "a count for an unknown model": Case(404, {"model": "nobody/nothing"}, path=COUNT),
    "a count of nothing": Case(400, b"", path=COUNT),
    "the Anthropic surface's root": Case(200, b"", path="/anthropic", method="GET"),
    "HEAD of the Anthropic surface's root": Case(200, b"", path="/anthropic/", method="HEAD"),
    "POST to the Anthropic surface's root": Case(405, b"", path="/anthropic"),
    "an unknown address of the Anthropic surface": Case(404, path="/anthropic/v1/message"),
    "an unknown model of the Anthropic surface": Case(404, b"", path="/anthropic/v1/models/nobody--none", method="GET"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_request_gets_the_same_answer(name: str, doors: Doors, backend: FakeBackend) -> None:
    case = CASES[name]
    model = offer(doors.both, backend.base_url).name
    answers = []
    for door in doors.both:
        if case.answer is not None:
            backend.choose(lambda record: case.answer)
        # A customer for each door, since requests count; what is alike in them is all that an answer may show.
        customer = new_customer(case.usd, case.limits)
        if case.prepare is not None:
            case.prepare(customer)
        headers = {**bearer(customer), "content-type": "application/json", **case.headers}
        body = case.body if isinstance(case.body, bytes) else json.dumps({**chat(model), **case.body}).encode()
        with httpx.Client(base_url=door.url, timeout=20) as client:
            for _ in range(case.before):
                assert client.request(case.method, case.path, content=body, headers=headers).status_code == 200
            content = body if case.sized else in_pieces(body)
            raw = {key.encode(): value.encode("latin-1") for key, value in headers.items()}
            answers.append(seen(client.request(case.method, case.path, content=content, headers=raw)))
    fast, slow = answers
    assert slow == fast
    assert fast.status == case.status, fast
    if fast.status != 200 and case.method != "HEAD":
        error = json.loads(fast.body)
        assert fast.headers["content-type"] == "application/json"
        if case.path.startswith("/anthropic"):
            assert error["type"] == "error"
            assert error["error"].keys() - {"details"} == {"type", "message"}
        else:
            assert error["message"] == error["error"]["message"]


def test_x_api_key_opens_both_doors(doors: Doors, backend: FakeBackend, customer: Customer) -> None:
    body = chat(offer(doors.both, backend.base_url).name)
    fast, slow = (seen(httpx.post(door.url + CHAT, json=body, headers={"x-api-key": customer.key})) for door in doors.both)
    assert fast == slow
    assert fast.status == 200


def test_a_wrong_method_says_which_is_right(doors: Doors) -> None:
    response = httpx.get(doors.slow.url + CHAT)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_an_unknown_address_says_so_in_our_shape(doors: Doors) -> None:
    response = httpx.delete(doors.slow.url + "/v1/files/../nothing")
    assert response.status_code == 404
    assert response.json()["error"] == {
        "message": "Unknown address: DELETE /v1/nothing. The API is described at /api/schema/.",
        "type": "invalid_request_error",
        "code": "unknown_url",
        "param": None,
    }


def test_both_doors_charge_and_log_alike(doors: Doors, backend: FakeBackend) -> None:
    backend.reply("one two three", prompt_tokens=40, cached_tokens=8)
    model = offer(doors.both, backend.base_url, prices={"input": "1", "output": "2", "cached_input": "0.5"})
    rows = []
    for door in doors.both:
        for stream in (False, True):
            customer = new_customer("10")
            response = httpx.post(door.url + CHAT, json=chat(model.name, stream=stream), headers=bearer(customer))
            [row] = customer.settled()
            assert str(row.pk) == response.headers["inference-id"]
            assert row.backend_id == model.backend_ids[0]
            rows.append((row.status, row.http_status, row.cost, row.charged, row.prompt_tokens, row.cached_tokens, row.completion_tokens))
            # 32 uncached tokens at 1,000 nano-USD, 8 cached at 500, 3 of output at 2,000.
            assert row.charged == 32 * 1_000 + 8 * 500 + 3 * 2_000
    assert len(set(rows)) == 1, rows
