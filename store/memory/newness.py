"""Finds rows that need no look-up: those strictly later than all earlier rows of their series.

Pure. The last time of each series is known, so for rows in order, which are nearly all, it costs one array comparison.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from store.record import Int32s, Int64s

Bools = npt.NDArray[np.bool_]

NEVER_NS = np.iinfo(np.int64).min


def strictly_later(series: Int32s, time_ns: Int64s, last_ns: Int64s) -> Bools:
    """For each row, whether it is after `last_ns[series]` and after all earlier rows of its series in the batch."""
    later = time_ns > last_ns[series]
    if len(series) == 1:
        return later
    order = np.argsort(series, kind="stable")
    by_series = series[order]
    follows = by_series[1:] == by_series[:-1]
    if not follows.any():
        return later
    times = time_ns[order]
    if (times[1:] > times[:-1])[follows].all():
        return later
    # A running maximum per series, in one pass: ranks of times, offset so that each series starts above the previous
    # one.
    ranks = np.unique(times, return_inverse=True)[1].astype(np.int64)
    starts = np.concatenate(([0], np.cumsum(~follows)))
    heights = starts * (len(times) + 1) + ranks
    highest = np.maximum.accumulate(heights)
    rising = np.ones(len(times), np.bool_)
    rising[1:] = heights[1:] > highest[:-1]
    result = np.empty(len(times), np.bool_)
    result[order] = rising
    return later & result
