"""Cuts what goes over a connection into its messages, so that a test can stop the world between any two of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    name: str
    data: bytes


class Splitter(Protocol):
    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete now; the rest waits."""
        ...


FRONTEND = {b"P": "Parse", b"B": "Bind", b"D": "Describe", b"E": "Execute", b"S": "Sync", b"Q": "Query", b"C": "Close", b"X": "Terminate"}
BACKEND = {
    b"1": "ParseComplete", b"2": "BindComplete", b"T": "RowDescription", b"D": "DataRow", b"C": "CommandComplete", b"Z": "ReadyForQuery",
    b"n": "NoData", b"t": "ParameterDescription", b"E": "ErrorResponse", b"N": "NoticeResponse",
}  # fmt: skip


class Postgres:
    """Frontend and backend messages: a byte for the type, four for the length. A frontend's first message has no type;
    `application` is what it says there about itself."""

    def __init__(self, *, frontend: bool) -> None:
        self._buffer = b""
        self._names = FRONTEND if frontend else BACKEND
        self._first = frontend
        self.application = ""

    def feed(self, data: bytes) -> Iterator[Message]:
        self._buffer += data
        while True:
            prefix = 0 if self._first else 1
            if len(self._buffer) < prefix + 4:
                return
            end = prefix + int.from_bytes(self._buffer[prefix : prefix + 4], "big")
            if len(self._buffer) < end:
                return
            message, self._buffer = self._buffer[:end], self._buffer[end:]
            if self._first:
                self._first = False
                words = message[8:].split(b"\0")
                self.application = dict(zip(words[::2], words[1::2], strict=False)).get(b"application_name", b"").decode()
                yield Message("Startup", message)
            else:
                yield Message(self._names.get(message[:1], repr(message[:1])), message)


class Http:
    """Heads, bodies with a length, and the events of a streamed body. `tag` is the number of the test's request: from the address
    (`?tag=7`), else from the body ("request 7."), for which the head waits when `tag_in_body`."""

    _end = re.compile(rb"\n\n|0\r\n\r\n")

    def __init__(self, *, tag_in_body: bool = False) -> None:
        self._buffer = b""
        self._left = -2  # -2: a head is next; -1: a body in chunks; else bytes of a body
        self._held_back: list[Message] = []
        self._tag_in_body = tag_in_body
        self.tag: int | None = None

    def feed(self, data: bytes) -> Iterator[Message]:
        self._buffer += data
        while (message := self._next()) is not None:
            if self._tag_in_body and message.name == "head":
                self._held_back.append(message)
                continue
            if self._tag_in_body and (found := re.search(rb"request (\d+)\.", message.data)):
                self.tag = int(found[1])
            yield from self._held_back
            self._held_back.clear()
            yield message

    def _next(self) -> Message | None:
        if self._left == -2:
            return self._head()
        if self._left >= 0:
            if len(self._buffer) < self._left:
                return None
            size, self._left = self._left, -2
            return self._take(size, "body")
        end = self._end.search(self._buffer)
        if end is None:
            return None
        if end[0] != b"\n\n":
            self._left = -2
            return self._take(end.end(), "end")
        return self._take(end.end(), "[DONE]" if b"[DONE]" in self._buffer[: end.end()] else "event")

    def _head(self) -> Message | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._buffer[:end].lower()
        if found := re.search(rb"\?tag=(\d+)", head):
            self.tag = int(found[1])
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        self._left = int(length[1]) if length else -1 if b"chunked" in head else -2
        return self._take(end + 4, "head")

    def _take(self, size: int, name: str) -> Message:
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return Message(name, data)
