"""Finding the sections of the documentation that answer a question: BM25 over headings and text.

`Library` reads a folder of Markdown pages and reads it again when a page changed; `Index` ranks. Both are plain
synchronous code: a folder of pages is small, and looking at its file stamps costs microseconds.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from apps.docs_assistant.markdown import Section, first_cell, parse
from apps.docs_assistant.terms import RELATED, stem, terms, words

logger = logging.getLogger(__name__)

K1, B = 1.2, 0.6
HEADING_WEIGHT, PAGE_WEIGHT, PARENT_WEIGHT, ROW_WEIGHT = 4, 2, 1, 2
HEADING_BONUS = 0.4  # for a section whose heading is all in the question
SYNONYM_FACTOR, SPELLING_FACTOR, COMPLETION_FACTOR = 0.4, 0.7, 0.8
MAX_QUERY_TERMS = 48
MAX_SPELLING_LOOKUPS = 3
MIN_SPELLING_LENGTH, MAX_SPELLING_LENGTH = 5, 20
MIN_SPELLING_RATIO = 0.84

# One word of a question with the other terms that would do for it, each with its weight (the word itself has the most).
Concept = dict[str, float]


@dataclass(frozen=True)
class Hit:
    section: Section
    score: float


class Index:
    """A ranked search over sections."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self.sections = list(sections)
        self._lengths: list[int] = []
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, section in enumerate(self.sections):
            counts = _counts(section)
            self._lengths.append(sum(counts.values()))
            for term, times in counts.items():
                self._postings[term].append((number, times))
        self._average = sum(self._lengths) / max(1, len(self._lengths))

    def idf(self, term: str) -> float:
        """How much a term tells; one that no section has tells most."""
        found = len(self._postings.get(term, ()))
        return math.log(1 + (len(self.sections) - found + 0.5) / (found + 0.5))

    def concepts(self, asked: Iterable[str], weight: float = 1.0) -> list[Concept]:
        """What the terms of a question stand for: each with its synonyms and, if no page has it, its likely spelling."""
        concepts: list[Concept] = []
        lookups = 0
        for word in list(dict.fromkeys(asked))[:MAX_QUERY_TERMS]:
            concept = dict.fromkeys(RELATED.get(word, ()), weight * SYNONYM_FACTOR)
            unknown = word not in self._postings and word.isalpha() and MIN_SPELLING_LENGTH <= len(word) <= MAX_SPELLING_LENGTH
            if unknown and lookups < MAX_SPELLING_LOOKUPS:
                lookups += 1
                for other in get_close_matches(word, self._spellings, n=1, cutoff=MIN_SPELLING_RATIO):
                    concept[stem(other)] = weight * SPELLING_FACTOR
            concept[word] = weight
            concepts.append(concept)
        return concepts

    def completions(self, beginning: str) -> Concept:
        """The terms that a word may become which is still being typed."""
        return {stem(word): COMPLETION_FACTOR for word in self._spellings if word.startswith(beginning)}

    def search(self, concepts: Iterable[Concept], limit: int = 3) -> list[Hit]:
        """The best sections, best first; equal ones in the order of the pages. A concept counts once a section, by its best term."""
        scores: dict[int, float] = defaultdict(float)
        asked: set[str] = set()
        for concept in concepts:
            best: dict[int, float] = defaultdict(float)
            for term, weight in concept.items():
                idf = self.idf(term)
                for number, times in self._postings.get(term, ()):
                    norm = K1 * (1 - B + B * self._lengths[number] / self._average)
                    best[number] = max(best[number], weight * idf * times * (K1 + 1) / (times + norm))
            for number, score in best.items():
                scores[number] += score
            asked.update(concept)
        hits = [
            Hit(self.sections[number], score * (1 + HEADING_BONUS * _heading_share(self.sections[number], asked)))
            for number, score in sorted(scores.items())
        ]
        return sorted(hits, key=lambda hit: -hit.score)[:limit]

    def coverage(self, section: Section, concepts: Iterable[Concept]) -> float:
        """Which share (0 … 1) of what a question's words tell is found in a section, synonyms and spellings counted less."""
        present = _counts(section)
        total = matched = 0.0
        for concept in concepts:
            word, weight = max(concept.items(), key=lambda item: item[1])
            idf = self.idf(word)
            total += idf * weight
            matched += idf * max((weight for term, weight in concept.items() if term in present), default=0.0)
        return matched / total if total else 0.0

    @cached_property
    def _spellings(self) -> list[str]:
        """The words of all pages that a misspelt word may have meant."""
        return sorted(
            {word for section in self.sections for word in words(f"{section.heading} {section.text}") if len(word) >= MIN_SPELLING_LENGTH}
        )


def _heading_share(section: Section, asked: Collection[str]) -> float:
    heading = set(terms(section.heading))
    return len(heading.intersection(asked)) / len(heading) if heading else 0.0


def _counts(section: Section) -> Counter[str]:
    counts = Counter(terms(section.text))
    weighted = [(section.heading, HEADING_WEIGHT), (section.page, PAGE_WEIGHT), *((name, PARENT_WEIGHT) for name in section.parents)]
    # What stands in the first cell of a table's row is what the row is about.
    weighted += [(first_cell(row), ROW_WEIGHT) for block in section.blocks if block.kind == "table" for row in block.text.split("\n")]
    for text, weight in weighted:
        for term in terms(text):
            counts[term] += weight
    return counts


class DocsUnreadable(Exception):
    """The folder of the documentation is missing or has no pages."""


class Library:
    """The documentation in a folder: one `*.md` file a page, the file's name without its ending is the page's slug."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stamps: dict[str, tuple[int, int]] = {}
        self._pages: dict[str, list[Section]] = {}
        self._index = Index([])

    def open(self) -> None:
        """Read all pages. DocsUnreadable when there are none."""
        if not self.index().sections:
            raise DocsUnreadable(f"DOCS_DIR={self.folder} has no Markdown pages: point it at the folder that holds the guide's *.md files.")

    def index(self) -> Index:
        """The search over the pages as they are on disk now. What cannot be read, page or folder, stays as it was read before."""
        stamps = self._look()
        if stamps != self._stamps:
            self._pages = {
                slug: self._pages[slug] if self._stamps.get(slug) == stamp else self._read(slug) for slug, stamp in stamps.items()
            } or self._pages
            self._index = Index([section for page in self._pages.values() for section in page])
            self._stamps = stamps
        return self._index

    def _look(self) -> dict[str, tuple[int, int]]:
        """Modification time and size of each page; none when there is no folder to look at."""
        try:
            with os.scandir(self.folder) as entries:
                states = {entry.name[:-3]: entry.stat() for entry in entries if entry.name.endswith(".md") and entry.is_file()}
        except OSError as error:
            if self._stamps:
                logger.warning("the documentation cannot be read, answering from what was read before: %s", error)
            return {}
        return {slug: (state.st_mtime_ns, state.st_size) for slug, state in sorted(states.items())}

    def _read(self, slug: str) -> list[Section]:
        try:
            return parse(slug, (self.folder / f"{slug}.md").read_bytes().decode(errors="replace"))
        except OSError as error:
            logger.warning("the page %s cannot be read: %s", slug, error)
            return self._pages.get(slug, [])
