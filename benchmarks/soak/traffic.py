"""Mixed traffic: whole answers, streams in a burst and paced ones, clients that leave, backends that are not there, accounts that run
out of credit and keys with limits. What each client saw is noted, to be held against the books."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from benchmarks.contenders import MockBackend
from benchmarks.ours import PRICES_PICO
from benchmarks.soak.product import Product
from benchmarks.soak.violence import Violence

CLIENTS = 24
ANSWERS = {"whole": "whole", "burst": "burst/50", "paced": "paced/40/50"}
LEAVES = 0.15  # of the streams, so many are left in the middle
PAUSE_S = 0.05
TIMEOUT = aiohttp.ClientTimeout(total=120)


@dataclass(frozen=True)
class Finished:
    """An answer that ended well for its client; `cost` in nano-USD from the usage it showed."""

    id: str
    cost: int


class Traffic:
    """`finished` are the answers that ended well, `seen` counts how requests ended for their clients."""

    def __init__(self, product: Product, backend: MockBackend, choices: random.Random) -> None:
        self.product, self._choices = product, choices
        self.finished: list[Finished] = []
        self.seen: Counter[str] = Counter()
        self.accounts: list[int] = []
        self._keys: list[str] = []
        self._make_customers()
        self._make_models(backend)

    def _make_customers(self) -> None:
        from apps.accounts.actions import create_account_for
        from apps.api_keys.actions import Limits, create_key
        from apps.billing.credits import grant_credit
        from apps.billing.models import PoolKind

        # (credit in nano-USD pool by pool, limits): plenty, several pools, little, limited
        for number, (pools, limits) in enumerate(
            [
                ([10**12], Limits()),
                ([10**12], Limits(rpm=1_000_000, tpm=1_000_000_000, max_concurrent=1_000)),
                ([2_000_000, 3_000_000, 10**12], Limits(max_concurrent=4)),
                ([4_000_000], Limits()),
                ([10**12], Limits(rpm=60, tpm=40_000)),
            ]
        ):
            account = create_account_for(f"soak-{number}@example.com").account
            for part, amount in enumerate(pools):
                grant_credit(account.pk, amount, PoolKind.PURCHASED, f"soak:{number}:{part}")
            self.accounts.append(account.pk)
            self._keys.append(create_key(account, "soak", limits)[1])

    def _make_models(self, backend: MockBackend) -> None:
        from apps.catalog.actions import save_backend, save_model

        for name, answer in ANSWERS.items():
            model, _ = save_model(f"soak/{name}", {"context_length": 100_000}, PRICES_PICO)
            save_backend(model, backend.base_url(answer), {"upstream_model": "mock-model"})
        # One of two backends refuses connections; and a model whose only one does.
        half, _ = save_model("soak/half", {"context_length": 100_000}, PRICES_PICO)
        save_backend(half, backend.base_url("whole"), {"upstream_model": "mock-model"})
        save_backend(half, "http://127.0.0.1:9/v1", {"upstream_model": "mock-model"})
        gone, _ = save_model("soak/gone", {"context_length": 100_000}, PRICES_PICO)
        save_backend(gone, "http://127.0.0.1:9/v1", {"upstream_model": "mock-model"})

    async def run(self, seconds: float, violence: Violence) -> None:
        """Clients and violence together for so long; then violence ends, the product comes back, and the clients end."""
        stop = asyncio.Event()
        async with aiohttp.ClientSession(timeout=TIMEOUT, connector=aiohttp.TCPConnector(limit=0, force_close=True)) as session:
            clients = [asyncio.create_task(self._client(session, stop)) for _ in range(CLIENTS)]
            deeds = asyncio.create_task(violence.go_on())
            done, _ = await asyncio.wait([deeds, *clients], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            deeds.cancel()
            with suppress(asyncio.CancelledError):
                await deeds
            for task in done:
                task.result()  # a mistake of ours
            await asyncio.to_thread(self.product.wait_ready)
            stop.set()
            await asyncio.gather(*clients)

    async def _client(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        while not stop.is_set():
            name = self._choices.choice(["whole", "whole", "burst", "paced", "paced", "half", "gone"])
            try:
                self.seen[await self._ask(session, name)] += 1
            except (aiohttp.ClientError, TimeoutError, ConnectionError, asyncio.IncompleteReadError):
                self.seen["broken"] += 1
            await asyncio.sleep(PAUSE_S)

    async def _ask(self, session: aiohttp.ClientSession, name: str) -> str:
        """How it ended: `finished`, `left`, `cut off`, or the status of a refusal."""
        streamed = name in ("burst", "paced")
        body: dict[str, Any] = {"model": f"soak/{name}", "max_tokens": 64, "messages": [{"role": "user", "content": "Say something."}]}
        if streamed:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        headers = {"Authorization": f"Bearer {self._choices.choice(self._keys)}"}
        leave_after = self._choices.randrange(1, 2_000) if self._choices.random() < LEAVES else None
        async with session.post(f"{self.product.url}/v1/chat/completions", json=body, headers=headers) as answer:
            if answer.status != 200:
                return str(answer.status)
            read = b""
            async for piece in answer.content.iter_any():
                read += piece
                if leave_after is not None and len(read) > leave_after:
                    answer.close()
                    return "left"
            usage = _usage(read) if not streamed else usage_of_stream(read)
            if usage is None:
                return "cut off"
            self.finished.append(Finished(answer.headers["Inference-Id"], _cost(*usage)))
            return "finished"


def _usage(body: bytes) -> tuple[int, int]:
    usage = msgspec.json.decode(body)["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


def usage_of_stream(stream: bytes) -> tuple[int, int] | None:
    """None when the stream did not end well."""
    events = [event[6:] for event in stream.split(b"\n\n") if event.startswith(b"data: ")]
    if not events or events[-1] != b"[DONE]":
        return None
    return next(_usage(event) for event in reversed(events[:-1]) if b'"usage"' in event)


def _cost(prompt_tokens: int, completion_tokens: int) -> int:
    """Nano-USD, rounded up once."""
    return -(-(prompt_tokens * PRICES_PICO["input_pico"] + completion_tokens * PRICES_PICO["output_pico"]) // 1000)
