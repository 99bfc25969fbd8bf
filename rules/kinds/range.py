"""`range`: the value of the measure itself."""

from __future__ import annotations

from dataclasses import dataclass

from rules.kinds.judging import Judge
from rules.kinds.kind import Kind, OnMeasure
from rules.kinds.signals import SignalJudge
from store.record import SeriesIndex


@dataclass(frozen=True, slots=True)
class Range(OnMeasure):
    """The value is that of the measure."""

    @property
    def facts(self) -> tuple[object, ...]:
        """Nothing but the bounds decides."""
        return ("range",)

    @property
    def is_measured(self) -> bool:
        """Yes."""
        return True

    def build(self, measure: str, index: SeriesIndex) -> Judge:
        """A judge without state."""
        return SignalJudge(measure, index, lambda samples: (samples.value, None))


KIND = Kind("range", "the normal values of the measure", (), lambda _: Range(), has_limits=True)
