"""What every page keeps: no violation that axe finds, in light and dark, and no sideways scrolling at any width."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.clients import node

FOLDER = Path(__file__).resolve().parent
WIDTHS = (320, 390, 640, 768, 1024, 1440, 1920)
HEIGHT = 900
# Best practices that are not about these pages: axe's own recommendation level is WCAG 2.2 AA plus its best practices.
RUN_AXE = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, failureSummary }) => `${html}\\n${failureSummary}`) }));
}"""


def assert_sound(page: Page, *, themes: tuple[str, ...] = ("light", "dark"), widths: tuple[int, ...] = WIDTHS) -> None:
    """Call it in every state of a page that looks different: empty, full, with errors, with a dialog open."""
    for theme in themes:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert_no_violations(page, theme)
    assert_never_scrolls_sideways(page, widths)


def assert_no_violations(page: Page, what: str = "") -> None:
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe())
    violations: list[dict[str, Any]] = page.evaluate(RUN_AXE)
    assert not violations, f"axe on {page.url} {what}:\n{json.dumps(violations, indent=1, ensure_ascii=False)}"


def assert_never_scrolls_sideways(page: Page, widths: tuple[int, ...] = WIDTHS) -> None:
    before = page.viewport_size
    for width in widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{page.url} is {wide} px wider than a window of {width} px: {page.evaluate(WIDEST)}"
    if before:
        page.set_viewport_size(before)


WIDEST = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .filter((one) => { while ((one = one.parentElement)) if (getComputedStyle(one).overflowX !== "visible") return false; return true; })
  .slice(0, 5).map((one) => one.outerHTML.slice(0, 160))"""


@cache
def _axe() -> str:
    node.install(FOLDER)
    return (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
