"""`peers`: what the series of a group have in common is no anomaly of one of them.

What it is   a value less the median of its group in the same step. It is no score: with peers, the other detectors
             judge this distance instead of the value, so weather, irrigation and the time of the day are gone, and a
             sensor that drifts alone is seen.
Fails        where all of a group move together (then nobody is odd); on groups whose series measure different things.
Warm-up      none. A group needs 4 values in a step; with fewer, they are left out of this step.
Cost         no state; a sort of the values of a step.
Source       Iglewicz and Hoaglin, "How to detect and handle outliers", 1993.
"""

from __future__ import annotations

import numpy as np

from rules.values.arrays import Float64s, Indices

AT_LEAST = 4
ALONE = -1


def medians(values: Float64s, group: Indices) -> Float64s:
    """For each value the median of its group; NaN where this has fewer than AT_LEAST values; 0 in the group -1."""
    found = np.full(len(values), np.nan)
    order = np.lexsort((values, group))
    order = order[~np.isnan(values[order])]
    of, ordered = group[order], values[order]
    begin = np.flatnonzero(np.diff(of, prepend=-2))
    count = np.diff(begin, append=len(of))
    middle = (ordered[begin + (count - 1) // 2] + ordered[begin + count // 2]) / 2
    found[order] = np.repeat(np.where(count < AT_LEAST, np.nan, middle), count)
    found[group == ALONE] = 0.0
    return found
