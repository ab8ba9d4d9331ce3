"""What is done to the product's processes: killed, frozen past their lease, asked to stop, each at a random moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress

from benchmarks.soak.product import LEASE_S, Product

BETWEEN_S = (3.0, 8.0)
# Twice as often a web process as one of the others: most of what can go wrong is there.
DEEDS = ["kill web", "kill web", "freeze web", "stop web", "kill worker", "kill valkey", "kill postgres"]


class Violence:
    """`done` counts the deeds."""

    def __init__(self, product: Product, choices: random.Random) -> None:
        self.product, self._choices = product, choices
        self.done: Counter[str] = Counter()

    async def go_on(self) -> None:
        """Until it is cancelled, which leaves nothing frozen."""
        while True:
            await asyncio.sleep(self._choices.uniform(*BETWEEN_S))
            deed = self._choices.choice(DEEDS)
            how, kind = deed.split()
            if pids := self.product.pids(kind):
                self.done[deed] += 1
                print(f"soak: {deed}", flush=True)
                await self._do(how, self._choices.choice(pids))

    async def _do(self, how: str, pid: int) -> None:
        with suppress(ProcessLookupError):  # it ended by itself
            if how == "kill":
                os.kill(pid, signal.SIGKILL)
            elif how == "stop":
                os.kill(pid, signal.SIGTERM)
            else:
                os.kill(pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(2 * LEASE_S)
                finally:
                    os.kill(pid, signal.SIGCONT)
