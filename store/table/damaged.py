"""Removes damaged files of the magnetic tier from a table, and writes their rows anew as far as RAM has them.

RAM has the rows of a file completely from `whole_from_ns` on. There, every row of a committed position whose key no
other file has was in a damaged one. Which of several rows of one key it was is not known, since files lack exact
sequences: all of them are written again, because readers select one of them anyway. The other rows of the damaged files
are gone, and the rest goes on.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from store import layout
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, Columns
from store.engine.duck import Cursor, run
from store.errors import DamagedRows
from store.magnetic.parquet import DataFile, by_date, to_magnetic, write_file
from store.objects.damage import Outcome, report
from store.reading.scan import magnetic_rows
from store.sequence import OFFSET_BITS
from store.table.core import Core
from store.table.flush import select_rows
from store.values.times import rfc3339

_IS_TWICE, _IS_ELSEWHERE, _IS_MISSING = "_twice", "_elsewhere", "_missing"


def has_damaged(core: Core) -> bool:
    """Whether files of the current version are known to be damaged."""
    return bool(core.magnetic.data.damaged(core.magnetic.version.files))


def drop_damaged(core: Core) -> bool:
    """Remove the damaged files of the newest version; returns whether there were any.

    Raises Fenced, MagneticConflict, MagneticUnavailable.
    """
    core.refresh_magnetic()
    damaged, rows = _damaged_and_rows(core)
    if not damaged:
        return False
    with core.lock:
        core.add_registered_columns()
        columns = core.columns.stored.stored()
    files = [file for file, _ in damaged]
    written = [write_file(core.magnetic.location, date, part) for date, part in by_date(to_magnetic(rows))]
    version = core.magnetic.commit(written, files, columns, {}, is_new_data=True)
    with core.lock:
        core.magnetic.version = version
        core.lasts.forget()
        core.past = None  # rows that were written again do not say any more that they came after the start
    _report(core, damaged, rows.num_rows)
    return True


def _damaged_and_rows(core: Core) -> tuple[list[tuple[DataFile, str]], pa.Table]:
    """The damaged files of the current version, what is wrong with each, and those of their rows that RAM has."""
    while True:
        damaged = core.magnetic.data.damaged(core.magnetic.version.files)
        try:
            rows = _rows_in_ram(core, [file for file, _ in damaged])
        except DamagedRows:  # one more, among those that were compared
            continue
        missing = rows.num_rows and int(pc.sum(rows[_IS_MISSING]).as_py())
        if missing > sum(file.rows for file, _ in damaged):  # of a file that retention has removed
            rows = rows.slice(0, 0)
        return damaged, rows.drop_columns([_IS_MISSING])


def _rows_in_ram(core: Core, damaged: Sequence[DataFile]) -> pa.Table:
    with core.lock:
        whole_ns = core.memory.whole_from_ns
        spans = [(max(file.from_ns, whole_ns), file.to_ns) for file in damaged if file.to_ns >= whole_ns]
        core.memory.insert_head(core.now_ns)
        chunks = [chunk for chunk in core.memory.chunks if _touches(spans, chunk.from_ns, chunk.to_ns)]
        core.memory.pin(chunks)
        columns, series = core.columns.stored.copy(), core.memory.series_table
        end = (core.magnetic.version.positions.get(core.own_partition, -1) + 1) << OFFSET_BITS
        number = core.number_of(core.own_partition)
    cursor = core.duck.cursor()
    try:
        if not chunks:
            return pa.table({layout.TIME_NS: pa.array([], pa.int64()), _IS_MISSING: pa.array([], pa.bool_())})
        within = " OR ".join(f'"{layout.TIME_NS}" BETWEEN {first} AND {last}' for first, last in spans)
        wanted = f'"{layout.PARTITION}" = {number} AND "{layout.SEQUENCE}" < {end} AND ({within})'
        parts = [select_rows(chunk.name, series, columns, chunk.measures, wanted) for chunk in chunks]
        others = [
            file
            for file in core.magnetic.version.files
            if file not in damaged and _touches(spans, file.from_ns, file.to_ns)
        ]
        order = f'ORDER BY "{layout.SERIES_ID}", "{layout.TIME_NS}"'
        given = ", ".join(f'"{name}"' for name in (layout.SERIES_ID, _IS_TWICE, _IS_ELSEWHERE))
        sql = (
            f'SELECT * EXCLUDE ({given}), NOT "{_IS_TWICE}" AS "{_IS_MISSING}" FROM '
            f'(SELECT *, count(*) OVER (PARTITION BY "{layout.SERIES_ID}", "{layout.TIME_NS}") > 1 AS "{_IS_TWICE}", '
            f'{_elsewhere(core, cursor, others, columns)} AS "{_IS_ELSEWHERE}" FROM ({" UNION ALL ".join(parts)}) r) '
            f'WHERE "{_IS_TWICE}" OR NOT "{_IS_ELSEWHERE}" {order}'
        )
        return run(cursor, sql)
    finally:
        cursor.close()
        with core.lock:
            core.memory.unpin(chunks)


def _elsewhere(core: Core, cursor: Cursor, others: Sequence[DataFile], columns: Columns) -> str:
    """Whether one of `others` has the key of the row `r`, as SQL."""
    if not others:
        return "false"
    key = [*columns.dimensions.values(), MEASURE_NAME_COLUMN, TIME_COLUMN]
    rows = magnetic_rows(core.magnetic.data.relation(cursor, others, key), key, "true")
    same = " AND ".join(f"o.{column.quoted} IS NOT DISTINCT FROM r.{column.quoted}" for column in key)
    return f"EXISTS (SELECT 1 FROM ({rows}) o WHERE {same})"


def _touches(spans: Sequence[tuple[int, int]], from_ns: int, to_ns: int) -> bool:
    return any(from_ns <= last and first <= to_ns for first, last in spans)


def _report(core: Core, damaged: Sequence[tuple[DataFile, str]], kept: int) -> None:
    """Name each file; what is lost is said of all together, because RAM does not say which file a row was in."""
    rows = sum(file.rows for file, _ in damaged)
    kept = min(kept, rows)
    from_ns, to_ns = min(file.from_ns for file, _ in damaged), max(file.to_ns for file, _ in damaged)
    span = f"{rfc3339(from_ns, 3)} to {rfc3339(to_ns, 3)}"
    if kept == rows:
        outcome, told = Outcome.MADE_AGAIN, f"its rows were still in RAM, and are written again ({rows}, {span})"
    else:
        anew = f"{kept} of {rows} rows were still in RAM, and are written again; " if kept else ""
        outcome = Outcome.LOST
        told = (
            f"{anew}{rows - kept} rows of {core.id}, {span}, are lost; to have them back, restore the magnetic tier "
            "from a backup"
        )
    for file, fault in damaged:
        place = core.magnetic.data.set_aside(file.path)
        report("parquet", f"{core.magnetic}/{file.path}: {fault}; {place}; {told}", outcome)
