"""What is the same in every chunk of a stream, so that a chunk that differs from the last one by its text alone need not be decoded.

Nearly all chunks of an answer are alike but for one JSON string: the piece of text. When a chunk begins and ends like an earlier one,
byte for byte, up to the quotes of that string, and what stands between them is the inside of a JSON string, then it is the same
object with another text: JSON's grammar leaves no other reading. What the client sees of it differs by the same string alone.
"""

from __future__ import annotations

import re

# The inside of a JSON string (RFC 8259 §7). Possessive, so that no text makes it slow.
_INSIDE_OF_STRING = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})++').fullmatch
# A stream whose chunks always differ elsewhere too (token numbers, timings) is given up after so many in a row.
MOST_LEARNED = 16


class ChunkTemplate:
    """Learned from a chunk that was decoded; `fill` then answers for chunks like it."""

    __slots__ = ("_after", "_before", "_edges", "_learned", "_shown", "text_bytes")

    def __init__(self) -> None:
        self._before = self._after = b""
        self._edges = 0  # bytes around the text; 0 while nothing is learned
        self._shown: list[bytes] = []
        self._learned = 0
        self.text_bytes = 0  # of the text last filled in, as JSON

    def learn(self, payload: bytes, shown: bytes, text: bytes) -> None:
        """`text` is the chunk's piece of text, a JSON string with its quotes; `shown` is what the client sees of the chunk.

        Nothing is learned where the text stands in the payload more than once, since then it is not known which one is the text."""
        self._edges = 0
        if self._learned >= MOST_LEARNED or payload.count(text) != 1:
            return
        self._learned += 1
        before, after = payload.split(text)
        self._before, self._after = before + b'"', b'"' + after
        pieces = shown.split(text)
        # What was written for the client may hold the same string for a reason of its own: the public name of the model.
        if len(pieces) != 2:
            return
        self._shown = [pieces[0] + b'"', b'"' + pieces[1]]
        self._edges = len(self._before) + len(self._after)

    def forget(self) -> None:
        """What was learned holds no longer."""
        self._edges = 0

    def fill(self, payload: bytes) -> bytes | None:
        """What the client sees of a chunk, None when it must be decoded. `text_bytes` says how much text it carries."""
        if self._edges and payload.startswith(self._before) and payload.endswith(self._after):
            text = payload[len(self._before) : len(payload) - len(self._after)]
            if _INSIDE_OF_STRING(text) and len(payload) > self._edges:
                self.text_bytes = len(text)
                self._learned = 0
                return text.join(self._shown)
        return None
