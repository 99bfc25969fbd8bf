"""How far the host's clock can be trusted. Pure: times are passed as values.

A host may have no clock that runs while it is off: after a start it shows 1970, 2000, or the time of the last shutdown,
and is corrected later. An operator may set it wrong for a minute. So operations that cannot be undone wait until the
clock has been plausible for a while (`Settled`), and a clock that shows a time before `WRITTEN_NS` is never trusted.
"""

from __future__ import annotations

from datetime import UTC, datetime

# A correct clock shows a later time: this code was written after it.
WRITTEN_NS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
# Clocks that lose their battery start in 1970 or 2000. A row with an earlier time than this is not old: its host did
# not know the time.
NO_CLOCK_BEFORE_NS = int(datetime(2001, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000

SETTLES_AFTER_NS = 6 * 3_600 * 1_000_000_000
TOLERANCE_NS = 60 * 1_000_000_000  # smaller corrections are accepted at once
SHORTEST_PAUSE_NS = 24 * 3_600 * 1_000_000_000  # a store may be without new rows for this long


def is_set(wall_ns: int) -> bool:
    """Whether a host's clock that shows this time has been set at all."""
    return wall_ns >= WRITTEN_NS


def visible_from_ns(earliest_ns: int, retention_ns: int, now_ns: int) -> int:
    """The earliest event time that queries return; rows before it are beyond their retention.

    `earliest_ns` is the earliest event time in the table. If a table has rows of a host without a clock, all rows are
    visible, because those rows are not as old as they look. Its other rows are visible until they are deleted.
    """
    return min(earliest_ns, now_ns - retention_ns) if earliest_ns < NO_CLOCK_BEFORE_NS else now_ns - retention_ns


class Settled:
    """The time used for deletions: the host's time, but after a step forward the earlier time, until hours have passed.

    Rows that are deleted because a clock was ahead are lost; rows that are deleted too late do no harm. So a step back
    is followed at once, and a step forward after `SETTLES_AFTER_NS` of the monotonic clock without another step. At the
    start of a process the clock counts as stepped forward if it is more than a day later than the newest row.
    """

    def __init__(self, newest_row_ns: int | None) -> None:
        """`newest_row_ns`: the latest event time in the store; None if the store is empty."""
        self._newest_row_ns = newest_row_ns
        self._offset_ns: int | None = None  # of the trusted time, relative to the monotonic clock
        self._ahead_ns = 0  # the offset that is not trusted yet …
        self._since_ns: int | None = None  # … and when it was first seen, by the monotonic clock

    @property
    def is_waiting(self) -> bool:
        """Whether the clock has stepped forward and is not trusted yet."""
        return self._since_ns is not None

    def now_ns(self, wall_ns: int, monotonic_ns: int) -> int:
        """The time to use for deletions. Called repeatedly: any change between two calls counts as one step."""
        offset_ns = wall_ns - monotonic_ns
        if self._offset_ns is None:
            latest_ns = wall_ns if self._newest_row_ns is None else self._newest_row_ns + SHORTEST_PAUSE_NS
            self._offset_ns = min(wall_ns, latest_ns) - monotonic_ns
        if offset_ns <= self._offset_ns + TOLERANCE_NS:
            self._offset_ns, self._since_ns = offset_ns, None
        elif self._since_ns is None or abs(offset_ns - self._ahead_ns) > TOLERANCE_NS:
            self._ahead_ns, self._since_ns = offset_ns, monotonic_ns
        elif monotonic_ns - self._since_ns >= SETTLES_AFTER_NS:
            self._offset_ns, self._since_ns = offset_ns, None
        return monotonic_ns + self._offset_ns
