"""Which series are in which zone: derived from the series indexes, brought up to date by what is new in them."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field

from pipeline.http.problems import Problem
from store.record import SeriesIndex, TableId
from store.store import Store


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
    """Zone → series, per table. Any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._tables: dict[TableId, _TableZones] = {}

    def of_table(self, table: TableId) -> dict[str, list[int]]:
        """Zone → ids of its series, as of now."""
        with self._lock:
            return {zone: list(series) for zone, series in self._up_to_date(table).items()}

    def series_of(self, table: TableId, zone: str) -> list[int]:
        """The ids of the zone's series, as of now; none of a zone that is not there."""
        with self._lock:
            return list(self._up_to_date(table).get(zone, ()))

    def _up_to_date(self, table: TableId) -> dict[str, list[int]]:
        index = self._store.registry.of(table)
        zones = self._tables.get(table)
        if zones is None or zones.index is not index or zones.rezoned != index.rezoned:
            zones = self._tables[table] = _TableZones(index, index.rezoned)
        zones.update()
        return zones.series

    def find(self, account: str, zone: str, table: str | None) -> tuple[TableId, list[int]]:
        """The table that has the zone, and the zone's series there.

        `table` as `database.table` or None. Raises Problem 404 if no table has it, 400 naming the tables if several do.
        """
        found = [
            (candidate, series)
            for candidate in (info.table for info in self._store.catalog.tables(account))
            if table in (None, f"{candidate.database}.{candidate.table}")
            and (series := self.series_of(candidate, zone))
        ]
        if not found:
            where = "" if table is None else f" in table {table}"
            raise Problem(404, f"no zone {zone!r}{where}; /v1/zones lists the zones", parameter="zone")
        if len(found) > 1:
            names = ", ".join(f"{candidate.database}.{candidate.table}" for candidate, _ in found)
            raise Problem(400, f"zone {zone!r} is in several tables: add table=, one of {names}", parameter="table")
        return found[0]
