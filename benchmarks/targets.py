"""What the gateway is to reach, against what a run measured. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.report import Section


@dataclass(frozen=True)
class Target:
    """`at_least` says which way is good; `form` writes a value with its unit."""

    key: str
    text: str
    value: float
    at_least: bool
    form: str

    def reached(self, measured: float) -> bool:
        return measured >= self.value if self.at_least else measured <= self.value


TARGETS = (
    Target("whole_over_litellm", "whole answers, 64 connections: requests/s over LiteLLM's", 40, True, "{:.0f}×"),
    Target("burst_over_litellm", "streams of 50 chunks, 64 connections: requests/s over LiteLLM's", 120, True, "{:.0f}×"),
    Target("whole_cpu_over_nginx", "whole answers, 64 connections: CPU over nginx's", 15, False, "{:.1f}×"),
    Target("added_p50_ms", "one connection: added p50", 2, False, "{:.2f} ms"),
    Target("streams_memory_mb", "1,000 paced streams: memory over idle", 100, False, "{:.0f} MB"),
    Target("streams_added_p99_ms", "1,000 paced streams: added p99 of a chunk's delay", 20, False, "{:.1f} ms"),
    Target("messages_cpu", "streams in Anthropic's dialect: CPU over OpenAI's", 2, False, "{:.2f}×"),
    Target("two_processes", "two gateway processes over one, Postgres not the limit", 1.7, True, "{:.2f}×"),
    Target("hot_account_per_second", "one hot account, 64 connections: requests/s", 1000, True, "{:,.0f}"),
    Target("overcharged_usd", "after kills: USD charged beyond what was generated or delivered", 0, False, "{:.9f}"),
)


def section(measured: Mapping[str, float]) -> Section:
    """One row for each target that this run says something about."""
    result = Section("targets", ["", "measured", "target", "reached"])
    for target in TARGETS:
        if target.key in measured:
            value = measured[target.key]
            sign = "≥" if target.at_least else "≤"
            result.rows.append(
                [
                    target.text,
                    target.form.format(value),
                    f"{sign} {target.form.format(target.value)}",
                    "yes" if target.reached(value) else "NO",
                ]
            )
    return result
