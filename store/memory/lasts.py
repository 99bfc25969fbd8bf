"""The newest value of a measure in each series, of rows in which it has one. Values in, values out.

A measure is followed from the time on at which its last values are first asked for, until nobody has asked for
`FOLLOWED_NS`: every stored row is noted, and what was stored before is read once (`store.last_values`), as far back as
it is asked for. If a record that replaces another lacks the measure, and the other had the newest value, all that is
known of the measure is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.memory.newness import NEVER_NS
from store.memory.rollup import Places
from store.record import Int32s, Int64s

FOLLOWED_NS = 3_600_000_000_000
NOTHING_KNOWN_NS = np.iinfo(np.int64).max


class LastValues:
    """The last values of one measure: arrays over series ids, under the table's lock.

    known_from_ns  the values of all rows from this time on are known
    readers        how many threads read what was stored earlier
    is_lost        whether it must not be used any more
    """

    def __init__(self, kind: pa.DataType) -> None:
        self.known_from_ns: int = NOTHING_KNOWN_NS
        self.readers = 0
        self.is_lost = False
        self.time_ns: Int64s = np.full(0, NEVER_NS, np.int64)
        self.values: npt.NDArray[Any] = plain(pa.array([], kind)).copy()

    @property
    def size_bytes(self) -> int:
        """Its size in RAM, without the texts of text values."""
        return self.time_ns.nbytes + self.values.nbytes

    def note(self, series: Int32s, time_ns: Int64s, values: pa.Array | None, supersedes: Places | None) -> None:
        """Note stored rows, n ≥ 1, of which those at `supersedes` replace a row of their key."""
        self._reserve(int(series.max()) + 1)
        if supersedes is not None and self._is_blanked(series, time_ns, values, supersedes):
            self.is_lost = True
        if values is None or values.null_count == len(values):
            return
        if values.null_count:
            there = values.is_valid().to_numpy(zero_copy_only=False)
            series, time_ns, values = series[there], time_ns[there], values.drop_null()
        self.take(series, time_ns, plain(values))

    def take(self, series: Int32s, time_ns: Int64s, values: npt.NDArray[Any], *, is_older: bool = False) -> None:
        """Take over values that are newer than what is known, and not `is_older`, also of the same time."""
        self._reserve(int(series.max(initial=-1)) + 1)
        known_ns = self.time_ns[series]
        newer = np.flatnonzero(time_ns > known_ns if is_older else time_ns >= known_ns)
        if len(newer) < len(series):
            series, time_ns, values = series[newer], time_ns[newer], values[newer]
        if (time_ns[1:] < time_ns[:-1]).any():
            order = np.argsort(time_ns, kind="stable")
            series, time_ns, values = series[order], time_ns[order], values[order]
        self.time_ns[series] = time_ns  # of repeated series the last one is assigned
        self.values[series] = values

    def _is_blanked(self, series: Int32s, time_ns: Int64s, values: pa.Array | None, supersedes: Places) -> bool:
        """Whether one of the replacing rows has no value, and may replace the row with the newest one."""
        if values is not None:
            supersedes = supersedes[values.is_null().to_numpy(zero_copy_only=False)[supersedes]]
        of = series[supersedes]
        is_newest = time_ns[supersedes] == self.time_ns[of]
        if self.readers:  # they may have read the row that is replaced
            is_newest |= time_ns[supersedes] < self.known_from_ns
        return bool(is_newest.any())

    def _reserve(self, count: int) -> None:
        more = max(count, 2 * len(self.time_ns), 64) - len(self.time_ns)
        if count > len(self.time_ns):
            self.time_ns = np.concatenate((self.time_ns, np.full(more, NEVER_NS, np.int64)))
            self.values = np.concatenate((self.values, np.zeros(more, self.values.dtype)))


class Lasts:
    """The measures of a table that are followed, by physical name. Under the table's lock."""

    def __init__(self) -> None:
        self._followed: dict[str, LastValues] = {}
        self._asked: set[str] = set()
        self._asked_ns: dict[str, int] = {}

    @property
    def is_asked(self) -> bool:
        """Whether there are any."""
        return bool(self._followed)

    def is_followed(self, measure: str) -> bool:
        """Whether a measure is followed."""
        return measure in self._followed

    def follow(self, measure: str, kind: pa.DataType) -> LastValues:
        """The last values of a measure, followed from now on."""
        self._asked.add(measure)
        found = self._followed.get(measure)
        if found is None or found.is_lost:
            found = self._followed[measure] = LastValues(kind)
        return found

    def note(
        self, series: Int32s, time_ns: Int64s, measures: Mapping[str, pa.Array], supersedes: Places | None
    ) -> None:
        """Note stored rows, n ≥ 1; `supersedes` are the places of those that replace a row of their key."""
        for name, followed in self._followed.items():
            if not followed.is_lost:
                followed.note(series, time_ns, measures.get(name), supersedes)

    def forget_unasked(self, now_ns: int) -> None:
        """Follow no measure any more that nobody has asked for in `FOLLOWED_NS`, by the monotonic clock."""
        asked, self._asked = self._asked, set()
        self._asked_ns |= dict.fromkeys(asked, now_ns)
        for measure in [name for name, asked_ns in self._asked_ns.items() if now_ns - asked_ns > FOLLOWED_NS]:
            del self._asked_ns[measure]
            if (followed := self._followed.pop(measure, None)) is not None:
                followed.is_lost = True  # a question may read it just now

    def forget(self) -> None:
        """Forget everything, since rows were lost."""
        for followed in self._followed.values():
            followed.is_lost = True
        self._followed = {}

    @property
    def size_bytes(self) -> int:
        """Their size in RAM."""
        return sum(followed.size_bytes for followed in list(self._followed.values()))


def plain(values: pa.Array) -> npt.NDArray[Any]:
    """Values without nulls as an array: texts as objects, times in nanoseconds."""
    if pa.types.is_timestamp(values.type):
        values = values.view(pa.int64())
    found: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return found
