"""Getting an answer started: choose a backend, send the request, and once more on another backend if the first one fails before it
has said anything. What a backend says about itself (addresses, credentials, HTML) never reaches a client."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec
from django.core.exceptions import ValidationError

from apps.catalog.models import api_key_validator
from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway.balancer import Balancer
from apps.gateway.errors import ApiError, BadGateway, BadRequest, NoBackend, Overloaded, TooLarge, Unavailable
from apps.gateway.http_client import Address, HttpClient
from apps.gateway.http_exchange import Broken, Exchange, TimedOut, Unreachable
from apps.gateway.open_request import OpenRequest
from apps.gateway.redaction import redacted

log = logging.getLogger(__name__)

MAX_TRIES = 2
MAX_ERROR_BYTES = 64 * 1024
# An error answer is short: a backend that takes longer to say it is not waited for.
ERROR_BODY_S = 5.0
# A text with any of these may tell where the backend lives or how we log in there.
_UNSAFE = re.compile(
    r"""https?: | :// | < | localhost | \.(?:internal|local|lan|svc)\b
    | api[ _-]?key | bearer | token\ is | authori[sz] | credential | \bsk-
    | \b\d{1,3}(?:\.\d{1,3}){3}\b                                            # IPv4
    | (?<![\w:])(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?::                 # IPv6, shortened
    | (?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}                         # IPv6 in full
    | [a-z][\w.-]{0,62}:\d{2,5}\b | \bport\W{0,3}\d                         # host:port; no longer than a label, to stay linear
    | (?<![\w/.])~?/[\w.-] | \b[a-z]:\\                                     # absolute paths
    """,
    re.IGNORECASE | re.VERBOSE,
)
# What an error's type and code look like. Anything longer may be a text, and hold what somebody asked.
_SHORT_WORD = re.compile(r"[\w.-]{1,40}", re.ASCII)


@dataclass(slots=True)
class BackendAnswer:
    """An answer whose headers say 200; `done` gives the connection and the backend's place back, exactly once."""

    backend: BackendEntry
    exchange: Exchange
    done: Callable[[], None]


@lru_cache(maxsize=4096)
def _address(base_url: str) -> Address:
    return Address.of(base_url)


@lru_cache(maxsize=4096)
def request_head(address: Address, path: str, api_key: str) -> bytes:
    """The request's head up to its length. Raises Unreachable for a key that would break out of its header: one from before keys were checked."""
    try:
        api_key_validator(api_key)
    except ValidationError:
        raise Unreachable("its API key has a space, a line end or another character that no header may carry: enter it again") from None
    credentials = f"authorization: Bearer {api_key}\r\n" if api_key else ""
    return (
        f"POST {address.path}{path} HTTP/1.1\r\nhost: {address.authority}\r\ncontent-type: application/json\r\n"
        f"accept-encoding: identity\r\nuser-agent: akashml\r\n{credentials}content-length: "
    ).encode()


async def call_backend(
    http: HttpClient, balancer: Balancer, model: ModelEntry, path: str, body_for: Callable[[BackendEntry], bytes], request: OpenRequest
) -> BackendAnswer:
    """Raises the ApiError for the client when no backend gives a usable answer (nothing was delivered then), and Broken when
    the request was ended from our side meanwhile."""
    if not model.backends:
        raise NoBackend(f"No backend is configured for the model {model.public_id!r}.")
    tried: list[int] = []
    failed: list[BackendEntry] = []
    error: ApiError | None = None
    again, answer = True, None
    while again and len(tried) < MAX_TRIES and (backend := balancer.choose(model.backends, tried)) is not None:
        tried.append(backend.id)
        balancer.begin(backend)
        try:
            exchange = await _send(http, backend, path, body_for(backend), request)
            if exchange.status == 200:
                answer = BackendAnswer(backend, exchange, _once(http, balancer, backend, exchange, request))
                break
            error, again = await _refusal(exchange, backend, model)
            http.release(_address(backend.base_url), exchange)
            request.released()
        except Unreachable as problem:
            balancer.unreachable(backend)
            log.warning("backend %s is unreachable: %s", backend.id, problem)
            again = True
        except (TimedOut, Broken) as problem:
            if request.ended:
                raise
            log.warning("backend %s failed: %s", backend.id, problem)
            if isinstance(problem, TimedOut):
                error, again = NoBackend("The model's backend did not answer in time.", code="backend_timeout"), False
            else:
                error, again = BadGateway("The model's backend broke off before it answered."), True
            failed.append(backend)
        else:
            if again:
                failed.append(backend)
        finally:
            if answer is None:
                balancer.end(backend)
    # A request that fails on two backends is probably at fault itself and counts against neither.
    if len(failed) == 1:
        balancer.failed(failed[0], model.backends)
    if answer is None:
        raise error or Overloaded("No healthy backend is available for this model. Try again later.", headers=[(b"retry-after", b"5")])
    return answer


async def _send(http: HttpClient, backend: BackendEntry, path: str, body: bytes, request: OpenRequest) -> Exchange:
    address = _address(backend.base_url)
    request.backend_id = backend.id
    return await http.post(
        address,
        b"%b%d\r\n\r\n" % (request_head(address, path, backend.api_key), len(body)),
        body,
        backend.connect_timeout_s,
        backend.first_byte_timeout_s,
        request.sending,
    )


def _once(http: HttpClient, balancer: Balancer, backend: BackendEntry, exchange: Exchange, request: OpenRequest) -> Callable[[], None]:
    returned = False

    def done() -> None:
        nonlocal returned
        if not returned:
            returned = True
            balancer.end(backend)
            http.release(_address(backend.base_url), exchange)
            request.released()

    return done


async def _refusal(exchange: Exchange, backend: BackendEntry, model: ModelEntry) -> tuple[ApiError, bool]:
    """The client's error for a backend's status, and whether another backend might do better. Raises BackendError."""
    body = await _error_body(exchange, backend)
    said = _decoded(body)
    text = _safe_text(said, backend, model)
    status = exchange.status
    log.warning(
        "backend %s answered %s: %s bytes, type %s, code %s",
        backend.id, status, len(body), _short_word(said.kind("type"), backend), _short_word(said.kind("code"), backend),
    )  # fmt: skip
    # Engines repeat what they were asked in their errors, and that is nobody's but the customer's.
    log.debug("backend %s answered: %r", backend.id, redacted(body.decode(errors="replace"), backend.api_key)[:300])
    if status in (400, 404, 422):
        # 404 too: from a backend it is about something in the request (a file, an adapter), never about our list of models.
        return BadRequest(text or "The model's backend refused this request.", status=status, code="backend_refused_request"), False
    if status == 413:
        return TooLarge(text or "The request is too large for the model's backend."), False
    if status in (429, 503):
        return Unavailable(
            "The model's backend is overloaded. Try again shortly.", code="backend_overloaded", headers=[(b"retry-after", b"2")]
        ), True
    return BadGateway("The model's backend failed to answer."), True


async def _error_body(exchange: Exchange, backend: BackendEntry) -> bytes:
    """What comes of an error's body within ERROR_BODY_S and MAX_ERROR_BYTES. Raises Broken."""
    body = bytearray()
    clock = asyncio.get_running_loop().time
    deadline = clock() + ERROR_BODY_S
    with suppress(TimedOut):  # the status says the most: go on with what has come
        while len(body) < MAX_ERROR_BYTES and (left := deadline - clock()) > 0:
            piece = await exchange.read(min(left, backend.idle_timeout_s))
            if not piece:
                break
            body += piece
    return bytes(body)


class _Error(msgspec.Struct):
    message: str = ""
    type: Any = None
    code: Any = None


class _ErrorBody(msgspec.Struct):
    error: _Error | str | None = None
    message: str | None = None
    detail: str | None = None
    type: Any = None
    code: Any = None

    @property
    def text(self) -> str:
        return (self.error.message if isinstance(self.error, _Error) else self.error) or self.message or self.detail or ""

    def kind(self, name: Literal["type", "code"]) -> object:
        return getattr(self.error if isinstance(self.error, _Error) else self, name)


def _decoded(body: bytes) -> _ErrorBody:
    """An error as engines write it in JSON; an empty one for anything else."""
    try:
        return msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _ErrorBody()


def _short_word(value: object, backend: BackendEntry) -> str:
    """An error's type or code for our log."""
    word = redacted(str(value), backend.api_key) if isinstance(value, str | int) else ""
    return word if _SHORT_WORD.fullmatch(word) else "-"


def _safe_text(said: _ErrorBody, backend: BackendEntry, model: ModelEntry) -> str:
    """What a backend says about the request, if it gives nothing of itself away. Its name of the model becomes ours."""
    text = said.text
    upstream_name = re.compile(rf"(?<![\w-]){re.escape(backend.upstream_model)}(?![\w-])")
    judged = upstream_name.sub("", text)  # the name may well be a path; ours takes its place
    if _UNSAFE.search(judged) or _address(backend.base_url).host in judged.lower() or (backend.api_key and backend.api_key in text):
        return ""
    return upstream_name.sub(lambda _: model.public_id, text)[:500]
