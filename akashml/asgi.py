"""The ASGI root: lifespan, the Playground's WebSocket, and Django for the rest.

The hot POSTs pass it by: HttpProtocol takes them from uvicorn's parser, unless SERVE is `pages` or another server runs this; then
they go through the REST views. Channels' router does not know lifespan, so it is handled here, and the gateway starts there.
"""

from __future__ import annotations

import gc
import logging
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "akashml.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from django.conf import settings
from django.template import engines
from django.urls import get_resolver

from apps.accounts.websockets import Door
from apps.core import static_files
from apps.core.middleware import is_api_path, is_management_path
from apps.gateway.asgi import Receive, Scope, Send, in_time, refused_by_length
from apps.gateway.door import HttpProtocol as HttpProtocol  # for uvicorn: --http akashml.asgi:HttpProtocol
from apps.gateway.process import host
from apps.playground.registry import registry as playground_runs
from apps.playground.socket import playground_socket

# All views and tags of templates are loaded now: with the first request for one, this would hold up every stream of the process.
engines.all()
for status in (400, 403, 404, 500):
    get_resolver().resolve_error_handler(status)

log = logging.getLogger(__name__)
websockets = Door({"/ws/playground": playground_socket})


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    kind = scope["type"]
    if kind == "http":
        path = scope["path"]
        if path in ("/healthz", "/healthz/"):
            await _plain(send, 200, b"ok\n")
        elif path in ("/readyz", "/readyz/"):
            ready = host.gateway is not None and host.gateway.ready()
            await _plain(send, 200 if ready else 503, b"ready\n" if ready else b"not ready\n")
        elif settings.SERVE != "gateway" and static_files.is_static_path(path):
            await static_files.serve(scope, send)
        elif is_api_path(path) or is_management_path(path) or path.startswith("/stripe/"):  # what machines send
            if not await refused_by_length(scope, send):  # before Django spools it to disk
                await django_application(scope, in_time(scope, receive, send), send)  # type: ignore[arg-type]  # as below
        else:
            await django_application(scope, receive, send)  # type: ignore[arg-type]  # ASGI's own types are narrower than its messages
    elif kind == "lifespan":
        await _lifespan(receive, send)
    elif kind == "websocket":
        await websockets(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await host.start()
                _spare_the_collector()
            except Exception as error:
                log.exception("the gateway did not start")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            host.drain()
            await playground_runs.finish(settings.DRAIN_S)  # the server waits for requests and knows nothing of these
            await host.stop()
            await playground_runs.finish()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _spare_the_collector() -> None:
    """What is there now stays for the process's life: looking through it for garbage, as Python does after every few hundred new
    objects, was a tenth of the time of a busy gateway. What requests leave behind goes with its last reference."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def _plain(send: Send, status: int, body: bytes) -> None:
    headers: list[Any] = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
