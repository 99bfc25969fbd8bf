"""The judge of kinds that judge every signal by itself, and remember nothing of it but its newest sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from rules.definition.selection import Selection
from rules.kinds.judging import Ids, Inputs, Judged, OfSeries
from rules.values.arrays import NEVER, Arrays, Bools, Float64s
from rules.values.samples import Samples
from store.record import SeriesIndex

Values: TypeAlias = Callable[[Samples], tuple[Float64s, Bools | None]]
"""The value of each sample (always finite), and which of them have one; None: all."""


class SignalJudge(OfSeries):
    """A value per sample of one measure, computed by `values`."""

    version = 1

    def __init__(self, measure: str, index: SeriesIndex, values: Values) -> None:
        self.subjects = index
        self._measure = measure
        self._values = values

    def grow(self, size: int) -> None:
        """Nothing is kept."""

    def evaluate(self, inputs: Inputs, selection: Selection) -> Judged | None:
        """The values of the samples."""
        samples = inputs.samples[self._measure]
        if samples is None or not len(samples):
            return None
        values, judged = self._values(samples)
        return judged_of(samples, values, judged, selection)

    def snapshot(self) -> Arrays:
        """Nothing."""
        return {}

    def restore(self, arrays: Arrays, ids: Ids) -> None:
        """Nothing is restored."""


def judged_of(
    samples: Samples, values: Float64s, judged: Bools | None, selection: Selection, *, too_wide: bool = True
) -> Judged:
    """These values of these samples; `judged` says which of them there are, None: all.

    too_wide: the others have none because of the gap before them, which is counted.
    """
    eligible = selection.of(samples.series)
    count = missing = 0
    if judged is not None and not too_wide:
        eligible = judged if eligible is None else eligible & judged
    elif judged is not None:
        has_before = samples.before_ns != NEVER
        mine = int(np.count_nonzero(has_before if eligible is None else has_before & eligible))
        eligible = judged if eligible is None else eligible & judged
        count = int(np.count_nonzero(eligible))
        missing = mine - count
    return Judged(
        *(samples.row, samples.series, samples.time_ns, values, eligible, samples.repeats, samples.anew),
        judged=count,
        too_wide=missing,
    )
