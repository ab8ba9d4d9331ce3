"""Texts and JSON as they lie in the database: encrypted under SECRET_KEY."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from apps.core.crypto import Undecryptable, decrypt, encrypt

log = logging.getLogger(__name__)
PURPOSE = "playground"
UNREADABLE = "This text cannot be read any more: it was written under a key that the platform no longer has."


class Body(msgspec.Struct, omit_defaults=True):
    """What a message says. `content` and `tool_calls` are JSON: a text or OpenAI's parts, and OpenAI's calls."""

    content: msgspec.Raw = msgspec.Raw(b'""')
    reasoning: str = ""
    tool_calls: msgspec.Raw = msgspec.Raw(b"null")
    tool_call_id: str | None = None
    error: dict[str, Any] | None = None


_decode_body = msgspec.json.Decoder(Body).decode


def seal(text: str) -> str:
    return encrypt(text, PURPOSE)


def unseal(sealed: str, otherwise: str = "") -> str:
    """The text, or `otherwise` where it cannot be decrypted any more: a lost key must not take the rest of a page along."""
    try:
        return decrypt(sealed, PURPOSE)
    except Undecryptable as error:
        log.error("playground: %s", error)
        return otherwise


def seal_body(body: Body) -> str:
    return seal(msgspec.json.encode(body).decode())


def unseal_body(sealed: str) -> Body:
    text = unseal(sealed)
    return _decode_body(text) if text else Body(msgspec.Raw(msgspec.json.encode(UNREADABLE)))
