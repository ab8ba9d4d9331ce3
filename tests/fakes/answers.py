"""An answer as bytes with named points, and the behaviours that are not a model's reply: statuses and raw bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import responses
from typing import Any, Literal, Protocol

from tests.fakes.actions import Action
from tests.fakes.records import Record

Framing = Literal["chunked", "length", "close"]
Point = str | int
"""A named point of the answer ("before_headers", "before_chunk:2", "before_usage", ...) or an offset into the body in bytes."""


class Behaviour(Protocol):
    """Anything that can answer a request."""

    def answer(self, request: Record) -> Answer: ...


def dumps(value: Any) -> str:
    """JSON as vLLM writes it: UTF-8 unescaped, no spaces. NaN and infinity are written as the (invalid) literals."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sse(data: Any) -> bytes:
    """One server-sent event; `data` is a str to send as it is or anything to send as JSON."""
    return f"data: {data if isinstance(data, str) else dumps(data)}\n\n".encode()


@dataclass
class Answer:
    """What goes over the wire, and the points in it at which gates, pauses and actions take effect.

    The body is written from cut to cut: each piece is one HTTP chunk (or one plain write). An action whose point
    lies between two cuts takes effect inside a chunk whose announced size is then not delivered.
    """

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    framing: Framing = "length"
    marks: dict[str, int] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    pauses: dict[int, float] = field(default_factory=dict)
    at: Mapping[Point, Action] = field(default_factory=dict)
    piece_delay_s: float = 0.0
    head: bytes | None = None
    """Sent in place of status line and headers when given."""

    def add(self, data: bytes, mark: str, delay_s: float = 0.0) -> None:
        """Append a piece that starts at the point `mark` and is sent after `delay_s`."""
        offset = len(self.body)
        self.marks[mark] = offset
        self.cuts.append(offset)
        if delay_s:
            self.pauses[offset] = delay_s
        self.body += data

    def offset(self, point: Point) -> int:
        """Offset of a point in the body; raises KeyError naming the points there are."""
        if isinstance(point, int):
            return min(point, len(self.body))
        if point == "before_body":
            return 0
        if point == "before_end":
            return len(self.body)
        if point not in self.marks:
            raise KeyError(f"this answer has no point {point!r}; it has before_headers, before_body, {', '.join(self.marks)}, before_end")
        return self.marks[point]

    def insert(self, point: Point, data: bytes) -> None:
        """Put `data` as a piece of its own before what follows `point`."""
        offset = self.offset(point)
        self.body = self.body[:offset] + data + self.body[offset:]
        self.marks = {name: at + len(data) if at >= offset else at for name, at in self.marks.items()}
        self.pauses = {(at + len(data) if at >= offset else at): s for at, s in self.pauses.items()}
        self.cuts = sorted({offset, offset + len(data), *(at + len(data) if at >= offset else at for at in self.cuts)})

    def split(self, how: int | Sequence[int]) -> None:
        """Cut the body every `how` bytes, or at the given offsets and nowhere else."""
        self.cuts = list(range(0, len(self.body), how)) if isinstance(how, int) else sorted(how)

    def gzip(self) -> None:
        """Compress the body, whoever asked; only the points at its beginning and end stay."""
        self.body = gzip.compress(self.body, mtime=0)
        self.marks, self.cuts, self.pauses = {}, [], {}
        self.set_headers({"content-encoding": "gzip"})

    def set_headers(self, changes: Mapping[str, str | None]) -> None:
        """Replace or add headers; None takes one away."""
        self.headers = [(name, value) for name, value in self.headers if name not in changes]
        self.headers += [(name, value) for name, value in changes.items() if value is not None]

    def head_bytes(self) -> bytes:
        """Status line and headers as sent."""
        if self.head is not None:
            return self.head
        headers = list(self.headers)
        if self.framing == "length" and "content-length" not in dict(headers):
            headers.append(("content-length", str(len(self.body))))
        elif self.framing == "chunked":
            headers.append(("transfer-encoding", "chunked"))
        elif self.framing == "close":
            headers.append(("connection", "close"))
        phrase = responses.get(self.status, "Unknown")
        lines = [f"HTTP/1.1 {self.status} {phrase}", "server: uvicorn", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


@dataclass(frozen=True)
class Status:
    """An answer with this status. `body`: bytes or str as they are, else JSON; by default an error object as vLLM sends it."""

    status: int = 500
    body: Any = ...
    content_type: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    framing: Framing = "length"
    at: Mapping[Point, Action] = field(default_factory=dict)

    def answer(self, request: Record) -> Answer:
        body, content_type = self.body, "application/json"
        if body is ...:
            body = {"error": {"message": "The fake backend was told to fail.", "type": "server_error", "param": None, "code": self.status}}
        if isinstance(body, str):
            content_type = "text/html; charset=utf-8" if body.lstrip().startswith("<") else "text/plain; charset=utf-8"
            body = body.encode()
        elif not isinstance(body, bytes):
            body = dumps(body).encode()
        answer = Answer(self.status, [("content-type", self.content_type or content_type)], body, self.framing, at=self.at)
        answer.set_headers(self.headers)
        return answer


@dataclass(frozen=True)
class Raw:
    """Bytes on the wire exactly as given, status line included; the connection is closed after them (or see `at`)."""

    data: bytes
    split: int | Sequence[int] | None = None
    at: Mapping[Point, Action] = field(default_factory=dict)

    def answer(self, request: Record) -> Answer:
        answer = Answer(body=self.data, framing="close", head=b"", at=self.at)
        if self.split is not None:
            answer.split(self.split)
        return answer
