"""Authenticated encryption of small secrets, under a key derived from SECRET_KEY: backend keys, second factors, session cookies.

Values written under an earlier SECRET_KEY stay readable while it is listed in SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Undecryptable(Exception):
    """The value was written under a SECRET_KEY that is neither the current one nor a fallback, or was altered."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What `encrypt` was given, whether the current SECRET_KEY encrypted it, and how many seconds ago."""

    text: str
    current: bool
    age_s: float


def encrypt(value: str, purpose: str) -> str:
    """Ciphertext for `value`; `purpose` separates the keys of different uses. Empty stays empty."""
    return next(_keys(purpose)).encrypt(value.encode()).decode() if value else ""


def decrypt(value: str, purpose: str) -> str:
    """The clear text of `encrypt`. Raises Undecryptable."""
    return open_sealed(value, purpose).text if value else ""


def open_sealed(value: str, purpose: str) -> Opened:
    """As `decrypt`, with what it takes to decide whether to encrypt anew. Raises Undecryptable, for an empty value too."""
    for number, key in enumerate(_keys(purpose)):
        try:
            text = key.decrypt(value.encode()).decode()
        except InvalidToken:
            continue
        return Opened(text, current=number == 0, age_s=time.time() - key.extract_timestamp(value.encode()))
    raise Undecryptable("a stored secret cannot be read: was SECRET_KEY changed without SECRET_KEY_FALLBACKS?")


def _keys(purpose: str) -> Iterator[Fernet]:
    """The current key, then the earlier ones."""
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield _fernet(secret, purpose)


@lru_cache(maxsize=64)  # a key of each use and each SECRET_KEY; deriving one takes longer than using it
def _fernet(secret: str, purpose: str) -> Fernet:
    key = HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
