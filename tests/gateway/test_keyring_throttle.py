"""Promise (acceptance 37): guessing keys is throttled by address, and neither good keys nor memory suffer from it."""

from __future__ import annotations

import asyncio

import pytest

from apps.api_keys import minting
from apps.core.batching import Unavailable as LinkUnavailable
from apps.gateway import allowance as module
from apps.gateway.allowance import MOST_REMEMBERED
from apps.gateway.errors import RateLimited, Unauthorized, Unavailable
from apps.gateway.keyring import GUESSES, GUESSES_PER_S, KeyEntry, Keyring, Throttle
from tests.gateway.clock import Clock, standing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return standing(monkeypatch, module)


class Database:
    """In place of the keyring's connection."""

    def __init__(self, *good: str) -> None:
        self.rows_of = {minting.digest(key): (number, 7) for number, key in enumerate(good, 1)}
        self.asked = 0
        self.away = False

    async def rows(self, query: str, values: tuple[list[bytes]]) -> list[tuple[bytes, int, int]]:
        self.asked += len(values[0])
        if self.away:
            raise LinkUnavailable("away")
        return [(digest, *self.rows_of[digest]) for digest in values[0] if digest in self.rows_of]

    def abort(self) -> None: ...

    async def close(self) -> None: ...


def keyring_over(database: Database) -> Keyring:
    keyring = Keyring()
    keyring._link = database  # type: ignore[assignment]
    return keyring


async def outcome(keyring: Keyring, key: str | None, address: str = "192.0.2.1") -> object:
    try:
        return await keyring.find(key, address)
    except (Unauthorized, RateLimited, Unavailable) as error:
        return error.status


async def test_ten_thousand_wrong_keys_are_refused_and_soon_throttled_while_good_keys_work(clock: Clock) -> None:
    known, unknown = minting.mint(), minting.mint()
    database = Database(known, unknown)
    keyring = keyring_over(database)
    await keyring.start()
    try:
        assert await outcome(keyring, known) == KeyEntry(1, 7)
        got = [await outcome(keyring, minting.mint()) for _ in range(10_000)]
        assert got == [401] * GUESSES + [429] * (10_000 - GUESSES)
        assert database.asked == 1 + GUESSES  # what is throttled costs Postgres nothing
        assert await outcome(keyring, known) == KeyEntry(1, 7)  # remembered: the throttle is not asked
        assert await outcome(keyring, unknown) == 429  # indistinguishable from a guess
        assert await outcome(keyring, unknown, "192.0.2.2") == KeyEntry(2, 7)
        clock.now += 1 / GUESSES_PER_S
        assert await outcome(keyring, minting.mint()) == 401
        assert await outcome(keyring, minting.mint()) == 429
    finally:
        await keyring.stop()


async def test_a_malformed_key_is_digested_and_counted_like_a_wrong_one_but_never_looked_up(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code path and not the clock: every key goes through the same digest before anything is decided."""
    digested: list[str] = []
    digest = minting.digest
    monkeypatch.setattr(minting, "digest", lambda key: digested.append(key) or digest(key))
    database = Database()
    keyring = keyring_over(database)
    await keyring.start()
    try:
        malformed = ["akml-", "sk-other", "x" * 100_000, "akml-" + "\u00ff" * 49, minting.mint()[:-1], minting.mint() + "x", "' OR 1=1 --"]
        for key in malformed:
            assert await outcome(keyring, key) == 401
        assert digested == malformed
        assert database.asked == 0
        for _ in range(GUESSES - len(malformed)):
            assert await outcome(keyring, "nonsense") == 401
        assert await outcome(keyring, "nonsense") == 429
    finally:
        await keyring.stop()


async def test_a_missing_key_is_no_guess(clock: Clock) -> None:
    keyring = keyring_over(Database())
    await keyring.start()
    try:
        for key in [None, ""] * GUESSES:
            assert await outcome(keyring, key) == 401
        assert await outcome(keyring, "guess") == 401
    finally:
        await keyring.stop()


async def test_while_postgres_is_away_nobody_is_called_wrong(clock: Clock) -> None:
    key = minting.mint()
    database = Database(key)
    database.away = True
    keyring = keyring_over(database)
    await keyring.start()
    try:
        got = await asyncio.gather(*(outcome(keyring, key) for _ in range(2 * GUESSES)))
        assert set(got) == {503}
        database.away = False
        assert await outcome(keyring, key) == KeyEntry(1, 7)
    finally:
        await keyring.stop()


def test_the_wait_that_is_told_is_enough(clock: Clock) -> None:
    throttle = Throttle()
    for _ in range(GUESSES):
        assert throttle.wait_s("a") == 0
        throttle.wrong("a")
    for passed in (0.0, 0.3, 0.7, 0.999, 1.3):
        clock.now = 1_000.0 + passed
        wait_s = throttle.wait_s("a")
        assert wait_s >= 1
        clock.now += wait_s
        assert throttle.wait_s("a") == 0


def test_an_ipv6_customer_is_one_address_whatever_it_chooses_from_its_network(clock: Clock) -> None:
    throttle = Throttle()
    for number in range(GUESSES):
        throttle.wrong(f"2001:db8:1:2::{number:x}")
    assert throttle.wait_s("2001:db8:1:2:ffff::1") > 0
    assert throttle.wait_s("2001:db8:1:3::1") == 0
    for _ in range(GUESSES):
        throttle.wrong("::ffff:192.0.2.1")
    assert throttle.wait_s("192.0.2.1") > 0
    assert throttle.wait_s("::ffff:192.0.2.2") == 0
    assert throttle.wait_s("") == 0


def test_credit_for_guesses_does_not_grow_for_ever(clock: Clock) -> None:
    throttle = Throttle()
    throttle.wrong("a")
    clock.now += 10**6
    for _ in range(GUESSES):
        throttle.wrong("a")
    assert throttle.wait_s("a") > 0


def test_memory_is_bounded_by_forgetting_the_address_that_guessed_longest_ago(clock: Clock) -> None:
    throttle = Throttle()
    for _ in range(GUESSES):
        throttle.wrong("first")
    for number in range(MOST_REMEMBERED - 1):
        throttle.wrong(str(number))
    assert throttle.wait_s("first") > 0
    throttle.wrong("one more")
    assert throttle.wait_s("first") == 0
    assert len(throttle.guesses) == MOST_REMEMBERED
