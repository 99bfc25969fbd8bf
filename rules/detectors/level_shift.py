"""`shift` and `drift`: the level is not what it was.

What it is   z = |fast - slow| / scale: the mean over the last values (12 for `shift`, 100 for `drift`) less that over
             many (300, 2000), in units of how far they usually are apart, which is learnt over 600 or 2000 values.
Fails        on a change that lasts for fewer values than `fast`, or takes longer than `slow`.
Range        0 to 1e6, in units of the mean absolute distance of both.
Warm-up      3 times `fast`.
Cost         22 bytes a series.
Source       Appel's moving average convergence/divergence; Roberts, "Control chart tests based on geometric moving
             averages", Technometrics 1959.
"""

from __future__ import annotations

import numpy as np

from rules.detectors.detector import COUNT, Habits, Step, clipped, in_units, mean_of, rate
from rules.detectors.state import Field, Kept
from rules.values.arrays import Float64s

OUTLIER = 6.0


class LevelShift:
    """How far the recent level is from the long one."""

    fields = (Field("slow", dtype="<f8"), Field("ahead"), Field("noise"), Field("scale"), COUNT)

    def __init__(self, name: str, fast: float, slow: float, scale_length: float) -> None:
        self.name = name
        self.habits = Habits(usual=3.0, excess=0.2, memory=fast / 2)
        self._fast, self._slow, self._scale_length = fast, slow, scale_length

    def score(self, kept: Kept, step: Step) -> Float64s:
        """With this value taken in."""
        ahead = self._ahead(kept, step)
        scores = in_units(ahead, kept["scale"], kept["slow"])
        return np.where(kept["count"] < 3 * self._fast, np.nan, scores)

    def learn(self, kept: Kept, step: Step, trust: Float64s) -> None:
        """The fast mean follows always, all else with trust."""
        slow, scale, noise, count = kept["slow"], kept["scale"], kept["noise"], kept["count"]
        ahead = self._ahead(kept, step)
        weight = trust * rate(count, self._scale_length)
        of_scale = clipped(ahead, scale, np.where(count < 3 * self._fast, 0, count))
        kept["noise"] = mean_of(noise, np.abs(self._beside(kept, step)), weight, count)
        kept["scale"] = mean_of(scale, np.abs(of_scale), weight, count)
        moved = trust * rate(count, self._slow) * clipped(step.value - slow, scale + noise, count)
        kept["slow"] = np.where(count == 0, step.value, slow + moved)
        kept["ahead"] = np.where(count == 0, 0.0, ahead - moved)
        kept["count"] = count + 1

    def _beside(self, kept: Kept, step: Step) -> Float64s:
        """How far the value is from the fast mean, without outliers."""
        return clipped(step.value - kept["slow"] - kept["ahead"], kept["noise"], kept["count"], OUTLIER)

    def _ahead(self, kept: Kept, step: Step) -> Float64s:
        """How far the fast mean is from the slow one, with this value."""
        moved = rate(kept["count"], self._fast) * self._beside(kept, step)
        return np.where(kept["count"] == 0, 0.0, kept["ahead"] + moved)
