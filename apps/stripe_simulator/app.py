"""The simulator as an ASGI application: `python -m uvicorn apps.stripe_simulator.app:application --port N`. README.md names its environment."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path

from apps.stripe_simulator import pages
from apps.stripe_simulator.api import Api
from apps.stripe_simulator.control import Control
from apps.stripe_simulator.errors import StripeError
from apps.stripe_simulator.http import Answer, Receive, Request, Scope, Send, in_json, read, write
from apps.stripe_simulator.store import Store
from apps.stripe_simulator.webhooks import Webhooks
from apps.stripe_simulator.world import World

log = logging.getLogger(__name__)


class Simulator:
    """Everything of one simulator. `webhook_url` empty: events are kept, but sent nowhere."""

    def __init__(self, path: Path, address: str, secret_key: str, webhook_url: str, webhook_secret: str) -> None:
        self.world = World(Store(path), address, webhook_url)
        self.hooks = Webhooks(self.world, webhook_secret)
        self.api = Api(self.world, secret_key, self.hooks.wake.set)
        self.control = Control(self.world, self.hooks, self.hooks.wake.set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
        elif scope["type"] == "http":
            request = await read(scope, receive)
            await write(await self.serve(request) if request else in_json({"error": {"message": "The body is too long."}}, 413), send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        sending = asyncio.create_task(self.hooks.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        self.world.store.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def serve(self, request: Request) -> Answer:
        if request.path == "/health":
            return in_json({"status": "ok"})
        if request.path.startswith("/v1/"):
            return await self.api.serve(request)
        if request.path.startswith("/_control/"):
            try:
                self.api.authorize(request)
            except StripeError as error:
                return in_json(error.body, error.status)
            return await self.control.serve(request)
        answer = await pages.serve(self.world, request)
        self.hooks.wake.set()
        return answer


def from_environment() -> Simulator:
    """ValueError that names the variable that is missing."""
    names = ("STRIPE_SIMULATOR_FILE", "STRIPE_SIMULATOR_ADDRESS", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
    values = {name: os.environ.get(name, "").strip() for name in names}
    for name, value in values.items():
        if not value:
            raise ValueError(f"{name} is not set.")
    file, address, key, secret = values.values()
    return Simulator(Path(file), address.rstrip("/"), key, os.environ.get("STRIPE_SIMULATOR_WEBHOOK_URL", "").strip(), secret)


application = from_environment()
