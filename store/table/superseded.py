"""The times at which a table may hold a key twice: a row there has superseded another, and both still stand.

Queries choose the newest row of a key at these times only, so everything else is read as it lies. A time is unmarked
once the older rows have been cleaned out of the files, or have gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from store.record import Int64s

_CLEARINGS_KNOWN = 64  # each is of one merge


class SupersededTimes:
    """Event times in nanoseconds. Used under the table's lock."""

    def __init__(self) -> None:
        self._offsets: dict[int, dict[str, int]] = {}  # time → partition → last offset that superseded there
        self._sorted: Int64s | None = None
        self._cleared: list[tuple[int, Int64s]] = []  # version from which times are marked no more, and the times
        self._marked_from = -1  # for earlier versions some of those are forgotten

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._offsets)

    def start_at(self, version: int) -> None:
        """What is marked now is all there is to know of this version; of earlier ones nothing is known."""
        self._marked_from = version

    def add(self, times_ns: Int64s, partition: str, offsets: Int64s) -> None:
        """Rows of these times are no longer one per key, by rows of these offsets, which ascend."""
        for time_ns, offset in zip(times_ns.tolist(), offsets.tolist(), strict=True):
            self._offsets.setdefault(time_ns, {})[partition] = offset
        self._sorted = None

    def mark(self, times_ns: Int64s) -> None:
        """Rows of these times may not be one per key: known from before."""
        for time_ns in times_ns.tolist():
            self._offsets.setdefault(time_ns, {})
        self._sorted = None

    def forget_before(self, oldest_ns: int) -> None:
        """Rows of earlier times are gone."""
        self._remove([time_ns for time_ns in self._offsets if time_ns < oldest_ns])

    def clear(self, times_ns: Collection[int], version: int) -> None:
        """Rows of these times are one per key from `version` on."""
        self._remove(times_ns)
        if times_ns:
            self._cleared.append((version, np.array(sorted(times_ns), np.int64)))
            while len(self._cleared) > _CLEARINGS_KNOWN:
                self._marked_from = max(self._marked_from, self._cleared.pop(0)[0])

    def now(self) -> Int64s:
        """All of them, ascending."""
        if self._sorted is None:
            self._sorted = np.array(sorted(self._offsets), np.int64)
        return self._sorted

    def in_version(self, version: int) -> Int64s | None:
        """The times, ascending, at which `version` or RAM may have a key twice; None if that is not known any more."""
        if version < self._marked_from:
            return None
        cleared = [times for since, times in self._cleared if version < since]
        return np.unique(np.concatenate([self.now(), *cleared])) if cleared else self.now()

    def settled(self, positions: Mapping[str, int], before_ns: int) -> list[int]:
        """Those before `before_ns`, ascending, whose superseding rows all lie within these positions."""
        return sorted(
            time_ns
            for time_ns, offsets in self._offsets.items()
            if time_ns < before_ns
            and all(offset <= positions.get(partition, -1) for partition, offset in offsets.items())
        )

    def _remove(self, times_ns: Collection[int]) -> None:
        for time_ns in times_ns:
            del self._offsets[time_ns]
        self._sorted = None
