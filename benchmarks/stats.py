"""Small statistics. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

__all__ = ["median", "percentile", "ratio", "spread"]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank: always one that was measured).

    Raises ValueError for no values."""
    if not values:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def ratio(value: float, reference: float) -> str:
    """How many times `reference` a value is, with two figures that mean something."""
    if reference <= 0:
        return "–"
    times = value / reference
    return f"{times:.0f}×" if times >= 10 else f"{times:.1f}×" if times >= 1 else f"{times:.2f}×"


def spread(values: Sequence[float]) -> float:
    """Half of the range over the median: 0.1 says that all values are within about ten per cent of it."""
    middle = median(values)
    return (max(values) - min(values)) / 2 / middle if middle else 0.0
