"""How far the host's clock can be believed. Pure: times come as values.

A host may have no clock that runs while it is off: it starts in 1970, in 2000, or where it was switched off, and is set
right later. Somebody may set it wrong for a minute. So what cannot be undone waits until the clock has been believed
for a while (`Settled`), and a clock that stands before `WRITTEN_NS` is not believed at all.
"""

from __future__ import annotations

from datetime import UTC, datetime

# No clock that is right stands before: nothing of this was written by then.
WRITTEN_NS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
# Clocks that lose their battery begin in 1970 or 2000. A row of before is not old: its host did not know the time.
NO_CLOCK_BEFORE_NS = int(datetime(2001, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000

SETTLES_AFTER_NS = 6 * 3_600 * 1_000_000_000
TOLERANCE_NS = 60 * 1_000_000_000  # corrections that need not settle
SHORTEST_PAUSE_NS = 24 * 3_600 * 1_000_000_000  # so long may a store have been without rows, and its clock be believed


def is_set(wall_ns: int) -> bool:
    """Whether a host's clock that says this has been set at all."""
    return wall_ns >= WRITTEN_NS


def visible_from_ns(earliest_ns: int, retention_ns: int, now_ns: int) -> int:
    """Rows of before are past their retention, and not seen any more; `earliest_ns` is the table's earliest time.

    Of a table with rows of a host that had no clock all are seen: those are not as old as they look. Its other rows are
    seen until they are deleted.
    """
    return min(earliest_ns, now_ns - retention_ns) if earliest_ns < NO_CLOCK_BEFORE_NS else now_ns - retention_ns


class Settled:
    """A time to delete by: the host's, but after a leap ahead the one of before, until it has stood for hours.

    What is deleted because a clock was ahead does not come back; what is deleted late harms nobody. So a step back is
    followed at once, and a step ahead after `SETTLES_AFTER_NS` of the monotonic clock without another one. A process
    that starts finds a step ahead where the clock is more than a day later than the newest row.
    """

    def __init__(self, newest_row_ns: int | None) -> None:
        """`newest_row_ns`: the latest event time in the store; None: it is empty."""
        self._newest_row_ns = newest_row_ns
        self._offset_ns: int | None = None  # of the believed time, to the monotonic clock
        self._ahead_ns = 0  # what is not believed yet …
        self._since_ns: int | None = None  # … since then, by the monotonic clock

    @property
    def is_waiting(self) -> bool:
        """Whether the clock has gone ahead and is not believed yet."""
        return self._since_ns is not None

    def now_ns(self, wall_ns: int, monotonic_ns: int) -> int:
        """The time to delete by. Called again and again: what lies between two calls is one step."""
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
