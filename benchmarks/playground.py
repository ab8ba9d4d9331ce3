"""`python -m benchmarks.playground`: how much later a chunk comes over the Playground's socket than over the API's stream.

One gateway process and the mock backend, which writes into each chunk when it sent it. The two ways take turns with the same model, the
same pace and as many answers at once, so that what else the machine does falls on both alike. Reading is counted along: bytes
that are searched there, a WebSocket's frame of JSON here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from akashml.runner import lock
from akashml.runner.errors import StartError
from benchmarks import machine, streams
from benchmarks.contenders import MockBackend
from benchmarks.loads import KILLED, Load, LoadFailed
from benchmarks.ours import ROOT, Gateway, Ours, set_environment
from benchmarks.stats import percentile

if TYPE_CHECKING:
    from apps.accounts.models import Account, User

LOAD = Load("paced streams", KILLED, 1)
CHUNKS, PACE_MS = (int(part) for part in KILLED.split("/")[1:])
AT_ONCE = 4  # a tab with four panes
APART_S = PACE_MS / 1000 / AT_ONCE  # so that chunks of different answers do not come in one packet
PATIENCE_S = CHUNKS * PACE_MS / 1000 + 30
STOPPED = 130

Way = Callable[[streams.Arrivals], Coroutine[None, None, None]]


class Tab:
    """A browser's tab with a conversation of its own, of the first customer."""

    def __init__(self, gateway: Gateway, user: User, account: Account) -> None:
        from django.conf import settings
        from django.test import Client

        from apps.accounts.session_cookie import seal
        from apps.playground.conversations import create

        client = Client()
        client.force_login(user)
        self.origin = f"http://127.0.0.1:{gateway.port}"
        self.address = f"ws://127.0.0.1:{gateway.port}/ws/playground"
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={seal(client.session.session_key or '')}"
        self.conversation = uuid4()
        create(user, account, self.conversation, "bench", [])

    async def answers(self, arrivals: streams.Arrivals) -> None:
        """AT_ONCE answers over one connection. Raises LoadFailed when one ended badly."""
        from websockets.asyncio.client import connect

        headers = {"Cookie": self.cookie, "Origin": self.origin}
        async with connect(self.address, additional_headers=headers, compression=None) as link:
            begun = asyncio.create_task(self._ask(link))
            open_answers = AT_ONCE
            while open_answers:
                text = await link.recv(decode=False)
                now = streams.now_us()
                frame = json.loads(text)
                if frame["type"] == "delta":
                    for stamp in frame.get("content", "").split():
                        arrivals.at.append(now)
                        arrivals.age.append((now - int(stamp, 16)) & streams.STAMP_MASK)
                elif frame["type"] == "done":
                    open_answers -= 1
                elif frame["type"] in ("refused", "failed"):
                    raise LoadFailed(f"the Playground: {frame}")
            await begun

    async def _ask(self, link: Any) -> None:
        asked = json.loads(LOAD.body())
        for _ in range(AT_ONCE):
            question = {"id": str(uuid4()), "role": "user", "content": asked["messages"][-1]["content"]}
            request = {
                "model": LOAD.model,
                "system_prompt": asked["messages"][0]["content"],
                "parameters": {"max_tokens": asked["max_tokens"]},
            }
            frame = {"type": "run", "run": str(uuid4()), "conversation": str(self.conversation), "messages": [question], "request": request}
            await link.send(json.dumps(frame))
            await asyncio.sleep(APART_S)


async def api_answers(gateway: Gateway, arrivals: streams.Arrivals) -> None:
    """AT_ONCE streams of the API, each on a connection of its own. Raises LoadFailed when one ended badly."""
    async with streams.opened(gateway, LOAD, AT_ONCE, 1 / APART_S, arrivals) as opened:
        await asyncio.gather(*(stream.closed for stream in opened))
    if bad := [stream.status for stream in opened if stream.status != 200 or not stream.finished]:
        raise LoadFailed(f"the API: {len(bad)} answers ended badly, with {bad}")


def measure(gateway: Gateway, tab: Tab, rounds: int) -> dict[str, list[int]]:
    """The ages of all chunks in µs, by way. The first turn of each is not counted. Raises LoadFailed when chunks are missing."""
    ages: dict[str, list[int]] = {"API": [], "Playground": []}
    ways: dict[str, Way] = {"API": lambda arrivals: api_answers(gateway, arrivals), "Playground": tab.answers}
    for number in range(rounds + 1):
        for name, way in ways.items():
            arrivals = streams.Arrivals()
            streams.run(lambda way=way, arrivals=arrivals: asyncio.wait_for(way(arrivals), PATIENCE_S))  # type: ignore[misc]
            if len(arrivals.age) != AT_ONCE * CHUNKS:
                raise LoadFailed(f"{name}: {len(arrivals.age)} of {AT_ONCE * CHUNKS} chunks came")
            if number:
                ages[name] += arrivals.age
    return ages


def table(ages: dict[str, list[int]]) -> str:
    lines = ["| | chunks | p50 ms | p99 ms |", "|---|---:|---:|---:|"]
    found = {name: [percentile(all_of, percent) / 1e3 for percent in (50, 99)] for name, all_of in ages.items()}
    lines += [f"| {name} | {len(ages[name])} | {p50:.2f} | {p99:.2f} |" for name, (p50, p99) in found.items()]
    added = [late - early for early, late in zip(found["API"], found["Playground"], strict=True)]
    return "\n".join([*lines, f"| added | | {added[0]:.2f} | {added[1]:.2f} |"])


def run(folder: Path, rounds: int, stack: ExitStack) -> None:
    cores = machine.cores()
    os.sched_setaffinity(0, {cores.load})
    backend = MockBackend(folder, cores)
    backend.start(stack)
    ours = Ours(folder / "instance", backend, cores)
    ours.start(stack)
    ours.add_models([KILLED])
    from apps.accounts.models import Membership

    owner = Membership.objects.select_related("user", "account").get()
    with ours.gateway() as gateway:
        ages = measure(gateway, Tab(gateway, owner.user, owner.account), rounds)
    print(
        f"{rounds} rounds of {AT_ONCE} answers each way, {CHUNKS} chunks of an answer {PACE_MS} ms apart; load {os.getloadavg()[0]:.1f}\n"
    )
    print(table(ages))
    print(f"\n{ours.check_ledger()}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.playground", description="What the Playground's socket adds to a chunk.")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each way, eight seconds both (10)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # an exception, so that everything that was started ends
    folder = Path(os.environ.get("DATA_DIR", "").strip() or ROOT / ".data").resolve() / "bench"
    try:
        machine.require("cc")
        held = lock.take(folder)  # noqa: F841 - held until we end
        set_environment(folder / "instance")
        with ExitStack() as stack:
            run(folder, options.rounds, stack)
    except (machine.MissingProgram, LoadFailed, StartError, OSError) as error:
        print(f"bench-playground: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
