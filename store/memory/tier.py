"""The memory tier of one table: rows in RAM, in DuckDB tables called chunks, in order of arrival.

New rows are added to the *head* (Arrow, not yet in DuckDB) and inserted into the *open* chunk, many at a time. A chunk
with `CHUNK_ROWS` rows is closed; when all its rows are in the magnetic tier it is *sealed*: rewritten, sorted by series
and time, into its own compressed database (about 1.7 bytes per value). So rows that are not in the magnetic tier are
only in unsealed chunks, and evicting the oldest sealed chunk frees its memory at once. The planning of a query takes
time for each chunk (50: 60 ms, 200: 0.9 s), so sealed chunks are merged, eight into one, up to `most_bytes`.

`whole_from_ns` is a guarantee for readers: all rows of the table with a time ≥ it are here. When a chunk is evicted, it
rises to just after the newest of its rows; when earlier rows are loaded back after a start, it falls to theirs.

Not thread-safe: the table's lock protects every call, except that sealing reads a closed chunk, which never changes.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.schema import Column, Columns
from store.engine.duck import Cursor, Duck, load, run
from store.memory.newness import NEVER_NS
from store.memory.rollup import Rolled, RollupOf, rolled
from store.memory.sealed_form import WITHOUT_TIME, form_of
from store.record import Int32s, Int64s, SeriesIndex, dimension_values
from store.sequence import OFFSET_BITS

CHUNK_ROWS = 200_000
KEY = "_key"  # of the rows that `find` returns: the number of the requested key
_MERGED_CHUNKS = 8  # this number of chunks of similar size become one
_LEVELS = ((0, 4), (4, 32))  # size classes of chunks to be merged, in `CHUNK_ROWS`; larger ones are not merged
_ADDED_SINGLY = 8  # this number of columns is added to a chunk one by one
_COPIED_VALUES = 1_000_000  # a chunk of at most this size is copied in milliseconds
SORT_ROWS = _MERGED_CHUNKS * CHUNK_ROWS  # sorted in memory together: about 200 MB

_FIXED = f'"{layout.TIME_NS}" BIGINT, {WITHOUT_TIME}'
# Approximate size of a sealed chunk; only used to rank chunks, since the memory to free is measured
_FIXED_BYTES_PER_ROW = 3
_BYTES_PER_VALUE = 1
_chunk_numbers = itertools.count()


@dataclass(slots=True, eq=False)
class Chunk:
    """One DuckDB table of rows. `pins` counts snapshots that may read it; dropped when retired and unpinned."""

    name: str  # in SQL
    database: str | None  # for a sealed chunk: its own database, which is detached to drop it
    created_ns: int
    measures: dict[str, Column] = field(default_factory=dict)  # by physical name
    rows: int = 0
    from_ns: int = np.iinfo(np.int64).max
    to_ns: int = NEVER_NS  # inclusive
    last_sequence: dict[int, int] = field(default_factory=dict)  # by partition number: the highest one
    superseded_ns: list[Int64s] = field(default_factory=list)  # times at which some rows replace others
    size_bytes: int = 0
    values: int = 0  # of measures, without absent ones
    pins: int = 0
    rolled: dict[RollupOf, Rolled] = field(default_factory=dict)

    @property
    def sealed(self) -> bool:
        """Whether it is sorted, compressed, and completely in the magnetic tier."""
        return self.database is not None

    def is_covered(self, positions: dict[int, int]) -> bool:
        """Whether the magnetic tier has all its rows, given the position per partition number."""
        return all(
            sequence >> OFFSET_BITS <= positions.get(partition, -1)
            for partition, sequence in self.last_sequence.items()
        )


@dataclass(slots=True)
class Rows:
    """Rows to be added to the head: arrays of one length, measures by column.

    superseded_ns  times of those that replace an earlier row of their key; of any length
    """

    series: Int32s
    time_ns: Int64s
    version: Int64s
    partition: int
    sequence: Int64s
    measures: dict[str, pa.Array]  # by physical name
    superseded_ns: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))

    def to_arrow(self) -> pa.Table:
        """The rows in the form of a chunk."""
        return pa.table(
            {
                layout.SERIES_ID: self.series,
                layout.TIME_NS: self.time_ns,
                layout.VERSION: self.version,
                layout.PARTITION: np.full(len(self.series), self.partition, np.int16),
                layout.SEQUENCE: self.sequence,
                **{
                    name: values.view(pa.int64()) if pa.types.is_timestamp(values.type) else values
                    for name, values in self.measures.items()
                },
            }
        )


class MemoryTier:
    """The rows in RAM of one table, and a DuckDB table of its series to join with."""

    def __init__(self, duck: Duck, columns: Columns, index: SeriesIndex) -> None:
        self._duck = duck
        self._writer: Cursor = duck.cursor()
        self._columns = columns
        self._index = index
        self.series_table = f"main.series_{next(_chunk_numbers)}"
        self.series_known = 0  # the dimensions of series below it have columns; the index may have more series
        self._series_written = 0
        self._dimensions_written = 0
        self._zones: list[str | None] | None = None  # of the written series, if the table has zones
        self._rezoned = 0  # `rezoned` of the index when they were written
        self._has_series_table = False
        self.chunks: list[Chunk] = []  # oldest first; the last may be open
        self._open: Chunk | None = None
        self._head: list[Rows] = []
        self.head_rows = 0
        self.whole_from_ns = NEVER_NS
        self.uncommitted_bytes = 0
        self._retired: list[Chunk] = []
        self._is_dropped = False

    # Writing

    def add(self, rows: Rows) -> None:
        """Add rows to the head."""
        self._head.append(rows)
        self.head_rows += len(rows.series)

    def insert_head(self, now_ns: int) -> None:
        """Insert the head into the open chunk, and new series into their table, for queries (about 1 ms).

        Does nothing after `drop`: the table may be closed while a flush of it begins.
        """
        if self._is_dropped:
            return
        self._write_series()
        if not self._head:
            return
        chunk = self._chunk_with_columns(now_ns)
        tables = [rows.to_arrow() for rows in self._head]
        rows = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
        load(self._writer, chunk.name, rows)
        for part in self._head:
            chunk.from_ns = min(chunk.from_ns, int(part.time_ns.min()))
            chunk.to_ns = max(chunk.to_ns, int(part.time_ns.max()))
            chunk.last_sequence[part.partition] = max(
                chunk.last_sequence.get(part.partition, -1), int(part.sequence.max())
            )
            if len(part.superseded_ns):
                chunk.superseded_ns.append(part.superseded_ns)
            chunk.values += sum(len(values) - values.null_count for values in part.measures.values())
        chunk.rows += rows.num_rows
        chunk.size_bytes += rows.nbytes
        self.uncommitted_bytes += rows.nbytes
        self._head = []
        self.head_rows = 0
        if chunk.rows >= CHUNK_ROWS:
            self.close_chunk()

    def close_chunk(self) -> None:
        """Close the open chunk; the next rows open another."""
        self._open = None

    def is_open(self, chunk: Chunk) -> bool:
        """Whether rows may still be added to it."""
        return chunk is self._open

    def _chunk_with_columns(self, now_ns: int) -> Chunk:
        """The open chunk, with all columns of the table.

        Adding a column takes DuckDB the longer the more there are (3 ms at 1,000). So where many are new, a small chunk
        is replaced by a wider copy, and after a large one another is opened.
        """
        chunk = self._open
        missing = (
            [] if chunk is None else [of for name, of in self._columns.measures.items() if name not in chunk.measures]
        )
        if chunk is None or (len(missing) > _ADDED_SINGLY and chunk.rows * len(chunk.measures) > _COPIED_VALUES):
            return self._new_chunk(now_ns)
        if len(missing) <= _ADDED_SINGLY:
            for column in missing:
                self._writer.execute(f"ALTER TABLE {chunk.name} ADD COLUMN {column.quoted} {column.duck_type}")
                chunk.measures[column.physical] = column
            return chunk
        wider = self._new_chunk(chunk.created_ns)
        self._writer.execute(f"INSERT INTO {wider.name} BY NAME SELECT * FROM {chunk.name}")
        wider.rows, wider.size_bytes, wider.values = chunk.rows, chunk.size_bytes, chunk.values
        wider.from_ns, wider.to_ns, wider.last_sequence = chunk.from_ns, chunk.to_ns, dict(chunk.last_sequence)
        wider.superseded_ns = list(chunk.superseded_ns)
        wider.rolled = dict(chunk.rolled)
        self.chunks.remove(chunk)
        self._retire(chunk)
        return wider

    def _new_chunk(self, now_ns: int) -> Chunk:
        """Open another chunk, with all columns of the table."""
        self._open = chunk = self.make_chunk(self._writer, self._columns.measures, now_ns)
        self.chunks.append(chunk)
        return chunk

    def _make_series_table(self) -> None:
        """Make it with the columns that are known by now: to add one takes as long as to make the table."""
        known = list(self._columns.dimensions.values())
        self._dimensions_written = len(known)
        if self._columns.zone is not None:
            known.append(self._columns.zone)
            self._zones, self._rezoned = [], self._index.rezoned
        more = "".join(f", {column.quoted} VARCHAR" for column in known)
        self._writer.execute(
            f'CREATE TABLE {self.series_table} ("{layout.SERIES_ID}" INTEGER, "{layout.MEASURE_NAME}" VARCHAR{more})'
        )
        self._has_series_table = True

    def _write_series(self) -> None:
        if not self._has_series_table:
            self._make_series_table()
        dimensions = list(self._columns.dimensions.values())
        for column in dimensions[self._dimensions_written :]:
            self._writer.execute(f"ALTER TABLE {self.series_table} ADD COLUMN {column.quoted} VARCHAR")
        self._dimensions_written = len(dimensions)
        self._write_zones()
        first, end = self._series_written, self.series_known
        if first == end:
            return
        keys = self._index.keys[first:end]
        load(
            self._writer,
            self.series_table,
            pa.table(
                {
                    layout.SERIES_ID: pa.array(np.arange(first, end, dtype=np.int32)),
                    layout.MEASURE_NAME: pa.array([key.measure_name for key in keys], pa.string()),
                    **{
                        column.physical: pa.array(dimension_values(keys, column.name), pa.string())
                        for column in dimensions
                    },
                    **self._zones_of(first, end),
                }
            ),
        )
        self._series_written = end

    def _zones_of(self, first: int, end: int) -> dict[str, pa.Array]:
        column = self._columns.zone
        if column is None or self._zones is None:
            return {}
        zones = self._index.zones[first:end]
        self._zones += zones
        return {column.physical: pa.array(zones, pa.string())}

    def _write_zones(self) -> None:
        """Update the zones of series whose zone has changed."""
        column, rezoned = self._columns.zone, self._index.rezoned
        if column is None or (self._zones is not None and rezoned == self._rezoned):
            return
        if self._zones is None:
            self._writer.execute(f"ALTER TABLE {self.series_table} ADD COLUMN {column.quoted} VARCHAR")
            self._zones = [None] * self._series_written
        now = self._index.zones[: self._series_written]
        changed = [series for series, zone in enumerate(now) if zone != self._zones[series]]
        if changed:
            zones = pa.table({"series": pa.array(changed, pa.int32()), "zone": pa.array([now[i] for i in changed])})
            self._writer.register("changed_zones", zones)
            try:
                self._writer.execute(
                    f"UPDATE {self.series_table} SET {column.quoted} = c.zone FROM changed_zones c "
                    f'WHERE "{layout.SERIES_ID}" = c.series'
                )
            finally:
                self._writer.unregister("changed_zones")
        self._zones, self._rezoned = now, rezoned

    # Reading

    def find(self, series: Int32s, time_ns: Int64s, given: Sequence[Column]) -> list[pa.Table]:
        """The rows with any of these keys: `KEY` is the key's number; version, partition, sequence, measures.

        `given` are the measures that readers see.
        """
        keys = pa.table({layout.SERIES_ID: series, layout.TIME_NS: time_ns, KEY: np.arange(len(series))})
        first_ns, last_ns = int(time_ns.min()), int(time_ns.max())
        found = []
        self._writer.register("keys_to_find", keys)
        try:
            for chunk in self.chunks:
                if chunk.to_ns < first_ns or chunk.from_ns > last_ns:
                    continue
                measures = [column for column in given if column.expression or column.physical in chunk.measures]
                listed = "".join(f", r.{column.quoted}" for column in measures)
                sql = (
                    f'SELECT k."{KEY}", r."{layout.VERSION}", r."{layout.PARTITION}", r."{layout.SEQUENCE}"{listed} '
                    f"FROM {self._with(chunk, measures)} r JOIN keys_to_find k "
                    f'USING ("{layout.SERIES_ID}", "{layout.TIME_NS}") '
                    f'WHERE r."{layout.TIME_NS}" BETWEEN {first_ns} AND {last_ns}'
                )
                found.append(run(self._writer, sql))
        finally:
            self._writer.unregister("keys_to_find")
        return found

    def _with(self, chunk: Chunk, measures: Sequence[Column]) -> str:
        """The chunk with these measures, including those computed from stored columns that it may have."""
        made = [column for column in measures if column.expression]
        if not made:
            return chunk.name
        lacking = [column for name, column in self._columns.measures.items() if name not in chunk.measures]
        nulls = "".join(f", NULL::{column.duck_type} AS {column.quoted}" for column in lacking)
        given = "".join(f", {column.expression} AS {column.quoted}" for column in made)
        return f"(SELECT *{given} FROM (SELECT *{nulls} FROM {chunk.name}))"

    def series_columns(self) -> frozenset[str]:
        """Physical names of the dimensions, and the zone, in `series_table`."""
        zone = self._columns.zone
        dimensions = list(self._columns.dimensions.values())[: self._dimensions_written]
        columns = [*dimensions, *([] if zone is None or self._zones is None else [zone])]
        return frozenset(column.physical for column in columns)

    def beyond(self, positions: dict[int, int]) -> list[Chunk]:
        """The chunks with rows that are not in the magnetic tier, given its position per partition number."""
        return [chunk for chunk in self.chunks if not chunk.sealed and not chunk.is_covered(positions)]

    # Room

    def sealable(self, positions: dict[int, int]) -> list[Chunk]:
        """Closed chunks that are completely in the magnetic tier."""
        return [c for c in self.chunks if not c.sealed and c is not self._open and c.is_covered(positions)]

    def mergeable(self, most_bytes: int) -> list[Chunk]:
        """Sealed chunks of similar size to be merged into one of at most `most_bytes`; empty if there are too few."""
        for least, most in _LEVELS:
            level = range(least * CHUNK_ROWS, most * CHUNK_ROWS)
            group = [chunk for chunk in self.chunks if chunk.sealed and chunk.rows in level][:_MERGED_CHUNKS]
            if len(group) == _MERGED_CHUNKS and sum(chunk.size_bytes for chunk in group) <= most_bytes:
                return group
        return []

    def seal(
        self, chunks: Sequence[Chunk], begins: Sequence[int], rows_of: Callable[[Chunk], str] | None = None
    ) -> Chunk:
        """A compressed copy of closed chunks as one, sorted if not too large. Slow; must be followed by `swap`.

        `begins` are offsets from which rows mean something else; `rows_of` is the query for the rows of a chunk, if
        not all are copied. Needs no lock, except against `drop`.
        """
        select = rows_of or select_rows
        database = f"chunk_{next(_chunk_numbers)}"
        sealed = Chunk(f"{database}.main.rows", database, min(chunk.created_ns for chunk in chunks))
        for chunk in chunks:
            sealed.measures.update(chunk.measures)
            sealed.rows += chunk.rows
            sealed.values += chunk.values
            sealed.from_ns, sealed.to_ns = min(sealed.from_ns, chunk.from_ns), max(sealed.to_ns, chunk.to_ns)
            sealed.superseded_ns += chunk.superseded_ns
            for partition, sequence in chunk.last_sequence.items():
                sealed.last_sequence[partition] = max(sealed.last_sequence.get(partition, -1), sequence)
        sealed.size_bytes = sealed.rows * (_FIXED_BYTES_PER_ROW + _BYTES_PER_VALUE * len(sealed.measures))
        columns = "".join(f", {column.quoted} {column.duck_type}" for column in sealed.measures.values())
        # Rows are compressed by a checkpoint: chunks that are too large to be sorted in memory are appended one by one
        parts = [chunks] if sealed.rows <= SORT_ROWS else [[chunk] for chunk in chunks]
        cursor = self._duck.cursor()
        try:
            rows = [select(chunk) for chunk in chunks]
            form = form_of(cursor, rows, (sealed.from_ns, sealed.to_ns), sealed.last_sequence, begins)
            form.keep_exact(cursor, sealed.superseded_ns)
            cursor.execute(f"ATTACH ':memory:' AS {database} (COMPRESS)")
            cursor.execute(f"CREATE TABLE {sealed.name} ({form.columns}{columns})")
            for part in parts:
                cursor.execute(f"INSERT INTO {sealed.name} BY NAME {form.rows_of(map(select, part))}")
                cursor.execute(f"CHECKPOINT {database}")
        finally:
            cursor.close()
        return sealed

    def swap(self, chunks: Sequence[Chunk], sealed: Chunk) -> None:
        """Replace chunks by their sealed copy."""
        sealed.rolled = _rolled_together(chunks)
        self.chunks[self.chunks.index(chunks[0])] = sealed
        for chunk in chunks:
            if chunk in self.chunks:
                self.chunks.remove(chunk)
            self._retire(chunk)

    def copy(self, chunk: Chunk, rows: str) -> Chunk:
        """A copy of an unsealed chunk with the rows of a query; must be followed by `replace`."""
        copied = replace(chunk, name=f"main.chunk_{next(_chunk_numbers)}", pins=0, rolled={})
        copied.measures, copied.last_sequence = dict(chunk.measures), dict(chunk.last_sequence)
        copied.superseded_ns = list(chunk.superseded_ns)
        self._writer.execute(f"CREATE TABLE {copied.name} AS FROM {chunk.name} LIMIT 0")
        self._writer.execute(f"INSERT INTO {copied.name} BY NAME {rows}")
        return copied

    def replace(self, chunk: Chunk, other: Chunk) -> None:
        """Put a chunk in the place of another; one without rows is not kept, unless it is open."""
        place = self.chunks.index(chunk)
        if chunk is self._open:
            self._open = other
        is_kept = bool(other.rows) or other is self._open
        self.chunks[place : place + 1] = [other] if is_kept else []
        if not is_kept:
            self.discard(other)
        self.discard(chunk)

    def discard(self, chunk: Chunk) -> None:
        """Drop a chunk that is not, or no longer, one of `chunks`, once nobody reads it."""
        self._retire(chunk)

    def make_chunk(self, cursor: Cursor, measures: Mapping[str, Column], created_ns: int) -> Chunk:
        """An empty chunk with these columns, which does not belong to the tier: for `seal`, then `drop_made`."""
        chunk = Chunk(f"main.chunk_{next(_chunk_numbers)}", None, created_ns, dict(measures))
        columns = "".join(f", {column.quoted} {column.duck_type}" for column in chunk.measures.values())
        cursor.execute(f"CREATE TABLE {chunk.name} ({_FIXED}{columns})")
        return chunk

    def drop_made(self, chunk: Chunk) -> None:
        """Drop a chunk that was made and never belonged to the tier. Needs no lock."""
        cursor = self._duck.cursor()
        try:
            _drop(cursor, chunk)
        finally:
            cursor.close()

    def evict(self, chunk: Chunk) -> None:
        """Drop a sealed chunk: rows up to its newest time are read from the magnetic tier from now on."""
        self.chunks.remove(chunk)
        self.whole_from_ns = max(self.whole_from_ns, chunk.to_ns + 1)
        self._retire(chunk)

    def pin(self, chunks: Sequence[Chunk]) -> None:
        """Keep these chunks readable until `unpin`."""
        for chunk in chunks:
            chunk.pins += 1

    def unpin(self, chunks: Sequence[Chunk]) -> None:
        """Release pinned chunks."""
        for chunk in chunks:
            chunk.pins -= 1
        self._drop_retired()

    def drop(self) -> None:
        """Drop everything: the table is deleted or the store closes. Pinned chunks follow when they are unpinned."""
        self._retired += self.chunks
        self.chunks, self._open, self._head, self.head_rows = [], None, [], 0
        self._is_dropped = True
        self._drop_retired()

    def _retire(self, chunk: Chunk) -> None:
        self._retired.append(chunk)
        self._drop_retired()

    def _drop_retired(self) -> None:
        for chunk in [chunk for chunk in self._retired if not chunk.pins]:
            self._retired.remove(chunk)
            _drop(self._writer, chunk)
        if self._is_dropped and not self._retired and self.series_table:
            self._writer.execute(f"DROP TABLE IF EXISTS {self.series_table}")
            self._writer.close()
            self.series_table = ""


def _drop(cursor: Cursor, chunk: Chunk) -> None:
    cursor.execute(f"DETACH {chunk.database}" if chunk.database else f"DROP TABLE {chunk.name}")


def _rolled_together(chunks: Sequence[Chunk]) -> dict[RollupOf, Rolled]:
    """The rollups of all rows of these chunks, for the measures that are rolled up in each that has them."""
    found: dict[RollupOf, Rolled] = {}
    for key in {key for chunk in chunks for key in chunk.rolled}:
        having = [chunk for chunk in chunks if key.measure in chunk.measures]
        parts = [chunk.rolled.get(key) for chunk in having]
        whole = [
            part for part, chunk in zip(parts, having, strict=True) if part is not None and part.rows == chunk.rows
        ]
        if len(whole) == len(having) and len({part.zoning for part in whole}) == 1:
            rows = sum(chunk.rows for chunk in chunks)
            found[key] = rolled(whole[0].zoning, rows, [part.rollup for part in whole])
    return found


def select_rows(chunk: Chunk) -> str:
    """The query for the rows of a chunk in the form of an unsealed one."""
    return f'SELECT * EXCLUDE ("{layout.TICKS}") FROM {chunk.name}' if chunk.sealed else f"SELECT * FROM {chunk.name}"
