"""`peers`: what the series of a group have in common is no anomaly of one of them.

What it is   a value less what its group has in common in the same step: the median of how far each is from where it
             usually is beside its peers. It is no score: with peers, the other detectors judge this distance instead of
             the value, so weather, irrigation and the time of the day are gone, and a sensor that drifts alone is seen.
             Without the usual distances a sensor that fails on one side would make another one the middle, and
             move all others by how far these two are apart, which may be more than their noise.
Fails        where all of a group move together (then nobody is odd); on groups whose series measure different things.
Warm-up      none. A group needs 4 values in a step; with fewer, they are left out of this step.
Cost         6 bytes a series; a sort of the values of a step.
Source       Tukey, "Exploratory data analysis", 1977 (median polish of a table of steps and series), over 600 steps.
"""

from __future__ import annotations

from typing import NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from rules.detectors.detector import COUNT, clipped, rate
from rules.detectors.state import Field, Kept
from rules.values.arrays import Float64s, Indices

AT_LEAST = 4
ALONE = -1
LENGTH = 600
OUTLIER = 1.0

Number = TypeVar("Number", bound=np.generic)


class Peers:
    """What groups have in common. Arrays of the n series of a step; a NaN is no value."""

    name = "peers"
    fields = (Field("apart"), COUNT)

    def common(self, kept: Kept, value: Float64s, group: Indices) -> Float64s:
        """Of the group of each value; NaN where this has fewer than AT_LEAST values; 0 in the group ALONE.

        After that it has learnt where each value usually is. The mean of this in a group stays 0, or all would wander.
        """
        count = kept["count"]
        apart = np.where(count > 0, kept["apart"], 0.0)
        found = _Sorted.of(value - apart, group)
        low, middle, high = (found.spread(found.quantile(ratio)) for ratio in (0.25, 0.5, 0.75))
        is_enough = found.spread(found.size) >= AT_LEAST
        distance = clipped(found.values - middle, (high - low) / 2, count[found.order], OUTLIER)
        distance -= found.spread(found.mean(distance))
        is_learnt = is_enough & (group[found.order] != ALONE)
        kept["apart"][found.order] = apart[found.order] + is_learnt * rate(count[found.order], LENGTH) * distance
        kept["count"][found.order] += is_learnt
        common = np.full(len(value), np.nan)
        common[found.order] = np.where(is_enough, middle, np.nan)
        common[group == ALONE] = 0.0
        return common


class _Sorted(NamedTuple):
    """Values by group and size, without NaN: where each was, where each group begins, and of how many it is."""

    values: Float64s
    order: Indices
    begin: Indices
    size: Indices

    @classmethod
    def of(cls, values: Float64s, group: Indices) -> Self:
        order = np.lexsort((values, group))
        order = order[~np.isnan(values[order])]
        begin = np.flatnonzero(np.diff(group[order], prepend=ALONE - 1))
        return cls(values[order], order, begin, np.diff(begin, append=len(order)))

    def quantile(self, ratio: float) -> Float64s:
        """Of each group; halfway between the values on both sides of it."""
        place = (self.size - 1) * ratio
        below, above = (self.begin + side(place).astype(np.intp) for side in (np.floor, np.ceil))
        middle: Float64s = (self.values[below] + self.values[above]) / 2
        return middle

    def mean(self, values: Float64s) -> Float64s:
        """Of other values of each group, in this order."""
        return np.add.reduceat(values, self.begin) / self.size if len(values) else values

    def spread(self, of_groups: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Of each group, for each of its values."""
        return np.repeat(of_groups, self.size)
