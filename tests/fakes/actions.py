"""What a backend can do at a point of its answer besides sending the next bytes.

An action is an async function of the connection. Those that end the answer raise `AnswerEnded`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.connection import Connection

Action = Callable[["Connection"], Awaitable[None]]


class AnswerEnded(Exception):
    """Nothing more of this answer is sent. `clean`: the body is terminated properly first."""

    def __init__(self, clean: bool = False) -> None:
        self.clean = clean


async def hang(connection: Connection) -> None:
    """Send nothing more; ends when the client goes away or the backend is stopped."""
    await asyncio.get_running_loop().create_future()


async def reset(connection: Connection) -> None:
    """RST: the client gets ECONNRESET. What it has not yet read may be lost; put a gate at the same point to be exact."""
    connection.reset()
    raise AnswerEnded


async def close(connection: Connection) -> None:
    """FIN without terminating the body: no last chunk, or fewer bytes than Content-Length promised."""
    connection.close()
    raise AnswerEnded


async def finish(connection: Connection) -> None:
    """Leave out the rest and terminate a chunked body properly, as a backend does whose generator returns early."""
    raise AnswerEnded(clean=True)


def pause(seconds: float) -> Action:
    """Go on after `seconds`."""

    async def action(connection: Connection) -> None:
        await asyncio.sleep(seconds)

    return action
