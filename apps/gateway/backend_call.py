"""Getting an answer started: choose a backend, send the request, and once more on another backend if the first one fails before it
has said anything. What a backend says about itself (addresses, credentials, HTML) never reaches a client."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway.balancer import Balancer
from apps.gateway.errors import ApiError, BadGateway, BadRequest, NoBackend, Overloaded, TooLarge, Unavailable
from apps.gateway.http_client import Address, Broken, Exchange, HttpClient, TimedOut, Unreachable
from apps.gateway.open_request import OpenRequest
from apps.gateway.redaction import redacted

log = logging.getLogger(__name__)

MAX_TRIES = 2
MAX_ERROR_BYTES = 64 * 1024
# A text with any of these may tell where the backend lives or how we log in there.
_UNSAFE = re.compile(
    r"https?:|://|\b\d{1,3}(\.\d{1,3}){3}\b|<|api[ _-]?key|bearer|token is|authori[sz]|credential|localhost|\.internal|\bsk-", re.IGNORECASE
)


@dataclass(slots=True)
class BackendAnswer:
    """An answer whose headers say 200; `done` gives the connection and the backend's place back, exactly once."""

    backend: BackendEntry
    exchange: Exchange
    done: Callable[[], None]


@lru_cache(maxsize=4096)
def _address(base_url: str) -> Address:
    return Address.of(base_url)


def _head(address: Address, path: str, api_key: str, length: int) -> bytes:
    credentials = f"authorization: Bearer {api_key}\r\n" if api_key else ""
    return (
        f"POST {address.path}{path} HTTP/1.1\r\nhost: {address.authority}\r\ncontent-type: application/json\r\n"
        f"accept-encoding: identity\r\nuser-agent: akashml\r\n{credentials}content-length: {length}\r\n\r\n"
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
    error: ApiError = Overloaded("No healthy backend is available for this model. Try again later.", headers=[(b"retry-after", b"5")])
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
        raise error
    return answer


async def _send(http: HttpClient, backend: BackendEntry, path: str, body: bytes, request: OpenRequest) -> Exchange:
    address = _address(backend.base_url)
    request.backend_id = backend.id
    return await http.post(
        address,
        _head(address, path, backend.api_key, len(body)),
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
    body = bytearray()
    while len(body) < MAX_ERROR_BYTES and (piece := await exchange.read(backend.idle_timeout_s)):
        body += piece
    text = _safe_text(bytes(body), backend, model)
    status = exchange.status
    log.warning("backend %s answered %s: %r", backend.id, status, redacted(body.decode(errors="replace"), backend.api_key)[:300])
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


class _Message(msgspec.Struct):
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Message | str | None = None
    message: str | None = None
    detail: str | None = None


def _safe_text(body: bytes, backend: BackendEntry, model: ModelEntry) -> str:
    """What a backend says about the request, if it says it in JSON and gives nothing of itself away. Its name of the model becomes ours."""
    try:
        answer = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    text = (answer.error.message if isinstance(answer.error, _Message) else answer.error) or answer.message or answer.detail or ""
    if _UNSAFE.search(text) or _address(backend.base_url).host in text or (backend.api_key and backend.api_key in text):
        return ""
    upstream_name = rf"(?<![\w-]){re.escape(backend.upstream_model)}(?![\w-])"
    return re.sub(upstream_name, lambda _: model.public_id, text)[:500]
