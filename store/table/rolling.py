"""Rolls up what queries need of a table (`store.memory.rollups`): sealed chunks, and the files that they have read.

A pass of the maintenance rolls up a limited number of rows, the newest first.
"""

from __future__ import annotations

from collections.abc import Sequence

from store.engine.duck import Cursor, stream
from store.magnetic.parquet import DataFile
from store.memory.rollup import MINUTE_NS, RollupOf, is_of, rolled
from store.memory.rollups import roll_up_chunk, rollups_of
from store.memory.row_zones import RowZones, row_zones
from store.memory.tier import Chunk
from store.table.core import Core

ROWS_PER_PASS = 2_000_000  # about 50 ms of processor time for one measure
_BATCH_ROWS = 122_880


def roll_up(core: Core, zone: str | None, now_ns: int, room_bytes: int) -> int:
    """Roll up what is missing, until the rollups have grown by `room_bytes`; returns by how much they have grown.

    `zone` is the table's zone template. May block. Raises DamagedRows, MagneticUnavailable, QueryFailed.
    """
    keys, before = core.rollups.wanted_at(now_ns), size_bytes(core)
    if not keys and not before:
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
        left = _roll_up_chunks(core, cursor, chunks, keys, most_bytes)
        measures = [key.measure for key in keys if key.grain_ns == MINUTE_NS]
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
    return core.rollups.cut_minutes.size_bytes + sum(one.size_bytes for of_piece in of_pieces for one in of_piece)


def _roll_up_chunks(
    core: Core, cursor: Cursor, chunks: Sequence[Chunk], keys: Sequence[RollupOf], most_bytes: int
) -> int:
    """Returns the number of rows that may still be rolled up in this pass."""
    left, zoning = ROWS_PER_PASS, core.rollups.zones.of_series()[0]
    for chunk in sorted(chunks, key=lambda chunk: -chunk.to_ns):
        known = {key for key, of in list(chunk.rolled.items()) if of.zoning == zoning}
        missing = [
            key for key in keys if key.measure in chunk.measures and key not in known and core.rollups.pays(key, chunk)
        ]
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
    zones: RowZones,
    most_bytes: int,
    left: int,
) -> None:
    with core.lock:
        stored = core.columns.stored
        columns = [stored.measures[name] for name in measures if name in stored.measures]
    for file in sorted(files, key=lambda file: -file.to_ns):
        known = core.rollups.files.setdefault(file.path, {})
        missing = {
            RollupOf(column.physical, MINUTE_NS): column
            for column in columns
            if not is_of(known.get(RollupOf(column.physical, MINUTE_NS)), zones.zoning)
        }
        if not missing:
            continue
        if left <= 0 or size_bytes(core) > most_bytes:
            return
        relation = core.magnetic.data.relation(cursor, [file], [*zones.dimensions, *missing.values()])
        sql = zones.sql(relation, list(missing.values()))
        found = rollups_of(stream(cursor, sql, _BATCH_ROWS), list(missing), zones.of_batch)
        for key, parts in found.items():
            known[key] = rolled(zones.zoning, file.rows, parts)
        left -= file.rows * len(missing)


def _zones(core: Core, cursor: Cursor, template: str | None) -> RowZones:
    with core.lock:
        dimensions = list(core.columns.stored.dimensions.values())
    numbers = core.rollups.zones
    return row_zones(cursor, template, dimensions, core.index, numbers, numbers.of_series())
