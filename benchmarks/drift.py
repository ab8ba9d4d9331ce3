"""Do the books say what the backend did, whatever is killed? Mixed traffic, `kill -9` of the gateway at random moments, then a comparison.

The customer must not pay a nano-dollar for what was not generated for them; of an answer that a kill cut off, for no more than had
reached them. The platform loses the prompts of those answers, which are free when we fail, and the output since the last checkpoint.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import streams
from benchmarks.bench import Bench, say
from benchmarks.loads import KILLED, WHOLE_64, Load, LoadFailed
from benchmarks.ours import PRICES_PICO, Gateway, Ours
from benchmarks.report import Section

STREAMS, WHOLES = Load("streams under kills", KILLED, 1), Load("whole answers under kills", WHOLE_64.answer, 1)
EACH_PER_SECOND = 10
CHUNKS, PACE_MS = (int(part) for part in KILLED.split("/")[1:])
BETWEEN_KILLS_S = (1.5, 4.0)
LEASE_S = 2  # what a kill leaves behind is settled soon; a checkpoint is made once a second whatever the lease is
SETTLED_WITHIN_S = 60.0
# Once a second, then the time that writing it takes; twenty tokens a second and stream.
CHECKPOINT_S, MARGIN_S = 1.0, 0.5
BOUND_TOKENS = round((CHECKPOINT_S + MARGIN_S) * 1000 / PACE_MS)


@dataclass(frozen=True)
class Drift:
    """Money in nano-USD. `cut` requests were ended by a kill; `worst` is the largest uncharged output of one of them that had reached its customer.

    `unread` whole answers were generated and charged, and a kill came before they were sent."""

    kills: int
    requests: int
    cut: int
    unread: int
    generated: int
    charged: int
    overcharged: int
    worst: int
    lost: int
    lost_bound: int

    @property
    def kept(self) -> bool:
        return self.overcharged == 0 and self.worst <= BOUND_TOKENS and 0 <= self.lost <= self.lost_bound


def measure(bench: Bench, kills: int) -> Drift:
    """Raises LoadFailed when requests stay unsettled."""
    account, token = bench.ours.customer()
    before = bench.backend.served()
    with short_lease(), bench.ours.gateway(name="drift", tokens=[token]) as gateway:
        asked = streams.run(lambda: traffic(gateway, kills))
        wait_until_settled(bench.ours)
    after = bench.backend.served()
    return compare(account, asked, {name: after[name] - before[name] for name in after}, kills)


async def traffic(gateway: Gateway, kills: int) -> list[streams.Stream]:
    """Streams and whole answers at an even rate, through `kills` kills and restarts. Returns all of them, ended."""
    arrivals, up = streams.Arrivals(), asyncio.Event()
    asked: list[streams.Stream] = []
    up.set()

    async def ask(load: Load) -> None:
        while True:
            await up.wait()  # what is asked meanwhile would only queue, and be answered all at once
            asked.append(await streams.open_stream(gateway, load, arrivals))
            await asyncio.sleep(1 / EACH_PER_SECOND)

    asking = [asyncio.create_task(ask(load)) for load in (STREAMS, WHOLES)]
    [child] = gateway.children
    for number in range(1, kills + 1):
        await asyncio.sleep(random.uniform(*BETWEEN_KILLS_S))
        assert child.process is not None
        up.clear()
        child.process.kill()
        child.process.wait()
        say(f"kill {number}/{kills}, with {sum(not one.closed.done() for one in asked)} requests open")
        gateway.begin()
        await asyncio.to_thread(gateway.wait_ready)
        up.set()
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await asyncio.gather(*(one.closed for one in asked))
    return asked


def compare(account: int, asked: list[streams.Stream], served: dict[str, int], kills: int) -> Drift:
    """The customer's rows of the log against what reached the client (by Inference-Id) and what the backend counted."""
    from apps.usage.models import Inference, Status

    reached = {one.identity: one for one in asked if one.identity}
    overcharged = worst = cut = cut_streams = unread = 0
    rows = list(Inference.objects.filter(account_id=account))
    for row in rows:
        client = reached.get(str(row.id))
        if row.status == Status.COMPLETED:
            # Exactly what the backend reported; `prompt_tokens` are a quarter of the bytes it was sent.
            due = cost(row.prompt_tokens, CHUNKS if row.streamed else 50)
            unread += not (client is not None and client.finished)
        else:
            delivered = client.chunks if client is not None else 0
            due = cost(0, delivered)
            cut += 1
            cut_streams += row.streamed
            worst = max(worst, delivered - row.completion_tokens)
        overcharged += max(0, row.charged - due)
    generated, charged = cost(served["prompt_tokens"], served["output_tokens"]), sum(row.charged for row in rows)
    prompt_bytes = max(len(STREAMS.body()), len(WHOLES.body())) + 200  # the gateway adds a field or two
    lost_bound = cut_streams * cost(prompt_bytes // 4, BOUND_TOKENS) + (cut - cut_streams) * cost(prompt_bytes // 4, 50)
    if len(rows) < served["requests"]:
        raise LoadFailed(f"the backend served {served['requests']} requests, and the log has {len(rows)} rows")
    return Drift(kills, len(rows), cut, unread, generated, charged, overcharged, worst, generated - charged, lost_bound)


def cost(prompt_tokens: int, output_tokens: int) -> int:
    """Nano-USD, rounded up once."""
    return -(-(prompt_tokens * PRICES_PICO["input_pico"] + output_tokens * PRICES_PICO["output_pico"]) // 1000)


def wait_until_settled(ours: Ours) -> None:
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while holds := ours.open_holds():
        if time.monotonic() > deadline:
            raise LoadFailed(f"{holds} requests are still held {SETTLED_WITHIN_S:.0f} s after the last one ended")
        time.sleep(0.2)


@contextmanager
def short_lease() -> Iterator[None]:
    os.environ["LEASE_S"] = str(LEASE_S)
    try:
        yield
    finally:
        del os.environ["LEASE_S"]


def section(drift: Drift) -> Section:
    result = Section("drift: the books and the backend after kills", ["", ""])
    result.rows += [
        ["kills of the gateway (-9)", str(drift.kills)],
        ["requests, cut off by a kill", f"{drift.requests:,}, {drift.cut}"],
        ["generated by the backend, USD", f"{drift.generated / 1e9:.9f}"],
        ["charged, USD", f"{drift.charged / 1e9:.9f}"],
        ["charged beyond what was generated or delivered, USD (must be 0)", f"{drift.overcharged / 1e9:.9f}"],
        ["the platform's loss, USD", f"{drift.lost / 1e9:.9f}"],
        ["its bound, USD", f"{drift.lost_bound / 1e9:.9f}"],
        ["worst stream: tokens delivered and not charged (at most)", f"{drift.worst} ({BOUND_TOKENS})"],
        ["generated and charged, but cut off before its end was sent", str(drift.unread)],
    ]
    result.notes.append(
        "The bound: of each answer cut off its prompt, and the output of a checkpoint's second and a half; of a whole answer all of it."
    )
    result.notes.append("Kept." if drift.kept else "NOT KEPT.")
    return result
