"""When each series of a table was heard last, on the clock of our listening, and its usual interval.

A series is heard by whatever arrives of it, also what is late or repeated; not by replayed dead letters, which arrived
long ago. The *usual gap* follows the time between two arrivals: quickly upwards and slowly downwards, so that it is
near the longest of the usual ones, and by at most GROWTH times at once, so that one outage changes it little and a new
interval is learnt within a few readings.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rules.values.arrays import NEVER, Indices, grown
from rules.values.samples import rounds_of
from store.record import Int64s

UPWARDS, DOWNWARDS = 4, 32  # the part of a difference that is learnt at once, as a divisor
GROWTH = 4
GAPS_NEEDED = 8  # before a usual gap means anything
_MOST_COUNTED = 255


class Hearing:
    """The series of one table, or those that send one measure.

    time_ns     on the listening clock; NEVER if not heard
    arrival_ns  by the host's clock
    gap_ns      the usual gap, learnt from `gaps` of them; nothing is learnt if `learns` is false
    """

    def __init__(self, *, learns: bool) -> None:
        self.learns = learns
        self.time_ns: Int64s = np.empty(0, np.int64)
        self.arrival_ns: Int64s = np.empty(0, np.int64)
        self.gap_ns: Int64s = np.empty(0, np.int64)
        self.gaps: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def grow(self, size: int) -> None:
        """Make room for series ids below `size`."""
        self.time_ns = grown(self.time_ns, size, NEVER)
        self.arrival_ns = grown(self.arrival_ns, size, 0)
        if self.learns:
            self.gap_ns = grown(self.gap_ns, size, 0)
            self.gaps = grown(self.gaps, size, 0)

    def hear(self, series: Indices, time_ns: Int64s, arrival_ns: Int64s, *, repeats: bool) -> None:
        """These series were heard, in the order of the log; `repeats`: one may occur more than once."""
        if self.learns:
            for chosen in rounds_of(series) if repeats else [np.arange(len(series))]:
                self._learn(series[chosen], time_ns[chosen])
        # of a series that occurs more than once, the last assignment stays
        self.time_ns[series] = time_ns
        self.arrival_ns[series] = arrival_ns

    def forget(self, series: Indices) -> None:
        """These series were never heard."""
        self.time_ns[series] = NEVER
        if self.learns:
            self.gaps[series] = 0

    def _learn(self, series: Indices, time_ns: Int64s) -> None:
        before_ns = self.time_ns[series]
        self.time_ns[series] = time_ns
        follows = (before_ns != NEVER) & (time_ns > before_ns)  # rows of one message are no interval
        series, found_ns = series[follows], time_ns[follows] - before_ns[follows]
        usual_ns, count = self.gap_ns[series], self.gaps[series]
        found_ns = np.where(count == 0, found_ns, np.minimum(found_ns, GROWTH * usual_ns))
        change_ns = found_ns - usual_ns
        step_ns = np.where(change_ns > 0, change_ns // UPWARDS, change_ns // DOWNWARDS)
        self.gap_ns[series] = np.where(count == 0, found_ns, usual_ns + step_ns)
        self.gaps[series] = np.minimum(count, _MOST_COUNTED - 1) + 1
