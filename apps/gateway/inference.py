"""The way of one inference request, from the key to the last frame. This module alone knows the order: what it calls
does one step, and never calls back.

    who is it → what does it ask → what may it cost → admit → ask a backend → pass the answer on → settle → the last frame

Nothing is sent to a backend before the request is admitted, and an answer ends like a finished one only after it was charged.
Whatever happens after admission ends in exactly one settlement: a cancelled task posts it on its way out and does not wait.
docs/the-way-of-a-request.md walks through it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from operator import attrgetter
from uuid import UUID

from apps.catalog.snapshot import ModelEntry
from apps.core.logs import current_inference
from apps.gateway.admission import AdmissionRequest, limit_headers
from apps.gateway.backend_call import BackendAnswer, call_backend
from apps.gateway.client import Call, Client
from apps.gateway.endpoint import BackendRefused, BadAnswer, Endpoint, InferenceRequest, PresetNamed, Reader
from apps.gateway.errors import ApiError, BadGateway, Header, InternalError, Unavailable
from apps.gateway.http_exchange import BackendError, Broken, TimedOut
from apps.gateway.keep_alive import KeepAlive
from apps.gateway.open_request import OpenRequest
from apps.gateway.plan import plan
from apps.gateway.preset_call import read_with_preset
from apps.gateway.redaction import redacted
from apps.gateway.runtime import Gateway
from apps.gateway.sse import EventSplitter, EventTooLarge
from apps.gateway.surface import Surface
from apps.gateway.text_keeping import Said
from apps.usage.models import Status

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 64 * 1024 * 1024
STREAM_HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
JSON_HEADERS: list[Header] = [(b"content-type", b"application/json")]


@dataclass(slots=True)
class Admitted:
    """An admitted request with what relaying it needs."""

    open: OpenRequest
    model: ModelEntry
    endpoint: Endpoint
    request: InferenceRequest
    max_output: int | None  # to write into the backend's request


@dataclass(slots=True)
class Reply:
    """What has gone to the client so far. `headers` are those of every answer: its id and, once admitted, the limits. `said` collects what
    is asked and answered, for accounts that keep that."""

    client: Client
    surface: Surface
    id: UUID
    headers: list[Header] = field(init=False)
    started: bool = False
    said: Said | None = None

    def __post_init__(self) -> None:
        self.headers = self.surface.identity(self.id)

    async def stream(self, frames: bytes) -> None:
        if self.said is not None:
            self.said.stream(frames)
        if not self.started:
            self.started = True
            await self.client.start(200, [*self.headers, *STREAM_HEADERS])
        await self.client.send(frames, last=False)

    async def finish(self, body: bytes, streamed: bool) -> None:
        """The last frames of a stream, or the whole answer."""
        if self.said is not None:
            (self.said.stream if streamed else self.said.whole)(body)
        if streamed:
            if not self.started:
                self.started = True
                await self.client.start(200, [*self.headers, *STREAM_HEADERS])
            await self.client.send(body, last=True)
        else:
            await self.client.start(200, [*self.headers, *JSON_HEADERS, (b"content-length", b"%d" % len(body))])
            await self.client.send(body, last=True)

    async def fail(self, error: ApiError) -> None:
        """An error answer, or, when a stream has begun, an error frame: never an end that looks finished."""
        body = self.surface.error_body(error, self.id)
        if self.started:
            await self.client.send(self.surface.error_frame(body), last=True)
            return
        own = {name for name, _ in error.headers}
        headers = [*(h for h in self.headers if h[0] not in own), *error.headers, *JSON_HEADERS, (b"content-length", b"%d" % len(body))]
        await self.client.start(error.status, headers)
        await self.client.send(body, last=True)


async def answer_call(endpoint: Endpoint, gateway: Gateway, call: Call, client: Client) -> None:
    """Answers one inference request. Never raises for what a client or a backend did."""
    current_inference.set(call.id)
    reply = Reply(client, endpoint.surface, call.id)
    try:
        admitted = await _admit(gateway, endpoint, call, reply)
    except ApiError as error:
        await reply.fail(error)
        return
    except Exception:
        log.exception("inference %s: an error of our own before it was admitted", call.id)
        await reply.fail(InternalError("Something broke on our side. Nothing was charged."))
        return
    request = admitted.open
    gateway.lease.open[request.id] = request
    client.when_gone(request.end_for_client)
    try:
        await _answer(gateway, admitted, reply)
    except asyncio.CancelledError:
        # The server gave this task up: its client has gone, or the process is stopping. The settlement is queued before we go.
        if gateway.lease.open.pop(request.id, None) is not None:
            if request.client_gone:
                gateway.settling.post(request.settlement(Status.CANCELLED, http_status=499, error_code="client_disconnected"))
            else:
                gateway.settling.post(request.settlement(Status.FAILED, http_status=503, error_code="gateway_stopping"))
        request.fence()
        raise
    except Exception:
        # A fault of ours must not keep a customer's credit: end the request, say so, and keep the trace.
        log.exception("inference %s: an error of our own", request.id)
        request.fence()
        if request.id in gateway.lease.open:
            await _settle(gateway, request, Status.FAILED, http_status=500, error_code="internal_error")
        await reply.fail(InternalError("Something broke on our side. You were charged at most for what had reached you."))
    finally:
        if reply.said is not None:
            gateway.texts.put(reply.said)


async def _admit(gateway: Gateway, endpoint: Endpoint, call: Call, reply: Reply) -> Admitted:
    key = call.key
    try:
        request = endpoint.parse(call.body)
    except PresetNamed as named:
        request = await read_with_preset(gateway, key, named, call.body, endpoint.with_preset, endpoint.parse, attrgetter("model_id"))
    model, rates = gateway.catalog.find(request.model_id)
    request.check(model)
    bounds = plan(
        model, rates, prompt_bound=request.prompt_bound(), prompts=request.prompts, choices=request.choices, max_output=request.max_output
    )
    decision = await gateway.admission.admit(
        AdmissionRequest(
            id=call.id,
            account_id=key.account_id,
            key_id=key.id,
            base_pico=bounds.base_pico,
            output_pico=bounds.output_pico,
            output_wanted=bounds.output_wanted,
            output_least=bounds.output_least,
            tpm_tokens=bounds.tpm_tokens,
            model_id=model.id,
            price_id=rates.price_id,
            dialect=endpoint.dialect,
            streamed=request.streamed,
        )
    )
    reply.headers += limit_headers(decision)
    if decision.keeps:
        reply.said = gateway.texts.begin(call.id, key.account_id, call.body, endpoint.transcript())
    opened = OpenRequest(
        id=call.id,
        account_id=key.account_id,
        key_id=key.id,
        model_id=model.id,
        rates=rates,
        dialect=endpoint.dialect,
        streamed=request.streamed,
        held=bounds.held(decision.output_granted),
        arrived=call.arrived,
        admitted=time.monotonic(),
        prompt_tokens=lambda: min(request.prompt_estimate(), bounds.prompt_bound),
    )
    return Admitted(opened, model, endpoint, request, bounds.bound_for_backend(decision.output_granted))


async def _answer(gateway: Gateway, admitted: Admitted, reply: Reply) -> None:
    """From admission to the last frame; settles exactly once."""
    request = admitted.open
    answer: BackendAnswer | None = None
    try:
        if request.ended:
            raise Broken("ended before it was sent")
        calling = call_backend(
            gateway.http,
            gateway.balancer,
            admitted.model,
            admitted.endpoint.backend_path,
            lambda backend: admitted.request.for_backend(admitted.model, backend, admitted.max_output),
            request,
        )
        alive = KeepAlive(lambda: reply.stream(admitted.request.ping(admitted.model))) if _pings(admitted) else None
        answer = await (calling if alive is None else alive.during(calling))
        request.reader = admitted.request.reader(admitted.model, answer.backend)
        last = await (_stream(answer, request, reply, alive) if request.streamed else _whole(answer, request))
        if request.ended:
            raise Broken("ended before its end")
    except (ApiError, BackendError, BadAnswer, BackendRefused, EventTooLarge) as problem:
        if answer is not None and not request.ended:
            gateway.balancer.failed(answer.backend, admitted.model.backends)
        await _fail(gateway, request, reply, problem, secret=answer.backend.api_key if answer is not None else "")
        return
    finally:
        if answer is not None:
            answer.done()
    gateway.balancer.answered(answer.backend)
    if await _settle(gateway, request, Status.COMPLETED):
        await reply.finish(last, request.streamed)
    else:
        await reply.fail(_lost())


def _pings(admitted: Admitted) -> bool:
    return admitted.endpoint.pings and admitted.request.streamed


async def _stream(answer: BackendAnswer, request: OpenRequest, reply: Reply, alive: KeepAlive | None) -> bytes:
    """Passes the stream on up to its end; returns the last frames, which wait for the settlement.

    Raises BackendError, BadAnswer, BackendRefused and EventTooLarge, after passing on what came whole before."""
    assert request.reader is not None
    reader, splitter = request.reader, EventSplitter()
    waited = 0.0
    while not reader.done:
        # A line is a sign of life (a comment too), a byte is not: one byte now and then could keep a request open for ever.
        asked = time.monotonic()
        patience = request.patience(answer.backend.idle_timeout_s - waited)
        packet = await (answer.exchange.read(patience) if alive is None else alive.read(answer.exchange, patience))
        waited = 0.0 if b"\n" in packet or b"\r" in packet else waited + time.monotonic() - asked - (alive.away_s if alive else 0.0)
        frames, problem = _frames(reader, splitter.feed(packet) if packet else splitter.finish())
        if frames:
            request.delivered_at = request.delivered_at or time.monotonic()
            await reply.stream(b"".join(frames))
            if alive is not None:
                alive.heard()
        if problem is not None:
            raise problem
        if not packet:
            if not reader.finished:
                raise BadAnswer("the stream ended without an end")
            break
    return reader.end()


def _frames(reader: Reader, payloads: list[bytes]) -> tuple[list[bytes], Exception | None]:
    """What the client sees of some events, and what is wrong with the one that stopped it."""
    frames: list[bytes] = []
    for payload in payloads:
        try:
            shown = reader.event(payload)
        except (BadAnswer, BackendRefused) as problem:
            return frames, problem
        if shown:
            frames.append(shown)
        if reader.done:
            break
    return frames, None


async def _whole(answer: BackendAnswer, request: OpenRequest) -> bytes:
    """The body for the client. Raises BackendError, BadAnswer and BackendRefused."""
    assert request.reader is not None
    pieces: list[bytes] = []
    size = 0
    while piece := await answer.exchange.read(request.patience(answer.backend.idle_timeout_s)):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise BadAnswer("the answer is beyond every bound")
    body = request.reader.whole(b"".join(pieces))
    request.delivered_at = time.monotonic()
    return body


async def _settle(gateway: Gateway, request: OpenRequest, status: Status, *, http_status: int = 200, error_code: str = "") -> bool:
    """Charges and logs; False when the reaper had done so before.

    The request leaves the lease first: what the lease sees has a hold, and what is settled is not checkpointed any more."""
    settlement = request.settlement(status, http_status=http_status, error_code=error_code)
    del gateway.lease.open[request.id]
    return (await gateway.settling.settle(settlement)).stands


async def _fail(gateway: Gateway, request: OpenRequest, reply: Reply, problem: Exception, *, secret: str) -> None:
    """The answer did not come to its end: the client's doing, a backend's, or ours. `secret` must not get into the log."""
    if request.client_gone and not request.fenced:
        await _settle(gateway, request, Status.CANCELLED, http_status=499, error_code="client_disconnected")
        return
    error = problem if isinstance(problem, ApiError) else _error_of(problem, request, secret)
    await _settle(gateway, request, Status.FAILED, http_status=error.status, error_code=error.code)
    await reply.fail(error)


def _error_of(problem: Exception, request: OpenRequest, secret: str) -> ApiError:
    log.warning("inference %s failed at backend %s: %s", request.id, request.backend_id, redacted(str(problem), secret))
    if request.fenced:
        return _lost()
    if request.stopped:
        return Unavailable(
            "The platform is restarting. You were charged at most for what had reached you; try again.",
            code="gateway_stopping",
            headers=[(b"retry-after", b"2")],
        )
    if isinstance(problem, TimedOut):
        return BadGateway("The model's backend stopped answering.", code="backend_timeout")
    return BadGateway("The model's backend broke off or sent something unusable.")


def _lost() -> ApiError:
    return InternalError("This answer was lost on our side; you were charged at most for what had reached you.", code="gateway_lost")
