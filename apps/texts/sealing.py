"""Prompts and answers as they lie in the database: encrypted under SECRET_KEY."""

from __future__ import annotations

import logging

import msgspec

from apps.core.crypto import Undecryptable, decrypt, encrypt

log = logging.getLogger(__name__)
PURPOSE = "kept text"


class Text(msgspec.Struct, frozen=True):
    """The request's body as it was sent, and the answer as JSON; `…_cut`: there was more of it than is kept of one inference."""

    request: str
    answer: str
    request_cut: bool = False
    answer_cut: bool = False


_decode = msgspec.json.Decoder(Text).decode


def seal(text: Text) -> str:
    return encrypt(msgspec.json.encode(text).decode(), PURPOSE)


def unseal(sealed: str) -> Text | None:
    """None where it cannot be decrypted any more: a lost key must not take the rest of a page along."""
    try:
        return _decode(decrypt(sealed, PURPOSE))
    except Undecryptable as error:
        log.error("kept texts: %s", error)
        return None
