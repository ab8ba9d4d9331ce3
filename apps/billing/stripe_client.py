"""The one door to Stripe."""

from __future__ import annotations


def configured() -> bool:
    """Whether this platform takes payments."""
    raise NotImplementedError
