"""Asking a model's backend how many tokens a prompt is: vLLM's and llama.cpp's `/tokenize`, which stand beside `/v1`.

Which of the two a backend speaks, if any, is found out by asking and remembered for a while. Nobody waits long for a count: whatever
goes wrong, the answer is that there is none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from apps.catalog.snapshot import BackendEntry
from apps.gateway.backend_call import request_head
from apps.gateway.http_client import Address, HttpClient
from apps.gateway.http_exchange import BackendError, Exchange

log = logging.getLogger(__name__)

PATIENCE_S = 2.0
# Questions at a time from one process: counting is free, and must not crowd out what is paid for.
TOGETHER = 32
# How long it is remembered that a backend has no tokenizer to ask, and that it did not answer.
NONE_S = 600.0
SILENT_S = 30.0
MAX_ANSWER_BYTES = 32 * 1024 * 1024


class Kind(Enum):
    """What a backend's `/tokenize` takes."""

    MESSAGES = "messages and tools: vLLM"
    CONTENT = "a text: llama.cpp"
    NONE = "nothing"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt in OpenAI's words: `messages` and, if there are any, `tools` as JSON."""

    messages: bytes
    tools: bytes | None


class _Answer(msgspec.Struct):
    count: int | None = None
    tokens: msgspec.Raw = msgspec.Raw(b"")


class _Applied(msgspec.Struct):
    prompt: str


Answered = TypeVar("Answered", _Answer, _Applied)


class _NoCount(Exception):
    """The backend answered otherwise than its kind does."""


@lru_cache(maxsize=1024)
def _root(base_url: str) -> Address:
    address = Address.of(base_url)
    return replace(address, path=address.path.removesuffix("/v1"))


class Tokenizers:
    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._kinds: dict[tuple[int, str], tuple[Kind, float]] = {}  # until when (time.monotonic()) it is believed
        self._room = asyncio.Semaphore(TOGETHER)

    async def count(self, backend: BackendEntry, question: Question) -> int | None:
        """Tokens of the prompt by the backend's own tokenizer and chat template; None when it has none, or none that answers."""
        place = backend.id, backend.base_url
        kind, until = self._kinds.get(place, (None, 0.0))
        if until < time.monotonic():
            kind = None
        if kind is Kind.NONE:
            return None
        asked = False
        try:
            async with asyncio.timeout(PATIENCE_S), self._room:
                asked = True
                if kind is not Kind.CONTENT:
                    answer = await self._ask(backend, "/tokenize", _by_messages(backend, question), _Answer)
                    if answer is not None and answer.count is not None and answer.count >= 0:
                        self._remember(place, Kind.MESSAGES, NONE_S)
                        return answer.count
                    if answer is None or not bytes(answer.tokens).startswith(b"["):
                        self._remember(place, Kind.NONE, NONE_S)
                        return None
                tokens = await self._by_content(backend, question)
        except (TimeoutError, BackendError, _NoCount) as problem:
            if asked:  # else too many others were before: that says nothing about this backend
                log.warning("backend %s gave no count of tokens: %s", backend.id, type(problem).__name__)
                self._remember(place, Kind.NONE, SILENT_S)
            return None
        self._remember(place, Kind.CONTENT, NONE_S)
        return tokens

    def _remember(self, place: tuple[int, str], kind: Kind, for_s: float) -> None:
        if len(self._kinds) > 10_000:  # backends that have long been edited
            self._kinds.clear()
        self._kinds[place] = kind, time.monotonic() + for_s

    async def _by_content(self, backend: BackendEntry, question: Question) -> int:
        """llama.cpp: the chat template first, then its text. Raises _NoCount."""
        applied = await self._ask(backend, "/apply-template", _template_question(question), _Applied)
        if applied is None:
            raise _NoCount
        text = msgspec.json.encode({"content": applied.prompt, "add_special": True, "parse_special": True})
        answer = await self._ask(backend, "/tokenize", text, _Answer)
        tokens = bytes(answer.tokens) if answer is not None else b""
        if not tokens.startswith(b"["):
            raise _NoCount
        return 0 if tokens[1:-1].isspace() or tokens == b"[]" else tokens.count(b",") + 1

    async def _ask(self, backend: BackendEntry, path: str, body: bytes, kind: type[Answered]) -> Answered | None:
        """The answer in its structure; None for one that is no 200 or of another form. Raises BackendError and TimeoutError."""
        address = _root(backend.base_url)
        head = b"%b%d\r\n\r\n" % (request_head(address, path, backend.api_key), len(body))
        exchange = await self._http.post(address, head, body, backend.connect_timeout_s, PATIENCE_S, _nothing)
        try:
            pieces: list[bytes] = []
            size = 0
            while piece := await exchange.read(PATIENCE_S):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    return None
            if exchange.status != 200:
                return None
            return msgspec.json.decode(b"".join(pieces), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        finally:
            self._http.release(address, exchange)


def _nothing(exchange: Exchange) -> None:
    """Nobody else may want to abort it."""


def _by_messages(backend: BackendEntry, question: Question) -> bytes:
    fields: dict[str, Any] = {"model": backend.upstream_model, "messages": msgspec.Raw(question.messages), "add_generation_prompt": True}
    if question.tools is not None:
        fields["tools"] = msgspec.Raw(question.tools)
    return msgspec.json.encode(fields)


def _template_question(question: Question) -> bytes:
    fields: dict[str, Any] = {"messages": msgspec.Raw(question.messages)}
    if question.tools is not None:
        fields["tools"] = msgspec.Raw(question.tools)
    return msgspec.json.encode(fields)
