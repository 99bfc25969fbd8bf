"""`missing`: no value where the others of a step have one, for longer than usual.

What it is   how many steps in a row a series has had no value; 0 at a value.
Fails        where nobody says that a step has passed: a file row by row has no step without a value but NaN.
Range        0 upwards, in steps.
Warm-up      none of its own.
Cost         4 bytes a series.
Source       the geometric law of independent losses; what is not independent, the tail learns.
"""

from __future__ import annotations

import numpy as np

from rules.detectors.detector import COUNT, Habits
from rules.detectors.state import Field, Kept
from rules.values.arrays import Bools, Float64s


class Silence:
    """How long each series has been absent. It is asked which series are, as these have no value in a step."""

    name = "missing"
    habits = Habits(usual=1.0, least=1.0)
    fields = (Field("absent", dtype="<u2"), COUNT)

    def score(self, kept: Kept, is_absent: Bools) -> Float64s:
        """The steps without a value, up to this one."""
        return np.where(is_absent, kept["absent"] + 1, 0.0)

    def learn(self, kept: Kept, is_absent: Bools) -> None:
        """One more, or none."""
        kept["absent"] = self.score(kept, is_absent)
        kept["count"] = kept["count"] + 1
