"""The text that reads the rows of zones, each with the number of its zone.

A zone is a function of a record's dimensions, so its rows are those of its series. In RAM they are found by the ids of
these series, without a look at dimensions. Rows of files and of other processes are found by their dimensions: those
that the zone's template names, or all of them if the zone does not come from a template.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store import layout
from store.catalog.schema import Column, TableSchema
from store.memory.zone_numbers import NO_ZONE
from store.reading.rendering import Rendering
from store.reading.scan import MemoryView, Selection, TableView, may_have_rows_elsewhere, memory_by_series, text
from store.reading.series import LISTED
from store.record import Int32s, SeriesIndex, dimension_values
from store.values.templates import names_in

ZONE = "zone"  # the number of the row's zone
_PRUNED_SERIES = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class ByNumber:
    """Zones that are asked for, by the numbers that `memory.rollups` has for zones.

    zoning  and of_series: see `ZoneNumbers.of_series`
    asked   for each number that of the zone in `Zones`, -1: not asked for
    """

    zoning: int
    of_series: Int32s
    asked: Int32s

    def of(self, zone: Int32s) -> Int32s:
        """The number in `Zones` for each of these; rollups and rows may have zones without series, or none."""
        asked = self.asked
        if len(zone) and int(zone.max()) >= len(asked):
            asked = np.append(asked, np.full(int(zone.max()) + 1 - len(asked), NO_ZONE, np.int32))
        return np.asarray(np.where(zone < 0, NO_ZONE, asked[zone]))


@dataclass(frozen=True)
class Zones:
    """The series of zones, by their ids in `index`; zones are numbered in this order."""

    index: SeriesIndex
    series: Sequence[Sequence[int]]
    dimensions: Sequence[Column]  # those that determine the zone
    _ids_in: dict[int, tuple[Int32s, Int32s]] = field(default_factory=dict)  # by the id of the index

    @cached_property
    def of_dimensions(self) -> dict[tuple[str | None, ...], int]:
        """The number of the zone by the values of `dimensions`; None: absent."""
        ids, numbers = self.ids_in(self.index)
        keys = [self.index.keys[series] for series in ids.tolist()]
        columns = [dimension_values(keys, column.name) for column in self.dimensions]
        of_series = zip(*columns, strict=True) if columns else itertools.repeat((), len(keys))
        return dict(zip(of_series, numbers.tolist(), strict=True))

    def prunable(self) -> Mapping[str, Collection[str]] | None:
        """For each dimension that all series have with few values, these values; None if there is none.

        Nor if there are many series: their values are few only by chance.
        """
        if sum(map(len, self.series)) > _PRUNED_SERIES:
            return None
        values = {
            column.name: {key[place] for key in self.of_dimensions} for place, column in enumerate(self.dimensions)
        }
        kept = {
            name: [value for value in found if value is not None]
            for name, found in values.items()
            if None not in found and len(found) <= LISTED
        }
        return kept or None

    def ids_in(self, index: SeriesIndex) -> tuple[Int32s, Int32s]:
        """The ids of the series that are in another index, or this one, and the number of the zone of each."""
        if id(index) not in self._ids_in:
            self._ids_in[id(index)] = self._find(index)
        return self._ids_in[id(index)]

    def _find(self, index: SeriesIndex) -> tuple[Int32s, Int32s]:
        numbers = np.repeat(np.arange(len(self.series), dtype=np.int32), [len(series) for series in self.series])
        ids = np.concatenate([np.asarray(series, np.int32) for series in self.series])
        if index is self.index:
            return ids, numbers
        found = [index.find(self.index.keys[series]) for series in ids.tolist()]
        is_known = np.array([series is not None for series in found], np.bool_)
        return np.array([series for series in found if series is not None], np.int32), numbers[is_known]

    def by_number(self, memory: MemoryView) -> ByNumber | None:
        """See `by_number`."""
        return by_number(memory, *self.ids_in(memory.index))


def by_number(memory: MemoryView, ids: Int32s, numbers: npt.NDArray[np.integer]) -> ByNumber | None:
    """Zones, or groups of such, that are numbered for each of these series, by the numbers of `memory.rollups`.

    None if these are not whole zones, each in one group.
    """
    zoning, of_series = memory.rollups.zones.of_series()
    there = of_series[ids[ids < len(of_series)]]
    size = int(of_series.max(initial=-1)) + 1
    found = np.full(size, NO_ZONE, np.int32)
    if len(there) < len(ids) or (there < 0).any():
        return None
    found[there] = numbers
    whole, asked = (np.bincount(of[of >= 0], minlength=size) for of in (of_series, there))
    is_asked = found >= 0
    if (found[there] != numbers).any() or (whole[is_asked] != asked[is_asked]).any():
        return None
    return ByNumber(zoning, of_series, found)


def zones_of(
    schema: TableSchema, index: SeriesIndex, series: Sequence[Sequence[int]], *, are_sensors: bool = False
) -> Zones:
    """These zones of a table, or sensors, which all dimensions together determine."""
    dimensions = [column for column in schema.scanned if column.kind == "dimension"]
    template = schema.settings.zone
    if template is not None and not are_sensors:
        names = names_in(template) or (template,)
        dimensions = [column for column in dimensions if column.name in names]
    return Zones(index, series, dimensions)


def rows_of_zones(
    view: TableView, selection: Selection, zones: Zones, columns: Sequence[Column], rendering: Rendering
) -> str:
    """The query for the selected rows of these zones: `ZONE`, time, and `columns`; "" if there are certainly none."""
    superseded = rendering.superseded(view, selection)
    values = ", ".join([f't."{layout.TIME_NS}"', *(f"t.{column.quoted}" for column in columns)])
    if view.schema.stored:  # values may be computed from dimensions
        return _by_dimensions(text(view, selection, superseded, rendering.relation(view)), zones, values, rendering)
    parts = _in_memory(view, selection, zones, superseded, values, rendering)
    if superseded is not None or may_have_rows_elsewhere(view, selection):
        times = "false" if superseded is None else f'"{layout.TIME_NS}" IN ({superseded})'
        others = text(view, replace(selection, memory_times=times), superseded, rendering.relation(view))
        parts.append(_by_dimensions(others, zones, values, rendering))
    return " UNION ALL ".join(parts)


def _in_memory(
    view: TableView, selection: Selection, zones: Zones, superseded: str | None, values: str, rendering: Rendering
) -> list[str]:
    """The rows in RAM, without those of superseded times."""
    found = [zones.ids_in(memory.index) for memory in view.memory]
    are_few = [len(ids) <= LISTED for ids, _ in found]
    tables = [
        "" if few and len(zones.series) == 1 else rendering.register("zones", pa.table({"series": ids, ZONE: numbers}))
        for few, (ids, numbers) in zip(are_few, found, strict=True)
    ]
    selection = replace(
        selection,
        series=[
            (", ".join(map(str, ids.tolist())) or "-1") if few else f"SELECT series FROM {table}"
            for few, table, (ids, _) in zip(are_few, tables, found, strict=True)
        ],
        memory_times=None if superseded is None else f'"{layout.TIME_NS}" NOT IN ({superseded})',
    )
    return [
        f'SELECT z.{ZONE}, {values} FROM {rows} AS t JOIN {table} AS z ON t."{layout.SERIES_ID}" = z.series'
        if table
        else f"SELECT 0 AS {ZONE}, {values} FROM {rows} AS t"
        for rows, table in zip(memory_by_series(view, selection), tables, strict=True)
        if rows
    ]


def _by_dimensions(rows: str, zones: Zones, values: str, rendering: Rendering) -> str:
    """Those of `rows` whose dimensions are of one of the zones."""
    keys, numbers = zip(*zones.of_dimensions.items(), strict=True)
    members = {f"d{place}": pa.array(column, pa.string()) for place, column in enumerate(zip(*keys, strict=True))}
    table = rendering.register("members", pa.table({**members, ZONE: pa.array(numbers, pa.int32())}))
    matches = " AND ".join(
        f"t.{column.quoted} IS NOT DISTINCT FROM m.d{place}" for place, column in enumerate(zones.dimensions)
    )
    return f"SELECT m.{ZONE}, {values} FROM {rows} AS t JOIN {table} AS m ON {matches or 'true'}"
