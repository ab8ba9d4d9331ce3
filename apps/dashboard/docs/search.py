"""Searching the guide: the ranking of the docs assistant, shown as sections with the words that were found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from apps.dashboard.docs.library import FOLDER
from apps.dashboard.docs.markdown import anchor_of
from apps.docs_assistant.markdown import Section
from apps.docs_assistant.retrieval import Library
from apps.docs_assistant.terms import stem, terms

MOST_RESULTS = 12
MOST_CHARACTERS = 200  # of a question that are read
EXCERPT = 180  # characters
WORD = re.compile(r"\w+")
MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)|[`*]|^\s*(?:[-+>]|\d+[.)])\s+|^\|[-:| ]+\|$", re.MULTILINE)

_library = Library(FOLDER)


@dataclass(frozen=True, slots=True)
class Result:
    """A section of a page. `excerpt` is HTML in which what was looked for is marked."""

    page: str
    heading: str
    url: str
    excerpt: SafeString


def search(question: str) -> Sequence[Result]:
    """The sections that answer best, best first. A word at the end that is only begun counts as those it may become."""
    asked = terms(question[:MOST_CHARACTERS])
    index = _library.index()
    concepts = index.concepts(asked)
    last = (WORD.findall(question[:MOST_CHARACTERS].lower()) or [""])[-1]
    if concepts and len(last) > 2 and stem(last) in concepts[-1]:
        concepts[-1] = index.completions(last) | concepts[-1]
    found = {term for concept in concepts for term in concept}
    return [_result(hit.section, found) for hit in index.search(concepts, MOST_RESULTS)]


def _result(section: Section, found: set[str]) -> Result:
    anchor = f"#{anchor_of(section.heading)}" if section.heading else ""
    heading = MARKUP.sub(r"\1", section.heading)
    return Result(section.page, heading, f"{reverse('docs-page', args=[section.slug])}{anchor}", _excerpt(section, found))


def _excerpt(section: Section, found: set[str]) -> SafeString:
    """A few lines from where the first of the words stands."""
    prose = [block.text for block in section.blocks if block.kind != "code"] or [section.text]
    text = " ".join(MARKUP.sub(r"\1", "\n".join(prose)).replace("|", " ").split())
    first = next((match.start() for match in WORD.finditer(text) if stem(match.group().lower()) in found), 0)
    start = text.rfind(" ", 0, max(0, first - EXCERPT // 3)) + 1
    cut = text[start : start + EXCERPT].rpartition(" ")[0] if len(text) - start > EXCERPT else text[start:]
    parts, at = [], 0
    for match in WORD.finditer(cut):
        if stem(match.group().lower()) in found:
            parts += [escape(cut[at : match.start()]), f"<mark>{escape(match.group())}</mark>"]
            at = match.end()
    whole = "".join([*parts, escape(cut[at:])])
    return mark_safe(f"{'… ' if start else ''}{whole}{' …' if start + len(cut) < len(text) else ''}")  # noqa: S308 - its parts are escaped
