"""Least and greatest values of measures in files, as their footers have them; those that were asked for are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from store.magnetic.parquet import Footer, ValueRange, ranges_in

MOST = 20_000  # files, each with some measures: 200 bytes

Ranges = tuple[ValueRange, ...] | None


class ValueRanges:
    """A cache: files never change. Any thread."""

    def __init__(self, most: int = MOST) -> None:
        """Keep `most` of them."""
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, tuple[str, ...]], Ranges] = OrderedDict()

    def of(self, path: str, measures: tuple[str, ...], footer: Callable[[], Footer]) -> Ranges:
        """Those of the file at `path`; see `ranges_in`. Raises what `footer` raises."""
        key = path, measures
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = ranges_in(footer(), measures)
        with self._lock:
            self._known[key] = found
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return found


RANGES = ValueRanges()
"""Those of this process."""
