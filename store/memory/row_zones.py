"""How rows of files get the number of their zone: by their dimensions, or by all their key."""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.schema import ZONE_COLUMN, Column
from store.catalog.zones import zone_sql
from store.engine.duck import Cursor
from store.memory.rollup import BY_TEMPLATE
from store.memory.zone_numbers import ZoneNumbers
from store.record import Int32s, SeriesIndex, dimension_values
from store.values.templates import names_in

_SERIES = "series_in_zones"


@dataclass(frozen=True, slots=True)
class RowZones:
    """The zones of rows of files, in queries of one cursor.

    zoning      what they are valid for, see `store.memory.zone_numbers`; BY_TEMPLATE: always
    dimensions  the columns that queries need
    """

    zoning: int
    dimensions: Sequence[Column]
    _value: str
    _join: str  # "" if the zone is made of the dimensions
    _numbers: ZoneNumbers

    def sql(self, relation: str, measures: Sequence[Column], where: str = "true") -> str:
        """The query for the zones, times and measures of rows."""
        values = "".join(f", t.{column.quoted}::DOUBLE AS {column.quoted}" for column in measures)
        time_ns = f'epoch_us(t."{layout.TIME}") * 1000 + t."{layout.TIME_REST}" AS "{layout.TIME_NS}"'
        rows = f"(SELECT * FROM {relation} WHERE {where})"
        return f"SELECT {time_ns}, {self._value} AS {ZONE_COLUMN.quoted}{values} FROM {rows} AS t{self._join}"

    def of_batch(self, batch: pa.RecordBatch) -> Int32s:
        """The number of each row's zone, -1 without one."""
        zone = batch[ZONE_COLUMN.physical]
        return zones_of_text(zone, self._numbers) if pa.types.is_string(zone.type) else zone.to_numpy()


def row_zones(
    cursor: Cursor,
    template: str | None,
    dimensions: Sequence[Column],
    index: SeriesIndex,
    numbers: ZoneNumbers,
    of_series: tuple[int, Int32s],
) -> RowZones:
    """The zones of rows of a table with this template; without one a row has the zone that its series has.

    `of_series`: see `ZoneNumbers.of_series`.
    """
    if template is not None:
        named = [column for column in dimensions if column.name in (names_in(template) or (template,))]
        return RowZones(BY_TEMPLATE, named, zone_sql(template, named, ZONE_COLUMN), "", numbers)
    zoning, zones = of_series
    keys = index.keys[: len(zones)]
    members = {f"d{at}": dimension_values(keys, column.name) for at, column in enumerate(dimensions)}
    columns = {name: pa.array(values, pa.string()) for name, values in members.items()}
    names = pa.array([key.measure_name for key in keys], pa.string())
    cursor.register(_SERIES, pa.table({**columns, "name": names, "zone": zones}))
    matches = "".join(f" AND t.{column.quoted} IS NOT DISTINCT FROM m.d{at}" for at, column in enumerate(dimensions))
    join = f' JOIN {_SERIES} AS m ON t."{layout.MEASURE_NAME}" = m.name{matches}'
    return RowZones(zoning, dimensions, "m.zone", join, numbers)


def zones_of_text(zone: pa.Array, zones: ZoneNumbers) -> Int32s:
    """The number of each of these zones; null: none."""
    coded = zone.dictionary_encode()
    numbers = np.array([zones.number_of(name) for name in coded.dictionary.to_pylist()] + [-1], np.int32)
    return np.asarray(numbers[coded.indices.fill_null(len(numbers) - 1).to_numpy(zero_copy_only=False)])
