"""Bounds: which values are normal, and which bound another one exceeds."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass


class Side(enum.IntEnum):
    """The bound that a value exceeds."""

    NONE = 0
    MIN = 1
    MAX = 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """The normal values: from `min` to `max`, both inclusive; an open end is infinite."""

    min: float = -math.inf
    max: float = math.inf

    def side(self, value: float) -> Side:
        """The bound that `value` exceeds."""
        if value < self.min:
            return Side.MIN
        return Side.MAX if value > self.max else Side.NONE

    def contains(self, other: Bounds) -> bool:
        """Whether everything that is normal for `other` is normal for these."""
        return self.min <= other.min and other.max <= self.max

    def __str__(self) -> str:
        low = "" if math.isinf(self.min) else f"min {self.min:g}"
        high = "" if math.isinf(self.max) else f"max {self.max:g}"
        return ", ".join(part for part in (low, high) if part)


UNBOUNDED = Bounds()
