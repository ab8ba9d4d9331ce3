"""Django's cache over Valkey, which stays a cache while Valkey is away: then each process keeps its own in memory.

What is kept here may be lost at any moment and no page depends on it. What matters most are the counters of log-in attempts:
without Valkey they go on counting, each process for itself, so the gates neither open nor shut.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

log = logging.getLogger(__name__)

RETRY_S = 5.0  # how long nothing is asked of a Valkey that did not answer, so that pages do not wait for it each time
# A server that is starting, out of memory or a replica answers with an error, and is as good as away.
FAULTS = (RedisConnectionError, RedisTimeoutError, ResponseError)


class Outage:
    """Whether Valkey is thought to be away; one for the process, whose threads each have a cache object of their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._noticed = False

    def lasts(self) -> bool:
        return time.monotonic() < self._until

    def begins(self, fault: Exception) -> None:
        with self._lock:
            self._until = time.monotonic() + RETRY_S
            if not self._noticed:
                log.warning("Valkey cannot be used (%s): this process keeps its cache in memory meanwhile", type(fault).__name__)
            self._noticed = True

    def ended(self) -> None:
        if self._noticed:
            with self._lock:
                self._noticed = False
            log.warning("Valkey is back")


outage = Outage()


class FailoverCache(BaseCache):
    """CACHES' backend. LOCATION and OPTIONS are RedisCache's; memory holds at most MAX_ENTRIES values of an outage.

    There is no `clear`: it would empty Valkey's whole database, where tasks are queued too.
    """

    MAX_ENTRIES = 20_000

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._valkey = RedisCache(location, params)
        self._memory = LocMemCache("valkey-away", {**params, "OPTIONS": {"MAX_ENTRIES": self.MAX_ENTRIES}})

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._ask("add", key, value, timeout, version))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._ask("get", key, default, version)

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._ask("set", key, value, timeout, version)

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._ask("touch", key, timeout, version))

    def delete(self, key: str, version: int | None = None) -> bool:
        return bool(self._ask("delete", key, version))

    def has_key(self, key: str, version: int | None = None) -> bool:
        return bool(self._ask("has_key", key, version))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        return int(self._ask("incr", key, delta, version))

    def _ask(self, operation: str, *arguments: Any) -> Any:
        if not outage.lasts():
            try:
                answer = getattr(self._valkey, operation)(*arguments)
            except FAULTS as fault:
                outage.begins(fault)
            else:
                outage.ended()
                return answer
        return getattr(self._memory, operation)(*arguments)
