"""Time-ordered ids: UUIDv7 (RFC 9562 §5.7), increasing within a process even when its clock steps back."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from random import getrandbits
from uuid import UUID, SafeUUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

_new, _set = object.__new__, object.__setattr__
_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, 12 bits of the fraction of a millisecond, 62 random bits."""
    global _last
    nanoseconds = time.time_ns()
    # 12 bits split a millisecond into 4,096 steps (RFC 9562 §6.2, method 3).
    tick = (nanoseconds // 1_000_000) << 12 | (nanoseconds % 1_000_000 << 12) // 1_000_000
    with _lock:
        tick = max(tick, _last + 1)
        _last = tick
    # Random enough to differ; an id is a name and opens nothing, so it need not be hard to guess.
    return _uuid((tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | getrandbits(62))


def _uuid(number: int) -> UUID:
    """`UUID(int=number)` without the checks of its seven other ways to be made: a quarter of the time."""
    identifier = _new(UUID)
    _set(identifier, "int", number)
    _set(identifier, "is_safe", SafeUUID.unknown)
    return identifier


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest UUIDv7 of an aware moment's millisecond: what a range over ids starts with."""
    # Whole milliseconds by integer division: the product of a float timestamp can fall a millisecond short.
    return UUID(int=(moment - EPOCH) // MILLISECOND << 80 | 0x7 << 76 | 0b10 << 62)


def uuid7_time(identifier: UUID) -> datetime:
    """The moment (to a millisecond) a UUIDv7 was made. ValueError for an id of another version or beyond the year 9999."""
    if identifier.version != 7:
        raise ValueError("the id is not a UUIDv7")
    try:
        return EPOCH + (identifier.int >> 80) * MILLISECOND
    except OverflowError:
        raise ValueError("the id's time is out of range") from None
