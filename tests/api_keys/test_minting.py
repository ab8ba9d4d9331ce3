"""Promise: keys cannot be guessed, a mistyped one is refused without asking the database, and the database does not hold them."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from apps.api_keys import minting

positions = st.integers(0, minting.KEY_LENGTH - 1)
characters = st.sampled_from(minting.ALPHABET)


def test_a_key_has_the_shape_people_know() -> None:
    key = minting.mint()
    assert key.startswith("akml-")
    assert len(key) == 54
    assert set(key.removeprefix("akml-")) <= set(minting.ALPHABET)
    assert minting.well_formed(key)
    assert minting.last4(key) == key[-4:]


def test_a_key_carries_256_bits() -> None:
    assert len(minting.ALPHABET) ** minting.BODY_LENGTH >= 2**256
    assert len({minting.mint() for _ in range(1_000)}) == 1_000


@given(positions, characters)
def test_one_wrong_character_anywhere_is_noticed(position: int, character: str) -> None:
    key = minting.mint()
    mistyped = key[:position] + character + key[position + 1 :]
    assert minting.well_formed(mistyped) == (mistyped == key)


@given(st.integers(len(minting.PREFIX), minting.KEY_LENGTH - 2))
def test_two_characters_swapped_are_noticed(position: int) -> None:
    key = minting.mint()
    swapped = key[:position] + key[position + 1] + key[position] + key[position + 2 :]
    assert minting.well_formed(swapped) == (swapped == key)


@given(st.text(max_size=80))
def test_no_text_is_mistaken_for_a_key_or_raises(text: str) -> None:
    assert not minting.well_formed(text)
    assert not minting.well_formed(f"akml-{text}")


def test_cut_padded_and_foreign_characters_are_noticed() -> None:
    key = minting.mint()
    for wrong in (key[:-1], key + "0", f" {key}", f"{key}\n", key.upper(), key.replace("akml-", "sk-"), key[:10] + "é" + key[11:]):
        assert not minting.well_formed(wrong)


def test_the_digest_needs_the_pepper(settings: Settings) -> None:
    key = minting.mint()
    before = minting.digest(key)
    assert before == hmac.new(settings.KEY_PEPPER.encode(), key.encode(), hashlib.sha256).digest()
    assert len(before) == 32
    settings.KEY_PEPPER = "another pepper of the necessary length"
    assert minting.digest(key) != before
