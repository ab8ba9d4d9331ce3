"""Server-sent events as bytes: split a stream into events, and read a few facts from a chunk without parsing it.

Lines end with \\n, \\r\\n or \\r and nothing else (WHATWG HTML §9.2.5): U+2028, U+0085, VT and FF are text. An event ends with an
empty line. Nothing is decoded, so a character split across packets stays whole.
"""

from __future__ import annotations

import re

DONE = b"[DONE]"
# An event beyond this is not a chunk of an answer any more.
MAX_EVENT_BYTES = 8 * 1024 * 1024

# The longest blank line is \r\n\r\n: this much of what came before may be the start of one that the next packet ends.
_SEAM = 3
# Two line ends in a row. A \r before \n is never a line end of its own.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n)(?:\r\n|\n|\r)|\r(?!\n)(?:\r\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLarge(Exception):
    """One event grew beyond MAX_EVENT_BYTES."""


class EventSplitter:
    """Feed it packets; it returns the data of every event that is complete (None for one that carries none: a comment, a ping)."""

    def __init__(self) -> None:
        self._rest = bytearray()  # the event that is not complete; searched already, but for its last bytes

    def feed(self, packet: bytes) -> list[bytes]:
        """The payloads (what follows `data:`, lines joined by \\n) of the events completed by this packet. Raises EventTooLarge."""
        if not self._rest and b"\r" not in packet:
            # The usual case: whole events of one line each, and perhaps the beginning of one.
            *events, rest = packet.split(b"\n\n")
            payloads = [event[6:] for event in events if event[:6] == b"data: "]
            if len(payloads) == len(events) and packet.count(b"\n") - rest.count(b"\n") == 2 * len(events):
                self._keep(rest)
                return payloads
        data = packet
        if self._rest:
            data = bytes(self._rest[-_SEAM:]) + packet
            del self._rest[-_SEAM:]
        if b"\r" not in data:  # without the regular expression
            *events, rest = data.split(b"\n\n")
        else:
            events, rest = self._split_any(data)
        if events and self._rest:
            events[0] = bytes(self._rest) + events[0]
            self._rest.clear()
        self._keep(rest)
        return [payload for event in events if event and (payload := payload_of(event)) is not None]

    def _keep(self, rest: bytes) -> None:
        self._rest += rest
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge

    def finish(self) -> list[bytes]:
        """What a stream that ended without its last empty line still carries. (The standard drops it; backends do send it.)"""
        rest = bytes(self._rest)
        self._rest.clear()
        return [payload for event in _BLANK_LINE.split(rest) if (payload := payload_of(event)) is not None]

    @staticmethod
    def _split_any(data: bytes) -> tuple[list[bytes], bytes]:
        # A packet that ends in \r may go on with \n: that \r waits for the next packet.
        held = b"\r" if data.endswith(b"\r") else b""
        *events, rest = _BLANK_LINE.split(data[: len(data) - len(held)] if held else data)
        return events, rest + held


def payload_of(event: bytes) -> bytes | None:
    """The data of one event, its `data:` lines joined by \\n; None when it has none."""
    lines = []
    for line in _LINE_END.split(event):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None


def frame(payload: bytes) -> bytes:
    """One event for the client, its JSON on one line: clients that read line by line know no other form."""
    if b"\n" in payload or b"\r" in payload:  # between the tokens of the JSON, since inside of texts they are escaped
        payload = _LINE_END.sub(b" ", payload)
    return b"data: " + payload + b"\n\n"
