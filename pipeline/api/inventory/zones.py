"""The zone of each series of one store: derived from its indexes, and updated when they grow."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field

from store.partition_store import PartitionStore
from store.record import SeriesIndex, TableId


@dataclass(slots=True)
class _TableZones:
    index: SeriesIndex
    rezoned: int
    seen: int = 0
    series: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def update(self) -> None:
        known = len(self.index)
        for number in range(self.seen, known):
            zone = self.index.zones[number]
            if zone is not None:
                self.series[zone].append(number)
        self.seen = known


class Zones:
    """Zone → series, per table of a store. Safe for any thread."""

    def __init__(self, store: PartitionStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._tables: dict[TableId, _TableZones] = {}

    def of_table(self, table: TableId) -> dict[str, list[int]]:
        """Zone → ids of its current series."""
        with self._lock:
            return {zone: list(series) for zone, series in self._up_to_date(table).items()}

    def series_of(self, table: TableId, zone: str) -> list[int]:
        """The ids of the zone's current series; none for an unknown zone."""
        with self._lock:
            return list(self._up_to_date(table).get(zone, ()))

    def _up_to_date(self, table: TableId) -> dict[str, list[int]]:
        index = self._store.registry.of(table)
        zones = self._tables.get(table)
        if zones is None or zones.index is not index or zones.rezoned != index.rezoned:
            zones = self._tables[table] = _TableZones(index, index.rezoned)
        zones.update()
        return zones.series
