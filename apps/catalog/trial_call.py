"""A short completion that staff ask of a backend, past the gateway: nobody is billed for it, no limit and no sum counts it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.conf import settings

from apps.catalog.backend_urls import rules
from apps.catalog.models import Backend
from apps.catalog.probes import trouble
from apps.core.server_requests import open_checked

CALL_S = 20.0  # for the whole of it
MOST_TOKENS = 32
MOST_BYTES = 256 * 1024  # of the answer that are read
SHOWN = 80  # characters of what it says
QUESTION = "Say hello in five words."


class Refused(Exception):
    """What a backend says against the call, in words."""


@dataclass(slots=True)
class Answer:
    """What came so far. Times in seconds since the call began; `pieces` is the number of chunks that carried text."""

    begun: float = field(default_factory=time.monotonic)
    first_byte_s: float = 0.0
    first_token_s: float | None = None
    end_s: float = 0.0
    text: str = ""
    pieces: int = 0
    tokens: int | None = None

    def now(self) -> float:
        return time.monotonic() - self.begun

    def take(self, chunk: dict[str, Any]) -> None:
        """A chunk of a stream, or a whole completion. Raises Refused for an error, and what comes of a shape that is none."""
        if error := chunk.get("error"):
            raise Refused(str(error.get("message") if isinstance(error, dict) else error))
        for choice in chunk.get("choices") or ():
            said = choice.get("delta") or choice.get("message") or {}
            if piece := said.get("content") or said.get("reasoning_content") or said.get("reasoning"):
                self.first_token_s = self.now() if self.first_token_s is None else self.first_token_s
                self.text, self.pieces = self.text + str(piece), self.pieces + 1
        if usage := chunk.get("usage"):
            self.tokens = int(usage["completion_tokens"])

    def in_words(self) -> str:
        if self.first_token_s is None:
            return f"HTTP 200 after {_ms(self.first_byte_s)}, without any text"
        tokens = self.pieces if self.tokens is None else self.tokens
        writing_s = self.end_s - self.first_token_s
        speed = f", {(tokens - 1) / writing_s:.0f} a second" if tokens > 1 and self.pieces > 1 and writing_s > 0 else ""
        said = self.text if len(self.text) <= SHOWN else f"{self.text[:SHOWN]}…"
        times = f"first byte after {_ms(self.first_byte_s)}, first token after {_ms(self.first_token_s)}"
        return f"HTTP 200; {times}; {tokens} tokens{speed}; says “{said.strip()}”"


async def call_all(backends: Iterable[Backend]) -> list[tuple[bool, str]]:
    """Whether each answers, and a text for staff without secrets; all at the same time, within CALL_S."""
    async with httpx.AsyncClient(timeout=CALL_S, trust_env=False) as client:
        return await asyncio.gather(*(_call(client, backend) for backend in backends))


async def _call(client: httpx.AsyncClient, backend: Backend) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(CALL_S):
            answer = await _ask(client, backend)
    except Refused as error:
        return False, _hidden(f"refuses: {error}", backend)[:300]
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
        return False, "answers with something that is no completion"
    except Exception as error:
        if (words := trouble(error, CALL_S)) is None:
            raise
        return False, words
    answer.text = _hidden(answer.text, backend)  # before it is cut
    return answer.first_token_s is not None, answer.in_words()


def _hidden(said: str, backend: Backend) -> str:
    """Without the backend's key, which some repeat."""
    return said.replace(backend.api_key, "(hidden)") if backend.api_key else said


async def _ask(client: httpx.AsyncClient, backend: Backend) -> Answer:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {backend.api_key}"} if backend.api_key else {})
    asked = {
        "model": backend.upstream_model,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": MOST_TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    answer = Answer()
    url, content = f"{backend.base_url}/chat/completions", json.dumps(asked).encode()
    response = await open_checked(client, "POST", url, rules(settings.ALLOW_PRIVATE_BACKENDS), headers, content)
    answer.first_byte_s = answer.now()
    try:
        body, done = b"", False
        streamed = response.headers.get("content-type", "").startswith("text/event-stream")
        read = 0
        async for packet in response.aiter_bytes():
            body, read = body + packet, read + len(packet)
            if read > MOST_BYTES:
                raise Refused(f"more than {MOST_BYTES // 1024} KiB for {MOST_TOKENS} tokens")
            if streamed and response.status_code == 200:
                *lines, body = body.split(b"\n")
                for line in lines:
                    done |= _line(answer, line)
    finally:
        await response.aclose()
    answer.end_s = answer.now()
    if response.status_code != 200:
        raise Refused(f"HTTP {response.status_code} after {_ms(answer.first_byte_s)}: {_message(body)}")
    if not streamed:
        answer.take(json.loads(body))
    elif not done:
        raise Refused("the stream ends without [DONE]")
    return answer


def _line(answer: Answer, line: bytes) -> bool:
    """Takes what a line of a stream carries; whether it was the last one."""
    payload = line.removeprefix(b"data:").strip()
    if not line.startswith(b"data:") or payload == b"[DONE]":
        return payload == b"[DONE]"
    answer.take(json.loads(payload))
    return False


def _message(body: bytes) -> str:
    """What an error says: its message where it has OpenAI's shape, else its beginning."""
    try:
        Answer().take(json.loads(body))
    except Refused as error:
        return str(error)
    except (ValueError, TypeError, KeyError, AttributeError):
        return body[:200].decode(errors="replace")
    return "no message"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
