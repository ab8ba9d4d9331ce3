"""The one gateway of this process: started by the ASGI lifespan on the server's loop, or, where the server knows no lifespan (WSGI,
runserver), on first use in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import resource
import threading

from django.conf import settings

from apps.gateway.runtime import Gateway

START_S = 30


class GatewayHost:
    """`gateway` is None until started; `loop` is the one it lives on."""

    def __init__(self) -> None:
        self.gateway: Gateway | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()

    async def start(self) -> None:
        _allow_many_connections()
        gateway = Gateway()
        try:
            await gateway.start()
        except BaseException:
            await gateway.stop()  # what had started; the next try starts anew
            raise
        self.gateway, self.loop = gateway, asyncio.get_running_loop()

    def drain(self) -> None:
        """The process was told to stop; `stop` follows when its requests have ended, or after a little more than DRAIN_S."""
        if self.gateway is not None:
            self.gateway.drain(settings.DRAIN_S)

    async def stop(self) -> None:
        if self.gateway is not None:
            await self.gateway.stop()
            self.gateway = None

    def from_thread(self) -> tuple[Gateway, asyncio.AbstractEventLoop]:
        """The gateway and its loop, for a thread that is not on it. Raises what starting raises."""
        with self._starting:
            if self.gateway is None:
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="gateway", daemon=True).start()
                try:
                    asyncio.run_coroutine_threadsafe(self.start(), loop).result(timeout=START_S)
                except BaseException:
                    loop.call_soon_threadsafe(loop.stop)
                    raise
            assert self.gateway is not None
            assert self.loop is not None
            return self.gateway, self.loop


def _allow_many_connections() -> None:
    """As many open files as we may have: the usual 1,024 are five hundred streams, each with a client and a backend."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


host = GatewayHost()
