"""How often a key may ask for what is free. Kept by each process for itself: there is no money in it, and it asks nobody."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

MINUTE_S = 60.0
MAX_KEYS = 10_000


class Allowance:
    """`per_minute` uses at once for each key, each of which comes back after its share of a minute."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._share_s = MINUTE_S / per_minute
        self._whole_at: OrderedDict[int, float] = OrderedDict()  # key → when all of it will be there again; least recently used first

    def take(self, key_id: int) -> int:
        """0, or the whole seconds until this key may ask again. Who is refused has used nothing."""
        now = time.monotonic()
        whole_at = max(now, self._whole_at.get(key_id, now)) + self._share_s
        if (wait_s := whole_at - now - MINUTE_S) > 1e-9:  # a rounding error is no use
            return math.ceil(wait_s)
        self._whole_at[key_id] = whole_at
        self._whole_at.move_to_end(key_id)
        if len(self._whole_at) > MAX_KEYS:  # who asked longest ago has most of it back
            self._whole_at.popitem(last=False)
        return 0
