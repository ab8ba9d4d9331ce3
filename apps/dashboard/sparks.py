"""Small lines beside a figure, as SVG: they show a course, not values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, TOP = 72, 28, 2


@dataclass(frozen=True, slots=True)
class Spark:
    """`points` of the line and `area` below it, for SVG; (`x`, `y`) is its end. Without points there is nothing to draw."""

    points: str = ""
    area: str = ""
    x: str = ""
    y: str = ""


def spark(values: Sequence[int]) -> Spark:
    """From zero at the bottom to the highest value; empty for fewer than two values, or nothing but zeros."""
    highest = max(values, default=0)
    if len(values) < 2 or highest <= 0:
        return Spark()
    places = [
        (number * WIDTH / (len(values) - 1), HEIGHT - TOP - value * (HEIGHT - 2 * TOP) / highest) for number, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    return Spark(line, f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}", f"{x:.1f}", f"{y:.1f}")
