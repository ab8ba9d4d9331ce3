"""How the cost of a request grows: with the size of its prompt, the number of accounts, and the number of gateway processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from akashml.runner.process import spawn
from benchmarks.bench import Bench, say
from benchmarks.contenders import Contender, stop
from benchmarks.loads import WHOLE_64, Load
from benchmarks.machine import pinned
from benchmarks.report import Section
from benchmarks.rounds import Figures, Sample, interleave, sample, warm
from benchmarks.stats import ratio

PROMPTS = {"1 kB": 1_000, "10 kB": 10_000, "100 kB": 100_000, "1 MB": 1_000_000}
PROMPT_CONNECTIONS = 16
PROCESS_CONNECTIONS = 128  # both processes are to have enough to do, however connections fall to them


def prompts(bench: Bench) -> Section:
    """Whole answers to prompts of growing size, beside nginx, which reads and writes the same bytes and looks at none."""
    loads = {
        size: Load(f"whole answers to {size}", WHOLE_64.answer, PROMPT_CONNECTIONS, prompt_bytes=count) for size, count in PROMPTS.items()
    }
    with bench.ours.gateway() as gateway:
        contenders: list[Contender] = [bench.nginx, gateway]
        samples = interleave(bench, contenders, list(loads.values()), say)
    result = Section(
        f"by size of the prompt, {PROMPT_CONNECTIONS} connections", ["", "requests/s", "CPU µs", "nginx's CPU µs", "× nginx", "Postgres µs"]
    )
    for size, load in loads.items():
        ours, nginx = Figures.of(samples["ours", load]), Figures.of(samples["nginx", load])
        result.rows.append(
            [
                size,
                f"{ours.per_second:,.0f}",
                f"{ours.cpu_us:,.0f}",
                f"{nginx.cpu_us:,.0f}",
                ratio(ours.cpu_us, nginx.cpu_us),
                f"{ours.database_us:,.0f}",
            ]
        )
    return result


def accounts(bench: Bench) -> tuple[Section, float]:
    """All requests on one account, whose row is a lock, and spread over a thousand. Also returns requests/s of the one."""
    crowd = bench.ours.crowd
    with bench.ours.gateway() as gateway:
        one, many = replace(gateway, name="one account"), replace(gateway, name=f"{len(crowd):,} accounts", tokens=crowd)
        samples = interleave(bench, [one, many], [WHOLE_64], say)
    result = Section("one hot account or many, 64 connections", ["", "requests/s", "CPU µs", "Postgres µs", "p50 ms", "p99 ms"])
    figures = {who.name: Figures.of(samples[who.name, WHOLE_64]) for who in (one, many)}
    for name, f in figures.items():
        row = [
            name,
            f"{f.per_second:,.0f}",
            f"{f.cpu_us:,.0f}",
            f"{f.database_us:,.0f}",
            f"{f.p50_us / 1e3:,.1f}",
            f"{f.p99_us / 1e3:,.1f}",
        ]
        result.rows.append(row)
    return result, figures[one.name].per_second


def processes(bench: Bench) -> tuple[Section, float]:
    """One gateway process and two. Also returns the ratio of their requests/s on slow cores.

    With two cores in all, a second gateway on a core of its own takes that core from Postgres, the load and the backend. So
    cores are made slow instead: endless loops share the gateway's core, so that each gateway process has a quarter of it, and
    the other core has room for what two of them need. Then the same with two whole cores, where everything shares both."""
    load = replace(WHOLE_64, name=f"whole answers, {PROCESS_CONNECTIONS} connections", connections=PROCESS_CONNECTIONS)
    cores = (bench.cores.gateway, bench.cores.load)
    result = Section("gateway processes", ["", "requests/s", "CPU µs", "Postgres µs", "p50 ms", "p99 ms", "other core"])
    taken: dict[str, list[Sample]] = {}
    crowd = bench.ours.crowd  # many accounts: a single one would be a lock that the processes share
    with (
        bench.ours.gateway(1, tokens=crowd) as one,
        bench.ours.gateway(2, tokens=crowd) as two,
        bench.ours.gateway(2, cores, tokens=crowd) as two_whole,
    ):
        settings = [
            ("one, on a quarter of a core", one, 3),
            ("two, on a quarter of a core each", two, 2),
            ("one, on a core", one, 0),
            ("two, on a core each, which Postgres and the load share", two_whole, 0),
        ]
        for gateway in (one, two, two_whole):
            warm(bench, gateway, load)
        for number in range(1, bench.rounds + 1):
            for name, gateway, loops in settings:
                with endless_loops(loops, bench.cores.gateway):
                    measured = sample(bench, gateway, load)
                taken.setdefault(name, []).append(measured)
                say(f"round {number}/{bench.rounds}  {name:<55} {measured.per_second:>8,.0f}/s  {measured.cpu_us:>7,.0f} µs CPU")
    figures = {name: Figures.of(samples) for name, samples in taken.items()}
    for name, f in figures.items():
        result.rows.append(
            [
                name,
                f"{f.per_second:,.0f}",
                f"{f.cpu_us:,.0f}",
                f"{f.database_us:,.0f}",
                f"{f.p50_us / 1e3:,.1f}",
                f"{f.p99_us / 1e3:,.1f}",
                f"{f.load_core_share:.0%}",
            ]
        )
    return result, figures[settings[1][0]].per_second / figures[settings[0][0]].per_second


@contextmanager
def endless_loops(count: int, core: int) -> Iterator[None]:
    """So many programs that use whatever the scheduler gives them of a core: each as much as a gateway process beside them."""
    log = Path(os.devnull)
    with ExitStack() as stack:
        with pinned(core):
            for _ in range(count):
                stack.callback(stop, spawn([sys.executable, "-c", "while True: pass"], log=log, death_signal=signal.SIGKILL))
        yield
