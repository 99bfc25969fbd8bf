"""Rolls up what queries need of a table (`store.memory.rollups`): sealed chunks, and the files that they have read.

A pass of the maintenance rolls up a limited number of rows, the newest first.
"""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from store import layout
from store.catalog.schema import ZONE_COLUMN, Column
from store.catalog.zones import zone_sql
from store.engine.duck import Cursor, stream
from store.magnetic.parquet import DataFile
from store.memory.rollup import BY_TEMPLATE, is_of, rolled
from store.memory.rollups import roll_up_chunk, rollups_of, zones_of_text
from store.memory.tier import Chunk
from store.memory.zone_numbers import ZoneNumbers
from store.record import Int32s, dimension_values
from store.table.core import Core
from store.values.templates import names_in

ROWS_PER_PASS = 2_000_000  # about 50 ms of processor time for one measure
_BATCH_ROWS = 122_880


def roll_up(core: Core, zone: str | None, now_ns: int, room_bytes: int) -> int:
    """Roll up what is missing, until the rollups have grown by `room_bytes`; returns by how much they have grown.

    `zone` is the table's zone template. May block. Raises DamagedRows, MagneticUnavailable, QueryFailed.
    """
    measures, before = core.rollups.measures_at(now_ns), size_bytes(core)
    if not measures and not before:
        return 0
    with core.lock:
        chunks = [chunk for chunk in core.memory.chunks if chunk.sealed]
        version = core.pin(None)
        core.memory.pin(chunks)
    cursor = core.duck.cursor()
    try:
        core.rollups.keep_only(list(core.memory.chunks), {file.path for file in version.files})
        asked = set(core.rollups.take_files())
        most_bytes = before + room_bytes
        left = _roll_up_chunks(core, cursor, chunks, measures, most_bytes)
        files = [file for file in version.files if file.path in asked]
        if files and measures:
            _roll_up_files(core, cursor, files, measures, _zones(core, cursor, zone), most_bytes, left)
    finally:
        cursor.close()
        with core.lock:
            core.memory.unpin(chunks)
            core.unpin(version.number)
    return size_bytes(core) - before


def size_bytes(core: Core) -> int:
    """The size of the table's rollups in RAM. Any thread."""
    of_pieces = [*(list(chunk.rolled.values()) for chunk in list(core.memory.chunks))]
    of_pieces += [list(of_file.values()) for of_file in list(core.rollups.files.values())]
    return sum(one.size_bytes for of_piece in of_pieces for one in of_piece)


def _roll_up_chunks(
    core: Core, cursor: Cursor, chunks: Sequence[Chunk], measures: Sequence[str], most_bytes: int
) -> int:
    """Returns the number of rows that may still be rolled up in this pass."""
    left, zoning = ROWS_PER_PASS, core.rollups.zones.of_series()[0]
    for chunk in sorted(chunks, key=lambda chunk: -chunk.to_ns):
        known = {name for name, of in list(chunk.rolled.items()) if of.zoning == zoning}
        missing = [name for name in measures if name in chunk.measures and name not in known]
        if not missing:
            continue
        if left <= 0 or size_bytes(core) > most_bytes:
            return 0
        roll_up_chunk(cursor, chunk, chunk.rows, missing, core.rollups.zones)
        left -= chunk.rows * len(missing)
    return left


def _roll_up_files(
    core: Core,
    cursor: Cursor,
    files: Sequence[DataFile],
    measures: Sequence[str],
    zones: _Zones,
    most_bytes: int,
    left: int,
) -> None:
    with core.lock:
        stored = core.columns.stored
        columns = [stored.measures[name] for name in measures if name in stored.measures]
    for file in sorted(files, key=lambda file: -file.to_ns):
        known = core.rollups.files.setdefault(file.path, {})
        missing = [column for column in columns if not is_of(known.get(column.physical), zones.zoning)]
        if not missing:
            continue
        if left <= 0 or size_bytes(core) > most_bytes:
            return
        relation = core.magnetic.data.relation(cursor, [file], [*zones.dimensions, *missing])
        names = [column.physical for column in missing]
        found = rollups_of(stream(cursor, zones.sql(relation, missing), _BATCH_ROWS), names, zones.of_batch)
        for name, parts in found.items():
            known[name] = rolled(zones.zoning, file.rows, parts)
        left -= file.rows * len(missing)


@dataclass(frozen=True, slots=True)
class _Zones:
    """How rows of files get their zone: by their dimensions, or all their key.

    zoning  what their zones are valid for
    join    "" if the zone is made of the dimensions
    """

    zoning: int
    dimensions: Sequence[Column]
    value: str
    join: str
    numbers: ZoneNumbers

    def sql(self, relation: str, measures: Sequence[Column]) -> str:
        """The query for the zones, times and measures of rows."""
        values = "".join(f", t.{column.quoted}::DOUBLE AS {column.quoted}" for column in measures)
        time_ns = f'epoch_us(t."{layout.TIME}") * 1000 + t."{layout.TIME_REST}" AS "{layout.TIME_NS}"'
        return f"SELECT {time_ns}, {self.value} AS {ZONE_COLUMN.quoted}{values} FROM {relation} AS t{self.join}"

    def of_batch(self, batch: pa.RecordBatch) -> Int32s:
        """The number of each row's zone."""
        zone = batch[ZONE_COLUMN.physical]
        return zones_of_text(zone, self.numbers) if pa.types.is_string(zone.type) else zone.to_numpy()


def _zones(core: Core, cursor: Cursor, template: str | None) -> _Zones:
    """Without a template a row has the zone that its series has now."""
    numbers = core.rollups.zones
    with core.lock:
        dimensions = list(core.columns.stored.dimensions.values())
    if template is not None:
        dimensions = [column for column in dimensions if column.name in (names_in(template) or (template,))]
        return _Zones(BY_TEMPLATE, dimensions, zone_sql(template, dimensions, ZONE_COLUMN), "", numbers)
    zoning, of_series = numbers.of_series()
    keys = core.index.keys[: len(of_series)]
    series = {f"d{at}": dimension_values(keys, column.name) for at, column in enumerate(dimensions)}
    members = {name: pa.array(values, pa.string()) for name, values in series.items()}
    named = pa.array([key.measure_name for key in keys], pa.string())
    cursor.register("series_in_zones", pa.table({**members, "name": named, "zone": of_series}))
    matches = "".join(f" AND t.{column.quoted} IS NOT DISTINCT FROM m.d{at}" for at, column in enumerate(dimensions))
    join = f' JOIN series_in_zones AS m ON t."{layout.MEASURE_NAME}" = m.name{matches}'
    return _Zones(zoning, dimensions, "m.zone", join, numbers)
