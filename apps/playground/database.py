"""The ORM, for coroutines: in a few threads of the Playground's own, so that a slow statement holds up no page and no other socket's door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

THREADS = 4  # and as many connections to Postgres, for each process where somebody chats

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_threads = ThreadPoolExecutor(THREADS, "playground")


async def in_thread(work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
    """Runs `work` in one of the threads; raises what it raises. When the caller is cancelled, it goes on to its end all the same."""

    def run() -> Result:
        close_old_connections()
        try:
            return work(*arguments, **named)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_threads, run)
