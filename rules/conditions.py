"""The values that conditions judge (a measure's value, or its rate of change), and which samples have one."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from rules.arrays import Bools, Float64s
from rules.rule import Condition, Range, RateOfChange
from rules.samples import Samples
from store.values.durations import duration_ns

LONGEST_GAP = 10
"""Over a gap of more than this many times `per` a rate says nothing about the present, and is not judged."""

_LARGEST = float(np.finfo(np.float64).max)


def values_of(condition: Condition, samples: Samples) -> tuple[Float64s, Bools | None]:
    """The value of each sample (always finite), and which of them are judged; None: all."""
    match condition:
        case Range():
            return samples.value, None
        case RateOfChange():
            return _rates(duration_ns(condition.per), samples)
        case _:
            assert_never(condition)


def _rates(per_ns: int, samples: Samples) -> tuple[Float64s, Bools]:
    gap_ns = samples.time_ns - samples.before_ns
    # The gap before a first sample, from NEVER, is three centuries or negative by overflow; both count as too long.
    judged = (gap_ns > 0) & (gap_ns <= LONGEST_GAP * per_ns)
    rates = np.zeros(len(samples))
    with np.errstate(over="ignore"):
        change = samples.value[judged] - samples.before[judged]
        rates[judged] = np.clip(change * (per_ns / gap_ns[judged]), -_LARGEST, _LARGEST)
    return rates, judged
