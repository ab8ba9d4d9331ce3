"""Whether a key is in force, for requests that pass by admission. Judged by the database each time, together with whoever else asks."""

from __future__ import annotations

import asyncio

from apps.accounts.models import AccountStatus
from apps.api_keys.models import Scope
from apps.core.batching import Batcher
from apps.core.batching import Unavailable as LinkUnavailable
from apps.gateway.admission import ADMITTED, KEY_EXPIRED, KEY_REFUSED, SUSPENDED, WRONG_SCOPE, key_refusal
from apps.gateway.database import Link, OutcomeUnknown
from apps.gateway.errors import Unavailable
from apps.gateway.keyring import KeyEntry

PATIENCE_S = 5.0
# In the order of gateway_admit (apps/gateway/sql/2_admit.sql).
STATES = f"""SELECT k.id, CASE
    WHEN k.revoked_at IS NOT NULL THEN {KEY_REFUSED}
    WHEN k.scope <> {Scope.INFERENCE.value} THEN {WRONG_SCOPE}
    WHEN k.expires_at <= clock_timestamp() THEN {KEY_EXPIRED}
    WHEN a.status <> {AccountStatus.ACTIVE.value} THEN {SUSPENDED}
    ELSE {ADMITTED} END
  FROM api_keys_apikey k JOIN accounts_account a ON a.id = k.account_id WHERE k.id = ANY (%s::bigint[])"""  # noqa: S608  constants


class KeyStates:
    def __init__(self) -> None:
        self._link = Link("key states")
        self._batcher = Batcher[int, int]("key states", self._look_up)

    async def start(self) -> None:
        self._batcher.start()

    async def stop(self) -> None:
        self._link.abort()
        await self._batcher.stop()
        await self._link.close()

    async def check(self, key: KeyEntry) -> None:
        """Raises Unauthorized, Forbidden and Unavailable."""
        assert key.id is not None, "whoever has no key is not asked for its state"
        try:
            async with asyncio.timeout(PATIENCE_S):
                code = await self._batcher.submit(key.id)
        except (LinkUnavailable, TimeoutError):
            raise Unavailable("The platform is busy or restarting. Try again.", headers=[(b"retry-after", b"2")]) from None
        if code != ADMITTED:
            raise key_refusal(code)

    async def _look_up(self, keys: list[int]) -> list[int | None]:
        try:
            rows = await self._link.rows(STATES, (keys,))
        except OutcomeUnknown:  # the connection may have been dead for long; reading twice does no harm
            rows = await self._link.rows(STATES, (keys,))
        found = dict(rows)
        return [found.get(key, KEY_REFUSED) for key in keys]
