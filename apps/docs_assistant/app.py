"""The documentation assistant as an ASGI application: an OpenAI-compatible server without a framework.

`python -m uvicorn apps.docs_assistant.app:application --port N`; DOCS_DIR and ASSISTANT_PACE_S configure it (README.md).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from apps.docs_assistant.answers import answer
from apps.docs_assistant.generation import Answer, Shape, cut
from apps.docs_assistant.protocol import (
    CONTEXT_LENGTH,
    MODEL_ID,
    ChatRequest,
    CompletionRequest,
    Generation,
    RequestError,
    TokenizeRequest,
    count_prompt,
    parse,
)
from apps.docs_assistant.retrieval import DocsUnreadable, Library
from apps.docs_assistant.tokenizer import MESSAGE_OVERHEAD

logger = logging.getLogger(__name__)

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "site"
MAX_BODY_BYTES = 8_000_000
DEFAULT_COMPLETION_TOKENS = 16  # what OpenAI's /v1/completions gives when max_tokens is left out
# Valid in JSON and in server-sent events, but line ends to clients that split text the Unicode way: sent as escapes.
LINE_SEPARATORS = (("\u2028".encode(), rb"\u2028"), ("\u2029".encode(), rb"\u2029"), ("\u0085".encode(), rb"\u0085"))

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Handler = Callable[[Receive, Send], Awaitable[None]]


class ClientGone(Exception):
    """The client closed its connection before its request was read."""


@dataclass
class Counters:
    """What GET /metrics shows."""

    streams_open: int = 0
    streams_abandoned_total: int = 0
    tokens_generated_total: int = 0

    def exposition(self) -> str:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return "".join(
            f"# TYPE docs_assistant_{name} {'counter' if name.endswith('_total') else 'gauge'}\ndocs_assistant_{name} {value}\n"
            for name, value in values.items()
        )


class DocsAssistant:
    """Answers from the Markdown pages in `docs_dir`; a streamed chunk of a few words every `pace_s` seconds."""

    def __init__(self, docs_dir: Path, pace_s: float) -> None:
        self.library = Library(docs_dir)
        self.pace_s = pace_s
        self.counters = Counters()
        self.started = int(time.time())
        self.routes: dict[str, dict[str, Handler]] = {
            "/health": {"GET": self.health},
            "/metrics": {"GET": self.metrics},
            "/v1/models": {"GET": self.models},
            "/v1/chat/completions": {"POST": self.chat},
            "/v1/completions": {"POST": self.completions},
            "/tokenize": {"POST": self.tokenize},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
        elif scope["type"] == "http":
            await self.serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self.library.open()
        except DocsUnreadable as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            methods = self.routes.get(scope["path"].rstrip("/"))
            if methods is None:
                raise RequestError(f"There is nothing at {scope['path'][:200]!r}.", status=404)
            handler = methods.get("GET" if scope["method"] == "HEAD" else scope["method"])
            if handler is None:
                raise RequestError(f"{scope['method']} is not allowed here: use {' or '.join(methods)}.", status=405)
            await handler(receive, send)
        except RequestError as error:
            await send_json(send, error.body(), error.status)
        except ClientGone:
            logger.debug("a client left before its request was read")

    async def health(self, _receive: Receive, send: Send) -> None:
        await send_json(send, {"status": "ok"})

    async def metrics(self, _receive: Receive, send: Send) -> None:
        await send_body(send, self.counters.exposition().encode(), b"text/plain; version=0.0.4; charset=utf-8")

    async def models(self, _receive: Receive, send: Send) -> None:
        model = {"id": MODEL_ID, "object": "model", "created": self.started, "owned_by": "akashml", "max_model_len": CONTEXT_LENGTH}
        await send_json(send, {"object": "list", "data": [model]})

    async def tokenize(self, receive: Receive, send: Send) -> None:
        ids = parse(await read_body(receive), TokenizeRequest).token_ids()
        await send_json(send, {"count": len(ids), "max_model_len": CONTEXT_LENGTH, "tokens": ids})

    async def chat(self, receive: Receive, send: Send) -> None:
        request = parse(await read_body(receive), ChatRequest)
        request.check()
        conversation = request.conversation()
        prompt_tokens = count_prompt([text for _, text in conversation], MESSAGE_OVERHEAD * len(conversation), "messages")
        text = answer(self.library.index(), [text for role, text in conversation if role == "user"])
        made = cut(text, request.stops(), request.max_completion_tokens or request.max_tokens)
        await self.respond(request, Shape(request.model, True, request.include_usage), [made], prompt_tokens, receive, send)

    async def completions(self, receive: Receive, send: Send) -> None:
        request = parse(await read_body(receive), CompletionRequest)
        request.check()
        prompts = request.prompts()
        prompt_tokens = count_prompt(prompts, 0, "prompt")
        made = [
            cut(answer(self.library.index(), [prompt]), request.stops(), request.max_tokens or DEFAULT_COMPLETION_TOKENS)
            for prompt in prompts
        ]
        await self.respond(request, Shape(request.model, False, request.include_usage), made, prompt_tokens, receive, send)

    async def respond(
        self, request: Generation, shape: Shape, answers: Sequence[Answer], prompt_tokens: int, receive: Receive, send: Send
    ) -> None:
        if not request.stream:
            self.counters.tokens_generated_total += sum(len(each.pieces) for each in answers)
            await send_json(send, shape.whole(answers, prompt_tokens))
            return
        gone = asyncio.create_task(disconnection(receive))
        self.counters.streams_open += 1
        try:
            await self.stream(shape, answers, prompt_tokens, gone, send)
        finally:
            self.counters.streams_open -= 1
            gone.cancel()

    async def stream(self, shape: Shape, answers: Sequence[Answer], prompt_tokens: int, gone: asyncio.Task[None], send: Send) -> None:
        """Server-sent events, ended by [DONE]; ends at once, without it, when `gone` says that nobody listens any more."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for index, made in enumerate(answers):
            if opening := shape.opening(index):
                await send_event(send, encode(opening))
            for chunk in made.chunks():
                # Waiting for the client to leave is also what paces the answer.
                await asyncio.wait({gone}, timeout=self.pace_s)
                if gone.done():
                    self.counters.streams_abandoned_total += 1
                    return
                self.counters.tokens_generated_total += len(chunk)
                await send_event(send, encode(shape.delta(index, "".join(chunk))))
            await send_event(send, encode(shape.closing(index, made.finish_reason)))
        if shape.include_usage:
            await send_event(send, encode(shape.total(prompt_tokens, sum(len(made.pieces) for made in answers))))
        await send_event(send, b"[DONE]")
        await send({"type": "http.response.body", "body": b""})


async def read_body(receive: Receive) -> bytes:
    """The request's body. RequestError (413) when it is too long, ClientGone when it never ends."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(f"The body is longer than {MAX_BODY_BYTES} bytes: send less text.", status=413)
        if not message.get("more_body"):
            return bytes(body)


async def disconnection(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        continue


def encode(value: Any) -> bytes:
    body = msgspec.json.encode(value)
    for raw, escaped in LINE_SEPARATORS:
        body = body.replace(raw, escaped)
    return body


async def send_event(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": b"data: " + data + b"\n\n", "more_body": True})


async def send_json(send: Send, value: Any, status: int = 200) -> None:
    await send_body(send, encode(value), b"application/json", status)


async def send_body(send: Send, body: bytes, content_type: bytes, status: int = 200) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def pace_from_environment() -> float:
    """ASSISTANT_PACE_S in seconds, 0 … 10. ValueError that names it."""
    value = os.environ.get("ASSISTANT_PACE_S", "").strip() or "0.008"
    try:
        pace = float(value)
    except ValueError:
        pace = -1.0
    if not 0 <= pace <= 10:
        raise ValueError(f"ASSISTANT_PACE_S={value!r} is not a number of seconds from 0 to 10.")
    return pace


application = DocsAssistant(Path(os.environ.get("DOCS_DIR", "").strip() or GUIDE), pace_from_environment())
