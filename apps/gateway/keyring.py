"""From the key in a request to the row it stands for. A process remembers digests it has seen; whether the key is still in force is
admission's to say, each time."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from apps.api_keys import minting
from apps.core.batching import Batcher
from apps.core.batching import Unavailable as LinkUnavailable
from apps.gateway.allowance import Allowance
from apps.gateway.database import Link, OutcomeUnknown
from apps.gateway.errors import RateLimited, Unauthorized, Unavailable

REMEMBERED = 100_000
# Wrong keys an address may try at once, and how many more it earns a second.
GUESSES = 30
GUESSES_PER_S = 0.5
PATIENCE_S = 5.0

LOOK_UP = "SELECT digest, id, account_id FROM api_keys_apikey WHERE digest = ANY (%s::bytea[])"
MISSING_KEY = "No API key. Send it as 'Authorization: Bearer akml-…' or in the header 'x-api-key'."
WRONG_KEY = "This API key does not exist or was revoked. Create one under Settings → API Keys."


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """Who calls. `id` is None for whoever is logged in and has no key: the Playground."""

    id: int | None
    account_id: int


class Throttle:
    """What wrong keys cost: each address has GUESSES."""

    def __init__(self) -> None:
        self.guesses = Allowance[str](GUESSES, GUESSES_PER_S)

    def wait_s(self, address: str) -> int:
        """0, or the seconds until this address may try another unknown key."""
        return self.guesses.wait_s(_household(address))

    def check(self, address: str) -> None:
        """Raises RateLimited while this address may not try another unknown key."""
        if wait_s := self.wait_s(address):
            raise RateLimited(
                "Too many wrong API keys from this address.", code="too_many_wrong_keys", headers=[(b"retry-after", b"%d" % wait_s)]
            )

    def wrong(self, address: str) -> None:
        self.guesses.use(_household(address))


def _household(address: str) -> str:
    """What one guesser has to choose from: an IPv4 address, or the /64 of an IPv6 address, which is given to a single customer."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a unix socket has no address
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, 64), strict=False))


class Keyring:
    def __init__(self) -> None:
        self._link = Link("keys")
        self._known: OrderedDict[bytes, KeyEntry] = OrderedDict()
        self._batcher = Batcher[bytes, KeyEntry | int]("keys", self._look_up)
        self._throttle = Throttle()

    async def start(self) -> None:
        self._batcher.start()

    async def stop(self) -> None:
        self._link.abort()
        await self._batcher.stop()
        await self._link.close()

    def known(self, key: str | None) -> KeyEntry | None:
        """The key's row, if this process has seen the key before."""
        if not key:
            return None
        digest = minting.digest(key)
        entry = self._known.get(digest)
        if entry is not None:
            self._known.move_to_end(digest)
        return entry

    async def find(self, key: str | None, address: str) -> KeyEntry:
        """The key's row. Raises Unauthorized, RateLimited (too many wrong keys from this address) and Unavailable.

        Every key is digested, so that a malformed one takes no less time than a wrong one."""
        if not key:
            raise Unauthorized(MISSING_KEY, code="missing_api_key")
        digest = minting.digest(key)
        entry = self._known.get(digest)
        if entry is not None:
            self._known.move_to_end(digest)
            return entry
        self._throttle.check(address)
        found: KeyEntry | int = 0
        if minting.well_formed(key):
            try:
                async with asyncio.timeout(PATIENCE_S):
                    found = await self._batcher.submit(digest)
            except (LinkUnavailable, TimeoutError):
                raise Unavailable(
                    "The platform is busy or restarting. Nothing was charged; try again.", headers=[(b"retry-after", b"2")]
                ) from None
        if not isinstance(found, KeyEntry):
            self._throttle.wrong(address)
            raise Unauthorized(WRONG_KEY)
        self._known[digest] = found
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _look_up(self, digests: list[bytes]) -> list[KeyEntry | int]:
        try:
            rows = await self._link.rows(LOOK_UP, (digests,))
        except OutcomeUnknown:  # the connection may have been dead for long; reading twice does no harm
            rows = await self._link.rows(LOOK_UP, (digests,))
        found = {bytes(digest): KeyEntry(identifier, account_id) for digest, identifier, account_id in rows}
        return [found.get(digest, 0) for digest in digests]
