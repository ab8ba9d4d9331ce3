"""Many streams that say something now and then: how much later chunks arrive, what a chunk costs, and what an open stream needs of memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks import streams
from benchmarks.bench import Bench, say
from benchmarks.contenders import Contender
from benchmarks.loads import PACED, Load, LoadFailed
from benchmarks.machine import busy_ns, cpu_ns, memory_bytes, spent_ns
from benchmarks.report import Section
from benchmarks.rounds import wait_until_idle
from benchmarks.stats import percentile

LOAD = Load("paced streams", PACED, 1)
CHUNKS_PER_SECOND = 1000 / int(PACED.split("/")[2])
LASTING_S = int(PACED.split("/")[1]) / CHUNKS_PER_SECOND
OPENING_S, WATCHED_S = 12.0, 10.0
MANY, SOME, FEW = 1000, 300, 100
HEADER = [
    "",
    "streams",
    "p50 ms",
    "p99 ms",
    "added p50",
    "added p99",
    "CPU µs a chunk",
    "core",
    "memory MB",
    "over idle MB",
    "kB a stream",
    "disturbed",
]


@dataclass(frozen=True)
class Watched:
    """Ages of chunks in milliseconds; `cpu_us` is per chunk, `core` the share of it; memory in bytes."""

    streams: int
    p50_ms: float
    p99_ms: float
    cpu_us: float
    core: float
    idle: int
    memory: int
    disturbed: float


def watch(contender: Contender, count: int, core: int) -> Watched:
    """Opens the streams, watches all of them at once, and closes them. Raises LoadFailed when one failed or fell behind.

    `core` is the gateway's, to see what else works on it."""

    async def main() -> Watched:
        arrivals = streams.Arrivals()
        idle = memory_bytes(contender.pids())
        async with streams.opened(contender, LOAD, count, count / OPENING_S, arrivals) as opened:
            begin, before, busy_before = streams.now_us(), cpu_ns(contender.pids()), busy_ns(core)
            await asyncio.sleep(WATCHED_S)
            end, used = streams.now_us(), spent_ns(before, cpu_ns(contender.pids()))
            busy, memory = busy_ns(core) - busy_before, memory_bytes(contender.pids())
            bad = [stream for stream in opened if stream.status != 200 or stream.closed.done()]
        ages = arrivals.between(begin, end)
        expected = count * CHUNKS_PER_SECOND * (end - begin) / 1e6
        if bad or len(ages) < 0.95 * expected:
            raise LoadFailed(f"{contender.name}, {count} streams: {len(bad)} failed, {len(ages)} of {expected:.0f} chunks came in time")
        p50, p99 = percentile(ages, 50) / 1e3, percentile(ages, 99) / 1e3
        share = used / 1e3 / (end - begin)
        disturbed = min(1.0, max(0.0, busy / 1e3 / (end - begin) - (share if contender.name != "direct" else 0)))
        return Watched(count, p50, p99, used / 1e3 / len(ages), share, idle, memory, disturbed)

    return streams.run(main)


def measure(bench: Bench, counts: tuple[int, ...] = (FEW, SOME, MANY)) -> list[tuple[str, Watched]]:
    """By contender's name. LiteLLM is asked for the fewest alone, nginx and the backend for the fewest and the most."""
    found = []
    with bench.ours.gateway() as gateway:
        for count in counts:
            for contender in [*bench.others(), gateway]:
                if (contender.name == "LiteLLM" and count != FEW) or (contender.name != "ours" and count == SOME):
                    continue
                try:
                    watched = watch(contender, count, bench.cores.gateway)
                except LoadFailed as failure:
                    if contender is gateway:
                        raise
                    say(f"left out: {failure}")
                    continue
                finally:
                    wait_until_idle(contender)
                found.append((contender.name, watched))
                say(f"{count:>5} paced streams   {contender.name:<8} p99 {watched.p99_ms:.2f} ms, {watched.cpu_us:.0f} µs CPU a chunk")
    return found


def section(measured: list[tuple[str, Watched]]) -> Section:
    result = Section(f"paced streams, {CHUNKS_PER_SECOND:g} chunks a second each", HEADER)
    direct = {watched.streams: watched for name, watched in measured if name == "direct"}
    for name, w in measured:
        base = direct.get(w.streams) if name != "direct" else None
        result.rows.append(
            [
                name,
                str(w.streams),
                f"{w.p50_ms:.2f}",
                f"{w.p99_ms:.2f}",
                f"{w.p50_ms - base.p50_ms:.2f}" if base else "–",
                f"{w.p99_ms - base.p99_ms:.2f}" if base else "–",
                f"{w.cpu_us:.0f}",
                f"{w.core:.0%}",
                f"{w.memory / 1e6:.0f}",
                f"{(w.memory - w.idle) / 1e6:.1f}",
                f"{(w.memory - w.idle) / 1e3 / w.streams:.0f}",
                f"{w.disturbed:.0%}",
            ]
        )
    return result


def targets(measured: list[tuple[str, Watched]]) -> dict[str, float]:
    """What the targets ask about, by their keys."""
    many = {name: watched for name, watched in measured if watched.streams == MANY}
    ours, direct = many["ours"], many["direct"]
    return {"streams_memory_mb": (ours.memory - ours.idle) / 1e6, "streams_added_p99_ms": ours.p99_ms - direct.p99_ms}
