"""Markdown → HTML of a page of the guide, with one fixed configuration: CommonMark and tables, no raw HTML, no scripts in links.

Code comes in the same looks and colours as everywhere on the site; headings get anchors, tables may scroll by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from apps.core.code_samples import Sample, highlighted

# As a fence names a language → as apps/core/code_samples.py does, and as readers do.
LANGUAGES = {
    "bash": ("shell", "Terminal"),
    "python": ("python", "Python"),
    "javascript": ("javascript", "JavaScript"),
    "typescript": ("javascript", "TypeScript"),
    "json": ("json", "JSON"),
    "": ("", "Text"),
}


@dataclass(frozen=True, slots=True)
class Heading:
    """`anchor` is unique on its page; `level` is 2 or more."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Document:
    """A page as it is shown. `summary` is its first paragraph as text."""

    title: str
    summary: str
    html: SafeString
    headings: Sequence[Heading]


def anchor_of(text: str, taken: set[str] | frozenset[str] = frozenset()) -> str:
    """A heading's part of an address: `how-do-i-create-a-key`; with a number where the page has it already."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
    anchor, number = plain, 2
    while anchor in taken:
        anchor, number = f"{plain}-{number}", number + 1
    return anchor


def render(source: str, addresses: dict[str, str] | None = None) -> Document:
    """The page; its title is its first heading, which the HTML begins with.

    `addresses`: in code, what stands for what, so that samples name the installation that shows them.
    """
    page: dict[str, Any] = {"anchors": _Anchors(), "addresses": addresses or {}, "samples": 0, "tables": 0}
    tokens = _markdown.parse(source)
    title = _text_of(tokens[1]) if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1" else ""
    summary = next((_text_of(after) for before, after in pairwise(tokens) if before.type == "paragraph_open"), "")
    for before, after in pairwise(tokens):
        if before.type == "heading_open" and before.tag != "h1":
            heading = page["anchors"].add(int(before.tag[1:]), _text_of(after))
            before.attrSet("id", heading.anchor)
            before.meta["heading"] = heading
    html = _markdown.renderer.render(tokens, _markdown.options, page)
    return Document(title, summary, mark_safe(html), page["anchors"].headings)  # noqa: S308 - the renderer escapes, raw HTML is off


@dataclass(slots=True)
class _Anchors:
    headings: list[Heading] = field(default_factory=list)

    def add(self, level: int, text: str) -> Heading:
        heading = Heading(level, text, anchor_of(text, {known.anchor for known in self.headings}))
        self.headings.append(heading)
        return heading


def _text_of(inline: Token) -> str:
    """What a reader sees of it, without its markup."""
    children = inline.children or []
    return "".join(" " if child.type in ("softbreak", "hardbreak") else child.content for child in children).strip()


class _Renderer(RendererHTML):
    """The house's markup for what Markdown has. Each method draws one kind of token; `env` is the page's own state."""

    def heading_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        heading = tokens[at - 2].meta.get("heading")
        close = f"</{tokens[at].tag}>\n"
        return render_to_string("dashboard/docs/_anchor.html", {"heading": heading}).strip() + close if heading else close

    def fence(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        language, label = LANGUAGES.get(tokens[at].info.strip(), ("", tokens[at].info.strip()))
        text = tokens[at].content.rstrip("\n")
        for stands, means in env["addresses"].items():
            text = text.replace(stands, means)
        env["samples"] += 1
        return render_to_string("dashboard/docs/_code.html", {"sample": Sample(language, label, text), "number": str(env["samples"])})

    def code_block(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return f'<div class="code"><pre>{highlighted(tokens[at].content, "")}</pre></div>\n'

    def code_inline(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return f'<code class="inline-code">{escape(tokens[at].content)}</code>'

    def table_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        env["tables"] += 1
        label = f'tabindex="0" role="region" aria-label="Table {env["tables"]}"'
        return f'<div class="card"><div class="table-wrap" {label}><table class="table prose-table">\n'

    def table_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return "</table></div></div>\n"

    def th_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return '<th scope="col">'

    def td_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return "<td>"  # without the style attribute that an alignment would bring and the policy would block


# `html: False` escapes what looks like HTML; markdown-it refuses javascript:, vbscript:, file: and data: addresses by itself.
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False}, renderer_cls=_Renderer).enable("table")
