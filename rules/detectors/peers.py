"""`peers`: what the series of a group have in common is no anomaly of one of them.

What it is   a value less what its group has in common in the same step: the median of how far each is from where it
             usually is beside its peers. It is no score: with peers, the other detectors judge this distance instead of
             the value, so weather, irrigation and the time of the day are gone, and a sensor that drifts alone is seen.
             Without the usual distances a sensor that fails on one side would make another one the middle, and
             move all others by how far these two are apart, which may be more than their noise.
Fails        where all of a group move together (then nobody is odd); on groups whose series measure different things.
Warm-up      none. A group needs 4 values in a step; with fewer, they are left out of this step.
Cost         6 bytes a series; two sorts of the values of a step.
Source       Tukey, "Exploratory data analysis", 1977 (median polish of a table of steps and series), over 600 steps.
"""

from __future__ import annotations

import numpy as np

from rules.detectors.detector import COUNT, clipped, rate
from rules.detectors.state import Field, Kept
from rules.values.arrays import Float64s, Indices

AT_LEAST = 4
ALONE = -1
LENGTH = 600
OUTLIER = 1.0


class Peers:
    """What groups have in common. Arrays of the n series of a step; a NaN is no value."""

    name = "peers"
    fields = (Field("apart"), COUNT)

    def common(self, kept: Kept, value: Float64s, group: Indices) -> Float64s:
        """Of the group of each value; NaN where this has fewer than AT_LEAST values; 0 in the group ALONE."""
        return medians(value - self._apart(kept), group)

    def learn(self, kept: Kept, value: Float64s, common: Float64s, group: Indices) -> None:
        """Where each value usually is beside its peers. The mean of a group stays 0, or all would wander."""
        is_there = ~np.isnan(value) & ~np.isnan(common) & (group != ALONE)
        rows = np.flatnonzero(is_there)
        apart, count, of = self._apart(kept)[rows], kept["count"][rows], group[rows]
        distance = value[rows] - common[rows] - apart
        distance = clipped(distance, medians(np.abs(distance), of), count, OUTLIER)
        kept["apart"][rows] = apart + rate(count, LENGTH) * (distance - means(distance, of))
        kept["count"][rows] = count + 1

    def _apart(self, kept: Kept) -> Float64s:
        return np.where(kept["count"] > 0, kept["apart"], 0.0)


def medians(values: Float64s, group: Indices) -> Float64s:
    """For each value the median of its group; NaN where this has fewer than AT_LEAST values; 0 in the group ALONE."""
    found = np.full(len(values), np.nan)
    order, begin, count = _by_group(values, group)
    ordered = values[order]
    middle = (ordered[begin + (count - 1) // 2] + ordered[begin + count // 2]) / 2
    found[order] = np.repeat(np.where(count < AT_LEAST, np.nan, middle), count)
    found[group == ALONE] = 0.0
    return found


def means(values: Float64s, group: Indices) -> Float64s:
    """For each value the mean of its group, whatever their order is."""
    found = np.full(len(values), np.nan)
    order, begin, count = _by_group(values, group)
    if len(order):
        found[order] = np.repeat(np.add.reduceat(values[order], begin) / count, count)
    return found


def _by_group(values: Float64s, group: Indices) -> tuple[Indices, Indices, Indices]:
    """Where the values are, by group and size, without NaN; and where in this each group begins, of how many."""
    order = np.lexsort((values, group))
    order = order[~np.isnan(values[order])]
    begin = np.flatnonzero(np.diff(group[order], prepend=-2))
    return order, begin, np.diff(begin, append=len(order))
