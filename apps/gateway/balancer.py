"""Which backend a request goes to, and which are out of rotation in this process.

Choice: the fewest outstanding requests for its weight, and among equals by weight. A backend that cannot be reached leaves rotation at once, one that keeps
answering with errors after three in a row; it returns by itself after a pause that doubles up to ten seconds. The last backend of
a model stays in rotation unless it cannot be reached: a bad answer is better than none. A request that fails on two backends is
probably at fault itself and counts against neither.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from apps.catalog.snapshot import BackendEntry

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
ERRORS_TO_EJECT = 3


@dataclass(slots=True)
class _State:
    outstanding: int = 0
    errors_in_row: int = 0
    ejections_in_row: int = 0
    out_until: float = 0.0  # time.monotonic()


class Balancer:
    """The states of all backends, by id, as this process sees them."""

    def __init__(self) -> None:
        self._states: dict[int, _State] = {}

    def choose(self, backends: Sequence[BackendEntry], tried: Collection[int] = ()) -> BackendEntry | None:
        """A backend in rotation that was not tried yet, or None. Call `begin` with it."""
        now = time.monotonic()
        standing = [b for b in backends if self._state(b).out_until <= now]
        # What the probe says is up to ten seconds old: it does not overrule the only backends there are.
        trusted = [b for b in standing if b.probe_ok is not False] or standing
        candidates = [b for b in trusted if b.id not in tried and self._has_room(b)]
        if len(candidates) <= 1:
            return candidates[0] if candidates else None
        load = {b.id: self._state(b).outstanding / b.weight for b in candidates}
        least = min(load.values())
        idlest = [b for b in candidates if load[b.id] == least]
        return random.choices(idlest, [b.weight for b in idlest])[0]  # noqa: S311  spread, not secrecy

    def outstanding(self, backend: BackendEntry) -> int:
        return self._state(backend).outstanding

    def begin(self, backend: BackendEntry) -> None:
        self._state(backend).outstanding += 1

    def end(self, backend: BackendEntry) -> None:
        self._state(backend).outstanding -= 1

    def answered(self, backend: BackendEntry) -> None:
        state = self._state(backend)
        state.errors_in_row = state.ejections_in_row = 0

    def unreachable(self, backend: BackendEntry) -> None:
        self._eject(self._state(backend))

    def failed(self, backend: BackendEntry, others: Sequence[BackendEntry]) -> None:
        """It answered with an error, or not in time. Counts only while another backend of the model is in rotation."""
        state = self._state(backend)
        state.errors_in_row += 1
        now = time.monotonic()
        last = not any(
            b.id != backend.id and b.probe_ok is not False and self._state(b).out_until <= now and self._has_room(b) for b in others
        )
        if state.errors_in_row >= ERRORS_TO_EJECT and not last:
            self._eject(state)

    def _state(self, backend: BackendEntry) -> _State:
        state = self._states.get(backend.id)
        if state is None:
            state = self._states[backend.id] = _State()
        return state

    def _has_room(self, backend: BackendEntry) -> bool:
        return backend.max_concurrency is None or self._state(backend).outstanding < backend.max_concurrency

    @staticmethod
    def _eject(state: _State) -> None:
        now = time.monotonic()
        if state.out_until > now:
            return  # requests that were under way together are one reason, not many
        state.out_until = now + min(FIRST_PAUSE_S * 2**state.ejections_in_row, LONGEST_PAUSE_S)
        state.ejections_in_row += 1
        state.errors_in_row = 0
