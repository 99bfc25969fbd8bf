"""`stuck`: the same value again and again, longer than this signal ever does.

What it is   how many times in a row the value was repeated.
Fails        on a sensor that hangs at a value which is usual for long (0 of a rain gauge), or hangs but is noisy.
Range        0 upwards, in values.
Warm-up      none of its own.
Cost         12 bytes a series.
Source       the persistence test of Gandin, "Complex quality control of meteorological observations", 1988.
"""

from __future__ import annotations

import numpy as np

from rules.detectors.detector import COUNT, Habits, Step
from rules.detectors.state import Field, Kept
from rules.values.arrays import Float64s


class RunLength:
    """The length of the run of equal values."""

    name = "stuck"
    habits = Habits(usual=1.0, least=1.0)
    fields = (Field("last", dtype="<f8", fill=np.nan), Field("run", dtype="<u2"), COUNT)

    def score(self, kept: Kept, step: Step) -> Float64s:
        """How many values before it are equal to this one."""
        return np.where(step.raw == kept["last"], kept["run"] + 1, 0.0)

    def learn(self, kept: Kept, step: Step, trust: Float64s) -> None:  # noqa: ARG002  # a run is what it is
        """The run goes on, or the next one begins."""
        kept["run"] = self.score(kept, step)
        kept["last"] = step.raw
        kept["count"] = kept["count"] + 1
