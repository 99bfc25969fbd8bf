"""`rate_of_change`: the change since the signal's previous sample, scaled to `per`, signed.

A rate over a long gap says nothing about the present, and is not judged; nor is the first sample of a signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from rules.arrays import Bools, Float64s
from rules.bounds import UNBOUNDED, Bounds
from rules.judging import Judge
from rules.keys import SPAN, Key
from rules.kinds.kind import Kind
from rules.kinds.signals import SignalJudge
from rules.samples import Samples
from store.record import SeriesIndex
from store.values.durations import duration_ns

LONGEST_GAP = 10
"""The longest gap over which a rate is judged, in times of `per`."""

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class RateOfChange:
    """The value is the change since the signal's previous sample, scaled to `per`."""

    per: timedelta

    @property
    def bounds(self) -> Bounds:
        """None: they are written."""
        return UNBOUNDED

    @property
    def facts(self) -> tuple[object, ...]:
        """The time to which a rate is scaled."""
        return "rate_of_change", duration_ns(self.per)

    @property
    def is_measured(self) -> bool:
        """No: it is computed."""
        return False

    def measures(self, measure: str) -> tuple[str, ...]:
        """The rule's own."""
        return (measure,)

    def build(self, measure: str, index: SeriesIndex) -> Judge:
        """A judge without state: the previous sample is known."""
        per_ns = duration_ns(self.per)
        return SignalJudge(measure, index, lambda samples: _rates(per_ns, samples))


def _rates(per_ns: int, samples: Samples) -> tuple[Float64s, Bools]:
    gap_ns = samples.time_ns - samples.before_ns
    # The gap before a first sample, from NEVER, is three centuries or negative by overflow; both count as too long.
    judged = (gap_ns > 0) & (gap_ns <= LONGEST_GAP * per_ns)
    rates = np.zeros(len(samples))
    with np.errstate(over="ignore"):
        change = samples.value[judged] - samples.before[judged]
        rates[judged] = np.clip(change * (per_ns / gap_ns[judged]), -_LARGEST, _LARGEST)
    return rates, judged


KIND = Kind(
    "rate_of_change",
    "the normal change between two samples of a signal, scaled to `per`: `min` bounds falls, `max` rises",
    (Key("per", SPAN, "the time to which a rate is scaled", is_needed=True),),
    lambda section: RateOfChange(section.get("per")),
    has_limits=True,
)
