"""`spike`: a value far from those just before it.

What it is   z = |x - level| / scale. `level` is an exponentially weighted mean over 8 values, `scale` that of the
             absolute distances over 200; both take a distance in no further than 3 scales (Huber), so an
             outlier moves neither.
Fails        on a slow change, whose every step is small; on signals that jump as a habit (then their jumps are usual).
Range        0 to 1e6, in units of the mean absolute distance.
Warm-up      12 values.
Cost         14 bytes a series.
Source       Gelper, Fried, Croux, "Robust forecasting with exponential and Holt-Winters smoothing", 2010.
"""

from __future__ import annotations

import numpy as np

from rules.detectors.detector import COUNT, FIRST, Habits, Step, clipped, in_units, mean_of, rate
from rules.detectors.state import Field, Kept
from rules.values.arrays import Float64s


class RobustEwma:
    """How far a value is from the recent level."""

    name = "spike"
    habits = Habits()
    fields = (Field("level", dtype="<f8"), Field("scale"), COUNT)

    def __init__(self, length: float = 8, scale_length: float = 200) -> None:
        self._length, self._scale_length = length, scale_length

    def score(self, kept: Kept, step: Step) -> Float64s:
        """In units of the usual distance."""
        scores = in_units(step.value - kept["level"], kept["scale"], kept["level"])
        return np.where(kept["count"] < FIRST, np.nan, scores)

    def learn(self, kept: Kept, step: Step, trust: Float64s) -> None:
        """The level follows always, the scale with trust."""
        level, scale, count = kept["level"], kept["scale"], kept["count"]
        distance = clipped(step.value - level, scale, count)
        kept["level"] = np.where(count == 0, step.value, level + rate(count, self._length) * distance)
        kept["scale"] = mean_of(scale, np.abs(distance), trust * rate(count, self._scale_length), count)
        kept["count"] = count + 1
