"""What is left of what is earned once what it costs us is paid. Pure; integers until shown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from apps.core.figures import MINUS, THIN

TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Margin:
    """Both amounts of one unit: pico-USD per token of a price, or nano-USD of a sum."""

    earned: int
    cost: int

    @property
    def gain(self) -> int:
        return self.earned - self.cost

    @property
    def is_loss(self) -> bool:
        return self.gain < 0

    @property
    def percent(self) -> str:
        """Of what is earned, `12.5 %`; empty where nothing is. Rounded down, so that a small loss never reads as none."""
        if not self.earned:
            return ""
        return f"{(Decimal(self.gain * 100) / self.earned).quantize(TENTH, ROUND_FLOOR)}{THIN}%".replace("-", MINUS)
