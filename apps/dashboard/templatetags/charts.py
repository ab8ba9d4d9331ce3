"""What templates say about charts: `{% load charts %}`."""

from __future__ import annotations

from typing import Any

from django import template

from apps.core import figures
from apps.core.templatetags.figures import cost, tokens
from apps.dashboard.charts import Chart

register = template.Library()


@register.inclusion_tag("dashboard/_chart.html")
def chart(chart: Chart, title: str, note: str = "") -> dict[str, Any]:
    """`{% chart charts.spend "Spend a day" %}`: the drawing, its legend, and the table that says the same."""
    return {"chart": chart, "title": title, "note": note, "data_id": f"chart-{chart.name}-data"}


@register.filter
def figure(value: int | None, unit: str) -> str:
    """A value of a chart as its table shows it."""
    if value is None:
        return "–"
    if unit == "usd":
        return cost(value)
    if unit == "tokens":
        return tokens(value)
    return figures.seconds(value) if unit == "seconds" else figures.count(value)
