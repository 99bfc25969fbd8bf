"""What the clocks of a time zone say, for many times at once.

How far a zone's clock is ahead of UTC changes only at whole quarters of an hour; it is asked once for each quarter that
occurs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from store.record import Int64s
from store.values.time_zones import UTC, zone_called

_QUARTER_S = 900
_MOST_QUARTERS = 10_000


class LocalClock:
    """The clock of a time zone of this name. Raises ValueError if there is none."""

    def __init__(self, time_zone: str = UTC) -> None:
        self._zone = zone_called(time_zone)
        self._is_utc = time_zone == UTC
        self._ahead_ns: dict[int, int] = {}  # by quarter

    def at(self, time_ns: Int64s) -> Int64s:
        """What it says at each time: nanoseconds since it said 1970-01-01 00:00."""
        if self._is_utc:
            return time_ns
        quarters, which = np.unique(time_ns // (_QUARTER_S * 10**9), return_inverse=True)
        return time_ns + np.array([self._ahead(quarter) for quarter in quarters.tolist()], np.int64)[which]

    def _ahead(self, quarter: int) -> int:
        found = self._ahead_ns.get(quarter)
        if found is None:
            if len(self._ahead_ns) >= _MOST_QUARTERS:
                self._ahead_ns.clear()
            offset = datetime.fromtimestamp(quarter * _QUARTER_S, self._zone).utcoffset() or timedelta(0)
            found = self._ahead_ns[quarter] = offset // timedelta(microseconds=1) * 1000
        return found
