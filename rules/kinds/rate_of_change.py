"""`rate_of_change`: how fast a signal changes, scaled to `per`, signed; in its unit, or in percent of its value.

    rate_of_change: {max: 2, per: 1m}                        between two successive samples
    rate_of_change: {max: 2, per: 1m, over: 10m}             over a window (`rules.kinds.slope`)

Between successive samples noise and resolution have their full effect. A rate over a long gap says nothing about the
present, and is not judged; nor is the first sample of a signal, nor a percentage of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from rules.definition.keys import SPAN, Key, Section, choice
from rules.kinds.judging import Judge
from rules.kinds.kind import Kind, OnMeasure
from rules.kinds.signals import SignalJudge
from rules.kinds.slope import METHODS, SlopeJudge
from rules.values.arrays import Bools, Float64s
from rules.values.samples import Samples
from store.record import SeriesIndex
from store.values.durations import duration_ns

LONGEST_GAP = 10
"""The longest gap over which a rate is judged, in times of `per`."""
UNITS = ("value", "percent")

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class RateOfChange(OnMeasure):
    """The value is the change of the measure, scaled to `per`. over: None: since the signal's previous sample."""

    per: timedelta
    over: timedelta | None = None
    method: str = METHODS[0]
    unit: str = UNITS[0]

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything."""
        over_ns = None if self.over is None else duration_ns(self.over)
        return "rate_of_change", duration_ns(self.per), over_ns, self.method, self.unit

    @property
    def alias(self) -> str:
        """Rate."""
        return "rate"

    def build(self, measure: str, index: SeriesIndex) -> Judge:
        """A judge without state if the previous sample is enough, which is known."""
        per_ns, in_percent = duration_ns(self.per), self.unit == "percent"
        if self.over is not None:
            over_ns = duration_ns(self.over)
            return SlopeJudge(measure, index, over_ns, per_ns, self.method, in_percent=in_percent)
        return SignalJudge(measure, index, lambda samples: _rates(per_ns, samples, in_percent=in_percent))


def _rates(per_ns: int, samples: Samples, *, in_percent: bool) -> tuple[Float64s, Bools]:
    gap_ns = samples.time_ns - samples.before_ns
    # The gap before a first sample, from NEVER, is three centuries or negative by overflow; both count as too long.
    judged = (gap_ns > 0) & (gap_ns <= LONGEST_GAP * per_ns)
    if in_percent:
        judged &= samples.before != 0
    rates = np.zeros(len(samples))
    with np.errstate(over="ignore"):
        change = samples.value[judged] - samples.before[judged]
        if in_percent:
            change *= 100 / np.abs(samples.before[judged])
        rates[judged] = np.clip(change * (per_ns / gap_ns[judged]), -_LARGEST, _LARGEST)
    return rates, judged


def _make(section: Section) -> RateOfChange | None:
    if "method" in section and "over" not in section:
        section.problem(f"{section.what} has a `method`, which needs `over`", at="method")
    return RateOfChange(
        section.get("per"), section.get("over"), section.get("method", METHODS[0]), section.get("unit", UNITS[0])
    )


KIND = Kind(
    "rate_of_change",
    "the normal change of the measure, scaled to `per`: `min` bounds falls, `max` rises",
    (
        Key("per", SPAN, "the time to which a rate is scaled", is_needed=True),
        Key("over", SPAN, "the window over which it is computed; without it, between two successive samples"),
        Key("method", choice(*METHODS), "how it is computed over a window; by least squares by default"),
        Key("unit", choice(*UNITS), "percent: of the value; else in the unit of the measure"),
    ),
    _make,
    has_limits=True,
    numbers=("rate",),
)
