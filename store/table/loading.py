"""Loads rows of before the start back into RAM, newest first, in slices of time.

After a start RAM has what came since; everything else is read from the magnetic tier. A slice has all rows of the times
before those that RAM has whole, from the files of the current version, but for rows that came since the start: these
are in RAM. Together with the slice `whole_from_ns` is lowered to its first time, so that readers which plan from then
on read it in RAM; those that have planned go on with their files. It is over when anything was evicted: then there is
no room, and RAM is not whole any more where the next slice would have to end.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from store import layout
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, Columns
from store.engine.duck import Cursor, run
from store.magnetic.parquet import DataFile
from store.memory.newness import NEVER_NS
from store.memory.rollups import roll_up_chunk
from store.memory.tier import Chunk
from store.reading.scan import magnetic_rows, magnetic_times
from store.sequence import OFFSET_BITS
from store.table.core import Core, Past
from store.table.room import begins_of

log = logging.getLogger(__name__)

MINUTE_NS = 60_000_000_000
_MOST_TOO_MANY = 2  # a slice has at most this many times the rows that it should have


@dataclass(frozen=True, slots=True)
class Slice:
    """Times in [from_ns, to_ns), and the files that may have rows of them."""

    from_ns: int
    to_ns: int
    files: tuple[DataFile, ...]


def newest_slice(files: Sequence[DataFile], to_ns: int, most_rows: int) -> Slice | None:
    """The times before `to_ns` that have about this many rows, from a whole minute on; None if there are no rows.

    It begins with a file, if that is possible, as if the rows of each file were evenly distributed.
    """
    earlier = sorted((file for file in files if file.from_ns < to_ns), key=lambda file: -file.from_ns)
    if not earlier:
        return None
    from_ns = earlier[0].from_ns
    rows = _rows_in(earlier, from_ns, to_ns)
    if rows > most_rows:
        from_ns = max(from_ns, to_ns - int((to_ns - from_ns) * most_rows / rows) - 1)
    else:
        for file in earlier:
            if _rows_in(earlier, file.from_ns, to_ns) > most_rows:
                break
            from_ns = file.from_ns
    return _slice(earlier, from_ns, to_ns)


def is_over(core: Core) -> bool:
    """Whether nothing more can be loaded: it was all, or something was evicted. Any thread."""
    past = core.past
    if past is None or core.is_dropped:
        return True
    return core.evicted_through != past.upto or core.memory.whole_from_ns != past.before_ns


def load(core: Core, most_rows: int, created_ns: int) -> int:
    """Load the next slice, as a chunk that counts as created then; returns its number of rows.

    There may be more if not `is_over`. The caller holds `io_lock`. Raises DamagedRows, MagneticUnavailable.
    """
    past, version = core.past, core.magnetic.version
    wanted = None if past is None or is_over(core) else newest_slice(version.files, past.before_ns, most_rows)
    if past is None or wanted is None:
        core.past = None
        return 0
    try:
        read, chunk = _read(core, past, wanted, most_rows, created_ns)
    except _UnknownRows as unknown:
        log.info("%s: %s", core.id, unknown)
        core.past = None
        return 0
    return _publish(core, past, read, chunk)


def _read(core: Core, past: Past, wanted: Slice, most_rows: int, created_ns: int) -> tuple[Slice, Chunk | None]:
    """What was read of a slice: it, or a later part of it, and its rows, sealed; None if there are none."""
    with core.lock:
        core.add_registered_columns()
        core.memory.insert_head(core.now_ns)  # with all series
        columns, series = core.columns.stored.copy(), core.memory.series_table
    cursor = core.duck.cursor()
    try:
        reading = _Reading(core, cursor, columns, series, past.upto)
        wanted = reading.of_at_most(wanted, _MOST_TOO_MANY * most_rows)
        chunk = reading.chunk(wanted, created_ns)
        return wanted, None if chunk is None else _sealed(core, cursor, chunk, wanted)
    finally:
        cursor.close()


def _publish(core: Core, past: Past, read: Slice, chunk: Chunk | None) -> int:
    """Let readers find these rows in RAM; returns their number."""
    with core.lock:
        if is_over(core):  # meanwhile
            core.past = None
            if chunk is not None:
                core.memory.drop_made(chunk)
            return 0
        if chunk is not None:  # older than what came since, so that it is evicted first
            chunk.created_ns = min([chunk.created_ns, *(other.created_ns - 1 for other in core.memory.chunks)])
            core.memory.chunks.insert(0, chunk)
        _mark_again(core, read.from_ns, past.before_ns)
        core.memory.whole_from_ns = past.before_ns = read.from_ns
        if not any(file.from_ns < read.from_ns for file in core.magnetic.version.files):
            core.past = None
    return 0 if chunk is None else chunk.rows


def _mark_again(core: Core, from_ns: int, to_ns: int) -> None:
    """Mark the times of a slice at which RAM has a key several times: files, which were read for them, may not."""
    for chunk in core.memory.chunks:
        for times in chunk.superseded_ns:
            core.superseded.mark(times[(times >= from_ns) & (times < to_ns)])


class _UnknownRows(Exception):
    """Rows of a former log, whose offsets say nothing here, or of series that are not known."""


class _Reading:
    """Reads rows of files in the form of a chunk: with the ids of their series instead of dimensions."""

    def __init__(self, core: Core, cursor: Cursor, columns: Columns, series: str, upto: int) -> None:
        self._core = core
        self._cursor = cursor
        self._series = series
        self._measures = columns.measures
        self._key = [*columns.dimensions.values(), MEASURE_NAME_COLUMN]
        self._number = core.number_of(core.own_partition)
        # of other partitions: rows of a former log
        self._is_earlier = (
            f'("{layout.PARTITION}" <> {self._number} OR "{layout.SEQUENCE}" < {(upto + 1) << OFFSET_BITS})'
        )

    def of_at_most(self, wanted: Slice, rows: int) -> Slice:
        """The slice, or a later part of it that has at most so many rows, if that is possible."""
        while wanted.files and wanted.to_ns - wanted.from_ns > MINUTE_NS:
            sql = f"SELECT count(*) AS n FROM ({self._rows(wanted, [])})"
            if run(self._cursor, sql)["n"][0].as_py() <= rows:
                break
            later = _slice(wanted.files, (wanted.from_ns + wanted.to_ns) // 2, wanted.to_ns)
            if later.from_ns == wanted.from_ns:
                break
            wanted = later
        return wanted

    def chunk(self, wanted: Slice, created_ns: int) -> Chunk | None:
        """The rows as an unsealed chunk; None if there are none. Raises _UnknownRows."""
        if not wanted.files:
            return None
        chunk = self._core.memory.make_chunk(self._cursor, self._measures, created_ns)
        same = " AND ".join(f"s.{column.quoted} IS NOT DISTINCT FROM r.{column.quoted}" for column in self._key)
        listed = "".join(f", r.{column.quoted}" for column in self._measures.values())
        rows = (
            f'SELECT s."{layout.SERIES_ID}", r."{layout.TIME_NS}", r."{layout.VERSION}", r."{layout.PARTITION}", '
            f'r."{layout.SEQUENCE}"{listed} FROM ({self._rows(wanted, [*self._measures])}) r '
            f"LEFT JOIN {self._series} s ON {same}"
        )
        try:
            run(self._cursor, f"INSERT INTO {chunk.name} BY NAME {rows}")
            self._describe(chunk)
        finally:
            if not chunk.rows:
                self._core.memory.drop_made(chunk)
        return chunk if chunk.rows else None

    def _describe(self, chunk: Chunk) -> None:
        """Set what is known of a chunk from its rows. Raises _UnknownRows."""
        values = "".join(f" + count({column.quoted})" for column in self._measures.values())
        sql = (
            f'SELECT count(*) AS rows, count("{layout.SERIES_ID}") AS known, min("{layout.TIME_NS}") AS from_ns, '
            f'max("{layout.TIME_NS}") AS to_ns, max("{layout.SEQUENCE}") AS last, 0{values} AS n, '
            f'count(*) FILTER ("{layout.PARTITION}" <> {self._number}) AS others FROM {chunk.name}'
        )
        (found,) = run(self._cursor, sql).to_pylist()
        if found["known"] < found["rows"] or found["others"]:
            raise _UnknownRows("rows of a former log, or of unknown series, are not loaded back into memory")
        if found["rows"]:
            chunk.rows, chunk.values, chunk.last_sequence = found["rows"], found["n"], {self._number: found["last"]}
            chunk.from_ns, chunk.to_ns = found["from_ns"], found["to_ns"]

    def _rows(self, wanted: Slice, measures: Sequence[str]) -> str:
        columns = [*self._key, TIME_COLUMN, *(self._measures[name] for name in measures)]
        relation = self._core.magnetic.data.relation(self._cursor, wanted.files, columns)
        where = [*magnetic_times(wanted.from_ns, wanted.to_ns), self._is_earlier]
        return magnetic_rows(relation, columns, " AND ".join(where))


def _sealed(core: Core, cursor: Cursor, chunk: Chunk, wanted: Slice) -> Chunk:
    """The sealed copy of a chunk, with the rollups that are wanted of the table; the chunk itself is removed."""
    with core.lock:
        begins, times = begins_of(core), core.superseded.now()
    chunk.superseded_ns = [times[(times >= wanted.from_ns) & (times < wanted.to_ns)]]
    try:
        sealed = core.memory.seal([chunk], begins)
    finally:
        core.memory.drop_made(chunk)
    keys = [key for key in list(core.rollups.wanted) if core.rollups.pays(key, sealed)]
    roll_up_chunk(cursor, sealed, sealed.rows, keys, core.rollups.zones)
    return sealed


def _slice(files: Sequence[DataFile], from_ns: int, to_ns: int) -> Slice:
    from_ns = max(from_ns // MINUTE_NS * MINUTE_NS, NEVER_NS + 1)
    return Slice(from_ns, to_ns, tuple(file for file in files if file.to_ns >= from_ns and file.from_ns < to_ns))


def _rows_in(files: Sequence[DataFile], from_ns: int, to_ns: int) -> float:
    return sum(file.rows * _share(file, from_ns, to_ns) for file in files)


def _share(file: DataFile, from_ns: int, to_ns: int) -> float:
    """The part of a file's times that is in [from_ns, to_ns)."""
    within_ns = min(file.to_ns + 1, to_ns) - max(file.from_ns, from_ns)
    return max(within_ns, 0) / (file.to_ns + 1 - file.from_ns)
