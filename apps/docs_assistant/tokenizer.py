"""The assistant's tokenizer: simple, deterministic and reversible.

A token is, first rule that fits:

1. up to four ASCII letters or digits, together with one space right before them;
2. up to four spaces, or up to four line ends;
3. any other single character.

Its id is the number that its UTF-8 bytes spell (at most five bytes), so ids turn back into text without a vocabulary.
A text never has more tokens than characters. A message of a conversation costs three tokens beyond its text: where
it starts, whose it is, where it ends. Their ids lie above those of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

PIECE = re.compile(r" ?[A-Za-z0-9]{1,4}| {1,4}|\n{1,4}|.", re.DOTALL)
MAX_PIECE_BYTES = 5
FIRST_SPECIAL = 1 << 8 * MAX_PIECE_BYTES
MESSAGE_START, MESSAGE_END = FIRST_SPECIAL, FIRST_SPECIAL + 1
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MESSAGE_OVERHEAD = 3


def split(text: str) -> list[str]:
    """The tokens of a text; joined together they are the text again."""
    return PIECE.findall(text)


def count(text: str) -> int:
    return len(split(text))


def fewest(characters: int) -> int:
    """The least number of tokens that a text of so many characters can have: tells without counting that one is too long."""
    return -(-characters // MAX_PIECE_BYTES)


def encode(text: str) -> list[int]:
    """Token ids of a text."""
    return [int.from_bytes(piece.encode(), "big") for piece in split(text)]


def decode(ids: Iterable[int]) -> str:
    """The text of token ids. ValueError for an id that no text has."""
    return b"".join(_piece(number) for number in ids).decode()


def _piece(number: int) -> bytes:
    if not 0 <= number < FIRST_SPECIAL:
        raise ValueError(f"{number} is not the id of a token")
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def encode_messages(messages: Sequence[tuple[str, str]]) -> list[int]:
    """Token ids of a conversation given as (role, text) pairs."""
    ids: list[int] = []
    for role, text in messages:
        ids += [MESSAGE_START, MESSAGE_END + 1 + ROLES.index(role), *encode(text), MESSAGE_END]
    return ids
