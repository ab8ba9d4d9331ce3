"""Promise: a stored secret is readable only with its SECRET_KEY and for its purpose, and a rotated key keeps old ones readable."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from apps.core.crypto import Undecryptable, decrypt, encrypt


def test_a_secret_comes_back_and_its_ciphertext_does_not_show_it() -> None:
    stored = encrypt("s3cret-ключ", "tests")
    assert "s3cret" not in stored
    assert decrypt(stored, "tests") == "s3cret-ключ"


def test_nothing_stays_nothing() -> None:
    assert (encrypt("", "tests"), decrypt("", "tests")) == ("", "")


def test_another_purpose_cannot_read_it() -> None:
    with pytest.raises(Undecryptable):
        decrypt(encrypt("s3cret", "tests"), "other")


def test_an_altered_ciphertext_is_refused() -> None:
    stored = encrypt("s3cret", "tests")
    for altered in (stored[:-4], stored[:20] + ("A" if stored[20] != "A" else "B") + stored[21:], "ключ", "x"):
        with pytest.raises(Undecryptable):
            decrypt(altered, "tests")


def test_a_rotated_secret_key_reads_old_secrets_only_while_listed(settings: Settings) -> None:
    stored = encrypt("s3cret", "tests")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another secret key, long enough to be one"
    assert decrypt(stored, "tests") == "s3cret"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Undecryptable, match="SECRET_KEY_FALLBACKS"):
        decrypt(stored, "tests")
