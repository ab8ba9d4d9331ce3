"""Putting the same loads on all contenders in turn, so that what else the machine does meanwhile falls on all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from benchmarks.bench import Bench
from benchmarks.contenders import Contender
from benchmarks.loads import Answered, Load, LoadFailed, put
from benchmarks.machine import busy_ns, cpu_ns, spent_ns
from benchmarks.stats import median, spread

LONGEST_S = 120.0
IDLE_LOOK_S, IDLE_SHARE = 0.2, 0.1  # idle: less than a tenth of a core for a fifth of a second


@dataclass(frozen=True)
class Sample:
    """One load on one contender for some seconds. CPU times in microseconds per request; shares are of a core's time."""

    answered: Answered
    cpu_us: float
    database_us: float
    disturbed: float  # the gateway's core, by what is not measured
    load_core_share: float

    @property
    def per_second(self) -> float:
        return self.answered.requests / self.answered.seconds


@dataclass(frozen=True)
class Figures:
    """The medians of some samples; `spread` is half the range of requests/s over their median."""

    rounds: int
    per_second: float
    spread: float
    cpu_us: float
    database_us: float
    p50_us: float
    p99_us: float
    disturbed: float
    load_core_share: float

    @staticmethod
    def of(samples: Sequence[Sample]) -> Figures:
        def middle(read: Callable[[Sample], float]) -> float:
            return median([read(sample) for sample in samples])

        return Figures(
            rounds=len(samples),
            per_second=middle(lambda s: s.per_second),
            spread=spread([sample.per_second for sample in samples]),
            cpu_us=middle(lambda s: s.cpu_us),
            database_us=middle(lambda s: s.database_us),
            p50_us=middle(lambda s: s.answered.p50_us),
            p99_us=middle(lambda s: s.answered.p99_us),
            disturbed=middle(lambda s: s.disturbed),
            load_core_share=middle(lambda s: s.load_core_share),
        )


def sample(bench: Bench, contender: Contender, load: Load) -> Sample:
    """As long as this run measures, or longer, until every connection has had an answer. Raises LoadFailed when one was refused or broke."""
    cores, seconds = bench.cores, bench.seconds * contender.slowness
    while True:
        before, database_before = cpu_ns(contender.pids()), cpu_ns(bench.database())
        core_before, load_core_before = busy_ns(cores.gateway), busy_ns(cores.load)
        answered = put(load, contender.url(load), contender.tokens, seconds, bench.folder)
        used = spent_ns(before, cpu_ns(contender.pids()))
        database_used = spent_ns(database_before, cpu_ns(bench.database()))
        core, load_core = busy_ns(cores.gateway) - core_before, busy_ns(cores.load) - load_core_before
        wait_until_idle(contender)
        if answered.refused or answered.broken:
            raise LoadFailed(f"{contender.name}, {load.name}: {answered.refused} answers refused, {answered.broken} broken")
        if answered.requests >= load.connections:
            break
        if seconds > LONGEST_S:
            raise LoadFailed(f"{contender.name}, {load.name}: {answered.requests} answers in {seconds:g} s")
        seconds *= 2
    ns = answered.seconds * 1e9
    of_ours = used if contender.name != "direct" else 0  # the backend works on the other core
    return Sample(
        answered,
        cpu_us=used / answered.requests / 1e3,
        database_us=database_used / answered.requests / 1e3,
        disturbed=min(1.0, max(0.0, (core - of_ours) / ns)),
        load_core_share=min(1.0, load_core / ns),
    )


def warm(bench: Bench, contender: Contender, load: Load) -> None:
    """Fill caches and have every customer known: each of the contender's tokens is used twice."""
    asked = 0
    while asked < 2 * len(contender.tokens):
        asked += put(load, contender.url(load), contender.tokens, contender.slowness, bench.folder).requests
    wait_until_idle(contender)


def wait_until_idle(contender: Contender) -> None:
    """What wrk gave up when its time was over may still be worked on: that must not be counted against who is next."""
    deadline = time.monotonic() + LONGEST_S
    used = cpu_ns(contender.pids())
    while time.monotonic() < deadline:
        time.sleep(IDLE_LOOK_S)
        before, used = used, cpu_ns(contender.pids())
        if spent_ns(before, used) < IDLE_SHARE * IDLE_LOOK_S * 1e9:
            return
    raise LoadFailed(f"{contender.name} still works {LONGEST_S:g} s after the load has ended")


def check_answer(contender: Contender, load: Load) -> None:
    """One request, looked at as a whole: a figure for wrong answers is none. Raises LoadFailed."""
    headers = {"Authorization": f"Bearer {contender.tokens[0]}", "Content-Type": "application/json"}
    answer = httpx.post(contender.url(load), content=load.body(), headers=headers, timeout=60)
    if answer.status_code != 200:
        raise LoadFailed(f"{contender.name} answers {answer.status_code}: {answer.text[:500]}")
    if not load.streamed:
        right = answer.json()["usage"]["completion_tokens"] == 50
    else:
        chunks = int(load.answer.split("/")[1])
        piece, end = ('"text_delta"', 'data: {"type":"message_stop"}') if load.messages else ('"content":', "data: [DONE]")
        right = answer.text.count(piece) >= chunks and answer.text.rstrip().endswith(end)
    if not right:
        raise LoadFailed(f"{contender.name} answers {load.name} wrongly: {answer.text[:2000]}")


def interleave(
    bench: Bench, contenders: Sequence[Contender], loads: Sequence[Load], say: Callable[[str], None]
) -> dict[tuple[str, Load], list[Sample]]:
    """The samples by contender's name and load: each load on each contender, `bench.rounds` times around. Raises LoadFailed."""
    found: dict[tuple[str, Load], list[Sample]] = {}
    for contender in contenders:
        for load in loads:
            check_answer(contender, load)
            warm(bench, contender, load)
    for number in range(1, bench.rounds + 1):
        for load in loads:
            for contender in contenders:
                taken = sample(bench, contender, load)
                found.setdefault((contender.name, load), []).append(taken)
                say(
                    f"round {number}/{bench.rounds}  {load.name:<50} {contender.name:<8} {taken.per_second:>8,.0f}/s  {taken.cpu_us:>7,.0f} µs CPU"
                )
    return found
