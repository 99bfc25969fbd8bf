"""What operators said of the alerts of a rule, and what follows from it for the bound of each zone.

    budget of a zone = budget of the rule · 2^(right - false), of its newest 8 alerts with feedback

at least a 64th of the rule's and at most 4 times it. The values of such rules are -log10 p, so a bound moves by
log10 2 = 0.30 for each: by at most 1.81 up, or 0.60 down. An alert counts once, with what was said of it last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec
import numpy as np

from rules.values.arrays import Float64s

NEWEST = 8
STEP = math.log10(2)
LEAST, MOST = -2, 6
"""Steps down, and up."""

Marks: TypeAlias = dict[str, bool]
"""By the id of an alert whether it was false, in the order in which this was said."""


_decoder = msgspec.msgpack.Decoder(dict[str, Marks])


@dataclass(frozen=True, slots=True)
class Mark:
    """An operator said of an alert of a rule and zone that it was false, or right."""

    rule: str
    zone: str
    alert_id: str
    is_false: bool


@runtime_checkable
class Adjustable(Protocol):
    """A judge whose bounds follow what operators say."""

    @property
    def feedback(self) -> Feedback:
        """What they have said."""
        ...


class Feedback:
    """What was said of the alerts of one rule over one table, by zone."""

    def __init__(self) -> None:
        self._marks: dict[str, Marks] = {}

    def take(self, mark: Mark) -> None:
        """Keep what was said; what was said of the same alert before does not count any more."""
        marks = self._marks.setdefault(mark.zone, {})
        marks.pop(mark.alert_id, None)
        marks[mark.alert_id] = mark.is_false
        while len(marks) > NEWEST:
            del marks[next(iter(marks))]

    def counts(self) -> dict[str, tuple[int, int]]:
        """By zone, how many alerts count as false and as right."""
        return {zone: (sum(of.values()), len(of) - sum(of.values())) for zone, of in self._marks.items()}

    def slack(self, zones: Sequence[str]) -> Float64s | None:
        """How much further from zero the bound of each zone is than the rule says; None if nothing was said."""
        if not self._marks:
            return None
        return np.array([self._slack(self._marks.get(zone, {})) for zone in zones])

    @staticmethod
    def _slack(marks: Marks) -> float:
        false = sum(marks.values())
        return STEP * min(max(2 * false - len(marks), LEAST), MOST)

    def snapshot(self) -> bytes:
        """The saved form."""
        return msgspec.msgpack.encode(self._marks)

    def restore(self, data: bytes) -> None:
        """Restore a saved form. Raises ValueError."""
        self._marks = _decoder.decode(data)
