"""What others say, made fit for our log: backends and people put keys into their error texts and prompts. Pure."""

from __future__ import annotations

import re

# API keys as we and most others write them.
_KEYS = re.compile(r"\b(akml|sk|pk|hf|gsk)[-_][A-Za-z0-9_-]{8,}|\bbearer\s+[^\s\"',;]+", re.IGNORECASE)


def redacted(text: str, secret: str = "") -> str:
    """The text without `secret` (a backend's key; empty for none) and without anything that looks like an API key."""
    return _KEYS.sub("[key]", text.replace(secret, "[key]") if secret else text)
