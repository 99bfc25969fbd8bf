"""The rows of minutes in which averages begin or end, as arrays: those that were read last.

Questions of dashboards begin and end in the midst of a minute, many of them in the same one, each about another zone.
So the rows of all zones are read once, and kept until others have taken their room.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

from store.memory.rollup import Samples

MOST_BYTES = 16 << 20  # per table
MOST_ROWS = 200_000  # of one minute of one chunk or file; of more only those of the zones are read


class CutMinute(NamedTuple):
    """The minute of the first `rows` rows of a chunk or file, by its name or path, for one measure."""

    source: str
    rows: int
    zoning: int
    minute: int
    measure: str


class CutMinutes:
    """The samples of cut minutes, of at most `MOST_BYTES`. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[CutMinute, Samples] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: CutMinute) -> Samples | None:
        """Its samples, if they are kept."""
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def add(self, key: CutMinute, samples: Samples) -> None:
        """Keep these samples; those that were not used for longest make room."""
        with self._lock:
            self._drop(key)
            self._known[key] = samples
            self.size_bytes += samples.size_bytes
            while self.size_bytes > MOST_BYTES:
                self._drop(next(iter(self._known)))

    def keep_only(self, sources: Collection[str], measures: Collection[str]) -> None:
        """Drop samples of other chunks and files, and of other measures."""
        with self._lock:
            for key in [key for key in self._known if key.source not in sources or key.measure not in measures]:
                self._drop(key)

    def _drop(self, key: CutMinute) -> None:
        dropped = self._known.pop(key, None)
        if dropped is not None:
            self.size_bytes -= dropped.size_bytes
