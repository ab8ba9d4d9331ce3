"""The documentation's pages in the order in which they are read: the tree at the side, and what comes before and after a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page: `slug` is its address below /docs/ and, for a page of the guide, its file's name."""

    slug: str
    title: str

    @property
    def url(self) -> str:
        return reverse("docs-page", args=[self.slug])


@dataclass(frozen=True, slots=True)
class Branch:
    title: str
    leaves: Sequence[Leaf]


# A page appears here when it is written; tests/docs compares this with the folder.
GUIDE: Sequence[Branch] = (
    Branch(
        "Start",
        (
            Leaf("introduction", "Introduction"),
            Leaf("quick-start", "Quick start"),
            Leaf("models", "Models"),
            Leaf("playground", "Playground"),
        ),
    ),
    Branch(
        "Calling models",
        (
            Leaf("openai-sdk", "OpenAI SDK"),
            Leaf("anthropic-sdk", "Anthropic SDK"),
            Leaf("claude-code", "Claude Code"),
            Leaf("parameters", "Parameters"),
            Leaf("presets", "Presets"),
            Leaf("errors-and-rate-limits", "Errors and rate limits"),
        ),
    ),
    Branch(
        "Your account",
        (
            Leaf("account-and-security", "Account and security"),
            Leaf("api-keys", "API keys"),
            Leaf("credits-and-billing", "Credits and billing"),
            Leaf("usage", "Usage and spend"),
            Leaf("inferences", "Inferences"),
        ),
    ),
    Branch("Operating", (Leaf("self-hosting", "Self-hosting"),)),
)
# Drawn from the OpenAPI schema (reference.py).
REFERENCE = Branch("API", (Leaf("api", "API reference"),))
TREE: Sequence[Branch] = (*GUIDE, REFERENCE)
LEAVES: Sequence[Leaf] = [leaf for branch in TREE for leaf in branch.leaves]
BY_SLUG = {leaf.slug: leaf for leaf in LEAVES}


def neighbours(slug: str) -> tuple[Leaf | None, Leaf | None]:
    """The pages before and after this one; none at either end."""
    at = LEAVES.index(BY_SLUG[slug])
    return LEAVES[at - 1] if at else None, LEAVES[at + 1] if at + 1 < len(LEAVES) else None
