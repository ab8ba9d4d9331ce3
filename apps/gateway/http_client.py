"""A thin HTTP/1.1 client for backends: opens connections, keeps idle ones, and sends one request at a time on each.

It never follows redirects and never asks for compression. What happens on a connection is in http_exchange.py.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from apps.gateway.http_exchange import Broken, Exchange, Unreachable

# A parked connection is used again only while its server will not have closed it (uvicorn's default is 5 s).
KEEP_IDLE_S = 4.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a backend listens. `path` is what stands before `/chat/completions`."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


# Raises ValueError for an IP address that may not be connected to.
AddressGuard = Callable[[str], None]


@dataclass(slots=True)
class HttpClient:
    """Opens connections and keeps idle ones. `guard` sees every IP address before it is connected to."""

    guard: AddressGuard
    _idle: dict[Address, deque[Exchange]] = field(default_factory=dict)  # the longest idle first
    _tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    async def post(
        self,
        address: Address,
        head: bytes,
        body: bytes,
        connect_timeout_s: float,
        first_byte_timeout_s: float,
        sending: Callable[[Exchange], None],
    ) -> Exchange:
        """Sends a request and returns when the answer's headers are there; `release` the exchange afterwards.

        `sending` is told each connection just before the request goes out on it, so that its owner can abort it. Raises Unreachable,
        TimedOut and Broken. A parked connection that its server has closed meanwhile is replaced by a new one."""
        while (exchange := self._parked(address)) is not None:
            sending(exchange)
            try:
                await exchange.request(head, body, first_byte_timeout_s)
                return exchange
            except Broken:
                if exchange.anything_came or exchange.aborted:
                    raise
            except BaseException:
                exchange.abort()
                raise
        exchange = await self._connect(address, connect_timeout_s)
        sending(exchange)
        try:
            await exchange.request(head, body, first_byte_timeout_s)
        except BaseException:
            exchange.abort()
            raise
        return exchange

    def release(self, address: Address, exchange: Exchange) -> None:
        """Keeps the connection for the next request if its answer was read whole, and closes it otherwise."""
        exchange.discard_rest()
        if exchange.complete and exchange.reusable and not exchange.closed:
            exchange.park(time.monotonic())
            idle = self._idle.setdefault(address, deque())
            idle.append(exchange)
            while idle and not self._fresh(idle[0]):  # the latest is used first: those of an earlier rush would stay for ever
                idle.popleft().abort()
        else:
            exchange.abort()

    @staticmethod
    def _fresh(exchange: Exchange) -> bool:
        return not exchange.closed and time.monotonic() - exchange.parked_at < KEEP_IDLE_S

    def close(self) -> None:
        for exchanges in self._idle.values():
            for exchange in exchanges:
                exchange.abort()
        self._idle.clear()

    def _parked(self, address: Address) -> Exchange | None:
        exchanges = self._idle.get(address)
        while exchanges:
            exchange = exchanges.pop()
            if self._fresh(exchange):
                return exchange
            exchange.abort()
        return None

    async def _connect(self, address: Address, timeout_s: float) -> Exchange:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                found = await loop.getaddrinfo(address.host, address.port, type=1)
                refused = "no address"
                for *_, place in found:
                    ip = str(place[0])
                    try:
                        # Judged by the address that is connected to: a name that changes its mind after a check gains nothing.
                        self.guard(ip)
                        _, exchange = await loop.create_connection(
                            Exchange,
                            ip,
                            address.port,
                            ssl=self._tls if address.tls else None,
                            server_hostname=address.host if address.tls else None,
                        )
                        return exchange
                    except (OSError, ValueError) as error:
                        refused = f"{type(error).__name__}: {error}"
                raise Unreachable(refused)
        except TimeoutError:
            raise Unreachable("connecting took too long") from None
        except OSError as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from None
