"""What the translation of a stream costs: the same answers in OpenAI's dialect and in Anthropic's, from the same gateway."""

from __future__ import annotations

from benchmarks.bench import Bench, say
from benchmarks.loads import BURST_64, MESSAGES_64
from benchmarks.report import Section
from benchmarks.rounds import Figures, interleave
from benchmarks.stats import ratio


def measure(bench: Bench) -> tuple[Section, float]:
    """Also returns the ratio of their CPU."""
    with bench.ours.gateway() as gateway:
        samples = interleave(bench, [gateway], [BURST_64, MESSAGES_64], say)
    result = Section("dialects", ["", "requests/s", "CPU µs", "× OpenAI", "p50 ms", "p99 ms"])
    figures = [(load, Figures.of(samples[gateway.name, load])) for load in (BURST_64, MESSAGES_64)]
    plain = figures[0][1]
    for load, f in figures:
        row = [
            load.name,
            f"{f.per_second:,.0f}",
            f"{f.cpu_us:,.0f}",
            ratio(f.cpu_us, plain.cpu_us),
            f"{f.p50_us / 1e3:,.1f}",
            f"{f.p99_us / 1e3:,.1f}",
        ]
        result.rows.append(row)
    return result, figures[1][1].cpu_us / plain.cpu_us
