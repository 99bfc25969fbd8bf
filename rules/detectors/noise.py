"""`noise`: a signal is noisier than it was, or quieter.

What it is   |log(fast / slow)|: the mean absolute difference of successive values over the last 60, and over 600. A
             single one counts as no more than 6 times the usual, so that a spike is not noise.
Fails        on signals that mostly repeat a value; where noise follows the time of the day.
Range        0 upwards: 0.7 is twice, or half, the noise.
Warm-up      180 values.
Cost         18 bytes a series.
Source       von Neumann, "Distribution of the ratio of the mean square successive difference to the variance", 1941.
"""

from __future__ import annotations

import numpy as np

from rules.detectors.detector import COUNT, FIRST, Habits, Step, mean_of, rate
from rules.detectors.state import Field, Kept
from rules.values.arrays import Float64s

OUTLIER = 6.0


class Noise:
    """How the recent differences of successive values compare with the usual ones."""

    name = "noise"
    fields = (Field("last", dtype="<f8"), Field("fast"), Field("slow"), COUNT)

    def __init__(self, fast: float = 60, slow: float = 600) -> None:
        self.habits = Habits(usual=0.2, least=0.05, excess=0.15, memory=fast / 2)
        self._fast, self._slow = fast, slow

    def score(self, kept: Kept, step: Step) -> Float64s:
        """The absolute logarithm of the ratio."""
        least = 1e-7 * np.abs(step.value) + 1e-12
        fast = self._next(kept, self._moved(kept, step))
        ratio = np.abs(np.log((fast + least) / (kept["slow"] + least)))
        return np.where(kept["count"] < 3 * self._fast, np.nan, ratio)

    def learn(self, kept: Kept, step: Step, trust: Float64s) -> None:
        """The recent differences always, the usual ones with trust."""
        moved, count = self._moved(kept, step), kept["count"]
        kept["fast"] = self._next(kept, moved)
        kept["slow"] = mean_of(kept["slow"], moved, trust * rate(count - 1, self._slow), count)
        kept["last"] = step.value
        kept["count"] = count + 1

    def _moved(self, kept: Kept, step: Step) -> Float64s:
        moved, slow = np.abs(step.value - kept["last"]), kept["slow"]
        most = np.where((kept["count"] < FIRST) | (slow <= 0), np.inf, OUTLIER * slow)
        return np.minimum(moved, most)

    def _next(self, kept: Kept, moved: Float64s) -> Float64s:
        return mean_of(kept["fast"], moved, rate(kept["count"] - 1, self._fast), kept["count"])
