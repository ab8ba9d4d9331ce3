"""The one error that start-up raises."""

from __future__ import annotations


class StartError(Exception):
    """Something could not be started. The text names what failed and what to do; it is all that the user sees."""
