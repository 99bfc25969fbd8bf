"""How things are now: the last values of each zone, summed up, and the devices heard last.

It is what `/v1/live` sends, and what workers ask each other for it. Everything comes from arrays that the store keeps
anyway: the newest time of each series, and the last values of measures (`PartitionStore.latest`). So an answer costs
the same however fast readings arrive, and the stream does nothing for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from pipeline.api.inventory.device import Device
from store.catalog.catalog import TableInfo
from store.memory.newness import NEVER_NS
from store.names import MeasureType
from store.partition_store import PartitionStore
from store.record import Int64s, SeriesIndex, TableId

NUMBERS = frozenset({MeasureType.DOUBLE, MeasureType.BIGINT})
MOST_MEASURES = 16  # of a table, unless they are named
_REST = 9  # grouping again after new series takes at most a tenth of the time


class LiveRequest(msgspec.Struct, frozen=True, array_like=True):
    """Asks for zones and devices of an account; of all tables, zones, measures, if none are named.

    within_ns  values older than this do not count
    devices    how many of those heard last
    """

    account: str
    table: str | None
    zones: tuple[str, ...]
    measures: tuple[str, ...]
    within_ns: int
    devices: int


class Spread(msgspec.Struct, frozen=True, array_like=True):
    """Numbers summed up: `count` ≥ 1 of them."""

    sum: float
    min: float
    max: float
    count: int

    def __add__(self, other: Spread) -> Spread:
        """Of both."""
        return Spread(
            self.sum + other.sum, min(self.min, other.min), max(self.max, other.max), self.count + other.count
        )


class LiveZone(msgspec.Struct, frozen=True, array_like=True):
    """A zone of a table: its sensors, its newest event time, and the last values of its sensors by measure."""

    database: str
    table: str
    zone: str
    sensors: int
    last_ns: int
    measures: dict[str, Spread]

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of the zone within an account."""
        return self.database, self.table, self.zone

    def __add__(self, other: LiveZone) -> LiveZone:
        """The zone with the sensors of both: partitions have different ones."""
        measures = dict(self.measures)
        for name, spread in other.measures.items():
            measures[name] = measures[name] + spread if name in measures else spread
        return LiveZone(*self.key, self.sensors + other.sensors, max(self.last_ns, other.last_ns), measures)


class LivePart(msgspec.Struct, frozen=True, array_like=True):
    """Zones; the devices heard last, newest first; how many series there are; records applied since the start."""

    zones: list[LiveZone]
    devices: list[Device]
    series: int
    records: int


def merged(parts: Sequence[LivePart], devices: int) -> LivePart:
    """What all parts say together, with at most so many devices."""
    if len(parts) == 1:
        return parts[0]
    zones: dict[tuple[str, str, str], LiveZone] = {}
    for zone in (zone for part in parts for zone in part.zones):
        zones[zone.key] = zones[zone.key] + zone if zone.key in zones else zone
    found = sorted((device for part in parts for device in part.devices), key=lambda device: -device.last_ns)
    return LivePart(
        [zones[key] for key in sorted(zones)],
        found[:devices],
        sum(part.series for part in parts),
        sum(part.records for part in parts),
    )


class LiveOfStore:
    """The zones of one store as they are now. Any thread; two at once may do some work twice."""

    def __init__(self, store: PartitionStore) -> None:
        self._store = store
        self._grouped: dict[TableId, _Grouped] = {}

    def zones(self, info: TableInfo, request: LiveRequest) -> Iterator[LiveZone]:
        """The zones of a table, those without rows left out. Raises what `PartitionStore.latest` raises."""
        table = info.table
        last_ns = self._store.last_times(table)
        grouped = self._of(table, len(last_ns))
        places = grouped.places(request.zones)
        if not len(places):
            return
        newest_ns = np.maximum.reduceat(last_ns[grouped.order], grouped.starts)
        measures = {
            name: spreads
            for name in self._measures(table, request)
            if (spreads := self._spreads(grouped, name, request))
        }
        for place in places.tolist():
            if newest_ns[place] != NEVER_NS:
                of_zone = {name: found for name, of in measures.items() if (found := of.get(place))}
                where = table.database, table.table, grouped.names[place]
                yield LiveZone(*where, grouped.sensors[place], int(newest_ns[place]), of_zone)

    def _measures(self, table: TableId, request: LiveRequest) -> list[str]:
        types = self._store.measure_types(table)
        numbers = [name for name, kind in types.items() if kind in NUMBERS]
        return [name for name in request.measures if name in numbers] if request.measures else numbers[:MOST_MEASURES]

    def _of(self, table: TableId, count: int) -> _Grouped:
        index = self._store.registry.of(table)
        known = self._grouped.get(table)
        if known is None or known.is_outdated(index, count):
            known = self._grouped[table] = _Grouped.of(index, count)
        return known

    def _spreads(self, grouped: _Grouped, measure: str, request: LiveRequest) -> dict[int, Spread]:
        """The last values of a measure, summed up by the place of their zone."""
        found = self._store.latest(grouped.index.table, measure, self._store.now_ns() - request.within_ns)
        if found is None:
            return {}
        values = np.full(grouped.count, np.nan)
        known = found.series < grouped.count
        values[found.series[known]] = found.values[known]
        values = values[grouped.order]
        is_number = ~np.isnan(values)
        starts = grouped.starts
        counts = np.add.reduceat(is_number, starts, dtype=np.int64)
        sums = np.add.reduceat(np.where(is_number, values, 0.0), starts)
        least = np.minimum.reduceat(np.where(is_number, values, np.inf), starts)
        most = np.maximum.reduceat(np.where(is_number, values, -np.inf), starts)
        columns = (sums.tolist(), least.tolist(), most.tolist(), counts.tolist())
        return {place: Spread(*of) for place, of in enumerate(zip(*columns, strict=True)) if of[3]}


@dataclass(slots=True)
class _Grouped:
    """The first `count` series of a table by zone.

    order, starts  series ids, zone after zone, and where each zone begins
    sensors        how many distinct dimensions there are in each zone
    """

    index: SeriesIndex
    rezoned: int
    count: int
    names: list[str]
    order: Int64s
    starts: Int64s
    sensors: list[int]
    took_s: float
    made_s: float = field(default_factory=time.monotonic)

    def is_outdated(self, index: SeriesIndex, count: int) -> bool:
        """Whether it is of another index, or series came since, and grouping them is not too soon."""
        if self.index is not index or self.rezoned != index.rezoned:
            return True
        return self.count != count and time.monotonic() - self.made_s > _REST * self.took_s

    @classmethod
    def of(cls, index: SeriesIndex, count: int) -> _Grouped:
        began_s, rezoned = time.monotonic(), index.rezoned
        by_zone: dict[str, list[int]] = {}
        for number, zone in enumerate(index.zones[:count]):
            if zone is not None:
                by_zone.setdefault(zone, []).append(number)
        names = sorted(by_zone)
        lengths = [len(by_zone[name]) for name in names]
        order = np.array([number for name in names for number in by_zone[name]], np.int64)
        starts = np.cumsum([0, *lengths[:-1]], dtype=np.int64)
        sensors = [len({index.keys[number].dimensions for number in by_zone[name]}) for name in names]
        return cls(index, rezoned, count, names, order, starts, sensors, time.monotonic() - began_s)

    def places(self, zones: Iterable[str]) -> Int64s:
        """The places of these zones, those that there are; all, if none is named."""
        wanted = frozenset(zones)
        if not wanted:
            return np.arange(len(self.names))
        return np.array([place for place, name in enumerate(self.names) if name in wanted], np.int64)
