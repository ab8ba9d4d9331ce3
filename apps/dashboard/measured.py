"""What the gateway was measured to do: read from docs/performance.md, which `make bench` writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from django.conf import settings

SINGLE, BUSY = "Whole answers, 1 connection", "Whole answers, 64 connections"
OURS, OTHER = "ours", "LiteLLM"


@dataclass(frozen=True, slots=True)
class Measured:
    """As text, in the document's own digits: milliseconds, requests per second on one core."""

    added_p50_ms: str
    added_p99_ms: str
    per_second: str
    times_other: str  # how many times as many requests as LiteLLM; empty when that was not measured


@cache
def measured() -> Measured | None:
    """None while the document has no results, or none in the form we know."""
    return read((settings.BASE_DIR / "docs" / "performance.md").read_text())


def read(document: str) -> Measured | None:
    single, busy = _table(document, SINGLE), _table(document, BUSY)
    try:
        ours = busy[OURS]
        times = ours["× LiteLLM"] if OTHER in busy else ""
        return Measured(single[OURS]["added p50"], single[OURS]["added p99"], ours["requests/s"], times.strip("×–"))
    except KeyError:
        return None


def _table(document: str, title: str) -> dict[str, dict[str, str]]:
    """The rows of the first table under a heading, each by its first cell, as cells by the names of their columns."""
    _, _, rest = document.partition(f"### {title}\n")
    lines = [line for line in rest.partition("\n### ")[0].splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(rows[0], row, strict=False)) for row in rows[2:]}
