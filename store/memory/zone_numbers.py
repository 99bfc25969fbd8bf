"""A number for each zone of a table, and the number of the zone of each of its series, as arrays."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np

from store.record import Int32s, SeriesIndex

NO_ZONE = -1


class ZoneNumbers:
    """The zones of an index. Numbers are dense from 0, and stay valid. Safe for any thread."""

    def __init__(self, index: SeriesIndex) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._of_series: Int32s = np.zeros(0, np.int32)
        self._known = 0
        self._rezoned = 0
        self._zoning = 0

    def of_series(self) -> tuple[int, Int32s]:
        """The number of the zone of each series by id, `NO_ZONE` without one.

        The first value is another one whenever a known series has changed its zone.
        """
        with self._lock:
            rezoned, count = self._index.rezoned, len(self._index)
            if rezoned != self._rezoned:
                self._rezoned, self._known = rezoned, 0
                self._zoning += 1
            if count > self._known:
                self._extend(count)
            return self._zoning, self._of_series[:count]

    def number_of(self, zone: str) -> int:
        """The number of a zone, a new one at its first appearance."""
        with self._lock:
            return self._numbers.setdefault(zone, len(self._numbers))

    def _extend(self, count: int) -> None:
        if count > len(self._of_series):
            room = np.full(max(count, 2 * len(self._of_series), 64), NO_ZONE, np.int32)
            room[: self._known] = self._of_series[: self._known]
            self._of_series = room
        elif self._known == 0:  # readers hold the array of the earlier zoning
            self._of_series = self._of_series.copy()
        zones = self._index.zones[self._known : count]
        self._of_series[self._known : count] = self._numbered(zones)
        self._known = count

    def _numbered(self, zones: Iterable[str | None]) -> list[int]:
        numbers = self._numbers
        return [NO_ZONE if zone is None else numbers.setdefault(zone, len(numbers)) for zone in zones]
