"""Reads the rows of the minutes in which pieces of a division begin or end, unless they are still known."""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import pyarrow as pa

from store import layout
from store.catalog.schema import Column
from store.engine.duck import Cursor, run
from store.magnetic.parquet import DataFile
from store.memory.cut_minutes import CutMinute
from store.memory.rollup import MINUTE_NS, Samples, all_samples
from store.memory.rollups import samples_of
from store.memory.row_zones import row_zones
from store.reading.rolled import Division, Piece
from store.reading.scan import ChunkView, TableView, magnetic_times
from store.record import Int32s

ZoneOf: TypeAlias = Callable[[pa.RecordBatch], Int32s]


def with_cut_minutes(cursor: Cursor, view: TableView, division: Division, measures: Sequence[Column]) -> Division:
    """The division, whose pieces have the samples of their cuts. Raises DamagedRows, and what `run` raises."""
    if not any(piece.cuts for piece in division.pieces):
        return division
    return replace(division, pieces=[_with_samples(cursor, view, piece, measures) for piece in division.pieces])


def _with_samples(cursor: Cursor, view: TableView, piece: Piece, measures: Sequence[Column]) -> Piece:
    known, source = piece.memory.rollups.cut_minutes, piece.source
    name = source.path if isinstance(source, DataFile) else source.chunk.name
    having = [column for column in measures if column.physical in piece.rollups]
    samples: dict[tuple[int, str], Samples] = {}
    for minute in {from_ns // MINUTE_NS for from_ns, _ in piece.cuts}:
        missing = []
        for column in having:
            found = known.get(CutMinute(name, piece.rows, piece.zones.zoning, minute, column.physical))
            if found is None:
                missing.append(column)
            else:
                samples[minute, column.physical] = found
        for column, read in zip(missing, _read(cursor, view, piece, minute, missing), strict=True):
            known.add(CutMinute(name, piece.rows, piece.zones.zoning, minute, column.physical), read)
            samples[minute, column.physical] = read
    return replace(piece, samples=samples)


def _read(cursor: Cursor, view: TableView, piece: Piece, minute: int, measures: Sequence[Column]) -> Iterable[Samples]:
    """The samples of all zones in this minute, by measure."""
    if not measures:
        return ()
    from_ns, to_ns = minute * MINUTE_NS, (minute + 1) * MINUTE_NS
    if isinstance(piece.source, DataFile):
        sql, zone_of = _in_file(cursor, view, piece, piece.source, measures, (from_ns, to_ns))
    else:
        sql, zone_of = _in_chunk(piece, piece.source, measures, (from_ns, to_ns))
    parts: dict[str, list[Samples]] = {column.physical: [] for column in measures}
    for name, samples in samples_of(run(cursor, sql).to_batches(), list(parts), zone_of):
        parts[name].append(samples)
    return map(all_samples, parts.values())


def _in_chunk(piece: Piece, chunk: ChunkView, measures: Sequence[Column], times: tuple[int, int]) -> tuple[str, ZoneOf]:
    values = "".join(f", {column.quoted}::DOUBLE AS {column.quoted}" for column in measures)
    time_ns = f'"{layout.TIME_NS}"'
    sql = (
        f'SELECT "{layout.SERIES_ID}", {time_ns}{values} FROM {chunk.chunk.name} '
        f"WHERE {time_ns} >= {times[0]} AND {time_ns} < {times[1]} AND rowid < {piece.rows}"
    )
    return sql, lambda batch: piece.zones.of_series[batch[layout.SERIES_ID].to_numpy()]


def _in_file(
    cursor: Cursor,
    view: TableView,
    piece: Piece,
    file: DataFile,
    measures: Sequence[Column],
    times: tuple[int, int],
) -> tuple[str, ZoneOf]:
    dimensions = [column for column in view.schema.scanned if column.kind == "dimension"]
    numbers = piece.memory.rollups.zones
    of_series = (piece.zones.zoning, piece.zones.of_series)
    zones = row_zones(cursor, view.schema.settings.zone, dimensions, piece.memory.index, numbers, of_series)
    relation = view.data.relation(cursor, [file], [*zones.dimensions, *measures])
    return zones.sql(relation, measures, " AND ".join(magnetic_times(*times))), zones.of_batch
