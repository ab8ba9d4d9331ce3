"""How often somebody may do what costs them nothing: count tokens with a key, guess keys from an address. Kept by each process for itself:
there is no money in it, and it asks nobody.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)

# Remembered of each kind; whoever came longest ago has most of it back.
MOST_REMEMBERED = 10_000


class Allowance(Generic[Who]):
    """`most` uses at once for each, which come back at `per_s` a second."""

    def __init__(self, most: int, per_s: float) -> None:
        self.most = most
        self._share_s = 1 / per_s
        self._whole_at: OrderedDict[Who, float] = OrderedDict()  # when all of it will be there again; least recently used first

    def __len__(self) -> int:
        return len(self._whole_at)

    def wait_s(self, who: Who) -> int:
        """0, or the whole seconds until there is another use."""
        now = time.monotonic()
        wait_s = max(now, self._whole_at.get(who, now)) - now - (self.most - 1) * self._share_s
        return math.ceil(wait_s) if wait_s > 1e-9 else 0  # a rounding error is no use

    def use(self, who: Who) -> None:
        """Takes one, also where there is none: it has been used."""
        now = time.monotonic()
        self._whole_at[who] = max(now, self._whole_at.get(who, now)) + self._share_s
        self._whole_at.move_to_end(who)
        if len(self._whole_at) > MOST_REMEMBERED:
            self._whole_at.popitem(last=False)

    def take(self, who: Who) -> int:
        """`wait_s`, and a use where it is 0. Who is refused has used nothing."""
        if wait_s := self.wait_s(who):
            return wait_s
        self.use(who)
        return 0
