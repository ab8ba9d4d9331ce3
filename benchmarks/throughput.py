"""How many requests one process on one core answers, what each costs, and how much later answers come."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.bench import Bench, say
from benchmarks.contenders import Contender
from benchmarks.loads import BURST_64, WHOLE_1, WHOLE_64, Load
from benchmarks.report import Section
from benchmarks.rounds import Figures, interleave
from benchmarks.stats import ratio

HEADER = [
    *("", "requests/s", "±", "× LiteLLM", "CPU µs", "× nginx", "Postgres µs"),
    *("p50 ms", "p99 ms", "added p50", "added p99", "other core", "disturbed"),
]


def measure(bench: Bench, loads: Sequence[Load]) -> dict[Load, dict[str, Figures]]:
    """Each load on every contender of this run, interleaved."""
    with bench.ours.gateway() as gateway:
        contenders: list[Contender] = [*bench.others(), gateway]
        samples = interleave(bench, contenders, loads, say)
    return {load: {contender.name: Figures.of(samples[contender.name, load]) for contender in contenders} for load in loads}


def sections(measured: dict[Load, dict[str, Figures]]) -> list[Section]:
    return [section(load, figures) for load, figures in measured.items()]


def section(load: Load, figures: dict[str, Figures]) -> Section:
    result = Section(load.name, HEADER)
    direct, nginx, litellm = figures["direct"], figures["nginx"], figures.get("LiteLLM")
    for name, f in figures.items():
        between = name != "direct"
        result.rows.append(
            [
                name,
                f"{f.per_second:,.0f}",
                f"{f.spread:.0%}" if f.rounds > 1 else "–",
                ratio(f.per_second, litellm.per_second) if litellm else "–",
                f"{f.cpu_us:,.0f}",
                ratio(f.cpu_us, nginx.cpu_us) if between else "–",
                f"{f.database_us:,.0f}" if name == "ours" else "–",
                f"{f.p50_us / 1e3:,.2f}",
                f"{f.p99_us / 1e3:,.2f}",
                f"{(f.p50_us - direct.p50_us) / 1e3:,.2f}" if between else "–",
                f"{(f.p99_us - direct.p99_us) / 1e3:,.2f}" if between else "–",
                f"{f.load_core_share:.0%}",
                f"{f.disturbed:.0%}",
            ]
        )
    return result


def targets(measured: dict[Load, dict[str, Figures]]) -> dict[str, float]:
    """What the targets ask about, by their keys."""
    found = {}
    for load, figures in measured.items():
        ours, nginx, direct, litellm = figures["ours"], figures["nginx"], figures["direct"], figures.get("LiteLLM")
        if load == WHOLE_64:
            found["whole_cpu_over_nginx"] = ours.cpu_us / nginx.cpu_us
        if load == WHOLE_1:
            found["added_p50_ms"] = (ours.p50_us - direct.p50_us) / 1e3
        if litellm and load in (WHOLE_64, BURST_64):
            found["whole_over_litellm" if load == WHOLE_64 else "burst_over_litellm"] = ours.per_second / litellm.per_second
    return found
