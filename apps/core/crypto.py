"""Authenticated encryption of small secrets at rest (backend keys), under a key derived from SECRET_KEY.

Values written under an earlier SECRET_KEY stay readable while it is listed in SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Undecryptable(Exception):
    """The value was written under a SECRET_KEY that is neither the current one nor a fallback, or was altered."""


def _fernet(purpose: str) -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    derived = (HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(key.encode()) for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])


def encrypt(value: str, purpose: str) -> str:
    """Ciphertext for `value`; `purpose` separates the keys of different uses. Empty stays empty."""
    return _fernet(purpose).encrypt(value.encode()).decode() if value else ""


def decrypt(value: str, purpose: str) -> str:
    """The clear text of `encrypt`. Raises Undecryptable."""
    if not value:
        return ""
    try:
        return _fernet(purpose).decrypt(value.encode()).decode()
    except InvalidToken:
        raise Undecryptable("a stored secret cannot be read: was SECRET_KEY changed without SECRET_KEY_FALLBACKS?") from None
