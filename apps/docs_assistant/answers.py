"""An answer to a conversation: the best passages of the documentation, word for word, with where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from apps.docs_assistant.markdown import Block, Section, first_cell
from apps.docs_assistant.retrieval import Concept, Index
from apps.docs_assistant.terms import is_small_talk, terms

INTRODUCTION = (
    "Hello! I am the documentation assistant of AkashML. I find the passages of the platform's documentation that fit a question "
    "and quote them. I am a search, not a language model: I cannot chat, write or calculate."
)
NO_MATCH = (
    "I found nothing in the documentation that answers this. I only quote AkashML's documentation; I am a search, not a language model."
)
SECTION_CHARACTERS = 1_400
SECOND_CHARACTERS = 800
SECOND_SHARE = 0.78  # a second section is quoted when it scores at least this share of the best one
LEAST_COVERAGE = 0.34  # below this share of the question's weight in the best section, there is no honest answer
OWN_WORD = 1.0  # the weight of a word that stands in the question itself
EARLIER_TURNS = 3
EARLIER_WEIGHT = 0.3
QUESTION_CHARACTERS = 4_000
SENTENCE_END = re.compile(r"(?<=[.!?:]) +(?=\S)")


Weights = Mapping[str, float]


def answer(index: Index, turns: Sequence[str]) -> str:
    """The answer to the last of a conversation's user turns (oldest first); earlier turns give it context."""
    question, earlier = (_clip(turns[-1]), [_clip(turn) for turn in turns[-1 - EARLIER_TURNS : -1]]) if turns else ("", [])
    words = terms(question)
    context = [word for turn in earlier for word in terms(turn) if word not in words]
    if not words:  # "Why?", "Tell me more": the earlier turns are all there is to go by
        words, context = context, []
    if not words or is_small_talk(question):
        return _introduction(index)
    asked = index.concepts(words)
    concepts = [*asked, *index.concepts(context, EARLIER_WEIGHT)]
    hits = index.search(concepts)
    if not hits or index.coverage(hits[0].section, asked) < LEAST_COVERAGE:
        return _nothing(index, [hit.section for hit in hits])
    best = hits[0]
    weights = _weights(concepts)
    parts = [
        f"The documentation has this under **{best.section.label}**:",
        *_passages(best.section, weights, SECTION_CHARACTERS),
        best.section.reference,
    ]
    if len(hits) > 1 and hits[1].score >= SECOND_SHARE * best.score and index.coverage(hits[1].section, asked) >= LEAST_COVERAGE:
        second = hits[1].section
        parts += [f"Related, under **{second.label}**:", *_passages(second, weights, SECOND_CHARACTERS), second.reference]
    return "\n\n".join(parts)


def example_questions(index: Index, wanted: int = 3) -> list[str]:
    """Questions that the documentation has as headings, one a page; topics fill up when there are too few."""
    questions: dict[str, str] = {}
    for section in index.sections:
        if section.heading.endswith("?"):
            questions.setdefault(section.slug, section.heading)
    topics = [f"Tell me about “{section.label}”" for section in index.sections if section.slug not in questions]
    return [*questions.values(), *topics][:wanted]


def _clip(text: str) -> str:
    """A question is found at the start or the end of a long text; the work for it stays bounded."""
    if len(text) <= QUESTION_CHARACTERS:
        return text
    half = QUESTION_CHARACTERS // 2
    return f"{text[:half]} {text[-half:]}"


def _introduction(index: Index) -> str:
    lines = "\n".join(f"- {question}" for question in example_questions(index))
    return f"{INTRODUCTION}\n\nYou could ask me:\n\n{lines}"


def _nothing(index: Index, near: Sequence[Section]) -> str:
    if near:
        lines = "\n".join(f"- {section.label} (/docs/{section.slug})" for section in near)
        return f"{NO_MATCH}\n\nThe nearest topics are:\n\n{lines}"
    lines = "\n".join(f"- {question}" for question in example_questions(index))
    return f"{NO_MATCH}\n\nQuestions it does answer:\n\n{lines}"


def _passages(section: Section, weights: Weights, room: int) -> list[str]:
    """The section's blocks, in order and word for word, chosen by how well they fit until `room` characters are full."""
    blocks = [_narrowed(block, weights) for block in section.blocks]
    if sum(len(block.text) for block in blocks) <= room:
        return [block.text for block in blocks]
    chosen: dict[int, str] = {}
    for number in sorted(range(len(blocks)), key=lambda each: (-_score(blocks[each].text, weights), each)):
        if number in chosen:
            continue
        # A lead-in ("… like this:") is nothing without what it leads to, nor the other way round.
        group = [number]
        if number and blocks[number - 1].text.endswith(":") and number - 1 not in chosen:
            group.insert(0, number - 1)
        if blocks[number].text.endswith(":") and number + 1 < len(blocks) and number + 1 not in chosen:
            group.append(number + 1)
        for each in group:
            text = _fitting(blocks[each], weights, room)
            if text:
                chosen[each] = text
                room -= len(text)
        if room < 80:
            break
    return [chosen[number] for number in sorted(chosen)] or [blocks[0].text[:room]]


def _narrowed(block: Block, weights: Weights) -> Block:
    """A table of which the question names a few rows ("429") by their first cell: its head and those rows."""
    if block.kind != "table":
        return block
    rows, joint, kept = _units(block)
    named = [row for row in rows[kept:] if any(weights.get(term, 0.0) >= OWN_WORD for term in terms(first_cell(row)))]
    return Block("table", joint.join([*rows[:kept], *named])) if 0 < len(named) <= len(rows) // 3 else block


def _weights(concepts: Iterable[Concept]) -> Weights:
    """What each term counts for when passages are compared."""
    weights: dict[str, float] = {}
    for concept in concepts:
        for term, weight in concept.items():
            weights[term] = max(weights.get(term, 0.0), weight)
    return weights


def _fitting(block: Block, weights: Weights, room: int) -> str:
    """A block, or those of its rows, items or sentences that fit best; code is quoted whole or not at all."""
    if len(block.text) <= room:
        return block.text
    if block.kind == "code":
        return ""
    units, joint, kept = _units(block)
    room -= sum(len(unit) + 1 for unit in units[:kept])
    chosen = set(range(kept))
    for number in sorted(range(kept, len(units)), key=lambda each: (-_score(units[each], weights), each)):
        if len(units[number]) <= room:
            chosen.add(number)
            room -= len(units[number]) + 1
    return joint.join(units[number] for number in sorted(chosen)) if len(chosen) > kept else ""


def _units(block: Block) -> tuple[list[str], str, int]:
    """What a block divides into, what joins it again, and how many units at its start (a table's head) always stay."""
    if block.kind == "table":
        return block.text.split("\n"), "\n", 2
    if block.kind == "list":
        return re.split(r"\n(?=(?:[-*+]|\d+[.)])\s)", block.text), "\n", 0
    return SENTENCE_END.split(block.text), " ", 0


def _score(text: str, weights: Weights) -> float:
    return sum(weights.get(term, 0.0) for term in set(terms(text)))
