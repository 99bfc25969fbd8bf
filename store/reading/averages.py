"""Averages of measures over zones and time: one scan for any number of zones and measures of a table.

`store.reading.by_zone` says which rows are those of a zone. Equal texts from different dimensions are the same zone. An
average is the mean of all rows in [from, to) that have the measure; `store.reading.bins` defines the start of bins;
empty bins are left out.
"""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from store.catalog.rollup_table import RollupTable
from store.catalog.schema import Column, TableSchema
from store.errors import RequestError
from store.memory.newness import NEVER_NS
from store.memory.rollup import GRAINS_NS, MINUTE_NS, NOTHING, Sums, joined, summed
from store.reading.bins import Bins
from store.reading.by_zone import ZONE
from store.reading.rollup_tables import first_whole_bin_ns, fits, sums_of
from store.reading.scan import END_OF_TIME_NS
from store.reading.snapshot import Snapshot
from store.record import Int64s, MeasureType, SeriesIndex, TableId

_NUMERIC = (MeasureType.DOUBLE, MeasureType.BIGINT)


class UnknownMeasure(RequestError):
    """The table has no such measure; the message lists its measures."""


class MeasureNotNumeric(RequestError):
    """The measure is a text, a boolean or a timestamp: it has no average."""


@dataclass(frozen=True, slots=True)
class Average:
    """The mean of `count` (≥ 1) values, the least and the greatest. `time_ns`: start of the bin, None without bins."""

    time_ns: int | None
    average: float
    min: float
    max: float
    count: int


class ZoneAverages(Mapping[tuple[str, str], list[Average]]):
    """For each (zone, measure) its averages in ascending time; an empty list if there are no values."""

    def __init__(self, zones: Sequence[str], bins: Bins | None) -> None:
        self._zones = zones
        self._bins = bins
        self._found: dict[str, tuple[Int64s, Int64s, Sums]] = {}  # by measure: places of zones ascending, starts, sums
        self._places = {zone: place for place, zone in enumerate(zones)}

    def add(self, measure: str, place: Int64s, start_ns: Int64s, sums: Sums) -> None:
        """Add a measure: for each value the place of its zone and the start of its bin, ascending."""
        self._found[measure] = place, start_ns, sums

    def __len__(self) -> int:
        return len(self._zones) * len(self._found)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter((zone, measure) for zone in self._zones for measure in self._found)

    def __getitem__(self, key: tuple[str, str]) -> list[Average]:
        zone, measure = key
        place, start_ns, sums = self._found[measure]
        first, end = np.searchsorted(place, (self._places[zone], self._places[zone] + 1))
        of = sums.at(slice(first, end))
        times = [None if self._bins is None else self._bins.instant_ns(start) for start in start_ns[first:end].tolist()]
        values = (of.total / of.count, of.least, of.greatest, of.count)
        return list(map(Average, times, *(value.tolist() for value in values)))


def zone_averages(
    snapshot: Snapshot,
    index: SeriesIndex,
    zones: Mapping[str, Sequence[int]],
    measures: Sequence[str],
    *,
    from_ns: int,
    to_ns: int,
    bins: Bins | None = None,
    rollups: Sequence[RollupTable] = (),
    now_ns: int = 0,
    are_sensors: bool = False,
) -> ZoneAverages:
    """The averages of these measures of these zones, of values in [from, to).

    `zones` contains the ids of each zone's series in `index`; if they `are_sensors`, of each sensor's, of which a zone
    has several. Of bins that the table does not have wholly any more, at `now_ns`, the values are those of the longest
    of its `rollups` that fits. Raises UnknownMeasure, MeasureNotNumeric, and everything that `Snapshot.source` and
    `Snapshot.execute` raise. May block: it scans the rows of the zones.
    """
    table = index.table
    columns = columns_of(snapshot, table, measures)
    result = ZoneAverages(list(zones), bins)
    of_slots, of_rows, grain_ns = [_NO_VALUES] * len(columns), [_NO_VALUES] * len(columns), None
    rolled = _longest(rollups, bins, from_ns, to_ns)
    earlier: Iterable[_Values] = [_NO_VALUES] * len(columns)
    if rolled is not None and bins is not None:
        first_ns = min(to_ns, first_whole_bin_ns(now_ns, _retention_ns(snapshot, table), rolled.bin_ns))
        target = TableId(table.account, *rolled.target)
        earlier = sums_of(snapshot, target, list(zones), measures, bins, from_ns, first_ns)
        from_ns = max(from_ns, first_ns)
    if any(map(len, zones.values())) and columns and from_ns < to_ns:
        from_ns, to_ns = max(from_ns, NEVER_NS), min(to_ns, END_OF_TIME_NS)
        grain_ns = None if are_sensors else _grain(bins, from_ns, to_ns)
        division, rows = snapshot.rows_of_zones(
            table,
            index,
            list(zones.values()),
            columns,
            time_from_ns=from_ns,
            time_to_ns=to_ns,
            grain_ns=grain_ns,
            are_sensors=are_sensors,
        )
        of_slots = [division.sums(column.physical) for column in columns]
        if rows:
            start = "0" if bins is None else bins.sql("t.time_ns", from_ns, to_ns)
            of_rows = list(_of_rows(snapshot, rows, start, columns))
    for measure, slots, others, before in zip(measures, of_slots, of_rows, earlier, strict=True):
        result.add(measure, *_by_bin(bins, grain_ns or MINUTE_NS, slots, _together(others, before)))
    return result


def _longest(rollups: Sequence[RollupTable], bins: Bins | None, from_ns: int, to_ns: int) -> RollupTable | None:
    """The rollup table with the longest bins that fit; None if none do."""
    fitting = [] if bins is None else [rollup for rollup in rollups if fits(rollup, bins, from_ns, to_ns)]
    return max(fitting, key=lambda rollup: rollup.bin_ns, default=None)


def _together(values: _Values, others: _Values) -> _Values:
    if not len(others[0]):
        return values
    places, starts = (np.concatenate(parts) for parts in zip(values[:2], others[:2], strict=True))
    return places, starts, joined([values[2], others[2]])


def columns_of(snapshot: Snapshot, table: TableId, measures: Sequence[str]) -> list[Column]:
    """The columns of these measures. Raises UnknownMeasure, MeasureNotNumeric, UnknownTable, UnknownDatabase."""
    schema = snapshot.schema(table.database, table.table)
    if not {column.name for column in schema.columns}.issuperset(measures) and snapshot.renew():
        schema = snapshot.schema(table.database, table.table)
    return [_numeric(schema, measure) for measure in measures]


def _retention_ns(snapshot: Snapshot, table: TableId) -> int:
    return snapshot.schema(table.database, table.table).settings.retention_ns


_Values: TypeAlias = tuple[Int64s, Int64s, Sums]  # place of the zone, slot or start of the bin, sums
_NO_VALUES: _Values = np.zeros(0, np.int64), np.zeros(0, np.int64), NOTHING


def _grain(bins: Bins | None, from_ns: int, to_ns: int) -> int | None:
    """The length of the slots that make these bins; None: only rows do."""
    if bins is None:
        return MINUTE_NS
    return next((grain_ns for grain_ns in GRAINS_NS if bins.hold_whole(grain_ns, from_ns, to_ns)), None)


def _by_bin(bins: Bins | None, grain_ns: int, of_slots: _Values, of_rows: _Values) -> _Values:
    """One entry for each zone and bin, ascending."""
    slot = of_slots[1]
    first, end = (int(slot.min()), int(slot.max()) + 1) if len(slot) else (0, 0)
    slots = np.arange(first, end)
    start_of = np.zeros(len(slots), np.int64) if bins is None else bins.starts(slots * grain_ns)
    starts = np.union1d(start_of, of_rows[1])
    number = np.concatenate([np.searchsorted(starts, start_of)[slot - first], np.searchsorted(starts, of_rows[1])])
    place, number, sums = summed(np.concatenate([of_slots[0], of_rows[0]]), number, joined([of_slots[2], of_rows[2]]))
    return place, starts[number], sums


def _of_rows(snapshot: Snapshot, rows: str, start: str, columns: Sequence[Column]) -> Iterator[_Values]:
    called = ", ".join(
        f"count(t.{column.quoted}), "
        + ", ".join(f"{call}(t.{column.quoted})::DOUBLE" for call in ("sum", "min", "max"))
        for column in columns
    )
    found = snapshot.execute(f"SELECT t.{ZONE}, {start}, {called} FROM ({rows}) AS t GROUP BY 1, 2").columns
    for first in range(2, len(found), 4):
        count = found[first].to_numpy()
        there = count > 0
        place, start_ns = (of.to_numpy().astype(np.int64)[there] for of in found[:2])
        total, least, greatest = (of.to_numpy()[there] for of in found[first + 1 : first + 4])
        yield place, start_ns, Sums(count[there], total, least, greatest)


def _numeric(schema: TableSchema, measure: str) -> Column:
    """The column of a numeric measure. Raises UnknownMeasure, MeasureNotNumeric."""
    found = {column.name: column for column in schema.columns if column.kind == "measure"}
    column = found.get(measure)
    if column is None:
        known = ", ".join(found) or "none yet"
        raise UnknownMeasure(f"no measure {measure!r} in {_named(schema.table)}; its measures are: {known}")
    if column.type not in _NUMERIC:
        raise MeasureNotNumeric(f"measure {measure!r} of {_named(schema.table)} is a {column.type.value}, not a number")
    return column


def _named(table: TableId) -> str:
    return f"{table.database}.{table.table}"
