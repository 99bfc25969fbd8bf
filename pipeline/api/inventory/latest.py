"""The last values of series: requests, and the answers, which also travel between workers.

An entry is the JSON that clients get. What it says about a series is encoded once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from pipeline.api.inventory.zones import Zones
from store.catalog.catalog import TableInfo
from store.last_values import Latest
from store.memory.members import Members
from store.names import MeasureType
from store.partition_store import PartitionStore
from store.record import Int32s, Int64s, SeriesIndex, TableId
from store.values.times import NS, rfc3339


class LatestRequest(msgspec.Struct, frozen=True, array_like=True):
    """Asks for the `limit` newest of the last values since `from_ns`; of all zones, measures, if none are named.

    dimensions  (name, value): only series with all of them
    """

    account: str
    table: str | None
    zones: tuple[str, ...]
    measures: tuple[str, ...]
    dimensions: tuple[tuple[str, str], ...]
    from_ns: int
    limit: int


class LatestPart(msgspec.Struct, frozen=True, array_like=True):
    """Entries in JSON, newest first, and their times."""

    times_ns: list[int]
    entries: list[bytes]


def newest(parts: Sequence[LatestPart], limit: int) -> LatestPart:
    """The `limit` newest entries of all parts, newest first."""
    if len(parts) == 1:
        return LatestPart(parts[0].times_ns[:limit], parts[0].entries[:limit])
    times_ns = [time_ns for part in parts for time_ns in part.times_ns]
    entries = [entry for part in parts for entry in part.entries]
    order = sorted(range(len(times_ns)), key=lambda place: -times_ns[place])[:limit]
    return LatestPart([times_ns[place] for place in order], [entries[place] for place in order])


class LatestOfStore:
    """The last values of the series of one store. Any thread."""

    def __init__(self, store: PartitionStore, zones: Zones) -> None:
        self._store = store
        self._zones = zones
        self._tables: dict[TableId, _Series] = {}

    def parts(self, info: TableInfo, request: LatestRequest) -> Iterator[LatestPart]:
        """The newest entries of a table, for each measure. Raises what `PartitionStore.latest` raises."""
        table = info.table
        types = self._store.measure_types(table)
        for measure in request.measures or types:
            found = self._store.latest(table, measure, request.from_ns) if measure in types else None
            if found is not None:
                series = self._series_of(table)
                found = _newest(found, self._wanted(table, series, request), request.limit)
                yield series.part(found, measure, info.settings.units.get(measure), types[measure])

    def _series_of(self, table: TableId) -> _Series:
        index = self._store.registry.of(table)
        series = self._tables.get(table)
        if series is None or series.index is not index or series.rezoned != index.rezoned:
            series = self._tables[table] = _Series(index, index.rezoned)
        return series

    def _wanted(self, table: TableId, series: _Series, request: LatestRequest) -> Int32s | None:
        """The ids of the series that are asked for, ascending; None: all."""
        chosen = [series.members.selected({name: (value,)}) for name, value in request.dimensions]
        if request.zones:
            of_zones = [one for zone in request.zones for one in self._zones.series_of(table, zone)]
            chosen.append(np.array(of_zones, np.int32))
        return functools.reduce(np.intersect1d, chosen) if chosen else None


def _newest(found: Latest, wanted: Int32s | None, limit: int) -> Latest:
    """The newest of these values, of the series that are wanted, newest first."""
    places = np.arange(len(found)) if wanted is None else np.flatnonzero(np.isin(found.series, wanted))
    time_ns = found.time_ns[places]
    if len(places) > limit:
        newest_of_all = np.argpartition(time_ns, len(places) - limit)[-limit:]
        places, time_ns = places[newest_of_all], time_ns[newest_of_all]
    places = places[np.argsort(-time_ns, kind="stable")]
    return Latest(found.series[places], found.time_ns[places], found.values[places])


@dataclass(slots=True)
class _Series:
    """What entries say about the series of a table, made when it is first needed."""

    index: SeriesIndex
    rezoned: int
    _begun: dict[int, bytes] = field(default_factory=dict)
    members: Members = field(init=False)

    def __post_init__(self) -> None:
        self.members = Members(self.index)

    def part(self, latest: Latest, measure: str, unit: str | None, kind: MeasureType) -> LatestPart:
        """The entries of values of one measure, in their order."""
        middle = b',"measure":%b,"unit":%b,"time":"' % (orjson.dumps(measure), orjson.dumps(unit))
        of_rows = zip(latest.series.tolist(), _times(latest.time_ns), _values(latest.values, kind), strict=True)
        entries = [
            b'%b%b%b","value":%b}' % (self._begun.get(series) or self._begin(series), middle, time, value)
            for series, time, value in of_rows
        ]
        return LatestPart(latest.time_ns.tolist(), entries)

    def _begin(self, series: int) -> bytes:
        key, table = self.index.keys[series], self.index.table
        about = {
            "table": f"{table.database}.{table.table}",
            "zone": self.index.zones[series],
            "dimensions": dict(key.dimensions),
            "measure_name": key.measure_name,
        }
        begun = self._begun[series] = orjson.dumps(about)[:-1]
        return begun


def _times(times_ns: Int64s) -> list[bytes]:
    """RFC 3339, as `rfc3339`; many of them are of the same second."""
    seconds, rest_ns = np.divmod(times_ns, NS)
    whole = {second: rfc3339(second * NS)[:-1].encode() for second in np.unique(seconds).tolist()}
    return [
        b"%b.%bZ" % (whole[second], (b"%09d" % rest).rstrip(b"0")) if rest else whole[second] + b"Z"
        for second, rest in zip(seconds.tolist(), rest_ns.tolist(), strict=True)
    ]


def _values(values: npt.NDArray[Any], kind: MeasureType) -> list[bytes]:
    """The values in JSON; null for what is not finite."""
    if not len(values):
        return []
    if kind is MeasureType.TIMESTAMP:
        return [b'"%b"' % time for time in _times(values)]
    if kind is MeasureType.VARCHAR:
        return [orjson.dumps(value) for value in values.tolist()]
    return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
