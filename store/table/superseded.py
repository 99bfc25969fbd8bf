"""The times at which a table may have a key twice: one row has superseded another, and both are still stored.

Queries select the newest row of a key only at these times; all other rows are read without a check. The mark of a time
is removed when the older rows have been removed from the files, or are beyond their retention.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from store.record import Int64s

_CLEARINGS_KNOWN = 64  # each is one merge


class SupersededTimes:
    """Event times in nanoseconds. Used under the table's lock."""

    def __init__(self) -> None:
        self._offsets: dict[int, dict[str, int]] = {}  # time → partition → offset of the last superseding row
        self._sorted: Int64s | None = None
        self._cleared: list[tuple[int, Int64s]] = []  # (version, times no longer marked from it on)
        self._marked_from = -1  # for earlier versions some of those are forgotten

    def __bool__(self) -> bool:
        """Whether any time is marked."""
        return bool(self._offsets)

    def start_at(self, version: int) -> None:
        """Declare that the current marks are complete for this version; those of earlier versions are unknown."""
        self._marked_from = version

    def add(self, times_ns: Int64s, partition: str, offsets: Int64s) -> None:
        """Mark times with several rows per key, because of superseding rows with these ascending offsets."""
        for time_ns, offset in zip(times_ns.tolist(), offsets.tolist(), strict=True):
            self._offsets.setdefault(time_ns, {})[partition] = offset
        self._sorted = None

    def mark(self, times_ns: Int64s) -> None:
        """Mark times that may have several rows per key, from saved state."""
        for time_ns in times_ns.tolist():
            self._offsets.setdefault(time_ns, {})
        self._sorted = None

    def forget_before(self, oldest_ns: int) -> None:
        """Remove the marks of earlier times, whose rows are deleted."""
        self._remove([time_ns for time_ns in self._offsets if time_ns < oldest_ns])

    def clear(self, times_ns: Collection[int], version: int) -> None:
        """Remove the marks of times that have one row per key from `version` on."""
        self._remove(times_ns)
        if times_ns:
            self._cleared.append((version, np.array(sorted(times_ns), np.int64)))
            while len(self._cleared) > _CLEARINGS_KNOWN:
                self._marked_from = max(self._marked_from, self._cleared.pop(0)[0])

    def now(self) -> Int64s:
        """All marked times, ascending."""
        if self._sorted is None:
            self._sorted = np.array(sorted(self._offsets), np.int64)
        return self._sorted

    def in_version(self, version: int) -> Int64s | None:
        """The times, ascending, at which `version` or RAM may have a key twice; None if that is no longer known."""
        if version < self._marked_from:
            return None
        cleared = [times for since, times in self._cleared if version < since]
        return np.unique(np.concatenate([self.now(), *cleared])) if cleared else self.now()

    def settled(self, positions: Mapping[str, int], before_ns: int) -> list[int]:
        """Marked times before `before_ns`, ascending, whose superseding rows are all within these positions."""
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
