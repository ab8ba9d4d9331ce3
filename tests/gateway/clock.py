"""A clock that stands until a test moves it."""

from __future__ import annotations

from types import ModuleType

import pytest


class Clock:
    """In the place of the module `time`; seconds."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


def standing(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> Clock:
    """What `module` takes for the time from now on."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock
