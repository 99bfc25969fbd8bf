"""After a start: loads recent rows back into RAM in the background, the newest of all tables first.

So dashboards are soon as fast as before. It begins when the log is replayed, does a slice in one pass of the
maintenance and then nothing for twice the time that this took, and ends when a part of the limit of the memory tier
is reached: the rest is for the rows that come.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from store.errors import DamagedRows, QueryFailed
from store.memory.room import MemoryRoom
from store.names import TableId

log = logging.getLogger(__name__)

RESTS = 2  # times as long as it works
MOST_ROWS = 1_000_000  # of a slice: about 60 MB until it is sealed
_BYTES_OF_LIMIT = 1_000  # a slice has at most a row for so many bytes of the limit
_SHARE = 0.75  # of the limit, up to which rows are loaded


class Loadable(Protocol):
    """A table with rows of before the start."""

    @property
    def id(self) -> TableId:
        """The table's name."""
        ...

    @property
    def to_load_before_ns(self) -> int | None:
        """Rows of earlier times may be loaded; None if there are no more."""
        ...

    def load_back(self, most_rows: int, created_ns: int) -> int:
        """Load the newest of them."""
        ...


T = TypeVar("T", bound=Loadable)


class LoadBack:
    """What is loaded, and whether there is more. One thread, except for its properties.

    rows     loaded so far
    may_run  whether it is time to begin: the caller sets it
    """

    def __init__(self, room: MemoryRoom, *, is_possible: bool) -> None:
        self.rows = 0
        self.is_over = not is_possible
        self.may_run: Callable[[], bool] = lambda: True
        self._room = room
        self._most_rows = max(min(MOST_ROWS, room.limit_bytes // _BYTES_OF_LIMIT), 1)
        self._began_ns: int | None = None
        self._rests_until_ns = 0

    def next_of(self, tables: Sequence[T], now_ns: int) -> T | None:
        """The table of which a slice is to be loaded now; None if it is not time, or over. `now_ns` is monotonic."""
        if self.is_over or now_ns < self._rests_until_ns or not self.may_run():
            return None
        waiting = [(before_ns, at) for at, of in enumerate(tables) if (before_ns := of.to_load_before_ns) is not None]
        if not waiting:
            self._end(now_ns, "that is all")
        elif self._room.used_bytes() > _SHARE * self._room.limit_bytes:
            self._end(now_ns, f"{_SHARE:.0%} of memory_limit are used")
        else:
            if self._began_ns is None:
                self._began_ns = now_ns
                log.info("loading recent rows of %d tables back into memory", len(waiting))
            return tables[max(waiting)[1]]
        return None

    def load(self, table: Loadable, now_ns: int, monotonic_ns: int) -> None:
        """Load a slice of a table. `now_ns` is the host's time, by which the age of rows counts for eviction."""
        before_ns = table.to_load_before_ns
        if before_ns is None:
            return
        try:
            self.rows += table.load_back(self._most_rows, monotonic_ns - max(now_ns - before_ns, 0))
        except DamagedRows as error:  # the maintenance removes the file
            log.info("%s", error)
        except QueryFailed as error:  # no memory, or the store is closed
            self._end(monotonic_ns, f"given up: {error}")

    def rest(self, now_ns: int, took_ns: int) -> None:
        """Do nothing for a while, as the last slice took so long."""
        self._rests_until_ns = now_ns + RESTS * took_ns

    def _end(self, now_ns: int, why: str) -> None:
        self.is_over = True
        if self._began_ns is not None:
            took_s = (now_ns - self._began_ns) / 1e9
            log.info("loaded %d rows back into memory in %.1f s: %s", self.rows, took_s, why)
