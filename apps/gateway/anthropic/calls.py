"""Tool calls as backends send them, whole or in pieces. Pure.

Engines differ in what they repeat and what they leave out: an index may be missing, an id come with every piece (the same one, or a new
one each time), a name once, always or late. What belongs together is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from apps.core.ids import uuid7

NO_TEXT = msgspec.Raw(b"")
# The model's own word for arguments that are no JSON object, as Anthropic's guide has clients send them back.
INVALID = "INVALID_JSON"
# For a call whose name never came: whoever runs the tools says that there is none of that name.
NAMELESS = "unknown_tool"


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: msgspec.Raw = NO_TEXT


class CallPiece(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


_decode_pieces = msgspec.json.Decoder(list[CallPiece] | None).decode
_decode_text = msgspec.json.Decoder(str).decode


def call_pieces(raw: msgspec.Raw) -> list[CallPiece]:
    """Raises msgspec.MsgspecError for what is no list of tool calls."""
    return _decode_pieces(raw) or []


def argument_bytes(raw: msgspec.Raw) -> bytes:
    """The inside of the JSON string that a piece of arguments is; some engines send the object itself."""
    text = bytes(raw)
    if text.startswith(b'"'):
        return text[1:-1]
    return msgspec.json.encode(text.decode())[1:-1] if text.startswith((b"{", b"[")) else b""


@dataclass(slots=True)
class Block:
    """A content block in the making. `pieces` are the insides of raw JSON strings: of a tool call all its arguments so far, of a
    text or thoughts what waits for its turn."""

    kind: str
    id: str = ""
    name: str = ""
    pieces: list[bytes] = field(default_factory=list)
    closed: bool = False
    _judged: int = -1
    _complete: bool = False

    @property
    def raw(self) -> bytes:
        """All pieces as one JSON string."""
        return b'"' + b"".join(self.pieces) + b'"'

    @property
    def complete(self) -> bool:
        """Whether the arguments are a whole JSON object: then nothing that matters can follow."""
        if self._judged != len(self.pieces):
            self._judged = len(self.pieces)
            self._complete = self.pieces[-1].endswith(b"}") and _is_object(self.raw) if self.pieces else False
        return self._complete


def _is_object(raw: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(_decode_text(raw)), dict)
    except (msgspec.MsgspecError, RecursionError):
        return False


def parsed_input(arguments: str) -> Any:
    """The `input` of a call from its arguments: an object, its bytes as the model wrote them, whatever the model wrote."""
    if not arguments or arguments.isspace():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return {INVALID: arguments}
    if isinstance(value, dict):
        return msgspec.Raw(arguments.encode())
    return {} if value is None else {INVALID: arguments}


class Calls:
    """The tool calls of one answer: which of them a piece belongs to."""

    def __init__(self) -> None:
        self._by_index: dict[int, Block] = {}
        self._last: int | None = None
        self._ids: set[str] = set()
        self.any = False

    def block_of(self, piece: CallPiece) -> tuple[Block, bool]:
        """The call that a piece goes on with, or that it begins (then the second is true)."""
        self.any = True
        index = piece.index if piece.index is not None else self._guess(piece)
        self._last = index
        name = (piece.function and piece.function.name) or ""
        block = self._by_index.get(index)
        # A new id on every piece is one call still; a new id with a name is another one, from engines that count from zero each time.
        if block is None or (piece.id and name and block.id and block.name and piece.id != block.id):
            block = self._by_index[index] = Block("tool_use", piece.id or "", name)
            return block, True
        block.id = block.id or piece.id or ""
        block.name = block.name or name
        return block, False

    def _guess(self, piece: CallPiece) -> int:
        """The index that a piece without one means."""
        if self._last is None:
            return 0
        for index, block in self._by_index.items():
            if piece.id and block.id == piece.id:
                return index
        begins = piece.id or (piece.function is not None and piece.function.name)
        return max(self._by_index) + 1 if begins else self._last

    def settle_id(self, identifier: str) -> str:
        """An id that no other call of this answer has."""
        if not identifier or identifier in self._ids:
            identifier = f"toolu_{uuid7().hex}"
        self._ids.add(identifier)
        return identifier
