"""What templates say about charts: `{% load charts %}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString

from apps.core import figures
from apps.core.templatetags.figures import cost, tokens
from apps.dashboard.charts import Chart, Unit

register = template.Library()
# A value of a chart as its table shows it: markup without anything to escape.
CELLS: dict[Unit, Callable[[int], str]] = {"usd": cost, "tokens": tokens, "count": figures.count, "seconds": figures.seconds}
NOTHING = "–"


@register.inclusion_tag("dashboard/_chart.html")
def chart(chart: Chart, title: str, note: str = "") -> dict[str, Any]:
    """`{% chart charts.spend "Spend a day" %}`: the drawing, its legend, and the table that says the same."""
    return {"chart": chart, "title": title, "note": note, "data_id": f"chart-{chart.name}-data"}


@register.simple_tag
def chart_rows(chart: Chart) -> SafeString:
    """The rows of the table behind a chart. No loop of a template, which takes several times as long: a page has thousands of cells."""
    show = CELLS[chart.unit]
    rows = []
    for when, values in chart.rows:
        cells = [f'<td class="n">{NOTHING if value is None else show(value)}</td>' for value in values]
        rows.append(f'<tr><th scope="row">{escape(when)}</th>{"".join(cells)}</tr>')
    return SafeString("".join(rows))
