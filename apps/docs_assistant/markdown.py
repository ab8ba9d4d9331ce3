"""Markdown pages cut into sections (by headings) and blocks (paragraph, list, table, code), text kept verbatim."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

FENCE = re.compile(r"\s*(`{3,}|~{3,})")
HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*$")
LIST_ITEM = re.compile(r"\s*([-*+]|\d{1,3}[.)])\s")

Kind = Literal["text", "list", "table", "code"]


@dataclass(frozen=True)
class Block:
    kind: Kind
    text: str


@dataclass(frozen=True)
class Section:
    """What stands under one heading. `heading` is empty for the text between a page's title and its first heading."""

    slug: str
    page: str
    parents: tuple[str, ...]
    heading: str
    blocks: tuple[Block, ...]

    @property
    def label(self) -> str:
        return f"{self.page} › {self.heading}" if self.heading else self.page

    @property
    def reference(self) -> str:
        """The line that says where a passage comes from."""
        return f"See: {self.label} (/docs/{self.slug})"

    @property
    def text(self) -> str:
        return "\n\n".join(block.text for block in self.blocks)


def parse(slug: str, source: str) -> list[Section]:
    """The sections of a page that have any text. The first `# Title` line names the page; without one, its slug does."""
    title = slug.replace("-", " ").capitalize()
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    seen_title = False
    fence = ""

    def close() -> None:
        blocks = _blocks(lines)
        if blocks:
            names = tuple(name for _, name in path)
            sections.append(Section(slug, title, names[:-1], names[-1] if names else "", blocks))
        lines.clear()

    # Only "\n" ends a line: str.splitlines would also break at U+2028 and its like, which belong to the text.
    for line in source.replace("\r\n", "\n").split("\n"):
        fence = _fence_after(line, fence)
        heading = None if fence else HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        close()
        level, name = len(heading[1]), heading[2]
        if level == 1 and not seen_title:
            title, seen_title = name, True
            continue
        path = [*(entry for entry in path if entry[0] < level), (level, name)]
    close()
    return sections


def _fence_after(line: str, fence: str) -> str:
    """The fence that is open after this line; empty outside of code."""
    mark = FENCE.match(line)
    if not mark:
        return fence
    if not fence:
        return mark[1]
    return "" if mark[1].startswith(fence) else fence


def _blocks(lines: list[str]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    current: list[str] = []
    fence = ""

    def close(kind: Kind | None = None) -> None:
        if any(line.strip() for line in current):
            blocks.append(Block(kind or _kind(current[0]), "\n".join(current)))
        current.clear()

    for line in lines:
        before, fence = fence, _fence_after(line, fence)
        if fence and not before:
            close()
        if before or fence:
            current.append(line)
            if before and not fence:
                close("code")
        elif line.strip():
            if current and _kind(line) != _kind(current[0]) and _kind(current[0]) != "list":
                close()
            current.append(line)
        else:
            close()
    close("code" if fence else None)
    return tuple(blocks)


def _kind(line: str) -> Kind:
    if line.lstrip().startswith("|"):
        return "table"
    return "list" if LIST_ITEM.match(line) else "text"


def first_cell(row: str) -> str:
    """The text of the first cell of a table's row."""
    return row.strip().strip("|").split("|")[0].strip()
